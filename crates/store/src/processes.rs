//! Who was at work on a host when something went wrong on it last: one note for each host.

use jiff::Timestamp;
use lockstep_model::HostName;
use lockstep_model::api::ProcessesSeen;
use sqlx::{FromRow, query};

use crate::db::Kind;
use crate::records::{Place, milliseconds, rows, to_json};
use crate::{Error, Store};

/// Largest note, in bytes of JSON: twenty processes, each name of which JSON may write six times as long.
const MAX_NOTE: usize = 32 * 1024;

#[derive(FromRow)]
struct Record {
    document: String,
}

impl Store {
    /// Keeps a host's newest note, in place of the one before. Nothing is kept of a host that is not enrolled.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`]; [`Error::TooLarge`] for a note beyond 32 KiB.
    pub async fn record_processes(
        &self,
        host: &HostName,
        seen: &ProcessesSeen,
        received_at: Timestamp,
    ) -> Result<(), Error> {
        let document = to_json("a note of processes", seen, MAX_NOTE)?;
        let (host, at) = (host.as_str(), milliseconds(received_at));
        write_tx!(self.db(), Kind::Statements, "store a note of processes", tx => {
            query(
                "INSERT INTO host_processes (host, received_at, document) \
                 SELECT name, $2, $3 FROM hosts WHERE name = $1 AND removed_at IS NULL \
                 ON CONFLICT (host) DO UPDATE SET received_at = excluded.received_at, \
                     document = excluded.document",
            )
            .bind(host)
            .bind(at)
            .bind(&document)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// A host's newest note; none if nothing has gone wrong on it since it was enrolled, or its agent sends none.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn processes_of(&self, host: &HostName) -> Result<Option<ProcessesSeen>, Error> {
        let name = host.as_str();
        let found: Vec<Record> = on!(self.db(), "read a note of processes", pool => {
            let found = query("SELECT document FROM host_processes WHERE host = $1")
                .bind(name)
                .fetch_all(pool)
                .await?;
            Ok(rows("host_processes", &found)?)
        })?;
        let place = Place {
            table: "host_processes",
            key: name,
        };
        let first = found.into_iter().next();
        first
            .map(|record| place.json("document", &record.document))
            .transpose()
    }
}
