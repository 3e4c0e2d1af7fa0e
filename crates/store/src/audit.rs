//! The audit trail: who did what, and when.

use jiff::Timestamp;
use lockstep_model::ChainSubject;
use sqlx::{FromRow, query, query_as};

use crate::chain::{self, Said};
use crate::db::Kind;
use crate::records::{Place, limit, milliseconds, rows, sentence};
use crate::{Error, Store};

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its identity; it has no meaning but to tell entries of one millisecond apart.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// What.
    pub what: String,
}

/// Longest name in the trail, in bytes; longer ones are cut.
const MAX_WHO: usize = 256;
/// Longest sentence in the trail, in bytes; longer ones are cut.
const MAX_WHAT: usize = 8 * 1024;
/// Entries in one list, at most.
const MAX_LIST: u32 = 1000;

#[derive(FromRow)]
struct Record {
    id: String,
    done_at: i64,
    who: String,
    what: String,
}

impl Store {
    /// Adds to the trail and to the chain. What is too long is cut rather than refused.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn record_audit(&self, who: &str, what: &str, at: Timestamp) -> Result<(), Error> {
        let at = milliseconds(at);
        // Unique without asking the database; entries of one millisecond have no order among each other.
        let id = format!("{:016x}", fastrand::u64(..));
        let (who, what) = (sentence(who, MAX_WHO), sentence(what, MAX_WHAT));
        write_tx!(self.db(), Kind::Statements, "add to the audit trail", tx => {
            query("INSERT INTO audit (id, done_at, who, what) VALUES ($1, $2, $3, $4)")
                .bind(&id)
                .bind(at)
                .bind(&who)
                .bind(&what)
                .execute(&mut *tx)
                .await?;
            let said = Said { at, subject: ChainSubject::Deed(who.clone()), body: what.clone() };
            let head: chain::Head = query_as(chain::LOCK).fetch_one(&mut *tx).await?;
            for statement in chain::append(&head, vec![said])? {
                statement.query().execute(&mut *tx).await?;
            }
            Ok(())
        })
    }

    /// The newest entries first, at most `wanted` and never more than 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn audit(&self, wanted: u32) -> Result<Vec<AuditEntry>, Error> {
        self.audit_before(None, wanted.min(MAX_LIST)).await
    }

    /// As [`Store::audit`], the entries that come behind that of this moment and identity in that order; at most 1001,
    /// one more than a page has.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn audit_before(
        &self,
        before: Option<(Timestamp, &str)>,
        wanted: u32,
    ) -> Result<Vec<AuditEntry>, Error> {
        let at = before.map(|(at, _)| milliseconds(at));
        let id = before.map(|(_, id)| id);
        let found: Vec<Record> = on!(self.db(), "read the audit trail", pool => {
            let found = query(
                "SELECT id, done_at, who, what FROM audit \
                 WHERE ($1 IS NULL OR done_at < $1 OR (done_at = $1 AND id < $2)) \
                 ORDER BY done_at DESC, id DESC LIMIT $3",
            )
            .bind(at)
            .bind(id)
            .bind(limit(wanted, MAX_LIST + 1))
            .fetch_all(pool)
            .await?;
            Ok(rows("audit", &found)?)
        })?;
        found
            .into_iter()
            .map(|record| {
                let place = Place {
                    table: "audit",
                    key: &record.id,
                };
                Ok(AuditEntry {
                    at: place.time("done_at", record.done_at)?,
                    id: record.id,
                    who: record.who,
                    what: record.what,
                })
            })
            .collect()
    }
}
