//! The two databases behind one shape, and the two macros that write SQL once for both.
//!
//! `on!` runs an expression on a pool, `write_tx!` runs one in a transaction that is repeated when the database
//! says that it collided with another one. Both expand the same expression once per driver, so types are inferred
//! per driver and no trait, no generics and no dynamic types are needed.
//!
//! SQLite has one connection that writes and a few that read: writers wait in our own fair line instead of
//! fighting over SQLite's lock.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use tokio::time::Instant;

use crate::error::sqlite_code;
use crate::{Error, TokenRefused};

/// A database.
#[derive(Clone)]
pub(crate) enum Db {
    /// A file of our own.
    Sqlite(SqliteFile),
    /// A server, perhaps shared with other servers of the fleet.
    Postgres(PgPool),
}

/// The connections to one SQLite file.
#[derive(Clone)]
pub(crate) struct SqliteFile {
    /// Connections that only read.
    pub(crate) readers: SqlitePool,
    /// The one connection that writes.
    pub(crate) writer: SqlitePool,
}

/// What the body of a macro may fail with: the driver's error, to which the macro adds what was attempted, or one
/// of ours.
pub(crate) enum Trouble {
    /// The driver's.
    Sql(sqlx::Error),
    /// Ours.
    Ours(Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<TokenRefused> for Trouble {
    fn from(refused: TokenRefused) -> Self {
        Self::Ours(refused.into())
    }
}

impl Trouble {
    /// The error, with what was being attempted.
    pub(crate) fn during(self, what: &'static str) -> Error {
        match self {
            Self::Sql(error) => Error::database(what, error),
            Self::Ours(error) => error,
        }
    }
}

/// Runs `$body` with `$pool` bound to the pool that reads. For single statements that change nothing.
macro_rules! on {
    ($db:expr, $what:expr, $pool:ident => $body:expr) => {{
        let outcome: Result<_, $crate::db::Trouble> = match $db {
            $crate::db::Db::Sqlite(file) => {
                let $pool = &file.readers;
                async { $body }.await
            }
            $crate::db::Db::Postgres(pool) => {
                let $pool = pool;
                async { $body }.await
            }
        };
        outcome.map_err(|trouble| trouble.during($what))
    }};
}

/// Runs `$body` in a transaction, `$tx`, of the given [`Kind`], and commits it. When the transaction collides with
/// another one it is rolled back and `$body` runs again, so the body must change nothing outside of the database.
macro_rules! write_tx {
    ($db:expr, $kind:expr, $what:expr, $tx:ident => $body:expr) => {{
        let kind: $crate::db::Kind = $kind;
        let mut attempts = $crate::db::Attempts::new(kind, $what);
        loop {
            let outcome: Result<_, $crate::Error> = match $db {
                $crate::db::Db::Sqlite(file) => {
                    write_tx!(@once file.writer, "BEGIN IMMEDIATE", $what, $tx => $body)
                }
                $crate::db::Db::Postgres(pool) => {
                    write_tx!(@once pool, kind.postgres_begin(), $what, $tx => $body)
                }
            };
            match outcome {
                Err(error) => {
                    if let Some(error) = attempts.last_word(error).await {
                        break Err(error);
                    }
                }
                done => break done,
            }
        }
    }};
    (@once $pool:expr, $begin:expr, $what:expr, $tx:ident => $body:expr) => {
        match $pool.begin_with($begin).await {
            Ok(mut $tx) => {
                let outcome: Result<_, $crate::db::Trouble> = async { $body }.await;
                match outcome {
                    Ok(value) => match $tx.commit().await {
                        Ok(()) => Ok(value),
                        Err(error) => Err($crate::Error::database($what, error)),
                    },
                    // Dropping the transaction rolls it back.
                    Err(trouble) => Err(trouble.during($what)),
                }
            }
            Err(error) => Err($crate::Error::database($what, error)),
        }
    };
}

/// What a transaction needs of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads what it decides by: as if it were alone.
    Serializable,
    /// Each of its statements is right alone, whatever the others see; rows are locked in one order.
    Statements,
    /// As [`Kind::Serializable`], but it cannot be repeated.
    Once,
}

impl Kind {
    /// How PostgreSQL begins it. SQLite has one writer at a time and knows one kind only.
    pub(crate) fn postgres_begin(self) -> &'static str {
        match self {
            Self::Serializable | Self::Once => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            Self::Statements => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }
}

/// Decides how often a transaction is repeated.
pub(crate) struct Attempts {
    kind: Kind,
    what: &'static str,
    until: Instant,
    pause: u64,
    doubles: u32,
}

/// How long a transaction may collide with others before the caller is told that the database is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest pause between two attempts, in milliseconds.
const LONGEST_PAUSE: u64 = 64;
/// How often a key that was there already may be a collision rather than a mistake.
const DOUBLES: u32 = 5;

impl Attempts {
    pub(crate) fn new(kind: Kind, what: &'static str) -> Self {
        Self {
            kind,
            what,
            until: Instant::now() + PATIENCE,
            pause: 2,
            doubles: DOUBLES,
        }
    }

    /// The error to give up with; or nothing, after a pause, when the transaction shall run again.
    pub(crate) async fn last_word(&mut self, error: Error) -> Option<Error> {
        let Some(collision) = error.driver().and_then(collision) else {
            return Some(error);
        };
        if collision == Collision::SameKey {
            if self.doubles == 0 {
                return Some(error);
            }
            self.doubles -= 1;
        }
        if self.kind == Kind::Once {
            return Some(error);
        }
        if Instant::now() >= self.until {
            return Some(Error::Busy { what: self.what });
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=self.pause))).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        None
    }
}

/// How two transactions can get into each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collision {
    /// The database says so.
    Declared,
    /// Both made the same key; PostgreSQL may say this instead.
    SameKey,
}

fn collision(error: &sqlx::Error) -> Option<Collision> {
    if let Some(code) = sqlite_code(error) {
        return is_sqlite_busy(code).then_some(Collision::Declared);
    }
    match error.as_database_error()?.code().as_deref() {
        // Serialization failure, deadlock detected.
        Some("40001" | "40P01") => Some(Collision::Declared),
        // Unique violation.
        Some("23505") => Some(Collision::SameKey),
        _ => None,
    }
}

/// True for SQLITE_BUSY and its extended forms (recovery, snapshot, timeout): another process has the file.
pub(crate) fn is_sqlite_busy(code: i32) -> bool {
    code & 0xff == 5
}
