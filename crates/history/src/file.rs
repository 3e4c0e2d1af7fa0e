//! The file: opening it, its tables, and what happens to a file that cannot be used.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{query, query_scalar};

use crate::Error;
use crate::error::is_damage;

/// "LkHy": SQLite's header says whose file it is.
const APPLICATION: i64 = 0x4c6b_4879;
/// The layout of the tables.
const LAYOUT: i64 = 1;

/// A chunk's key is its batch's number, shifted by [`SERIES_BITS`], and its series' number.
///
/// `pending` are the rounds that no chunk holds yet. `mark` are single numbers, see [`crate::marks`].
const TABLES: [&str; 5] = [
    "CREATE TABLE series (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       host TEXT NOT NULL, item TEXT NOT NULL, unit TEXT NOT NULL,
       seen_s INTEGER NOT NULL, UNIQUE (host, item)) STRICT",
    "CREATE TABLE pending (id INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, data BLOB NOT NULL) STRICT",
    "CREATE TABLE batch (
       id INTEGER PRIMARY KEY, tier INTEGER NOT NULL,
       from_s INTEGER NOT NULL, to_s INTEGER NOT NULL) STRICT",
    "CREATE TABLE chunk (key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    "CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
];

/// Bits of a chunk's key that say which series it is of.
pub(crate) const SERIES_BITS: u32 = 20;

/// How long SQLite waits for a lock that another process has, and a caller for the connection.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Why a file was moved aside.
enum Unusable {
    /// SQLite says so.
    Damaged(String),
    /// It is a database, but not one that this version can read.
    Foreign(String),
}

impl Unusable {
    fn why(&self) -> &str {
        match self {
            Self::Damaged(why) | Self::Foreign(why) => why,
        }
    }
}

enum Failed {
    Unusable(Unusable),
    Error(Error),
}

/// Opens the file. One that cannot be used is moved aside, and a new one begun; its new place is returned.
pub(crate) async fn open(
    path: &Path,
    now: Timestamp,
) -> Result<(SqlitePool, Option<PathBuf>), Error> {
    // An absolute path, so that it is neither taken for a "file:" url nor moved by a change of directory.
    let path = &std::path::absolute(path).map_err(Error::file("find", path))?;
    let unusable = match connect(path).await {
        Ok(pool) => return Ok((pool, None)),
        Err(Failed::Error(error)) => return Err(error),
        Err(Failed::Unusable(unusable)) => unusable,
    };
    let aside = move_aside(path, now)?;
    tracing::warn!(
        history = %path.display(), aside = %aside.display(),
        "the history cannot be used and is begun anew: {}", unusable.why()
    );
    match connect(path).await {
        Ok(pool) => Ok((pool, Some(aside))),
        Err(Failed::Error(error)) => Err(error),
        Err(Failed::Unusable(unusable)) => Err(Error::Open {
            path: path.clone(),
            source: unusable.why().into(),
        }),
    }
}

async fn connect(path: &Path) -> Result<SqlitePool, Failed> {
    make_private_file(path).map_err(Failed::Error)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A power cut may take the last rounds, never the file.
        .synchronous(SqliteSynchronous::Normal)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .page_size(4096)
        .busy_timeout(LOCK_WITHIN)
        // The agent has twelve megabytes for everything. A negative number counts in KiB.
        .pragma("cache_size", "-256")
        .pragma("mmap_size", "0")
        .pragma("temp_store", "MEMORY")
        .pragma("journal_size_limit", "524288")
        // In pages: the log goes into the file when it has a quarter of a megabyte, every half hour or so.
        .pragma("wal_autocheckpoint", "64")
        .statement_cache_capacity(24)
        .thread_name(|_| "history".into());
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_WITHIN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(|error| failed(path, error))?;
    let checked = async {
        let mut conn = pool.acquire().await.map_err(|error| failed(path, error))?;
        check(&mut conn, path).await
    };
    if let Err(error) = checked.await {
        pool.close().await;
        return Err(error);
    }
    Ok(pool)
}

/// Is the file whole, and ours? A new one gets its tables.
async fn check(conn: &mut SqliteConnection, path: &Path) -> Result<(), Failed> {
    let wrong = |error| failed(path, error);
    let mut number = async |text: &'static str| {
        query_scalar::<_, i64>(text)
            .fetch_one(&mut *conn)
            .await
            .map_err(wrong)
    };
    let application = number("PRAGMA application_id").await?;
    let layout = number("PRAGMA user_version").await?;
    let tables = number("SELECT count(*) FROM sqlite_schema").await?;
    if (application, layout, tables) == (0, 0, 0) {
        return make_tables(conn).await.map_err(wrong);
    }
    if application != APPLICATION || layout != LAYOUT {
        return Err(Failed::Unusable(Unusable::Foreign(format!(
            "its layout is {layout} of application {application:#x}, this version of the agent knows layout {LAYOUT}"
        ))));
    }
    let verdict: String = query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut *conn)
        .await
        .map_err(wrong)?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(Failed::Unusable(Unusable::Damaged(verdict)))
}

async fn make_tables(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    use sqlx::Connection;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    for table in TABLES {
        query(table).execute(&mut *tx).await?;
    }
    // In one transaction with the tables: a file has all of it or nothing.
    const IDENTITY: [&str; 2] = [
        "PRAGMA application_id = 1282099321",
        "PRAGMA user_version = 1",
    ];
    for pragma in IDENTITY {
        query(pragma).execute(&mut *tx).await?;
    }
    tx.commit().await
}

fn failed(path: &Path, error: sqlx::Error) -> Failed {
    if is_damage(&error) {
        return Failed::Unusable(Unusable::Damaged(error.to_string()));
    }
    Failed::Error(Error::Open {
        path: path.into(),
        source: Box::new(error),
    })
}

/// Makes the file when it is not there, readable for nobody else; SQLite gives its log the same rights.
fn make_private_file(path: &Path) -> Result<(), Error> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Error::file("open", path))?;
    Ok(())
}

/// Moves the file and its log out of the way. One such file is kept; it may be large, and nobody may ever look.
#[expect(
    clippy::disallowed_methods,
    reason = "what is moved is damaged already; nothing rests on its new name being durable"
)]
fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let name = |suffix: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        name
    };
    let prefix = name(".damaged-");
    let directory = path.parent().unwrap_or(Path::new("/"));
    let entries = std::fs::read_dir(directory).map_err(Error::file("read", directory))?;
    for entry in entries {
        let entry = entry.map_err(Error::file("read", directory))?;
        let is_older = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes());
        if is_older {
            let older = entry.path();
            std::fs::remove_file(&older).map_err(Error::file("remove", &older))?;
        }
    }
    let aside = directory.join(name(&format!(".damaged-{}", now.as_second())));
    std::fs::rename(path, &aside).map_err(Error::file("move aside", path))?;
    // The log may hold what makes the old file whole; its index is made anew.
    for (suffix, is_worth_keeping) in [("-wal", true), ("-shm", false)] {
        let beside = directory.join(name(suffix));
        let mut target = aside.clone().into_os_string();
        target.push(suffix);
        let moved = if is_worth_keeping {
            std::fs::rename(&beside, target)
        } else {
            std::fs::remove_file(&beside)
        };
        match moved {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("move aside", &beside)(error));
            }
            _ => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_written_as_it_is_checked() {
        assert_eq!(APPLICATION, 1_282_099_321);
        assert_eq!(LAYOUT, 1);
    }
}
