//! Hosts that speak through gateways: what the server keeps for them that an agent of ours would keep itself.

use lockstep_model::HostName;
use sqlx::{FromRow, query, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, rows};
use crate::{Error, Store};

/// Largest document, in bytes: 500 items with what their fitness functions remember.
const MAX_DOCUMENT: usize = 1024 * 1024;

/// Forgets what was kept for a host.
pub(crate) const FORGET: &str = "DELETE FROM foreign_hosts WHERE host = $1";

#[derive(FromRow)]
struct Record {
    host: String,
    speaks: String,
}

impl Store {
    /// What is kept for a host that speaks through a gateway; none for any other host.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn foreign_host(&self, host: &HostName) -> Result<Option<String>, Error> {
        on!(self.db(), "read what is kept for a host", pool => {
            Ok(query_scalar("SELECT document FROM foreign_hosts WHERE host = $1")
                .bind(host.as_str())
                .fetch_optional(pool)
                .await?)
        })
    }

    /// When each of such hosts is to be heard of, in a word of its keeper's, by host.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn foreign_hosts(&self) -> Result<Vec<(HostName, String)>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the hosts of gateways", pool => {
            let found = query("SELECT host, speaks FROM foreign_hosts ORDER BY host LIMIT 10000").fetch_all(pool).await?;
            Ok(rows("foreign_hosts", &found)?)
        })?;
        let read = |record: Record| {
            let place = Place {
                table: "foreign_hosts",
                key: &record.host,
            };
            Ok((place.parse("host", &record.host)?, record.speaks))
        };
        found.into_iter().map(read).collect()
    }

    /// Keeps a document for a host, in the place of the one before. Nothing is kept for a host that is not enrolled.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 1 MiB; [`Error::Database`] and [`Error::Busy`].
    pub async fn keep_foreign_host(
        &self,
        host: &HostName,
        speaks: &str,
        document: &str,
    ) -> Result<(), Error> {
        check_text("when a host is to be heard of", speaks, 64)?;
        check_text("what is kept for a host", document, MAX_DOCUMENT)?;
        write_tx!(self.db(), Kind::Serializable, "keep something for a host", tx => {
            query(
                "INSERT INTO foreign_hosts (host, speaks, document) \
                 SELECT name, $2, $3 FROM hosts WHERE name = $1 AND removed_at IS NULL \
                 ON CONFLICT (host) DO UPDATE SET speaks = excluded.speaks, document = excluded.document",
            )
            .bind(host.as_str())
            .bind(speaks)
            .bind(document)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }
}
