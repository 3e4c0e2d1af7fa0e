//! Trying a candidate: from the worker's offer to the commit, or to the old version's return.

use std::time::Duration;

use lockstep_host::exec::Exec;
use lockstep_host::slots::Slot;
use lockstep_host::{Layout, fault, fs};
use lockstep_model::{Outcome, PackageName, RunId, RunReason, RunRecord, Version};
use lockstep_plan::probation::{Observation, Probation, Sign, Verdict, Why, Witness};
use lockstep_plan::update::{Journal, Step};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Exit, RETURN_GRACE, STOP_GRACE, Supervisor};
use crate::local::TrialStatus;
use crate::{Error, words};

/// A probation under way.
pub(super) struct Trial {
    journal: Journal,
    probation: Probation,
    began: Instant,
    why: Option<Why>,
}

/// How long the witness may take.
const WITNESS_PATIENCE: Duration = Duration::from_secs(10);
/// A candidate's log that grows beyond this is emptied: it must not fill the disk of a host it cannot even serve.
const MAX_LOG: u64 = 8 * 1024 * 1024;

impl Trial {
    pub(super) fn status(&self) -> TrialStatus {
        TrialStatus {
            version: self.version().clone(),
            for_s: self.began.elapsed().as_secs(),
            why: self.why.clone(),
        }
    }

    fn version(&self) -> &Version {
        &self.journal.order.version
    }
}

impl Supervisor {
    /// The journal of the run that the worker offers, or why it is refused.
    pub(super) fn offered(&self, run: RunId) -> Result<Result<Journal, String>, Error> {
        if let Some(trial) = &self.trial {
            return Ok(Err(format!("{} is on probation already", trial.version())));
        }
        let journal = self.state.journal()?;
        Ok(match journal {
            Some(journal) if journal.id == run && journal.step == Step::Offered => Ok(journal),
            _ => Err(format!("the journal offers no run {run}")),
        })
    }

    /// Stops the old worker and starts the candidate.
    pub(super) async fn begin_trial(&mut self, journal: Journal) -> Result<Option<Exit>, Error> {
        let now = self.clock.now();
        let journal = journal.at(Step::Trial, now);
        self.state.write_journal(&journal)?;
        info!(run = %journal.id, version = %journal.order.version, "trying the new version");
        self.state.send_later(&journal.record(now, String::new()))?;
        self.stop_worker(STOP_GRACE).await?;
        fault::point("old worker stopped");

        let order = &journal.order;
        let slot = self.slots.get(&order.package, &order.version)?;
        let started = match slot {
            Some(slot) => self
                .start_worker(&slot, Some(journal.id))
                .map_err(|error| words(&error)),
            None => Err(format!("its slot for {} is gone", order.version)),
        };
        fault::point("candidate started");
        let probation = Probation::begin(self.config.probation.rules(), journal.baseline.clone())
            .alone(journal.alone);
        self.trial = Some(Trial {
            journal,
            probation,
            began: Instant::now(),
            why: None,
        });
        match started {
            Ok(()) => Ok(None),
            Err(why) => {
                self.return_old(Outcome::RolledBack, RunReason::CannotStart { why })
                    .await
            }
        }
    }

    /// Ends a trial that cannot go on for a reason that is not the candidate's: it will be offered once more, and the
    /// cut does not count.
    pub(super) fn pause_trial(&mut self) -> Result<(), Error> {
        let Some(trial) = self.trial.take() else {
            return Ok(());
        };
        let journal = trial.journal.at(Step::Preflight, self.clock.now());
        self.state.write_journal(&journal)
    }

    pub(super) async fn candidate_ended(&mut self, status: String) -> Result<Option<Exit>, Error> {
        self.observe(Observation::Exited { status }).await
    }

    pub(super) async fn candidate_signed(&mut self, sign: Sign) -> Result<Option<Exit>, Error> {
        self.observe(Observation::Sign(sign)).await
    }

    pub(super) async fn witness_spoke(&mut self, witness: Witness) -> Result<Option<Exit>, Error> {
        info!(
            ?witness,
            "the version before was asked whether it reaches the server"
        );
        self.observe(Observation::Witness(witness)).await
    }

    pub(super) async fn trial_tick(&mut self) -> Result<Option<Exit>, Error> {
        self.bound_log();
        self.observe(Observation::Tick).await
    }

    async fn observe(&mut self, observation: Observation) -> Result<Option<Exit>, Error> {
        let Some(trial) = &mut self.trial else {
            return Ok(None);
        };
        let verdict = trial.probation.observe(trial.began.elapsed(), observation);
        match verdict {
            Verdict::Wait(why) => {
                if trial.why.as_ref().map(std::mem::discriminant)
                    != Some(std::mem::discriminant(&why))
                {
                    info!(version = %trial.version(), %why, "probation");
                }
                trial.why = Some(why);
                Ok(None)
            }
            Verdict::AskWitness => {
                self.ask_witness();
                Ok(None)
            }
            Verdict::Proven => self.commit().await,
            Verdict::Return { outcome, reason } => self.return_old(outcome, reason).await,
        }
    }

    /// Asks the program that is still current whether it reaches the server. The answer arrives as an event.
    fn ask_witness(&self) {
        let answer = self.witnesses.clone();
        let exec = Exec::new(self.layout.current().join(Slot::PROGRAM), WITNESS_PATIENCE)
            .args(["agent", "witness", "--root"])
            .args([self.layout.root()]);
        tokio::spawn(async move {
            let witness = match exec.run().await {
                Ok(finished) if finished.succeeded() => Witness::Reached,
                Ok(_) => Witness::NotReached,
                Err(error) => {
                    // Nobody is blamed on the word of a witness that could not be called.
                    warn!(
                        error = words(&error),
                        "the version before could not be asked"
                    );
                    Witness::NotReached
                }
            };
            // The trial may be over by now.
            let _ = answer.send(witness).await;
        });
    }

    async fn commit(&mut self) -> Result<Option<Exit>, Error> {
        let Some(trial) = &self.trial else {
            return Ok(None);
        };
        let journal = trial.journal.at(Step::Commit, self.clock.now());
        self.state.write_journal(&journal)?;
        self.finish_commit(&journal)?;
        self.trial = None;
        self.collect_slots();
        let worker = self.worker.as_ref().map(super::children::Worker::pid);
        Ok(Some(self.execute_current(worker)?))
    }

    /// Ends the candidate and starts the old version. The journal says so first, so that a cut in between does not
    /// try the candidate again.
    async fn return_old(
        &mut self,
        outcome: Outcome,
        reason: RunReason,
    ) -> Result<Option<Exit>, Error> {
        let Some(trial) = &self.trial else {
            return Ok(None);
        };
        warn!(version = %trial.version(), %outcome, %reason, "the new version has not proven itself");
        let journal = trial
            .journal
            .at(Step::Return { outcome, reason }, self.clock.now());
        let journaled = self.state.write_journal(&journal);
        // From here on the old version's return comes before everything else, a full disk included.
        self.trial = None;
        self.stop_worker(RETURN_GRACE).await?;
        fault::point("candidate stopped");
        let finished = journaled.and_then(|()| self.finish_return(&journal));
        self.start_current();
        if let Err(error) = finished {
            self.finish_later(&error);
        }
        Ok(None)
    }

    fn collect_slots(&self) {
        let (keep, now) = (self.config.update.keep.duration(), self.clock.now());
        let collected = self.slots.list().and_then(|slots| {
            let young = slots
                .iter()
                .filter(|slot| now.duration_since(slot.installed_at).unsigned_abs() < keep);
            let young: Vec<Version> = young.map(|slot| slot.version().clone()).collect();
            self.slots.collect(&PackageName::lockstep(), &young)
        });
        match collected {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => info!(?removed, "removed old slots"),
            Err(error) => warn!(error = words(&error), "old slots could not be removed"),
        }
    }

    fn bound_log(&self) {
        let path = self.layout.candidate_log();
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_LOG) {
            let emptied = std::fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(0));
            match emptied {
                Ok(()) => warn!("the candidate's log grew beyond 8 MiB and was emptied"),
                Err(error) => error!(
                    error = words(&error),
                    "the candidate's log could not be emptied"
                ),
            }
        }
    }
}

/// The end of the last candidate's log.
pub(super) fn end_of_log(layout: &Layout) -> String {
    match fs::read_tail(&layout.candidate_log(), RunRecord::LONGEST_LOG as u64) {
        Ok(tail) => String::from_utf8_lossy(&tail).into_owned(),
        Err(error) => format!("(the log could not be read: {error})"),
    }
}
