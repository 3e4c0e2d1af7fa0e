//! What has no use any more is forgotten, so that the database grows with the fleet and not with its age.

use jiff::{Span, Timestamp};
use sqlx::query;

use crate::db::Kind;
use crate::records::milliseconds;
use crate::{Error, Store, chain};

/// How many rows were forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Certificates that expired more than thirty days ago.
    pub certificates: u64,
    /// Enrolment tokens that expired more than thirty days ago.
    pub tokens: u64,
    /// Runs whose last record came more than four hundred days ago.
    pub runs: u64,
    /// What rollouts were compared with that were over more than thirty days ago.
    pub baselines: u64,
    /// Entries of the audit trail that are older than four hundred days.
    pub audit: u64,
    /// Entries of the chain that are older than two years, from its beginning.
    pub chain: u64,
    /// Events that were stored more than four weeks ago, and numberings that were not used for four hundred days.
    pub events: u64,
    /// Changes that happened more than four weeks ago.
    pub changes: u64,
    /// Snapshots that are older than a day.
    pub snapshots: u64,
    /// Silences that ended more than four weeks ago.
    pub silences: u64,
    /// Acknowledgements whose time was over four weeks ago, or that were given four hundred days ago.
    pub acks: u64,
    /// Messages that were delivered or given up, or should have been, more than four weeks ago.
    pub deliveries: u64,
    /// Sessions that ended, or were not used for a week.
    pub sessions: u64,
    /// Failures to sign in that are older than a day.
    pub sign_in_failures: u64,
    /// API tokens that were revoked, or expired, more than thirty days ago.
    pub api_tokens: u64,
    /// Kiosk tokens that were revoked, or expired, more than thirty days ago.
    pub kiosks: u64,
    /// Users who were removed more than thirty days ago.
    pub users: u64,
}

/// How long what has expired is kept, for people who wonder what it was.
const EXPIRED_DAYS: i64 = 30;
/// How long the history is kept: more than a year, so that last year's same month can be looked at.
const HISTORY_DAYS: i64 = 400;
/// How long the chain is kept.
const CHAIN_DAYS: i64 = 2 * 366;
/// How long what happens every day is kept: events, changes, messages and silences.
pub(crate) const RECENT_DAYS: i64 = 28;

/// A rollout that is over has nothing to compare any more; one that was halted may be resumed, whenever that is. It was
/// over with its last decision: whoever ends one says so.
const OLD_BASELINES: &str = "DELETE FROM baselines WHERE rollout IN \
    (SELECT r.id FROM rollouts r WHERE r.state IN ('done', 'cancelled') AND NOT EXISTS \
    (SELECT 1 FROM decisions d WHERE d.rollout = r.id AND d.decided_at >= $1))";

/// What is forgotten about monitoring, each before its time.
const OLD_EVENTS: &str = "DELETE FROM events WHERE received_at < $1";
const OLD_SERIES: &str = "DELETE FROM event_series WHERE updated_at < $1";
const OLD_CHANGES: &str = "DELETE FROM changes WHERE happened_at < $1";
/// A clock that was wrong may have put some far ahead, where they would stay for ever.
const OLD_SNAPSHOTS: &str = "DELETE FROM snapshots WHERE taken_at < $1 OR taken_at > $2";
const OLD_SILENCES: &str = "DELETE FROM silences WHERE ends_at < $1";
const OLD_ACKS: &str = "DELETE FROM acks WHERE until_at < $1 OR given_at < $2";
const OLD_DELIVERIES: &str = "DELETE FROM deliveries WHERE created_at < $1 AND due_at < $1";
/// A session that nobody uses ends long before, by the rules of whoever serves it.
const OLD_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at < $1 OR used_at < $2";
const OLD_FAILURES: &str = "DELETE FROM sign_in_failures WHERE last_at < $1";
const OLD_API_TOKENS: &str = "DELETE FROM operators WHERE revoked_at < $1 OR expires_at < $1";
const OLD_KIOSKS: &str = "DELETE FROM kiosks WHERE revoked_at < $1 OR expires_at < $1";
const OLD_USERS: &str = "DELETE FROM users WHERE removed_at < $1";

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
        let (recent, yesterday, tomorrow) = (days_ago(RECENT_DAYS), days_ago(1), days_ago(-1));
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
            query("DELETE FROM run_commands WHERE run IN (SELECT id FROM runs WHERE received_at < $1)")
                .bind(history)
                .execute(&mut *tx)
                .await?;
            let runs = query("DELETE FROM runs WHERE received_at < $1")
                .bind(history)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let baselines =
                query(OLD_BASELINES).bind(expired).execute(&mut *tx).await?.rows_affected();
            let audit = query("DELETE FROM audit WHERE done_at < $1")
                .bind(history)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let chain = query(chain::FORGET)
                .bind(days_ago(CHAIN_DAYS))
                .bind(i64::MAX)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let events = query(OLD_EVENTS).bind(recent).execute(&mut *tx).await?.rows_affected()
                + query(OLD_SERIES).bind(history).execute(&mut *tx).await?.rows_affected();
            let changes = query(OLD_CHANGES).bind(recent).execute(&mut *tx).await?.rows_affected();
            let snapshots = query(OLD_SNAPSHOTS)
                .bind(yesterday)
                .bind(tomorrow)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let silences = query(OLD_SILENCES).bind(recent).execute(&mut *tx).await?.rows_affected();
            let acks = query(OLD_ACKS)
                .bind(recent)
                .bind(history)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let deliveries =
                query(OLD_DELIVERIES).bind(recent).execute(&mut *tx).await?.rows_affected();
            let sessions = query(OLD_SESSIONS)
                .bind(milliseconds(now))
                .bind(days_ago(7))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let sign_in_failures =
                query(OLD_FAILURES).bind(yesterday).execute(&mut *tx).await?.rows_affected();
            let api_tokens =
                query(OLD_API_TOKENS).bind(expired).execute(&mut *tx).await?.rows_affected();
            let kiosks = query(OLD_KIOSKS).bind(expired).execute(&mut *tx).await?.rows_affected();
            let users = query(OLD_USERS).bind(expired).execute(&mut *tx).await?.rows_affected();
            Ok(Tidied {
                certificates,
                tokens,
                runs,
                baselines,
                audit,
                chain,
                events,
                changes,
                snapshots,
                silences,
                acks,
                deliveries,
                sessions,
                sign_in_failures,
                api_tokens,
                kiosks,
                users,
            })
        })
    }
}
