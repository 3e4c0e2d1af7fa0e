//! Keeping the repository fresh: snapshot and timestamp are signed anew at two thirds of their lives.
//!
//! An agent that is shown metadata past its expiry believes nothing any more, so this goes on as long as a server
//! runs. Only the decider does it; a publication that comes between makes it look again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::Interval;
use lockstep_store::Publication;
use lockstep_trust::{Role, check_online_keys, stated};

use crate::app::App;
use crate::services::publishing;
use crate::web::Refusal;

/// However long the metadata is valid, it is looked at this often: another server may have changed it.
const LOOK: Duration = Duration::from_secs(600);

/// When to look next.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    next: Mutex<Option<Timestamp>>,
}

impl Freshness {
    /// Something was published.
    pub(crate) fn look_again(&self) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let next = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.is_none_or(|next| next <= now)
    }

    fn look_at(&self, next: Timestamp) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }
}

/// Signs what is due to be signed.
pub(crate) async fn keep_fresh(app: &App, now: Timestamp) -> Result<(), Refusal> {
    if !app.freshness.is_due(now) {
        return Ok(());
    }
    let _one_at_a_time = app.publishing.lock().await;
    // Even if it fails: a failure that is repeated with every tick would only fill the log.
    app.freshness.look_at(now + LOOK);
    let revision = app.store.repo_revision().await?;
    let Some(targets) = app.store.repo_file("targets.json").await? else {
        return Ok(());
    };
    let (snapshot, timestamp, root) = (
        expiry(app, Role::Snapshot).await?,
        expiry(app, Role::Timestamp).await?,
        app.store.repo_file("root.json").await?.unwrap_or_default(),
    );
    let validity = &app.config.metadata;
    let snapshot_due = due(snapshot, validity.snapshot);
    let timestamp_due = due(timestamp, validity.timestamp);
    if snapshot_due > now && timestamp_due > now {
        let next = snapshot_due.min(timestamp_due).min(now + LOOK);
        app.freshness.look_at(next);
        return Ok(());
    }
    let (snapshot_key, timestamp_key) = (
        app.online.snapshot.public_key(),
        app.online.timestamp.public_key(),
    );
    if let Err(error) = check_online_keys(root.as_bytes(), snapshot_key, timestamp_key) {
        tracing::error!(%error, "the repository cannot be kept fresh with this server's keys");
        return Ok(());
    }
    let files = if snapshot_due <= now {
        publishing::sign_online(app, targets.as_bytes(), now).await?
    } else {
        let snapshot = app
            .store
            .repo_file("snapshot.json")
            .await?
            .unwrap_or_default();
        publishing::sign_timestamp(app, snapshot.as_bytes(), now).await?
    };
    app.store
        .publish(Publication {
            expected_targets_version: app.store.targets_version().await?,
            expected_revision: Some(revision),
            files,
            targets_version: None,
            releases: None,
        })
        .await?;
    tracing::info!(
        snapshot = snapshot_due <= now,
        "signed the repository's freshness anew"
    );
    app.freshness.look_again();
    Ok(())
}

/// When the newest metadata of a role expires; in the past if there is none.
async fn expiry(app: &App, role: Role) -> Result<Timestamp, Refusal> {
    let Some(file) = app.store.repo_file(&format!("{role}.json")).await? else {
        return Ok(Timestamp::MIN);
    };
    stated(role, file.as_bytes())
        .map(|stated| stated.expires)
        .map_err(|error| Refusal::internal("reading its own metadata", &error))
}

/// Metadata is due when a third of its life is left.
fn due(expires: Timestamp, validity: Interval) -> Timestamp {
    let third = SignedDuration::try_from(validity.duration() / 3).unwrap_or(SignedDuration::MAX);
    expires.checked_sub(third).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_its_life_before_its_end_metadata_is_due() {
        let expires = Timestamp::from_second(90_000).unwrap();
        let due = due(expires, Interval::from_secs(3_000));
        assert_eq!(due, Timestamp::from_second(89_000).unwrap());
    }

    #[test]
    fn what_is_not_there_is_due() {
        let never = due(Timestamp::MIN, Interval::from_secs(3_000));
        assert_eq!(never, Timestamp::MIN);
        let freshness = Freshness::default();
        let now = Timestamp::from_second(100).unwrap();
        assert!(freshness.is_due(now));
        freshness.look_at(now + LOOK);
        assert!(!freshness.is_due(now));
        freshness.look_again();
        assert!(freshness.is_due(now));
    }
}
