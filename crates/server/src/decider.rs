//! The decider: looks at rollouts and moves them on, and says who is told of what.
//!
//! Of several servers over one database one decides, the one that holds the lease; what it stores carries the
//! lease's number, so one that was overtaken is refused. What is decided comes from `plan`; here are only the facts
//! for it, the storing, and the hints that follow.
//!
//! It looks at regular times, and at once when a host says something new. A look at a quiet fleet costs one query.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockstep_model::{HostName, Rollout, RolloutState};
use lockstep_plan::rollout;
use lockstep_store::Lease;
use tokio::sync::Mutex;

use crate::Error;
use crate::app::App;
use crate::freshness;
use crate::services::{alerts, foreign_locks, rollout_facts, rollouts, silent_hosts};

/// The lease's name in the store.
pub(crate) const LEASE: &str = "decider";
/// How long the lease is valid. It is renewed at a third of it; after a crash another server takes over then.
const VALID: Duration = Duration::from_secs(15);
/// Between two looks there is at least this much time, and ten times as much as the last look took, however many
/// hosts say something new: deciding must not keep the server from listening.
const PAUSE: Duration = Duration::from_millis(50);
/// What is old is forgotten this often.
const TIDY: Duration = Duration::from_secs(86_400);

/// What the decider remembers between two looks.
#[derive(Debug)]
pub(crate) struct Decider {
    /// This process, among the servers of the fleet.
    holder: String,
    /// Since when this server has been listening: before that, nobody was silent.
    pub(crate) listening_since: Timestamp,
    office: Mutex<Office>,
}

/// What only the one that decides needs to know.
#[derive(Debug, Default)]
struct Office {
    /// The lease, and when it was last prolonged.
    held: Option<(Lease, Timestamp)>,
    tidied_at: Option<Timestamp>,
}

impl Decider {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            holder: format!("{}-{:016x}", std::process::id(), fastrand::u64(..)),
            listening_since: now,
            office: Mutex::default(),
        }
    }

    /// True if this is the name of this process among the servers.
    pub(crate) fn is(&self, holder: &str) -> bool {
        self.holder == holder
    }
}

/// Decides as long as the server runs.
pub(crate) async fn run(app: Arc<App>) {
    let every = app.config.decide.duration();
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
            () = app.wake.notified() => {}
        }
        let begun = Instant::now();
        if let Err(error) = decide(&app).await {
            tracing::error!(error = full(&error), "the decider failed; it tries again");
        }
        let pause = PAUSE.max(begun.elapsed() * 10).min(every.max(PAUSE));
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn full(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", full(source)),
        None => error.to_string(),
    }
}

/// One look.
pub(crate) async fn decide(app: &App) -> Result<(), Error> {
    // One look at a time: two would compute the same and one of them be refused.
    let mut office = app.decider.office.lock().await;
    let now = app.now();
    // Each server gives places of locks by who is silent, whether it decides or not.
    app.foreign
        .look(app)
        .await
        .map_err(Error::database("reading who speaks through gateways"))?;
    let Some(lease) = lease(app, &mut office.held, now).await? else {
        return Ok(());
    };
    tidy(app, &mut office, now).await;
    if let Err(refusal) = freshness::keep_fresh(app, now).await {
        tracing::error!(
            ?refusal,
            "the repository's freshness could not be signed anew"
        );
    }
    if let Err(refusal) = foreign_locks::settle(app, now).await {
        tracing::error!(
            ?refusal,
            "places that are kept until their hosts are fine could not be looked at"
        );
    }
    // Alerts that cannot be decided must not keep rollouts from being held.
    if let Err(error) = watch_health(app, &mut office, &lease, now).await {
        tracing::error!(
            error = full(&error),
            "who is told could not be decided; tried again"
        );
    }
    let moving = rollouts::moving(app)
        .await
        .map_err(Error::database("reading the rollouts"))?;
    for rollout in moving {
        let stepped = step(app, &rollout, &lease, now).await;
        match stepped {
            Ok(()) => {}
            // Somebody else was quicker, a person or another decider: the next look starts from there.
            Err(lockstep_store::Error::RolloutChanged { .. }) => app.wake.notify_one(),
            Err(lockstep_store::Error::StaleLease { .. }) => {
                office.held = None;
                tracing::warn!("another server decides now");
                return Ok(());
            }
            Err(error) => return Err(Error::database("deciding over a rollout")(error)),
        }
    }
    Ok(())
}

/// Looks who is silent, and who is to be told of what.
async fn watch_health(
    app: &App,
    office: &mut Office,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), Error> {
    silent_hosts::look(app, now)
        .await
        .map_err(Error::database("looking who is silent"))?;
    match alerts::decide(app, lease, now).await {
        Ok(true) => app.wake_delivery.notify_one(),
        Ok(false) => {}
        Err(Error::Database {
            source: lockstep_store::Error::StaleLease { .. },
            ..
        }) => {
            office.held = None;
            tracing::warn!("another server decides now");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Gives the lease back, so that another server need not wait for its end.
pub(crate) async fn resign(app: &App) {
    let Some((lease, _)) = app.decider.office.lock().await.held.take() else {
        return;
    };
    if let Err(error) = app.store.release_lease(&lease).await {
        tracing::warn!(%error, "the decider's lease could not be given back; it ends by itself");
    }
}

async fn tidy(app: &App, office: &mut Office, now: Timestamp) {
    if office.tidied_at.is_some_and(|at| now < at + TIDY) {
        return;
    }
    office.tidied_at = Some(now);
    match app.store.tidy(now).await {
        Ok(tidied) => tracing::info!(?tidied, "forgot what is old"),
        Err(error) => {
            tracing::warn!(%error, "what is old could not be forgotten; tried again tomorrow")
        }
    }
}

/// The lease, taken or renewed when a third of its time is over.
async fn lease(
    app: &App,
    held: &mut Option<(Lease, Timestamp)>,
    now: Timestamp,
) -> Result<Option<Lease>, Error> {
    if let Some((lease, since)) = held
        && now >= *since
        && now < *since + VALID / 3
    {
        return Ok(Some(lease.clone()));
    }
    let lease = app
        .store
        .acquire_lease(LEASE, &app.decider.holder, now, VALID)
        .await
        .map_err(Error::database("taking the decider's lease"))?;
    let taken = lease.as_ref().map(|lease| lease.number);
    let before = held.as_ref().map(|(lease, _)| lease.number);
    if taken != before {
        // Whoever decided before may have decided something a moment ago.
        app.standing.forget();
        match taken {
            Some(number) => tracing::info!(number, "this server decides"),
            None => tracing::info!("another server decides"),
        }
    }
    *held = lease.clone().map(|lease| (lease, now));
    Ok(lease)
}

/// Moves one rollout on, if anything moves it.
async fn step(
    app: &App,
    rollout: &Rollout,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), lockstep_store::Error> {
    let facts = rollout_facts::facts(app, rollout, now).await?;
    let orders = app.standing.read(app).await?;
    let suspect = orders
        .suspect(&rollout.package, &rollout.version)
        .filter(|suspect| suspect.rollout != rollout.id);
    let suspect = suspect.map(|suspect| suspect.why.as_str());
    let Some(step) = rollout::tick(rollout, &facts, suspect, now) else {
        return Ok(());
    };
    app.store
        .save_rollout(rollout, rollouts::decided(&step), Some(lease), now)
        .await?;
    for decision in &step.decisions {
        tracing::info!(
            rollout = %rollout.id, package = %rollout.package, version = %rollout.version, decision,
            "decided"
        );
    }
    app.standing.forget();
    app.hints.report(concerned(rollout, &step.rollout));
    Ok(())
}

/// The hosts whose orders may have changed between two states of a rollout: those that were let go, those that were left
/// out or taken in again, and all that were let go before if the rollout has turned.
pub(crate) fn concerned(before: &Rollout, after: &Rollout) -> HashSet<HostName> {
    let turned_back = |state| matches!(state, RolloutState::Halted | RolloutState::RollingBack);
    let all = before.state != after.state && (turned_back(after.state) || after.state.is_over());
    let let_go = |rollout: &Rollout| -> HashSet<HostName> {
        let waves = rollout.waves.iter();
        waves.flat_map(|wave| wave.split().0.to_vec()).collect()
    };
    let mut concerned = let_go(after);
    if !all {
        let known = let_go(before);
        concerned.retain(|host| !known.contains(host));
    }
    let skipped = |rollout: &Rollout, other: &Rollout| -> Vec<HostName> {
        let hosts = rollout.skipped.keys();
        let changed = hosts.filter(|host| !other.skipped.contains_key(*host));
        changed.cloned().collect()
    };
    concerned.extend(skipped(before, after));
    concerned.extend(skipped(after, before));
    concerned
}
