//! How large the database is, and who decides: what the server says of itself.

use jiff::Timestamp;
use sqlx::{FromRow, query, query_scalar};

use crate::db::Db;
use crate::records::{Place, milliseconds, rows};
use crate::{Error, Store};

/// Who holds a lease, or held it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The holder; empty if it was given back.
    pub holder: String,
    /// When it ends, or has ended.
    pub expires_at: Timestamp,
}

#[derive(FromRow)]
struct Stored {
    holder: String,
    expires_at: i64,
}

impl Store {
    /// How many bytes the database takes: SQLite's file without its log, or PostgreSQL's whole database.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn size(&self) -> Result<u64, Error> {
        let sql = match self.db() {
            Db::Sqlite(_) => {
                "SELECT CAST(c.page_count * s.page_size AS BIGINT) FROM pragma_page_count() c, pragma_page_size() s"
            }
            Db::Postgres(_) => "SELECT pg_database_size(current_database())",
        };
        let size: i64 = on!(self.db(), "ask for the size of the database", pool => {
            Ok(query_scalar(sql).fetch_one(pool).await?)
        })?;
        Ok(size.unsigned_abs())
    }

    /// Who holds a lease, or held it last; none if nobody ever did.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn lease_holder(&self, name: &str) -> Result<Option<LeaseHolder>, Error> {
        let found: Vec<Stored> = on!(self.db(), "look who holds a lease", pool => {
            let found = query("SELECT holder, expires_at FROM leases WHERE name = $1")
                .bind(name)
                .fetch_all(pool)
                .await?;
            Ok(rows("leases", &found)?)
        })?;
        let place = Place {
            table: "leases",
            key: name,
        };
        let read = found.into_iter().next().map(|it| {
            Ok(LeaseHolder {
                expires_at: place.time("expires_at", it.expires_at)?,
                holder: it.holder,
            })
        });
        read.transpose()
    }

    /// Messages to receivers that were given up, of those that were made since then.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn count_failed_deliveries(&self, since: Timestamp) -> Result<u64, Error> {
        let count: i64 = on!(self.db(), "count messages that failed", pool => {
            Ok(query_scalar("SELECT COUNT(*) FROM deliveries WHERE state = 'failed' AND created_at >= $1")
                .bind(milliseconds(since))
                .fetch_one(pool)
                .await?)
        })?;
        Ok(count.unsigned_abs())
    }
}
