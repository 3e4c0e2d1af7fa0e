//! The engine: asks what is next, writes it down, does it.

mod grant;
mod host;
mod telling;

use std::path::PathBuf;
use std::sync::Arc;

use lockstep_host::idle_lock::IdleLock;
use lockstep_host::pid_file::PidFile;
use lockstep_host::run_lock::RunLock as HostLock;
use lockstep_host::{Layout, machine};
use lockstep_model::{Hours, Outcome, PackageName, Phase, RunCommand, RunReason, RunVerb};
use lockstep_net::Clock;
use lockstep_plan::run::{self, Do, Facts, Happened, RunJournal, Step, Wait};
use serde::Serialize;
use tokio::sync::watch;
use tracing::{debug, info};

use super::bundle::BundleUpdate;
use super::config::Verify;
use super::health;
use super::journals::Journals;
use super::locks::Locks;
use super::output::Output;
use super::package::PackageUpdate;
use super::system::SystemUpgrade;
use super::wished;
use crate::Error;

/// What a run is done by.
#[derive(Debug)]
pub(super) enum Backend {
    /// The operating system.
    System(Box<SystemUpgrade>),
    /// One package.
    Package(Box<PackageUpdate>),
    /// A signed bundle of others.
    Bundle(Box<BundleUpdate>),
}

/// How a call of the engine ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "ended", rename_all = "kebab-case")]
pub enum Ended {
    /// There was nothing to do.
    Nothing,
    /// The run is over.
    Over {
        /// How.
        outcome: Outcome,
        /// Why it did not end well.
        reason: Option<RunReason>,
    },
    /// A phase failed; a person must say how it goes on.
    Stopped {
        /// Which.
        phase: Phase,
        /// Why.
        reason: RunReason,
    },
    /// It was told to end before the run was over; called again it goes on.
    Interrupted {
        /// Where it is.
        phase: Phase,
        /// What it waits for.
        waits: Option<Wait>,
    },
}

/// One run, under way.
#[derive(Debug)]
pub struct Engine {
    pub(super) layout: Layout,
    pub(super) clock: Clock,
    pub(super) journals: Journals,
    pub(super) journal: RunJournal,
    pub(super) backend: Backend,
    pub(super) verify: Verify,
    pub(super) locks: Option<Arc<Locks>>,
    pub(super) output: Output,
    pub(super) idle: Option<IdleLock>,
    /// This package's lock: one process goes on with its run.
    pub(super) owner: Option<PidFile>,
    /// The host's run lock, while the run is at work.
    pub(super) at_work: Option<HostLock>,
    /// The hours in which a run may begin, and as they are written.
    pub(super) hours: Option<(Hours, String)>,
    pub(super) lock_is_confirmed: bool,
    /// True if the process ends while the host waits for its own moment: whoever called it calls again.
    pub(super) leaves: bool,
    /// True once somebody asked the process to end.
    pub(super) stop: watch::Receiver<bool>,
    /// Changes when there is news, of a place of a lock perhaps.
    pub(super) news: watch::Receiver<u64>,
}

impl Engine {
    /// Obeys a person's word on a run that has stopped. False if it was none for this run.
    fn obey(&mut self, command: &RunCommand) -> Result<bool, Error> {
        let obeyed = run::command(&self.journal, command, self.clock.now());
        self.take_word(obeyed, command.verb, &command.by)
    }

    /// The same of a person on this host.
    pub fn obey_person(&mut self, verb: RunVerb, by: &str, why: &str) -> Result<bool, Error> {
        let obeyed = run::command_by_hand(&self.journal, verb, by, why, self.clock.now());
        self.take_word(obeyed, verb, by)
    }

    fn take_word(&mut self, obeyed: RunJournal, verb: RunVerb, by: &str) -> Result<bool, Error> {
        if obeyed == self.journal {
            return Ok(false);
        }
        info!(run = %self.journal.id, ?verb, by, "a person has said how it goes on");
        self.enter(obeyed)?;
        Ok(true)
    }

    /// Asks the server whether a person has said how a stopped run goes on.
    pub async fn ask_person(&mut self) -> Result<(), Error> {
        if let (true, Some(locks)) = (self.journal.has_stopped(), &self.locks) {
            match locks.command(&self.journal.id).await {
                Ok(Some(command)) => {
                    self.obey(&command)?;
                }
                Ok(None) => {}
                Err(why) => debug!(why, "nobody could be asked how the run goes on"),
            }
        }
        Ok(())
    }

    /// Goes on until the run is over, has stopped, or the process is asked to end.
    pub async fn run(&mut self) -> Result<Ended, Error> {
        let boot_id = machine::boot_id_below(&self.layout)?;
        let resumed = run::resume(&self.journal, &self.facts(&boot_id));
        // A script that a killed engine left behind must not run beside the same one.
        lockstep_host::scripts::end_leftover(self.output.path()).await?;
        // What was held before a kill is held still.
        if let Some(path) = self.idle_lock() {
            self.idle = IdleLock::recall(&path, self.journal.id)?;
            if !self.journal.keeps_still() {
                self.leave();
            }
        }
        // The record is told again: the process may have died between the journal and it.
        self.enter(resumed)?;
        loop {
            self.send_records().await;
            let boot_id = machine::boot_id_below(&self.layout)?;
            let step = run::next(&self.journal, &self.facts(&boot_id));
            if self.take_or_leave_the_host().await? {
                // That may have taken long.
                continue;
            }
            let is_asked_to_end = *self.stop.borrow();
            if let Some(reason) = self.unwanted() {
                info!(run = %self.journal.id, %reason, "the run is given up");
                let next = run::after(
                    &self.journal,
                    Happened::NotNow(reason),
                    &self.facts(&boot_id),
                );
                self.enter(next)?;
                continue;
            }
            let happened = match step {
                Do::End => return Ok(self.ended()),
                Do::AskPerson => {
                    self.leave();
                    return Ok(self.ended());
                }
                _ if is_asked_to_end => return Ok(self.interrupted()),
                Do::Wait { why, .. } if self.leaves && matches!(why, Wait::Spread { .. }) => {
                    return Ok(self.interrupted());
                }
                Do::Wait { until, .. } => {
                    if !self.wait(until).await? {
                        return Ok(Ended::Nothing);
                    }
                    continue;
                }
                Do::ConfirmLock => match self.confirm_lock().await {
                    Some(happened) => happened,
                    None => continue,
                },
                step => {
                    let renewing = self.renewing();
                    tokio::select! {
                        happened = self.act(&step) => happened,
                        () = renewing => continue,
                    }
                }
            };
            debug!(run = %self.journal.id, step = ?self.journal.step, ?happened, "happened");
            let next = run::after(&self.journal, happened, &self.facts(&boot_id));
            self.enter(next)?;
        }
    }

    async fn act(&mut self, step: &Do) -> Happened {
        match step {
            Do::Check => {
                self.output.clear();
                self.check().await
            }
            Do::AskWhetherIdle => match self.ask_whether_idle().await {
                Happened::Rest { baseline } => match self.fetch().await {
                    Ok(()) => Happened::Rest { baseline },
                    Err(reason) => Happened::NotNow(reason),
                },
                busy => busy,
            },
            Do::Hold => self.hold().await,
            Do::AcquireLock => self.acquire_lock().await,
            Do::ReleaseLock => self.release_lock().await,
            // What there is to be asked before was asked in this turn; the journal has it now.
            Do::Begin => Happened::Succeeded,
            Do::Work(phase) => self.work(*phase).await,
            Do::AskWhetherReboot => match &self.backend {
                Backend::System(system) => system.needs_reboot(&self.journal, &self.output).await,
                Backend::Package(_) | Backend::Bundle(_) => Happened::Succeeded,
            },
            Do::Reboot => match &self.backend {
                Backend::System(system) => {
                    info!(run = %self.journal.id, "restarting the machine");
                    system.reboot(&self.journal).await
                }
                Backend::Package(_) | Backend::Bundle(_) => {
                    Happened::Failed(RunReason::HostFailed {
                        why: "a package restarts no machine".into(),
                    })
                }
            },
            Do::AskHealth => {
                if let Backend::Bundle(bundle) = &self.backend {
                    return bundle.look(&self.journal, &self.verify).await;
                }
                let now = health::levels(&self.layout, &self.verify).await;
                health::compare(self.journal.baseline.as_ref(), now)
            }
            Do::Return => match &mut self.backend {
                Backend::Package(package) => package.go_back(&self.journal, &self.output).await,
                Backend::Bundle(bundle) => bundle.go_back(&self.journal, &self.output).await,
                Backend::System(_) => Happened::Failed(RunReason::HostFailed {
                    why: "an operating system cannot be taken back".into(),
                }),
            },
            Do::Fetch => match &self.backend {
                Backend::Bundle(bundle) => bundle.fetch(&self.journal, self.stop.clone()).await,
                Backend::System(_) | Backend::Package(_) => Happened::Succeeded,
            },
            Do::Commit => match &self.backend {
                Backend::Bundle(bundle) => bundle.commit(&self.journal),
                Backend::System(_) | Backend::Package(_) => Happened::Succeeded,
            },
            // Waiting, confirming and ending are the loop's.
            Do::GoOn | Do::Wait { .. } | Do::ConfirmLock | Do::AskPerson | Do::End => {
                Happened::Waited
            }
        }
    }

    async fn check(&mut self) -> Happened {
        let now = self.clock.now();
        match &mut self.backend {
            Backend::System(system) => system.check(&self.journal, &self.output).await,
            Backend::Package(package) => package.check(&self.journal, now).await,
            Backend::Bundle(bundle) => bundle.check(&self.journal),
        }
    }

    async fn work(&mut self, phase: Phase) -> Happened {
        info!(run = %self.journal.id, %phase, "working");
        match &mut self.backend {
            Backend::System(system) => system.work(&self.journal, &self.output, phase).await,
            Backend::Package(package) => {
                let happened = package.work(&self.journal, &self.output, phase).await;
                if let Some(newer) = package.take_newer() {
                    self.journal.job.to = Some(newer);
                }
                happened
            }
            Backend::Bundle(bundle) => bundle.work(&self.journal, &self.output, phase).await,
        }
    }

    /// Has what is to come on the disk before the lock is asked for: a network that fails now costs nobody anything.
    async fn fetch(&mut self) -> Result<(), RunReason> {
        match &mut self.backend {
            Backend::System(system) => system.fetch().await,
            Backend::Package(package) => package.fetch(&self.journal).await,
            // It was, before the host was asked whether it is at rest.
            Backend::Bundle(_) => Ok(()),
        }
    }

    /// Why the run is not gone on with, if nobody wants what it brings any more.
    fn unwanted(&self) -> Option<RunReason> {
        match &self.backend {
            Backend::Bundle(bundle) => bundle.unwanted(&self.journal),
            Backend::System(_) => wished::unwanted(&self.layout, &self.journal, self.clock.now()),
            Backend::Package(_) => None,
        }
    }

    fn facts<'a>(&'a self, boot_id: &'a str) -> Facts<'a> {
        let now = self.clock.now();
        let outside = self.hours.as_ref().filter(|(hours, _)| !hours.contain(now));
        let outside = outside.map(|(_, text)| text.as_str());
        Facts {
            now,
            boot_id,
            lock_is_confirmed: self.lock_is_confirmed,
            outside_of_hours: outside,
        }
    }

    fn interrupted(&self) -> Ended {
        Ended::Interrupted {
            phase: self.journal.step.phase(),
            waits: self
                .journal
                .waiting
                .as_ref()
                .map(|waiting| waiting.why.clone()),
        }
    }

    fn ended(&self) -> Ended {
        match &self.journal.step {
            Step::Over { outcome, reason } => Ended::Over {
                outcome: *outcome,
                reason: reason.clone(),
            },
            Step::Stopped { phase, reason, .. } => Ended::Stopped {
                phase: *phase,
                reason: reason.clone(),
            },
            _ => Ended::Nothing,
        }
    }
}

/// Takes the lock of a package's run, for one process on the host.
pub(super) fn own(layout: &Layout, package: &PackageName) -> Result<PidFile, lockstep_host::Error> {
    lockstep_host::fs::create_private_dir(&layout.runs_dir())?;
    PidFile::hold(&package_lock(layout, package))
}

/// The file that whoever goes on with a package's run holds.
pub(crate) fn package_lock(layout: &Layout, package: &PackageName) -> PathBuf {
    layout.runs_dir().join(format!("{package}.pid"))
}
