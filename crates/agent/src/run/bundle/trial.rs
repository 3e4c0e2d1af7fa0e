//! The probation of a version that is in force: one look at its service, the host's items and its own check.
//!
//! How often it may be ill, and for how long it must be well, is decided by [`lockstep_plan::run`].

use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::machine;
use lockstep_host::service::ServiceState;
use lockstep_host::slots::Slot;
use lockstep_model::RunReason;
use lockstep_plan::run::{Happened, RunJournal, Step};
use tracing::{info, warn};

use super::book::Book;
use super::daemon::{Daemon, state_words};
use super::{BundleUpdate, host_failed};
use crate::fetch::{self, Place, Unready};
use crate::run::config::Verify;
use crate::run::health;
use crate::words;

impl BundleUpdate {
    /// One look.
    pub(in crate::run) async fn look(&self, journal: &RunJournal, verify: &Verify) -> Happened {
        let slot = match self
            .ordered(journal)
            .and_then(|slot| self.is_in_force(slot))
        {
            Ok(slot) => slot,
            Err(reason) => return Happened::Worse(reason),
        };
        if let Err(reason) = self.service_is_up(journal, &slot).await {
            return Happened::Worse(reason);
        }
        // Where nobody could say before how the items are, they say nothing now.
        if journal.baseline.is_some() {
            let now = health::levels(&self.layout, verify).await;
            match health::compare(journal.baseline.as_ref(), now) {
                Happened::Well => {}
                other => return other,
            }
        }
        if !asks_for_the_check(journal, self.clock.now()) {
            return Happened::Well;
        }
        let place = Place {
            layout: self.layout.clone(),
            current: None,
            clock: self.clock.clone(),
            retry: self.retry,
            mirror: None,
        };
        match fetch::check(&slot, &place).await {
            Ok(()) => Happened::Well,
            Err(Unready::Failed { reason, .. }) => Happened::Worse(reason),
            Err(Unready::Again { why, .. }) => Happened::Worse(RunReason::HostFailed { why }),
        }
    }

    fn is_in_force(&self, slot: Slot) -> Result<Slot, RunReason> {
        let active = self.slots.active(&self.package);
        let active = active.map_err(|error| host_failed(&error))?;
        match active {
            Some(active) if active.dir == slot.dir => Ok(slot),
            _ => Err(RunReason::HostFailed {
                why: format!(
                    "{} is not at {} any more",
                    self.layout.package_link(&self.package).display(),
                    slot.version()
                ),
            }),
        }
    }

    /// The service runs, and it is the one that this run started.
    async fn service_is_up(&self, journal: &RunJournal, slot: &Slot) -> Result<(), RunReason> {
        let mut book = self.read()?;
        let shall_run = book.runs.is_some_and(|it| it == (journal.id, true));
        let Some(daemon) = self.daemon(slot)?.filter(|_| shall_run) else {
            return Ok(());
        };
        let down = |why: String| RunReason::ServiceDown {
            unit: daemon.name().into(),
            why,
        };
        let state = daemon.state().await.map_err(|error| down(words(&error)))?;
        if self
            .has_restarted(journal, &mut book, &daemon, state)
            .await?
        {
            return Ok(());
        }
        if state != ServiceState::Active {
            return Err(down(state_words(state).into()));
        }
        let now = daemon.incarnation().await;
        let Some(started) = &mut book.started else {
            return Ok(());
        };
        if now.is_some() && started.incarnation.is_some() && now != started.incarnation {
            started.incarnation = now;
            self.write(&book)?;
            return Err(down("it was restarted".into()));
        }
        Ok(())
    }

    /// After a restart of the machine, or before anybody could note its start, the service is started once more if it
    /// does not run: not every one comes with the machine, and that is not held against the version.
    async fn has_restarted(
        &self,
        journal: &RunJournal,
        book: &mut Book,
        daemon: &Daemon,
        state: ServiceState,
    ) -> Result<bool, RunReason> {
        let boot_id = machine::boot_id_below(&self.layout).map_err(|error| host_failed(&error))?;
        let started = book.started.as_ref();
        if started.is_some_and(|it| it.run == journal.id && it.boot_id == boot_id) {
            return Ok(false);
        }
        if state != ServiceState::Active {
            info!(package = %self.package, service = daemon.name(), "the machine has restarted; starting it");
            if let Err(error) = daemon.start().await {
                warn!(package = %self.package, error = words(&error), "it could not be started");
            }
        }
        self.note_start(journal, book, daemon).await?;
        Ok(true)
    }
}

/// The check is run at the first look of a time in which all is well, and at the one that would prove the version.
fn asks_for_the_check(journal: &RunJournal, now: Timestamp) -> bool {
    let Step::Verify {
        well_since: Some(since),
    } = journal.step
    else {
        return true;
    };
    let well_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    well_for >= journal.job.rules.verify_for
}
