//! Leases: which of several servers decides.
//!
//! A lease is granted for a time and prolonged by asking again. Its number grows with every change of holder. A
//! write that was decided under a lease names it, and the database refuses the write in the same transaction when
//! the lease has expired or belongs to another: a decider that was held up for long enough to lose its lease
//! cannot harm the work of the next one, whatever its clock says.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{query, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds};
use crate::{Error, Store};

/// A lease that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Who has it. Different for every start of every server, or two of them take each other for one.
    pub holder: String,
    /// How often it has changed hands. Every write that it covers carries this number.
    pub number: u64,
}

/// Longest name of a lease and of a holder, in bytes.
const MAX_TEXT: usize = 256;

/// Succeeds on one row if the lease is held, and keeps everybody from taking it before the transaction ends.
pub(crate) const HOLD: &str = "UPDATE leases SET holder = holder \
    WHERE name = $1 AND holder = $2 AND number = $3 AND expires_at > $4";

impl Lease {
    pub(crate) fn stored_number(&self) -> i64 {
        // A number that was never granted is held by nobody.
        i64::try_from(self.number).unwrap_or(-1)
    }

    pub(crate) fn stale(&self) -> Error {
        Error::StaleLease {
            name: self.name.clone(),
            number: self.number,
        }
    }
}

impl Store {
    /// Takes a lease, or prolongs it, until `now` + `ttl`. The number stays while the holder does. None while
    /// another holds it.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, Error> {
        check_text("the name of a lease", name, MAX_TEXT)?;
        check_text("the holder of a lease", holder, MAX_TEXT)?;
        if holder.is_empty() {
            return Err(Error::NotStorable {
                what: "the holder of a lease",
                why: "it is empty, which stands for nobody".into(),
            });
        }
        let now = milliseconds(now);
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let until = now.saturating_add(ttl);
        let granted: Option<i64> = write_tx!(self.db(), Kind::Statements, "acquire a lease", tx => {
            Ok(query_scalar(
                "INSERT INTO leases (name, holder, number, expires_at) VALUES ($1, $2, 1, $3) \
                 ON CONFLICT (name) DO UPDATE SET \
                 number = CASE WHEN leases.holder = excluded.holder THEN leases.number \
                     ELSE leases.number + 1 END, \
                 holder = excluded.holder, expires_at = excluded.expires_at \
                 WHERE leases.holder = excluded.holder OR leases.expires_at <= $4 \
                 RETURNING number",
            )
            .bind(name)
            .bind(holder)
            .bind(until)
            .bind(now)
            .fetch_optional(&mut *tx)
            .await?)
        })?;
        let Some(number) = granted else {
            return Ok(None);
        };
        let place = Place {
            table: "leases",
            key: name,
        };
        Ok(Some(Lease {
            name: name.to_owned(),
            holder: holder.to_owned(),
            number: place.number("number", number)?,
        }))
    }

    /// Gives a lease back before its time, so that another server need not wait. Nothing happens if it is not held
    /// any more.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        write_tx!(self.db(), Kind::Statements, "release a lease", tx => {
            // The row stays, because the number must go on from here. Nobody has an empty name, so whoever comes
            // next is another holder, and the number grows.
            query(
                "UPDATE leases SET expires_at = 0, holder = '' \
                 WHERE name = $1 AND holder = $2 AND number = $3",
            )
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.stored_number())
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }
}
