//! One change to one host, from check to release, as a journaled state machine.
//!
//! The journal is written before each step; every step may be entered twice. Here is what a step may be and what
//! follows from what; the acts are the engine's, in the `agent` crate. It asks [`next()`] what is to be done, does it, and
//! gives what came of it to [`after`], which returns the next journal. [`resume`] is what a starting engine makes of the
//! journal that it finds, [`command`] what a person's word makes of it.
//!
//! ```text
//! check ─ spread ─ idle ─ lock ─ hold ─ pre ─ apply ─ needs reboot? ─ rebooting ─ post ─ verify ─ release ─ over
//!                   ▲               │                                    │
//!                   └──── yield ◄───┘ busy again               stopped, the lock is kept
//! ```
//!
//! A bundle is fetched and checked between `spread` and `idle`, without keeping anybody waiting; it goes back by itself
//! from `apply`, `post` and `verify`, which is its probation; and a step `commit` keeps what has proven itself.
//!
//! A restart of the machine that an operator [wishes](Wished) is a run, too: it has no `apply`, and goes from `pre` to
//! `rebooting`.
//!
//! Every step with what may come of it is in `docs/runs-states.md`, which a test keeps true.
//!
//! What holds whatever happens, and is tested for thousands of random histories:
//!
//! 1. With a lock configured nothing is done to the host before the lock was granted, and no phase that changes the host
//!    begins without the server having confirmed the grant by its number since the last step.
//! 2. A phase that failed between lock and release keeps the lock, and nothing goes on until a person says so.
//! 3. The machine's boot id has changed between the command to restart it and the phase behind it.
//! 4. Every wait has an end or a person who can see it, and says what it waits for.
//! 5. For a wish the machine is told to restart only in the boot in which that was wished, and not after the wish's end.
//!
//! Clocks are set while runs are under way, above all when a machine has just started. A clock that was set back begins
//! a wait anew, or ends it where to ask once more harms nobody; one that was set forward ends waits early. Time in which
//! nobody looked is not held against the host's health.
//!
//! The phases and what they fail by are those of Foreman's `dlm_updater`, with its faults mended: the lock is asked for
//! again when it was lost, a restart that failed or never came is never passed over.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{
    ItemName, Level, LockName, Outcome, PackageName, PackageVersion, RunId, RunKind, RunLock,
    RunReason, RunRecord,
};
use serde::{Deserialize, Serialize};

use crate::update::Order;

mod grant;
mod happened;
mod health;
mod next;
mod rest;
mod step;
mod wait;
mod wished;
mod word;

pub use happened::{Happened, after, resume};
pub use next::{Do, Facts, next};
pub use step::Step;
pub use wait::{Wait, Waiting};
pub use wished::{Wished, is_spent};
pub use word::{command, command_by_hand};

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
    /// Whether something on the host is held still during the change, such as an idle lock. With a lock configured the
    /// host is asked again in any case once the lock is there, for it may have waited long.
    #[serde(default)]
    pub holds: bool,
    /// The release that a run of a bundle brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// The wish that a run restarts the machine for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wished>,
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
    /// A host that is busy for longer is given up for now; none for never. Time in which it waited for the lock or for
    /// its hours does not count.
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
    /// A bundle's service, check or items may be ill for so long in a row.
    pub worse_for: Duration,
    /// And they may become ill so often.
    pub max_flips: u32,
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
            worse_for: Duration::from_secs(30),
            max_flips: 3,
            again: Duration::from_secs(15),
        }
    }
}

/// How a bundle fares on its probation.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Trial {
    /// How often it became ill.
    pub flips: u32,
    /// Since when it is ill without a pause.
    #[serde(default)]
    pub ill_since: Option<Timestamp>,
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
    /// How often this step was put off: by scripts that asked for another time, or by a server that did not say
    /// whether the lock was given back. Kept while a lost lock is asked for again.
    #[serde(default)]
    pub later: u32,
    /// True once something may have been done to the host, by this process or by one that was killed.
    #[serde(default)]
    pub begun: bool,
    /// Since when the host is busy, without having waited for anything else in between.
    #[serde(default)]
    pub busy_since: Option<Timestamp>,
    /// How a bundle fares on its probation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// Why the machine is not restarted any more for the [wish](Job::wish) of the run, which only takes back what it has
    /// begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<RunReason>,
    /// The newest command of a person that was obeyed.
    #[serde(default)]
    pub commanded: u64,
    /// When the run began.
    pub started_at: Timestamp,
    /// When it entered its step.
    pub changed_at: Timestamp,
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
            begun: false,
            busy_since: None,
            trial: None,
            void: None,
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

    /// True from the first step that may change the host to the last: no other run may change it meanwhile. A run that
    /// has stopped is not at work, for what mends the host may be another run; see [`Self::keeps_waiting`].
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        let ended = self.is_over() || self.has_stopped();
        let holds = matches!(self.step, Step::Hold { .. }) || self.step.needs_lock();
        !ended && (self.begun || holds)
    }

    /// True while what works on the host is to be held still, from [`Step::Hold`] to the end of the run. While the run has
    /// stopped it may work again, for nobody knows when a person comes; it is held anew before the run goes on. An
    /// engine that starts takes back what it held, and frees it as soon as this is false.
    #[must_use]
    pub fn keeps_still(&self) -> bool {
        self.job.holds && self.is_at_work()
    }

    /// What another run on this host has to wait for, in words: this one is at work; or it keeps the lock that the other
    /// one wants, which the server gives to a host only once, so that the other one would give it back.
    #[must_use]
    pub fn keeps_waiting(&self, other: &Job) -> Option<String> {
        if self.job.package == other.package {
            return None;
        }
        let (id, package) = (self.id, &self.job.package);
        if self.is_at_work() {
            return Some(format!("run {id} of {package} is at work"));
        }
        let lock = self.lock.as_ref()?;
        (other.lock.as_ref() == Some(&lock.name))
            .then(|| format!("run {id} of {package} keeps the lock {}", lock.name))
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
            hash: job.order.as_ref().map(|order| order.hash),
            generation: job.order.as_ref().map_or(0, |order| order.generation),
            by: job.by.clone(),
            phase: self.step.phase(),
            waits: self.waits(now),
            lock: self.lock.clone(),
            outcome,
            reason,
            started_at: self.started_at,
            at: now,
            log,
            link: None,
        })
    }

    /// What it waits for, in words. A wait that is over is still in the journal while the step is at work again.
    fn waits(&self, now: Timestamp) -> Option<String> {
        let waiting = self.waiting.as_ref()?;
        let is_at_it = self.step.needs_lock() && waiting.is_over(now);
        (!is_at_it).then(|| waiting.why.to_string())
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

    /// True for a release of others that is unpacked beside the one before it.
    fn is_bundle(&self) -> bool {
        self.job.kind == RunKind::Bundle
    }

    /// The first step behind its moment.
    fn first_look(&self) -> Step {
        match self.is_bundle() {
            true => Step::Fetch,
            false => Step::Idle,
        }
    }

    /// The first step behind the lock.
    fn first_step(&self) -> Step {
        match self.job.holds || self.job.lock.is_some() {
            true => Step::Hold {
                then: Box::new(Step::Pre),
            },
            false => Step::Pre,
        }
    }

    /// The step, after what works on the host is held still again.
    fn held_for(&self, step: Step) -> Step {
        match self.job.holds {
            true => Step::Hold {
                then: Box::new(step),
            },
            false => step,
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

    /// Ends the run, and gives the lock back before. One that was asked for may have been granted even if the answer
    /// never came.
    fn release(&self, outcome: Outcome, reason: Option<RunReason>, now: Timestamp) -> Self {
        let was_asked_for = self.job.lock.is_some() && matches!(self.step, Step::Lock { .. });
        let step = match self.lock.is_some() || was_asked_for {
            true => Step::Release { outcome, reason },
            false => Step::Over { outcome, reason },
        };
        self.at(step, now)
    }
}

/// Seconds for a reason, to the millisecond.
fn seconds(time: SignedDuration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
