//! Where a run can be.

use jiff::Timestamp;
use lockstep_model::{Outcome, Phase, RunReason};
use serde::{Deserialize, Serialize};

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
    /// Has the bundle fetched, unpacked and checked in its slot: nobody waits for it meanwhile, and no lock is held.
    Fetch,
    /// Waits until the host's work allows it.
    Idle,
    /// Acquires the lock.
    Lock {
        /// What follows: the step before which the lock was lost, or the first one that needs it.
        then: Box<Step>,
    },
    /// Holds still what works on the host, now that the lock is there, or now that a person has said how it goes on:
    /// while a run has stopped nothing is held still.
    Hold {
        /// What follows.
        then: Box<Step>,
    },
    /// The host has become busy meanwhile, or its hours have passed: gives the lock back to those who can use it, and
    /// waits again.
    Yield {
        /// What keeps the host; none if it is its hours.
        #[serde(default)]
        busy: Option<String>,
    },
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
    /// Keeps the bundle that has proven itself.
    Commit,
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
            Self::Fetch | Self::Idle | Self::Hold { .. } | Self::Yield { .. } => Phase::Idle,
            Self::Lock { .. } => Phase::Lock,
            Self::Pre => Phase::Pre,
            Self::Apply => Phase::Apply,
            Self::NeedsReboot | Self::Rebooting { .. } => Phase::Reboot,
            Self::Post => Phase::Post,
            Self::Verify { .. } | Self::Return { .. } => Phase::Verify,
            Self::Commit | Self::Release { .. } => Phase::Release,
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
