//! The alert book: what the decider of alerts remembers. What was decided and the messages that follow from it are
//! one transaction, so that a restart neither forgets a message nor tells it twice.

use jiff::Timestamp;
use sqlx::query;

use crate::db::Kind;
use crate::deliveries;
use crate::leases::HOLD;
use crate::records::{check_text, milliseconds, rows};
use crate::statements::{Bind, Statement};
use crate::{Error, Lease, NewDelivery, Store};

/// Longest name of an entry, in bytes.
const MAX_NAME: usize = 1024;
/// Largest entry, in bytes.
const MAX_ENTRY: usize = 256 * 1024;

const HEAD: &str = "INSERT INTO alert_book (name, entry)";
const TAIL: &str = "ON CONFLICT (name) DO UPDATE SET entry = excluded.entry";
const DELETE: &str = "DELETE FROM alert_book WHERE name = $1";

impl Store {
    /// Writes what was decided: entries of the book that are new or changed, the names of those that are no longer
    /// needed, and the messages. All of it or nothing. A delivery whose identity is there already is left alone.
    ///
    /// # Errors
    /// [`Error::StaleLease`] if the lease is not held any more; [`Error::TooLarge`].
    pub async fn save_alerts(
        &self,
        lease: &Lease,
        upserts: &[(String, String)],
        deletes: &[String],
        notices: &[NewDelivery],
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut entries = std::collections::BTreeMap::new();
        for (name, entry) in upserts {
            check_text("the name of an entry of the alert book", name, MAX_NAME)?;
            check_text("an entry of the alert book", entry, MAX_ENTRY)?;
            entries.insert(name.as_str(), entry.as_str());
        }
        let rows = entries
            .into_iter()
            .map(|(name, entry)| [Bind::from(name), Bind::from(entry)]);
        let mut statements: Vec<Statement> = deletes
            .iter()
            .map(|name| Statement::new(DELETE, vec![Bind::from(name.as_str())]))
            .collect();
        statements.extend(Statement::for_rows(HEAD, TAIL, rows));
        statements.extend(deliveries::write(notices, now)?);
        write_tx!(self.db(), Kind::Serializable, "store what was decided about alerts", tx => {
            let held = query(HOLD)
                .bind(&lease.name)
                .bind(&lease.holder)
                .bind(lease.stored_number())
                .bind(milliseconds(now))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if held == 0 {
                return Err(lease.stale().into());
            }
            for statement in &statements {
                statement.query().execute(&mut *tx).await?;
            }
            Ok(())
        })
    }

    /// The whole book: names and entries.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn alert_book(&self) -> Result<Vec<(String, String)>, Error> {
        on!(self.db(), "read the alert book", pool => {
            let found =
                query("SELECT name, entry FROM alert_book ORDER BY name").fetch_all(pool).await?;
            Ok(rows("alert_book", &found)?)
        })
    }
}
