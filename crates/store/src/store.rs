//! Opening and closing the store.

use std::fmt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, query, query_scalar};
use tokio::time::Instant;

use crate::db::{Db, SqliteFile, is_sqlite_busy};
use crate::error::{hint, sqlite_code};
use crate::group::{Groups, Limits};
use crate::{DatabaseUrl, Error, migrations};

/// The server's memory. Clones share one set of connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    groups: Groups,
    kind: &'static str,
}

/// How long a caller waits for a connection before the database counts as busy, and how long opening may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long SQLite itself waits for a lock that another process has.
const SQLITE_LOCK_WITHIN: Duration = Duration::from_secs(5);
/// Reads that run beside each other on one SQLite file; each has a thread.
const SQLITE_READERS: u32 = 4;
/// Connections of one server to PostgreSQL. Its default is to take 100 in all.
const POSTGRES_CONNECTIONS: u32 = 12;

/// What every connection to PostgreSQL is told: no statement and no forgotten transaction may hold others up for
/// long, and whatever the administrator chose, a commit that is acknowledged is on the disk.
const POSTGRES_SESSION: &str = "SELECT \
    set_config('statement_timeout', '30s', false), \
    set_config('idle_in_transaction_session_timeout', '30s', false), \
    set_config('synchronous_commit', \
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
        ELSE current_setting('synchronous_commit') END, false)";

impl Store {
    /// Opens the database, makes it when it is a SQLite file that is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::File`], [`Error::Migrate`] or [`Error::Newer`], each with what can be done.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, Error> {
        Self::open_with(url, Limits::default()).await
    }

    /// As [`Store::open`], with other limits for the waiting line of reports and runs.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(url: &DatabaseUrl, limits: Limits) -> Result<Self, Error> {
        let db = match url {
            DatabaseUrl::Sqlite(path) => Db::Sqlite(open_sqlite(&url.to_string(), path).await?),
            DatabaseUrl::Postgres(text) => open_postgres(&url.to_string(), text).await?,
        };
        let inner = Inner {
            groups: Groups::start(db.clone(), limits),
            db,
            kind: url.kind(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Stores what waits, then lets go of the database. What is called afterwards fails with [`Error::Closed`].
    pub async fn close(&self) {
        self.inner.groups.close().await;
        match &self.inner.db {
            Db::Sqlite(file) => {
                // The writer last: it folds the write-ahead log into the file.
                file.readers.close().await;
                file.writer.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }

    /// `sqlite` or `postgres`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.inner.kind
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Database`] when it gives none.
    pub async fn ping(&self) -> Result<(), Error> {
        on!(self.db(), "reach the database", pool => {
            query("SELECT 1").execute(pool).await?;
            Ok(())
        })
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.inner.groups
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.inner.kind)
    }
}

async fn open_sqlite(url: &str, path: &Path) -> Result<SqliteFile, Error> {
    // An absolute path, so that it is neither taken for a "file:" url nor moved by a change of directory.
    let path = std::path::absolute(path).map_err(Error::file("find", path))?;
    make_private_file(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .foreign_keys(true)
        .busy_timeout(SQLITE_LOCK_WITHIN);
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(CONNECT_WITHIN)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };

    let writing = options
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    // Turning on the write-ahead log needs the file alone, and SQLite does not wait for that by itself.
    let patience = Instant::now() + CONNECT_WITHIN;
    let writer: SqlitePool = loop {
        match pool()
            .max_connections(1)
            .connect_with(writing.clone())
            .await
        {
            Ok(writer) => break writer,
            Err(error)
                if sqlite_code(&error).is_some_and(is_sqlite_busy) && Instant::now() < patience =>
            {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..20))).await;
            }
            Err(error) => return Err(cannot_open(url, error)),
        }
    };
    migrations::bring_up_sqlite(url, &writer).await?;
    let readers = pool()
        .max_connections(SQLITE_READERS)
        .connect_with(options.read_only(true))
        .await
        .map_err(|error| cannot_open(url, error))?;
    Ok(SqliteFile { readers, writer })
}

/// Makes the file when it is not there, readable for nobody else; SQLite gives its log the same rights.
fn make_private_file(path: &Path) -> Result<(), Error> {
    let is_new = !path.exists();
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Error::file("open the database file", path))?;
    if let Some(directory) = path.parent().filter(|_| is_new) {
        std::fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(Error::file("sync the directory", directory))?;
    }
    Ok(())
}

async fn open_postgres(url: &str, text: &str) -> Result<Db, Error> {
    let options = PgConnectOptions::from_str(text)
        .map_err(|error| cannot_open(url, error))?
        .application_name("lockstep");
    let prepare = async {
        let mut conn = options
            .connect()
            .await
            .map_err(|error| cannot_open(url, error))?;
        let encoding: String = query_scalar("SELECT current_setting('server_encoding')")
            .fetch_one(&mut conn)
            .await
            .map_err(|error| cannot_open(url, error))?;
        if encoding != "UTF8" {
            return Err(Error::Url {
                why: format!("{url} is encoded as {encoding}, make a database with encoding UTF8"),
            });
        }
        Ok(conn)
    };
    let Ok(prepared) = tokio::time::timeout(CONNECT_WITHIN, prepare).await else {
        return Err(cannot_open(url, sqlx::Error::PoolTimedOut));
    };
    let mut conn = prepared?;
    // Without a limit of time: a step over large tables takes what it takes.
    migrations::bring_up_postgres(url, &mut conn).await?;
    // What matters is committed; a connection that does not end in good order is the database's to clean up.
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "closing the first connection to {url}");
    }
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(CONNECT_WITHIN)
        .after_connect(|conn, _| {
            Box::pin(async move {
                query(POSTGRES_SESSION).execute(conn).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(|error| cannot_open(url, error))?;
    Ok(Db::Postgres(pool))
}

fn cannot_open(url: &str, error: sqlx::Error) -> Error {
    let hint = match &error {
        sqlx::Error::PoolTimedOut => "; it did not answer within 10 s",
        error => hint(error),
    };
    Error::Open {
        url: url.to_owned(),
        hint,
        source: Arc::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_sqlite_acknowledges_is_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(directory.path().join("db"));
        let store = Store::open(&url).await.unwrap();
        let Db::Sqlite(file) = store.db() else {
            panic!("opened something else");
        };
        let mode: String = query_scalar("PRAGMA journal_mode")
            .fetch_one(&file.writer)
            .await
            .unwrap();
        // 2 is FULL: the log is synced before a commit returns (https://www.sqlite.org/pragma.html).
        let synchronous: i64 = query_scalar("PRAGMA synchronous")
            .fetch_one(&file.writer)
            .await
            .unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2));
        // Who reads cannot write by mistake.
        let written = query("DELETE FROM hosts").execute(&file.readers).await;
        assert!(written.is_err());
    }
}
