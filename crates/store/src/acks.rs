//! Acknowledgements: who is on which problem.

use jiff::Timestamp;
use lockstep_model::alert::Ack;
use lockstep_model::{HostName, ItemName};
use sqlx::{FromRow, query, query_as};

use crate::audit::Deeds;
use crate::chain;
use crate::db::Kind;
use crate::records::{Place, milliseconds, rows, to_json};
use crate::{Error, Store};

/// Largest acknowledgement, in bytes of JSON.
const MAX_ACK: usize = 16 * 1024;
/// Acknowledgements that are given in one go, at most.
const MOST_AT_ONCE: usize = 10_000;

const PUT: &str = "INSERT INTO acks (host, item, given_at, until_at, document) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (host, item) DO UPDATE SET given_at = excluded.given_at, \
    until_at = excluded.until_at, document = excluded.document";

#[derive(FromRow)]
struct Record {
    host: String,
    document: String,
}

impl Store {
    /// Stores somebody's word on a problem, in place of the one that was given before.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 16 KiB.
    pub async fn put_ack(&self, ack: &Ack) -> Result<(), Error> {
        let document = to_json("an acknowledgement", ack, MAX_ACK)?;
        write_tx!(self.db(), Kind::Statements, "store an acknowledgement", tx => {
            query(PUT)
            .bind(ack.host.as_str())
            .bind(ack.item.as_str())
            .bind(milliseconds(ack.at))
            .bind(ack.until.map(milliseconds))
            .bind(&document)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Stores somebody's word on several problems, each in place of the one that was given before, and beside each the
    /// sentence that goes into the audit trail: all of it or nothing. Of two words on one problem the later one counts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 16 KiB for one; [`Error::NotStorable`] for more than 10,000.
    pub async fn put_acks(
        &self,
        who: &str,
        acks: &[(Ack, String)],
        at: Timestamp,
    ) -> Result<(), Error> {
        if acks.len() > MOST_AT_ONCE {
            return Err(Error::NotStorable {
                what: "acknowledgements",
                why: format!("{} are more than {MOST_AT_ONCE}", acks.len()),
            });
        }
        let documents: Result<Vec<String>, Error> = acks
            .iter()
            .map(|(ack, _)| to_json("an acknowledgement", ack, MAX_ACK))
            .collect();
        let documents = documents?;
        let deeds = Deeds::new(who, acks.iter().map(|(_, what)| what.as_str()), at);
        write_tx!(self.db(), Kind::Statements, "store acknowledgements", tx => {
            for ((ack, _), document) in acks.iter().zip(&documents) {
                query(PUT)
                    .bind(ack.host.as_str())
                    .bind(ack.item.as_str())
                    .bind(milliseconds(ack.at))
                    .bind(ack.until.map(milliseconds))
                    .bind(document)
                    .execute(&mut *tx)
                    .await?;
            }
            for statement in deeds.trail() {
                statement.query().execute(&mut *tx).await?;
            }
            let head: chain::Head = query_as(chain::LOCK).fetch_one(&mut *tx).await?;
            for statement in chain::append(&head, deeds.said())? {
                statement.query().execute(&mut *tx).await?;
            }
            Ok(())
        })
    }

    /// All acknowledgements, by host and item; also those whose time is over, until somebody ends them or four weeks
    /// have passed. There are no more of them than problems, which are read whole, too: one that is left out would alert
    /// although somebody is on it.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn acks(&self) -> Result<Vec<Ack>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the acknowledgements", pool => {
            let found = query("SELECT host, document FROM acks ORDER BY host, item")
                .fetch_all(pool)
                .await?;
            Ok(rows("acks", &found)?)
        })?;
        found
            .into_iter()
            .map(|record| {
                let place = Place {
                    table: "acks",
                    key: &record.host,
                };
                place.json("document", &record.document)
            })
            .collect()
    }

    /// Takes an acknowledgement back, because its problem has ended or somebody says so. False if there was none.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn end_ack(&self, host: &HostName, item: &ItemName) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Statements, "end an acknowledgement", tx => {
            let ended = query("DELETE FROM acks WHERE host = $1 AND item = $2")
                .bind(host.as_str())
                .bind(item.as_str())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            Ok(ended > 0)
        })
    }
}
