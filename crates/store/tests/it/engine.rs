//! The two databases, and a place in one of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lockstep_store::{DatabaseUrl, Limits, Store};
use lockstep_testkit::Postgres;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tempfile::TempDir;

/// A kind of database.
#[derive(Clone)]
pub(crate) enum Engine {
    Sqlite,
    Postgres(Arc<Postgres>),
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        })
    }
}

/// An empty database, gone with the value.
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) url: DatabaseUrl,
    /// What else belongs to it; and the file, if it is one.
    pub(crate) directory: TempDir,
}

impl Engine {
    pub(crate) fn fresh(&self) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let url = match self {
            Self::Sqlite => DatabaseUrl::Sqlite(directory.path().join("server.db")),
            Self::Postgres(cluster) => {
                DatabaseUrl::parse(&cluster.fresh_database().unwrap()).unwrap()
            }
        };
        Place {
            engine: self.clone(),
            url,
            directory,
        }
    }
}

impl Place {
    /// A store that waits for its turn as long as a busy machine takes; what an operator's store does when it has
    /// waited too long is a case of its own.
    pub(crate) async fn open(&self) -> Store {
        let limits = Limits {
            wait: Duration::from_secs(120),
            ..Limits::default()
        };
        self.open_with(limits).await
    }

    pub(crate) async fn open_with(&self, limits: Limits) -> Store {
        Store::open_with(&self.url, limits).await.unwrap()
    }

    /// A connection past the store.
    pub(crate) async fn connect(&self) -> Raw {
        match &self.url {
            DatabaseUrl::Sqlite(path) => Raw::Sqlite(
                SqliteConnectOptions::new()
                    .filename(path)
                    .foreign_keys(false)
                    .connect()
                    .await
                    .unwrap(),
            ),
            DatabaseUrl::Postgres(url) => Raw::Postgres(
                PgConnectOptions::from_str(url)
                    .unwrap()
                    .connect()
                    .await
                    .unwrap(),
            ),
        }
    }

    /// Runs SQL past the store.
    pub(crate) async fn execute(&self, sql: &str) {
        self.connect().await.execute(sql).await;
    }
}

/// A connection past the store.
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    pub(crate) async fn execute(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(conn) => conn.execute(sql).await.map(|_| ()),
            Self::Postgres(conn) => conn.execute(sql).await.map(|_| ()),
        }
        .unwrap();
    }

    /// Keeps everybody else from writing reports until [`Raw::unlock`].
    pub(crate) async fn lock(&mut self) {
        match self {
            Self::Sqlite(_) => self.execute("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => {
                self.execute("BEGIN; LOCK TABLE reports IN ACCESS EXCLUSIVE MODE")
                    .await;
            }
        }
    }

    pub(crate) async fn unlock(&mut self) {
        self.execute("ROLLBACK").await;
    }
}
