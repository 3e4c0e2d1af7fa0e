//! One change to one host, from check to release, as a journaled state machine.
//!
//! The journal is written before each step; every step may be entered twice. Here is what a step may be and what
//! follows from what; the acts are the engine's, in the `agent` crate. It asks [`next`] what is to be done, does it, and
//! gives what came of it to [`after`], which returns the next journal. [`resume`] is what a starting engine makes of the
//! journal that it finds, [`command`] what a person's word makes of it.
//!
//! ```text
//! check ─ spread ─ idle ─ lock ─ hold ─ pre ─ apply ─ needs reboot? ─ rebooting ─ post ─ verify ─ release ─ over
//!                   ▲               │                                    │
//!                   └──── yield ◄───┘ busy again               stopped, the lock is kept
//! ```
//!
//! What holds whatever happens, and is tested for thousands of random histories:
//!
//! 1. With a lock configured nothing is done to the host before the lock was granted, and no phase that changes the host
//!    begins without the server having confirmed the grant by its number since the last step.
//! 2. A phase that failed between lock and release keeps the lock, and nothing goes on until a person says so.
//! 3. The machine's boot id has changed between the command to restart it and the phase behind it.
//! 4. Every wait has an end or a person who can see it, and says what it waits for.
//!
//! The phases and what they fail by are those of Foreman's `dlm_updater`, with its faults mended: the lock is asked for
//! again when it was lost, a restart that failed or never came is never passed over.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{
    ItemName, Level, LockName, Outcome, PackageName, PackageVersion, Phase, RunId, RunKind,
    RunLock, RunReason, RunRecord,
};
use serde::{Deserialize, Serialize};

mod happened;
mod next;
mod wait;

pub use happened::{Happened, after, command, resume};
pub use next::{Do, Facts, next};
pub use wait::{Wait, Waiting};

/// What is to be changed, and by which rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// How.
    pub kind: RunKind,
    /// What.
    pub package: PackageName,
    /// The version before, as far as it is known.
    #[serde(default)]
    pub from: Option<PackageVersion>,
    /// The version wanted, as far as it is known.
    #[serde(default)]
    pub to: Option<PackageVersion>,
    /// Who asked for it, in words.
    pub by: String,
    /// The lock that is held from `pre` to `release`.
    #[serde(default)]
    pub lock: Option<LockName>,
    /// Whether something on the host is held still during the change, such as an idle lock.
    #[serde(default)]
    pub holds: bool,
    /// Its limits.
    #[serde(default)]
    pub rules: Rules,
}

/// Limits of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// After a refusal of the lock it is asked for again in this time, unless the server says another one.
    pub lock_again: Duration,
    /// While the host is busy it is asked again in this time.
    pub busy_again: Duration,
    /// A host that is busy for longer is given up for now; none for never.
    pub busy_longest: Option<Duration>,
    /// A script that asks for another time is called again in this time.
    pub later_again: Duration,
    /// So often; then it has failed.
    pub later_most: u32,
    /// The machine must have restarted in this time after the command.
    pub reboot_within: Duration,
    /// After the change the host must be as well as before for so long; zero for not looking.
    pub verify_for: Duration,
    /// It must have become so within this time.
    pub verify_within: Duration,
    /// What could not be done for the sake of others (the server, the network) is tried again in this time.
    pub again: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            // Foreman's dlm_updater sleeps for a minute.
            lock_again: minutes(1),
            busy_again: minutes(1),
            busy_longest: None,
            later_again: minutes(5),
            later_most: 12,
            reboot_within: minutes(15),
            verify_for: minutes(1),
            verify_within: minutes(15),
            again: Duration::from_secs(15),
        }
    }
}

/// The journal of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunJournal {
    /// Format of the file; this is [`RunJournal::FORMAT`].
    pub format: u32,
    /// The run.
    pub id: RunId,
    /// What it changes.
    pub job: Job,
    /// Where it is.
    pub step: Step,
    /// What it waits for before it goes on, if it waits.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// The lock, from its grant to its release.
    #[serde(default)]
    pub lock: Option<RunLock>,
    /// Levels of the gated items before the change; none if nobody could say.
    #[serde(default)]
    pub baseline: Option<BTreeMap<ItemName, Level>>,
    /// How often scripts of this step asked for another time.
    #[serde(default)]
    pub later: u32,
    /// The newest command of a person that was obeyed.
    #[serde(default)]
    pub commanded: u64,
    /// When the run began.
    pub started_at: Timestamp,
    /// When it entered its step.
    pub changed_at: Timestamp,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Is anything to do? Until this is answered nobody is told of the run.
    Check,
    /// Waits for the host's own moment, and for the hours in which it may begin.
    Spread {
        /// The moment.
        until: Timestamp,
    },
    /// Waits until the host's work allows it.
    Idle,
    /// Acquires the lock.
    Lock {
        /// What follows: the step before which the lock was lost, or the first one that needs it.
        then: Box<Step>,
    },
    /// Holds still what works on the host, now that the lock is there.
    Hold,
    /// The host has become busy meanwhile: gives the lock back to those who can use it, and waits again.
    Yield,
    /// Runs what must come before.
    Pre,
    /// Makes the change.
    Apply,
    /// Asks whether the machine must be restarted.
    NeedsReboot,
    /// Restarts the machine.
    Rebooting {
        /// The boot id that must change.
        boot_id: String,
        /// When the command ended well; none while it has not.
        ordered_at: Option<Timestamp>,
    },
    /// Runs what must come after.
    Post,
    /// Looks whether the host is as well as before.
    Verify {
        /// Since when it is.
        well_since: Option<Timestamp>,
    },
    /// Goes back to the version before.
    Return {
        /// Why.
        reason: RunReason,
    },
    /// Frees the lock.
    Release {
        /// How the run will have ended.
        outcome: Outcome,
        /// Why it does not end well.
        reason: Option<RunReason>,
    },
    /// A phase has failed; a person must say how it goes on. The lock is kept.
    Stopped {
        /// The phase.
        phase: Phase,
        /// Why.
        reason: RunReason,
        /// The boot id that must have changed, if it was the restart that failed.
        boot_id: Option<String>,
    },
    /// The run is over.
    Over {
        /// How it ended.
        outcome: Outcome,
        /// Why it did not end well.
        reason: Option<RunReason>,
    },
    /// There was nothing to do.
    Nothing,
}

impl Step {
    /// The step as one of the phases that every run has.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Check | Self::Nothing => Phase::Check,
            Self::Spread { .. } => Phase::Spread,
            Self::Idle | Self::Hold | Self::Yield => Phase::Idle,
            Self::Lock { .. } => Phase::Lock,
            Self::Pre => Phase::Pre,
            Self::Apply => Phase::Apply,
            Self::NeedsReboot | Self::Rebooting { .. } => Phase::Reboot,
            Self::Post => Phase::Post,
            Self::Verify { .. } | Self::Return { .. } => Phase::Verify,
            Self::Release { .. } => Phase::Release,
            Self::Stopped { phase, .. } => *phase,
            Self::Over { .. } => Phase::Done,
        }
    }

    /// True for steps that change the host, and therefore need the lock. A restart that was ordered needs it no more.
    #[must_use]
    pub fn needs_lock(&self) -> bool {
        match self {
            Self::Pre | Self::Apply | Self::NeedsReboot | Self::Post | Self::Return { .. } => true,
            Self::Rebooting { ordered_at, .. } => ordered_at.is_none(),
            _ => false,
        }
    }
}

impl Step {
    /// True for the steps behind the first grant of the lock: nothing was done to the host before them.
    fn is_the_first(&self) -> bool {
        matches!(self, Self::Hold | Self::Pre)
    }
}

impl RunJournal {
    /// The format that this version writes.
    pub const FORMAT: u32 = 1;

    /// Begins a run.
    #[must_use]
    pub fn begin(id: RunId, job: Job, now: Timestamp) -> Self {
        Self {
            format: Self::FORMAT,
            id,
            job,
            step: Step::Check,
            waiting: None,
            lock: None,
            baseline: None,
            later: 0,
            commanded: 0,
            started_at: now,
            changed_at: now,
        }
    }

    /// True once there is nothing more to be done, and nothing to be decided.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.step, Step::Over { .. } | Step::Nothing)
    }

    /// True while a person must say how it goes on.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        matches!(self.step, Step::Stopped { .. })
    }

    /// True from the first step that changes the host to the last: no other run may change it meanwhile.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        use Step::{Hold, Rebooting, Release, Verify};
        let step = &self.step;
        let lost_it_at_work = matches!(step, Step::Lock { then } if !then.is_the_first());
        step.needs_lock()
            || lost_it_at_work
            || matches!(
                step,
                Hold | Rebooting { .. } | Verify { .. } | Release { .. }
            )
    }

    /// The record of the run for the server; none while there may be nothing to do. `log` is the end of what its
    /// scripts wrote.
    #[must_use]
    pub fn record(&self, now: Timestamp, log: String) -> Option<RunRecord> {
        let (outcome, reason) = match &self.step {
            Step::Check | Step::Nothing => return None,
            Step::Over { outcome, reason } => (Some(*outcome), reason.clone()),
            Step::Stopped { reason, .. } => (Some(Outcome::Stopped), Some(reason.clone())),
            Step::Release { reason, .. } => (None, reason.clone()),
            Step::Return { reason } => (None, Some(reason.clone())),
            _ => (None, None),
        };
        let job = &self.job;
        Some(RunRecord {
            id: self.id,
            kind: job.kind,
            package: job.package.clone(),
            from: job.from.clone(),
            to: job.to.clone(),
            hash: None,
            generation: 0,
            by: job.by.clone(),
            phase: self.step.phase(),
            waits: self.waiting.as_ref().map(|waiting| waiting.why.to_string()),
            lock: self.lock.clone(),
            outcome,
            reason,
            started_at: self.started_at,
            at: now,
            log,
            link: None,
        })
    }

    /// The same run in another step, waiting for nothing.
    fn at(&self, step: Step, now: Timestamp) -> Self {
        Self {
            step,
            waiting: None,
            later: 0,
            changed_at: now,
            ..self.clone()
        }
    }

    /// The same run in the same step, waiting.
    fn wait(&self, why: Wait, time: Duration, now: Timestamp) -> Self {
        Self {
            waiting: Some(Waiting::from(why, time, now)),
            ..self.clone()
        }
    }

    fn stop(&self, reason: RunReason, now: Timestamp) -> Self {
        let boot_id = match &self.step {
            Step::Rebooting { boot_id, .. } => Some(boot_id.clone()),
            _ => None,
        };
        let phase = self.step.phase();
        self.at(
            Step::Stopped {
                phase,
                reason,
                boot_id,
            },
            now,
        )
    }

    fn release(&self, outcome: Outcome, reason: Option<RunReason>, now: Timestamp) -> Self {
        let step = match self.lock {
            Some(_) => Step::Release { outcome, reason },
            None => Step::Over { outcome, reason },
        };
        self.at(step, now)
    }
}

#[cfg(test)]
mod tests;
