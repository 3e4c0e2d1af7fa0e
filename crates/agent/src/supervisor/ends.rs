//! How a run ends: with the new version, or with the one before it.
//!
//! Each end is entered as often as it takes. The journal names it first, so whatever is cut off here is finished by
//! the next start.

use std::ffi::OsString;
use std::time::Duration;

use lockstep_host::fault;
use lockstep_host::slots::Slot;
use lockstep_model::{ContentHash, Outcome, RunId, RunReason, Version};
use lockstep_plan::update::{By, Held, Journal, Order, Recovery, Skipped, Step, recover};
use tracing::{error, info, warn};

use super::{Exit, STOP_GRACE, Supervisor, notify, trial};
use crate::rehearsal::{Asker, rehearse, restart_to_end};
use crate::{Error, preflight, words};

/// The version before the current one has this long to rehearse its start: shorter than a service manager's patience.
const REHEARSAL: Duration = Duration::from_secs(20);

impl Supervisor {
    /// Finishes what the journal says was begun.
    pub(super) fn finish_journal(&mut self) -> Result<Option<Exit>, Error> {
        match recover(self.state.journal()?.as_ref(), self.clock.now()) {
            Recovery::StartCurrent => {}
            Recovery::TryAgain(journal) => {
                warn!(run = %journal.id, "the trial was cut off; the candidate will be offered once more");
                self.state.write_journal(&journal)?;
            }
            Recovery::FinishCommit(journal) => {
                info!(run = %journal.id, version = %journal.order.version, "finishing a commit that was cut off");
                self.finish_commit(&journal)?;
                return Ok(Some(self.execute_current(None)?));
            }
            Recovery::FinishReturn(journal) => self.finish_return(&journal)?,
        }
        Ok(None)
    }

    /// The journal cannot be finished now, on a full disk for example. That must not keep the current version from
    /// running.
    pub(super) fn finish_later(&mut self, error: &Error) {
        error!(
            error = words(&error),
            "the last run could not be finished yet; it is tried again"
        );
        self.unfinished = true;
    }

    /// Moves `current` to the proven slot and ends the run. Entered as often as it takes: each step finds what is
    /// done already.
    pub(super) fn finish_commit(&mut self, journal: &Journal) -> Result<(), Error> {
        let order = &journal.order;
        let slot = self
            .slots
            .get(&order.package, &order.version)?
            .ok_or_else(|| {
                Error::Refused(format!("the proven slot of {} is gone", order.version))
            })?;
        fault::point("commit");
        self.slots.make_current(&slot)?;
        fault::point("committed");
        self.slots
            .purge(&order.package, &slot.manifest.purge.paths)?;
        let mut memory = self.state.memory()?;
        memory.held = (order.by == By::Hand).then(|| Held {
            version: order.version.clone(),
            generation: memory.generation,
        });
        self.state.write_memory(&memory)?;
        let over = journal.at(
            Step::Over {
                outcome: Outcome::Done,
                reason: None,
            },
            self.clock.now(),
        );
        // A return is told as the end of the run whose version is left, not as a run to the one before.
        if !order.is_return() {
            self.state
                .send_later(&over.record(self.clock.now(), String::new()))?;
        }
        self.state.write_journal(&over)?;
        info!(run = %journal.id, version = %order.version, "committed");
        Ok(())
    }

    /// Remembers why the release failed and ends the run. Entered as often as it takes.
    pub(super) fn finish_return(&mut self, journal: &Journal) -> Result<(), Error> {
        let Step::Return { outcome, reason } = &journal.step else {
            return Ok(());
        };
        let now = self.clock.now();
        if outcome.blames_release() {
            let mut memory = self.state.memory()?;
            memory.skip(Skipped {
                hash: journal.order.hash,
                version: journal.order.version.clone(),
                generation: memory.generation.max(journal.order.generation),
                reason: reason.clone(),
                at: now,
            });
            self.state.write_memory(&memory)?;
        }
        let over = journal.at(
            Step::Over {
                outcome: *outcome,
                reason: Some(reason.clone()),
            },
            now,
        );
        let log = trial::end_of_log(&self.layout);
        self.state.send_later(&over.record(now, log))?;
        self.state.write_journal(&over)?;
        warn!(run = %journal.id, version = %journal.order.version, %outcome, %reason, "the old version stays");
        Ok(())
    }

    /// True if the current version is fresh enough that going back is likely to help, and the one before can begin here.
    pub(super) async fn may_return(&self) -> Result<bool, Error> {
        let (Some(current), Some(previous), Some(journal)) = (
            self.slots.current()?,
            self.slots.previous()?,
            self.state.journal()?,
        ) else {
            return Ok(false);
        };
        let committed = matches!(
            journal.step,
            Step::Over {
                outcome: Outcome::Done,
                ..
            }
        );
        let age = self
            .clock
            .now()
            .duration_since(journal.changed_at)
            .unsigned_abs();
        let is_fresh = committed
            && journal.order.version == current.manifest.version
            && age < self.config.update.keep.duration()
            && self.failure_of_previous()?.is_none();
        if !is_fresh {
            return Ok(false);
        }
        // Runs that are under way have no say in it: one that the older version cannot go on with stays behind, with its
        // lock, which is a smaller loss than a host whose agent dies again and again.
        let unfit = self.unfitness_of(&previous, Asker::BootGuard).await;
        if let Some(why) = &unfit {
            error!(version = %previous.version(), why, "the version before cannot begin on this host, so the current one is tried again");
        }
        Ok(unfit.is_none())
    }

    /// Why a version cannot begin here as the host is now: its `agent.toml` may have words by now that an older version
    /// does not know, and one that cannot read it would never hear of another version. One that cannot read the memory
    /// would take the newest version again, and so come back here.
    async fn unfitness_of(&self, slot: &Slot, asker: Asker) -> Option<String> {
        notify(sd_notify::NotifyState::Watchdog);
        let check = preflight::command();
        let checked = rehearse(slot, &check, &self.layout, REHEARSAL, asker).await;
        notify(sd_notify::NotifyState::Watchdog);
        checked.map_or_else(|error| Some(words(&error)), Result::err)
    }

    /// Why the version before the current one is no place to go back to, if it failed here itself.
    fn failure_of_previous(&self) -> Result<Option<RunReason>, Error> {
        let hash = self.slots.previous()?.and_then(|slot| slot.hash);
        let memory = self.state.memory()?;
        let failed = memory
            .skipped
            .iter()
            .find(|skipped| Some(skipped.hash) == hash);
        Ok(failed.map(|skipped| skipped.reason.clone()))
    }

    /// Why there is no going back by hand now.
    pub(super) async fn rollback_refusal(&self) -> Result<Option<String>, Error> {
        if let Some(trial) = &self.trial {
            return Ok(Some(format!(
                "{} is on probation; wait for its end",
                trial.status().version
            )));
        }
        let Some(previous) = self.slots.previous()? else {
            return Ok(Some(
                "there is no version before this one on this host".into(),
            ));
        };
        let version = previous.version();
        if let Some(reason) = self.failure_of_previous()? {
            return Ok(Some(format!(
                "the version before, {version}, was left itself: {reason}; \"lockstep agent update --to {version}\" tries it again"
            )));
        }
        if let Some(why) = restart_to_end(&self.layout) {
            return Ok(Some(why));
        }
        let unfit = self.unfitness_of(&previous, Asker::Person).await;
        Ok(unfit.map(|why| {
            format!("the version before, {version}, cannot begin on this host as it is now: {why}")
        }))
    }

    /// Makes the version before the current one again, remembers why, and executes it.
    pub(super) async fn return_to_previous(&mut self, reason: RunReason) -> Result<Exit, Error> {
        let now = self.clock.now();
        let current = self.current()?;
        let previous = self.slots.previous()?.ok_or_else(|| {
            Error::Refused("there is no version before this one on this host".into())
        })?;
        let mut memory = self.state.memory()?;
        if let Some(hash) = current.hash {
            let version = current.manifest.version.clone();
            self.tell_left(&version, hash, &previous, &reason)?;
            memory.skip(Skipped {
                hash,
                version,
                generation: memory.generation,
                reason: reason.clone(),
                at: now,
            });
            self.state.write_memory(&memory)?;
        }
        let order = Order {
            package: previous.manifest.package.clone(),
            version: previous.manifest.version.clone(),
            target: String::new(),
            hash: previous.hash.unwrap_or(ContentHash::from_digest([0; 32])),
            length: 0,
            generation: memory.generation,
            by: if reason == RunReason::ByHand {
                By::Hand
            } else {
                By::Guard
            },
            brought: false,
        };
        warn!(from = %current.manifest.version, to = %order.version, %reason, "going back to the version before");
        let id = RunId::new(now, crate::random());
        let journal =
            Journal::begin(id, order, Some(current.manifest.version), now).at(Step::Commit, now);
        self.state.write_journal(&journal)?;
        self.stop_worker(STOP_GRACE).await?;
        self.finish_commit(&journal)?;
        self.starts.clear()?;
        self.execute_current(None)
    }

    /// Tells the server that a version that was proven is left again: the run that brought it here did not end well
    /// after all.
    fn tell_left(
        &self,
        version: &Version,
        hash: ContentHash,
        previous: &Slot,
        reason: &RunReason,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let brought = self
            .state
            .journal()?
            .filter(|journal| journal.order.hash == hash && !journal.order.is_return());
        let journal = brought.unwrap_or_else(|| {
            let order = Order {
                package: previous.manifest.package.clone(),
                version: version.clone(),
                target: String::new(),
                hash,
                length: 0,
                generation: 0,
                by: By::Guard,
                brought: false,
            };
            let before = Some(previous.version().clone());
            Journal::begin(RunId::new(now, crate::random()), order, before, now)
        });
        let end = Step::Over {
            outcome: Outcome::RolledBack,
            reason: Some(reason.clone()),
        };
        self.state
            .send_later(&journal.at(end, now).record(now, String::new()))
    }

    /// What is needed to go on as the current version, with the worker that runs or without one.
    pub(super) fn execute_current(&self, worker: Option<u32>) -> Result<Exit, Error> {
        let program = self.layout.current().join(Slot::PROGRAM);
        let mut args: Vec<OsString> = ["agent", "run", "--root"].map(OsString::from).into();
        args.push(self.layout.root().into());
        if let Some(pid) = worker {
            args.extend(["--adopt".into(), pid.to_string().into()]);
        }
        Ok(Exit::Execute {
            program,
            args,
            worker,
        })
    }
}
