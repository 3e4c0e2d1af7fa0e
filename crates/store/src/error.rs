//! Everything that can go wrong in the store, in the words of what was being attempted.
//!
//! Errors are cloneable, because one failed transaction may have to be told to many callers.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lockstep_model::{ContentHash, HostName, LockName, RolloutId, RunId, UserName};
use sqlx::sqlite::SqliteError;

/// What lies beneath an error: the words of the database or of the operating system.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why the store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is not the url of a database. Neither this nor any other error repeats a password.
    #[error("the database url cannot be used: {why}")]
    Url {
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// The database does not let itself be opened.
    #[error("cannot open the database {url}{hint}")]
    Open {
        /// Which database, without its password.
        url: String,
        /// What to do, after `; `, or nothing.
        hint: &'static str,
        /// The database's words.
        #[source]
        source: Cause,
    },
    /// The tables could not be made or brought up to date.
    #[error("cannot bring the tables of {url} up to date{hint}")]
    Migrate {
        /// Which database.
        url: String,
        /// What to do, after `; `, or nothing.
        hint: &'static str,
        /// The database's words.
        #[source]
        source: Cause,
    },
    /// The database was used by a newer version of this program.
    #[error(
        "the tables of {url} were changed by a newer version (step {step}); start that version, or restore a dump from before"
    )]
    Newer {
        /// Which database.
        url: String,
        /// The step that this program does not know.
        step: i64,
    },
    /// A statement failed.
    #[error("failed to {what}{hint}")]
    Database {
        /// What was being attempted.
        what: &'static str,
        /// What to do, after `; `, or nothing.
        hint: &'static str,
        /// The database's words.
        #[source]
        source: Cause,
    },
    /// A row holds what no version of this program writes.
    #[error("the database is damaged: table {table}, row {key:?}: {why}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row's key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store had no room or no time for this. Whether it was stored is not known; asking again is harmless.
    #[error("the database is too busy to {what}; try again")]
    Busy {
        /// What was being attempted.
        what: &'static str,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What should be stored is larger than the store takes.
    #[error("{what} has {bytes} bytes, at most {max} are stored")]
    TooLarge {
        /// What it was.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size.
        max: usize,
    },
    /// What should be stored could not be read back.
    #[error("{what} cannot be stored: {why}")]
    NotStorable {
        /// What it was.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// No enrolled host has this name.
    #[error("no host {host} is enrolled")]
    HostUnknown {
        /// The name.
        host: HostName,
    },
    /// Another machine is enrolled under this name, and the enrolment may not replace it.
    #[error(
        "host {host} is enrolled with another key; remove it, or make a token for this host alone"
    )]
    HostExists {
        /// The name.
        host: HostName,
    },
    /// A certificate was issued for a key that is no longer the host's.
    #[error("the key {key} is not the key that host {host} was enrolled with")]
    KeyNotOfHost {
        /// The host.
        host: HostName,
        /// The certificate's key.
        key: ContentHash,
    },
    /// A run was reported by a host that it does not belong to.
    #[error("run {run} belongs to another host than {host}")]
    RunOfOtherHost {
        /// The run.
        run: RunId,
        /// Who reported it.
        host: HostName,
    },
    /// There is nothing to say of a run that has not stopped.
    #[error("run {run} can be neither retried nor skipped, because it has not stopped: {why}")]
    RunNotStopped {
        /// The run.
        run: RunId,
        /// How it stands instead.
        why: String,
    },
    /// As many locks as can be are remembered.
    #[error(
        "lock {lock} is a new one, and the server remembers {most} locks already; use one of those"
    )]
    TooManyLocks {
        /// The lock.
        lock: LockName,
        /// How many can be.
        most: u32,
    },
    /// Without this one nobody could say who may do what.
    #[error("user {name} is the last admin; make another one first")]
    LastAdmin {
        /// The user.
        name: UserName,
    },
    /// A user has as many API tokens as can be.
    #[error("user {user} has {most} API tokens already; revoke one first")]
    TooManyTokens {
        /// The user.
        user: UserName,
        /// How many can be.
        most: u32,
    },
    /// There are as many kiosk tokens as can be.
    #[error("there are {most} kiosk tokens already; revoke one first")]
    TooManyKiosks {
        /// How many can be.
        most: u32,
    },
    /// A user keeps as many views as can be.
    #[error("user {user} keeps {most} views, which is as many as there may be; forget one first")]
    TooManyViews {
        /// The user.
        user: UserName,
        /// How many can be.
        most: u64,
    },
    /// An enrolment token was refused.
    #[error(transparent)]
    TokenRefused(#[from] TokenRefused),
    /// The repository is not what the publication was made from.
    #[error("the repository has changed: {why}; fetch it and publish again")]
    PublishConflict {
        /// What differs.
        why: String,
    },
    /// There is no such rollout.
    #[error("there is no rollout {id}")]
    RolloutUnknown {
        /// Its number.
        id: RolloutId,
    },
    /// The rollout is not what the change was made from.
    #[error("rollout {id} was changed meanwhile; read it and decide again")]
    RolloutChanged {
        /// Its number.
        id: RolloutId,
    },
    /// The lease has expired or has another holder.
    #[error("the lease {name} number {number} is no longer held; nothing was written")]
    StaleLease {
        /// The lease.
        name: String,
        /// The number that was once granted.
        number: u64,
    },
    /// A dump can only be restored where nothing is.
    #[error("the store is not empty: table {table} has rows; restore into a new database")]
    NotEmpty {
        /// The first table with rows.
        table: &'static str,
    },
    /// A dump cannot be restored. Nothing of it was stored.
    #[error("line {line} of the dump: {why}")]
    Dump {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Reading or writing a dump failed.
    #[error("failed to {what}")]
    DumpFile {
        /// What was being attempted.
        what: &'static str,
        /// The operating system's words.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file or directory of the store could not be used.
    #[error("failed to {what} {path}")]
    File {
        /// What was being attempted.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// The operating system's words.
        #[source]
        source: Arc<io::Error>,
    },
    /// An artifact's bytes are not the ones announced.
    #[error("the artifact's {length} bytes have SHA-256 {found}, not {expected}; nothing was kept")]
    ArtifactDiffers {
        /// The SHA-256 announced.
        expected: ContentHash,
        /// The SHA-256 of what came.
        found: ContentHash,
        /// The number of bytes that came.
        length: u64,
    },
    /// An artifact is longer than allowed.
    #[error("the artifact {hash} is longer than {max} bytes; nothing was kept")]
    ArtifactTooLong {
        /// The SHA-256 announced.
        hash: ContentHash,
        /// The largest length.
        max: u64,
    },
    /// An artifact's bytes stopped coming.
    #[error("the artifact {hash} was cut off after {received} bytes; nothing was kept")]
    ArtifactCutOff {
        /// The SHA-256 announced.
        hash: ContentHash,
        /// How many bytes came.
        received: u64,
        /// Why no more came.
        #[source]
        source: Cause,
    },
}

/// Why an enrolment token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenRefused {
    /// There is no such token, its secret is another, or it was revoked.
    #[error("the enrolment token is not known; make a new one")]
    Unknown,
    /// Its time is over.
    #[error("the enrolment token has expired; make a new one")]
    Expired,
    /// It was used as often as it may be.
    #[error("the enrolment token is used up; make a new one")]
    UsedUp,
    /// It was made for one host, and another one came with it.
    #[error("the enrolment token was made for another host")]
    OtherHost,
}

impl Error {
    /// An error of the database while something was attempted.
    pub(crate) fn database(what: &'static str, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Busy { what },
            sqlx::Error::PoolClosed => Self::Closed,
            error => Self::Database {
                what,
                hint: hint(&error),
                source: Arc::new(error),
            },
        }
    }

    /// Maps an operating system's error on a file.
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File {
            what,
            path,
            source: Arc::new(error),
        }
    }

    /// The database driver's own error, where there is one.
    pub(crate) fn driver(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Database { source, .. } => (**source).downcast_ref(),
            _ => None,
        }
    }
}

/// What a person can do about an error of the database: `; ` and a sentence, or nothing.
pub(crate) fn hint(error: &sqlx::Error) -> &'static str {
    let sqlx::Error::Database(database) = error else {
        return match error {
            sqlx::Error::Io(_) => "; is the database server running, and reachable from here?",
            _ => "",
        };
    };
    if let Some(code) = sqlite_code(error) {
        // Primary result codes, https://www.sqlite.org/rescode.html.
        return match code & 0xff {
            8 => "; the file or its directory is not writable",
            10 => "; the disk failed to read or write it",
            11 | 26 => {
                "; the file is damaged or not a SQLite database, restore a dump into a new one"
            }
            13 => "; the disk is full",
            14 => "; the file or its directory cannot be opened",
            _ => "",
        };
    }
    // https://www.postgresql.org/docs/current/errcodes-appendix.html.
    match database.code().as_deref() {
        Some("28000" | "28P01") => "; user or password are refused",
        Some("3D000") => "; there is no such database, make it with createdb",
        Some("42501") => "; the database user may not do this",
        Some("53100") => "; the database server's disk is full",
        Some("53300") => "; the database server takes no more connections",
        Some("57P03") => "; the database server is just starting or stopping",
        Some("XX001" | "XX002") => "; the database is damaged, restore a dump into a new one",
        _ => "",
    }
}

/// SQLite's extended result code, if the error is one of SQLite's.
pub(crate) fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let database = error.as_database_error()?;
    database.try_downcast_ref::<SqliteError>()?;
    database.code()?.parse().ok()
}
