//! Holders that will not give a lock back by themselves.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Level, RunId};

/// Why it is doubtful that a holder is still at work, with the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "ghost", rename_all = "kebab-case")]
pub enum Ghost {
    /// No such host is enrolled.
    #[error("no such host is enrolled any more")]
    Decommissioned,
    /// Its run has stopped and waits for a person.
    #[error("run {run} has stopped: {why}")]
    Stopped {
        /// Which.
        run: RunId,
        /// Why.
        why: String,
    },
    /// Its run is over, and the lock was not given back.
    #[error("run {run} has been over since {since:.0}")]
    RunOver {
        /// Which.
        run: RunId,
        /// Since when.
        since: Timestamp,
    },
    /// It was to restart and has not.
    #[error("it was told to restart at {since:.0} and still has the boot id of before")]
    NeverRebooted {
        /// When its run entered the reboot.
        since: Timestamp,
    },
    /// It restarted and is not well.
    #[error("it has restarted and is {level}")]
    RebootedUnfit {
        /// How it is.
        level: Level,
    },
    /// Nobody hears of it.
    #[error("it has not been heard of since {since:.0}")]
    Unreachable {
        /// When it was heard of last; when it took the lock, if it was never.
        since: Timestamp,
    },
}

/// The one thing that is safe to do about a ghost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GhostAction {
    /// Free the lock: nothing can be going on at the holder.
    Free,
    /// Look at the run's output, then retry or skip it.
    RetryOrSkip,
    /// Restart the machine by hand: its run goes on then and frees the lock.
    Restart,
    /// Mend the host: its run goes on by itself once it is well.
    Mend,
    /// Find out whether the machine is off or cut off, before anything else. While it is silent it may be in the
    /// middle of its change.
    FindOut,
}

impl Ghost {
    /// What is safe to do.
    #[must_use]
    pub fn action(&self) -> GhostAction {
        match self {
            Self::Decommissioned | Self::RunOver { .. } => GhostAction::Free,
            Self::Stopped { .. } => GhostAction::RetryOrSkip,
            Self::NeverRebooted { .. } => GhostAction::Restart,
            Self::RebootedUnfit { .. } => GhostAction::Mend,
            Self::Unreachable { .. } => GhostAction::FindOut,
        }
    }
}

impl fmt::Display for GhostAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Free => "free it: lockstep lock free NAME --holder HOLDER --why WHY",
            Self::RetryOrSkip => {
                "look at it with `lockstep run show`, then `lockstep run retry` or `run skip`"
            }
            Self::Restart => "restart the machine: its run goes on then",
            Self::Mend => "mend the host: its run goes on once it is well",
            Self::FindOut => "find out whether the machine is off before you free it",
        })
    }
}
