//! What has no use any more is forgotten, so that the database grows with the fleet and not with its age.

use jiff::{Span, Timestamp};
use sqlx::query;

use crate::db::Kind;
use crate::records::milliseconds;
use crate::{Error, Store};

/// How many rows were forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Certificates that expired more than thirty days ago.
    pub certificates: u64,
    /// Enrolment tokens that expired more than thirty days ago.
    pub tokens: u64,
    /// Runs whose last record came more than four hundred days ago.
    pub runs: u64,
    /// Entries of the audit trail that are older than four hundred days.
    pub audit: u64,
}

/// How long what has expired is kept, for people who wonder what it was.
const EXPIRED_DAYS: i64 = 30;
/// How long the history is kept: more than a year, so that last year's same month can be looked at.
const HISTORY_DAYS: i64 = 400;

impl Store {
    /// Forgets what has no use any more. Meant to be called about once a day, by whoever decides.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn tidy(&self, now: Timestamp) -> Result<Tidied, Error> {
        let days_ago = |days: i64| {
            let ago = now.checked_sub(Span::new().hours(days * 24));
            milliseconds(ago.unwrap_or(Timestamp::MIN))
        };
        let (expired, history) = (days_ago(EXPIRED_DAYS), days_ago(HISTORY_DAYS));
        write_tx!(self.db(), Kind::Serializable, "forget what is old", tx => {
            let certificates = query("DELETE FROM certificates WHERE not_after_at < $1")
                .bind(expired)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            query(
                "DELETE FROM token_uses WHERE token IN (SELECT id FROM tokens WHERE expires_at < $1)",
            )
            .bind(expired)
            .execute(&mut *tx)
            .await?;
            let tokens = query("DELETE FROM tokens WHERE expires_at < $1")
                .bind(expired)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let runs = query("DELETE FROM runs WHERE received_at < $1")
                .bind(history)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let audit = query("DELETE FROM audit WHERE done_at < $1")
                .bind(history)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            Ok(Tidied { certificates, tokens, runs, audit })
        })
    }
}
