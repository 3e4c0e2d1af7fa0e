//! What the server wants of this host, and the run that brings it there, up to the offer to the supervisor.
//!
//! Whether an order begins a run is decided by [`consider`]; here are the journal before each step, the fetch beside
//! the worker's loop, and what becomes of it.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::fault;
use lockstep_host::run_lock::RunLock;
use lockstep_model::api::Desired;
use lockstep_model::{Outcome, PackageName, RunId, RunReason, Version};
use lockstep_plan::probation::Link as LinkState;
use lockstep_plan::update::{By, Hold, Journal, Order, Situation, Skipped, Step, consider};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::fetch::{Fetched, Fetching};
use super::{Ask, Event, Retry, SUPERVISOR_PATIENCE, Worker};
use crate::fetch::Place;
use crate::local::{self, SupervisorAnswer, SupervisorRequest, WorkerAnswer};
use crate::{Error, words};

impl Worker {
    /// Takes in what the server wants, begins a run if one is due, and abandons one that is not wanted any more.
    pub(super) fn take_orders(&mut self, desired: Vec<Desired>) {
        let has_changed = self.desired != desired;
        self.desired = desired;
        if has_changed {
            self.look_at_runs();
        }
        let Some(wanted) = self.wanted().cloned() else {
            self.hold = None;
            self.abandon("the order was taken back", |_| true);
            self.answer_waiting(|_| WorkerAnswer::Nothing {
                hold: Hold::UpToDate,
            });
            return;
        };
        // What the supervisor does with a run is only in the journal.
        if !self.on_trial
            && self
                .run
                .as_ref()
                .is_some_and(|run| !run.is_over() && !run.step.is_the_workers())
        {
            self.run = self.journal();
        }
        let counts = !self.memory.is_newer_than(&wanted);
        self.abandon("the order has changed", |order| {
            counts && wanted.hash != order.hash
        });
        // A person who orders the update that failed here, or was held, means it.
        let insisted = self.waiting.iter().any(|(ask, _)| *ask == Ask::Update);
        if insisted {
            self.memory.forgive(&wanted.hash);
            self.memory.held = None;
            self.postponed_until = None;
        }
        let verdict = consider(&wanted, &self.situation(), self.order_time());
        let is_news = self.memory.saw(&wanted);
        if (insisted || is_news)
            && let Err(error) = self.state.write_memory(&self.memory)
        {
            error!(
                error = words(&error),
                "the order's generation could not be written down"
            );
        }
        match verdict {
            Ok(_) if self.on_trial => {}
            Ok(order) => {
                self.hold = None;
                self.begin_wanted(order);
            }
            Err(hold) => self.keep_from(&wanted.version, hold),
        }
    }

    pub(super) fn begin_wanted(&mut self, order: Order) {
        let version = order.version.clone();
        match self.begin_run(order) {
            Ok(run) => self.answer_waiting(|ask| match ask {
                Ask::Check => WorkerAnswer::Wanted {
                    version: version.clone(),
                    hold: None,
                },
                Ask::Update => WorkerAnswer::Begun {
                    run,
                    version: version.clone(),
                },
            }),
            Err(error) => {
                let why = words(&error);
                error!(
                    why,
                    "the run could not be begun; it is tried with the next report"
                );
                self.answer_waiting(|_| WorkerAnswer::Refused { why: why.clone() });
            }
        }
    }

    pub(super) fn keep_from(&mut self, wanted: &Version, hold: Hold) {
        if self.hold.as_ref() != Some(&hold) && hold != Hold::UpToDate {
            info!(%wanted, %hold, "not updating");
        }
        self.answer_waiting(|_| match &hold {
            Hold::UpToDate => WorkerAnswer::Nothing { hold: hold.clone() },
            _ => WorkerAnswer::Wanted {
                version: wanted.clone(),
                hold: Some(hold.clone()),
            },
        });
        self.hold = Some(hold);
    }

    /// What the server wants of the agent itself.
    pub(super) fn wanted(&self) -> Option<&Desired> {
        let own = PackageName::lockstep();
        self.desired.iter().find(|desired| desired.package == own)
    }

    pub(super) fn answer_waiting(&mut self, answer: impl Fn(Ask) -> WorkerAnswer) {
        for (ask, waiting) in self.waiting.drain(..) {
            // Whoever asked may have gone away.
            let _ = waiting.send(answer(ask));
        }
    }

    pub(super) fn situation(&self) -> Situation<'_> {
        Situation {
            current: Some(&self.slot.manifest.version),
            memory: &self.memory,
            run: self.run.as_ref(),
            other: self.runs.at_work(),
            // A person on the host who orders the update means it.
            enabled_here: self.config.update.enabled
                || self.waiting.iter().any(|(ask, _)| *ask == Ask::Update),
            updates: self.updates,
            retry_at: self.postponed_until.and_then(|due| {
                let left = due.saturating_duration_since(Instant::now());
                self.order_time().checked_add(left).ok()
            }),
        }
    }

    /// Gives up a run that only fetches or unpacks, when the server does not want it any more.
    pub(super) fn abandon(&mut self, why: &str, is_unwanted: impl Fn(&Order) -> bool) {
        let Some(run) = &self.run else { return };
        let order = &run.order;
        if run.step.is_the_workers() && order.by == By::Server && is_unwanted(order) {
            info!(run = %run.id, to = %order.version, why, "the run is given up");
            self.end_run(Outcome::Postponed, None);
        }
    }

    pub(super) fn begin_run(&mut self, order: Order) -> Result<RunId, Error> {
        let _alone = self.alone()?;
        let now = self.clock.now();
        let id = RunId::new(now, crate::random());
        let journal = Journal::begin(id, order, Some(self.slot.manifest.version.clone()), now);
        self.state.write_journal(&journal)?;
        info!(run = %id, to = %journal.order.version, hash = ?journal.order.hash, "a run begins");
        self.state.send_later(&journal.record(now, String::new()))?;
        self.run = Some(journal);
        self.fetch();
        Ok(id)
    }

    /// Until the journal is written nobody else may begin to change this host; then the journal says so.
    fn alone(&self) -> Result<RunLock, Error> {
        if RunLock::is_held(&self.layout) {
            return Err(Error::Refused("another run is at work on this host".into()));
        }
        Ok(RunLock::acquire(&self.layout)?)
    }

    /// After a start: goes on with a run that is the worker's, and leaves time after one that was postponed.
    pub(super) fn resume_run(&mut self) {
        if let Some(run) = &self.run
            && let Step::Over {
                outcome: Outcome::Postponed,
                ..
            } = run.step
        {
            let retry = self.config.update.retry.duration();
            // Never longer than that, whatever the clock says by now.
            let passed = self.clock.now().duration_since(run.changed_at);
            let passed = Duration::try_from(passed).unwrap_or_default();
            self.postponed_until = Some(Instant::now() + retry.saturating_sub(passed));
        }
        let Some(run) = self
            .run
            .as_ref()
            .filter(|run| run.step.is_the_workers() && !self.on_trial)
        else {
            return;
        };
        info!(run = %run.id, to = %run.order.version, "going on with the run");
        self.fetch();
    }

    pub(super) fn fetch(&mut self) {
        let Some(run) = &self.run else { return };
        self.retry = None;
        self.fetching = Some(Fetching::start(
            run.clone(),
            self.place(),
            self.link.client(),
            self.events.clone(),
        ));
    }

    /// Where releases of the agent are fetched to.
    pub(super) fn place(&self) -> Place {
        Place {
            layout: self.layout.clone(),
            current: Some(self.slot.clone()),
            clock: self.clock.clone(),
            retry: self.config.update.retry.duration(),
            mirror: self.config.update.mirror.clone(),
        }
    }

    pub(super) fn retry_in(&self) -> Duration {
        let hour = Duration::from_secs(3600);
        self.retry.as_ref().map_or(hour, |retry| {
            retry.due.saturating_duration_since(Instant::now())
        })
    }

    pub(super) fn retry_run(&mut self) {
        let due = self.retry.take().is_some();
        if due
            && self
                .run
                .as_ref()
                .is_some_and(|run| run.step.is_the_workers())
        {
            self.fetch();
        }
    }

    /// The time by which orders are judged: the server's clock, if it has told it. A host whose own clock is wrong must
    /// not wait for years until "not before" has come.
    pub(super) fn order_time(&self) -> Timestamp {
        let now = self.clock.now();
        let told = self
            .server_clock
            .map(|(then, at)| then.checked_add(at.elapsed()));
        told.and_then(Result::ok).unwrap_or(now)
    }

    pub(super) fn fetched(&mut self, id: RunId, fetched: Fetched) {
        let Some(run) = self
            .run
            .clone()
            .filter(|run| run.id == id && run.step.is_the_workers())
        else {
            return;
        };
        match fetched {
            Fetched::Enter(step, journaled) => {
                let entered = run.at(step, self.clock.now());
                match self.state.write_journal(&entered) {
                    Ok(()) => {
                        self.run = Some(entered);
                        // The fetch may have been given up.
                        let _ = journaled.send(());
                    }
                    Err(error) => {
                        self.retry_later(words(&error), self.config.update.retry.duration())
                    }
                }
            }
            Fetched::Ready => {
                self.fetching = None;
                self.offer(run);
            }
            Fetched::Failed { outcome, reason } => {
                warn!(run = %id, %outcome, %reason, "the run failed");
                self.end_run(outcome, Some(reason));
            }
            Fetched::Again { why, after } => self.retry_later(why, after),
        }
    }

    pub(super) fn retry_later(&mut self, why: String, after: Duration) {
        self.fetching = None;
        let at = self.clock.now() + after;
        warn!(why, at = %format_args!("{at:.0}"), "the run cannot go on now; tried again");
        let due = Instant::now() + after;
        self.retry = Some(Retry { why, at, due });
    }

    /// Asks the supervisor to try the slot. If it agrees, this worker is about to be stopped.
    pub(super) fn offer(&mut self, run: Journal) {
        let Some(levels) = self.watching.levels(|_| false) else {
            return self.retry_later(
                "the first samples are not there yet".into(),
                Duration::from_secs(1),
            );
        };
        let gates = &self.config.probation;
        let baseline = levels
            .into_iter()
            .filter(|(item, _)| gates.is_gated(item))
            .collect();
        let is_out_of_reach = matches!(
            self.link_state,
            LinkState::Unknown | LinkState::Unreachable { .. }
        );
        let offered = Journal {
            baseline,
            alone: run.order.brought && is_out_of_reach,
            ..run.at(Step::Offered, self.clock.now())
        };
        let retry = self.config.update.retry.duration();
        let alone = match self.alone() {
            Ok(alone) => alone,
            Err(error) => return self.retry_later(words(&error), retry),
        };
        if let Err(error) = self.state.write_journal(&offered) {
            return self.retry_later(words(&error), retry);
        }
        drop(alone);
        fault::point("offered");
        let (socket, events, id) = (
            self.layout.supervisor_socket(),
            self.events.clone(),
            offered.id,
        );
        self.run = Some(offered);
        tokio::spawn(async move {
            let answer = local::ask(
                &socket,
                &SupervisorRequest::Try { run: id },
                SUPERVISOR_PATIENCE,
            )
            .await;
            let why = match answer {
                Ok(SupervisorAnswer::Accepted) => return,
                Ok(SupervisorAnswer::Refused { why }) => why,
                Ok(_) => "the supervisor's answer is not understood".into(),
                Err(error) => words(&error),
            };
            // The worker may be stopping.
            let _ = events
                .send(Event::Fetched(
                    id,
                    Box::new(Fetched::Again { why, after: retry }),
                ))
                .await;
        });
    }

    pub(super) fn end_run(&mut self, outcome: Outcome, reason: Option<RunReason>) {
        let Some(run) = self.run.take() else { return };
        self.fetching = None;
        self.retry = None;
        let now = self.clock.now();
        if outcome == Outcome::Postponed && reason.is_some() {
            self.postponed_until = Some(Instant::now() + self.config.update.retry.duration());
        }
        let over = run.at(
            Step::Over {
                outcome,
                reason: reason.clone(),
            },
            now,
        );
        if let Some(reason) = reason.filter(|_| outcome.blames_release()) {
            self.memory.skip(Skipped {
                hash: run.order.hash,
                version: run.order.version.clone(),
                generation: self.memory.generation.max(run.order.generation),
                reason,
                at: now,
            });
        }
        let written = self
            .state
            .write_memory(&self.memory)
            .and_then(|()| self.state.send_later(&over.record(now, String::new())))
            .and_then(|()| self.state.write_journal(&over));
        if let Err(error) = written {
            // The journal still holds the run: the next start enters it again.
            error!(
                error = words(&error),
                "the end of the run could not be written down"
            );
        }
        self.run = Some(over);
        self.next_report = Instant::now();
    }

    pub(super) fn journal(&self) -> Option<Journal> {
        self.state.journal().unwrap_or_else(|error| {
            error!(error = words(&error), "the journal could not be read");
            None
        })
    }
}
