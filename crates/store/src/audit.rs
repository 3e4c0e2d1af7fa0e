//! The audit trail: who did what, and when.

use jiff::Timestamp;
use lockstep_model::ChainSubject;
use sqlx::{FromRow, query, query_as};

use crate::chain::{self, Said};
use crate::db::Kind;
use crate::records::{Place, limit, milliseconds, rows, sentence};
use crate::statements::{Bind, Statement};
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

/// What one person did at one moment, on its way into the trail and the chain.
pub(crate) struct Deeds {
    at: i64,
    who: String,
    /// With the identities of their entries.
    what: Vec<(String, String)>,
}

impl Deeds {
    pub(crate) fn new<'a>(
        who: &str,
        what: impl IntoIterator<Item = &'a str>,
        at: Timestamp,
    ) -> Self {
        // Unique without asking the database; entries of one millisecond have no order among each other.
        let id = || format!("{:016x}", fastrand::u64(..));
        let what = what.into_iter();
        Self {
            at: milliseconds(at),
            who: sentence(who, MAX_WHO),
            what: what.map(|it| (id(), sentence(it, MAX_WHAT))).collect(),
        }
    }

    /// How they come into the trail.
    pub(crate) fn trail(&self) -> Vec<Statement> {
        let rows = self.what.iter().map(|(id, what)| {
            [
                Bind::from(id.as_str()),
                Bind::from(self.at),
                Bind::from(self.who.as_str()),
                Bind::from(what.as_str()),
            ]
        });
        Statement::for_rows("INSERT INTO audit (id, done_at, who, what)", "", rows)
    }

    /// What of them is appended to the chain, under its lock.
    pub(crate) fn said(&self) -> Vec<Said> {
        let said = self.what.iter().map(|(_, what)| Said {
            at: self.at,
            subject: ChainSubject::Deed(self.who.clone()),
            body: what.clone(),
        });
        said.collect()
    }
}

impl Store {
    /// Adds to the trail and to the chain. What is too long is cut rather than refused.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn record_audit(&self, who: &str, what: &str, at: Timestamp) -> Result<(), Error> {
        let deeds = Deeds::new(who, [what], at);
        write_tx!(self.db(), Kind::Statements, "add to the audit trail", tx => {
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
