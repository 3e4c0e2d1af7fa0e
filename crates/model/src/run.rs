//! Runs: one change to one host, from check to release.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContentHash, ItemName, Level, PackageName, Version};

/// A run's identity: a UUID of version 7 (RFC 9562), so that runs sort by the time of their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(uuid::Uuid);

impl RunId {
    /// Makes an identity from the time of the run's beginning and ten random bytes.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl FromStr for RunId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error| format!("{text:?} is not a run's id: {error}"))
    }
}

/// The phases of every run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Is anything to do?
    Check,
    /// Waits for this host's own moment.
    Spread,
    /// Waits until the host's work allows it.
    Idle,
    /// Acquires the named lock.
    Lock,
    /// Runs what must come before.
    Pre,
    /// Makes the change: for a bundle, fetches, verifies, unpacks and preflights the slot.
    Apply,
    /// Restarts the machine where the change needs it.
    Reboot,
    /// Runs what must come after.
    Post,
    /// Holds the change against the health of the host: for the agent itself, probation.
    Verify,
    /// Frees the lock, or makes the proven slot the current one.
    Release,
    /// The run is over.
    Done,
}

impl Phase {
    /// The phase as the wire and the command line write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Spread => "spread",
            Self::Idle => "idle",
            Self::Lock => "lock",
            Self::Pre => "pre",
            Self::Apply => "apply",
            Self::Reboot => "reboot",
            Self::Post => "post",
            Self::Verify => "verify",
            Self::Release => "release",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The host runs the new version, proven.
    Done,
    /// The new version did not prove itself; the host runs the old one, and does not try this release again
    /// without a new order.
    RolledBack,
    /// The change could not be made; the host runs the old version. The release itself is at fault, and is not
    /// tried again without a new order.
    Failed,
    /// The host runs the old version and nothing is held against the release: the surroundings (server, network,
    /// disk) were at fault. It is tried again later.
    Postponed,
}

impl Outcome {
    /// The outcome as the wire and the command line write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
            Self::Postponed => "postponed",
        }
    }

    /// True if the release is to blame.
    #[must_use]
    pub fn blames_release(self) -> bool {
        matches!(self, Self::RolledBack | Self::Failed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a run ended otherwise than well. The code is stable and of low cardinality; the sentence is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum RunReason {
    /// The candidate's process ended by itself.
    #[error("the new worker ended by itself ({status}) {after_s:.1} s after its start")]
    WorkerExited {
        /// `exit status: 1`, `signal: 9 (SIGKILL)`.
        status: String,
        /// Seconds since its start.
        after_s: f64,
    },
    /// The candidate could not be started.
    #[error("the new worker could not be started: {why}")]
    CannotStart {
        /// The operating system's words.
        why: String,
    },
    /// The candidate lives but gives no sign of life.
    #[error("the new worker gave no sign of life for {silent_s:.1} s")]
    Hung {
        /// Seconds without a sign.
        silent_s: f64,
    },
    /// The candidate did not reach the server although the old version does.
    #[error(
        "the new worker did not check in within {waited_s:.1} s ({link}), but the version before reaches the server"
    )]
    NoCheckIn {
        /// Seconds waited.
        waited_s: f64,
        /// What the candidate says of its link.
        link: String,
    },
    /// A gated item is worse than before.
    #[error("{item} is {now} since the update, {before} before it")]
    ItemWorse {
        /// The item.
        item: ItemName,
        /// Its level before.
        before: Level,
        /// Its level now.
        now: Level,
    },
    /// The candidate changes between well and ill.
    #[error("the new worker changed between well and ill {flips} times")]
    Unsteady {
        /// How often it became ill.
        flips: u32,
    },
    /// The candidate was neither well for long enough nor clearly ill.
    #[error("the new worker was not well for {window_s:.0} s in a row within {waited_s:.0} s")]
    NeverSettled {
        /// How long it should have been well.
        window_s: f64,
        /// How long it was watched.
        waited_s: f64,
    },
    /// The host went down in the middle of probation, more than once.
    #[error("the host or the agent was cut off {times} times while it tried the new version")]
    Interrupted {
        /// How often.
        times: u32,
    },
    /// Neither version reached the server for too long; nothing is held against the release.
    #[error(
        "the server was out of reach for both versions for {waited_s:.0} s; the new one could not prove itself"
    )]
    SurroundingsFailed {
        /// Seconds waited.
        waited_s: f64,
    },
    /// The check command of the new slot failed.
    #[error("the check in the new slot failed: {why}")]
    PreflightFailed {
        /// Exit status and the end of its output.
        why: String,
    },
    /// The repository's metadata or the bundle's bytes do not verify.
    #[error("the release does not verify: {why}")]
    NotVerified {
        /// What was wrong.
        why: String,
    },
    /// The bundle does what no bundle may do.
    #[error("the bundle was refused: {why}")]
    BundleRefused {
        /// What was wrong.
        why: String,
    },
    /// The machine did not do what the agent asked of it.
    #[error("this host could not make the change: {why}")]
    HostFailed {
        /// What was wrong.
        why: String,
    },
    /// The version was proven but then died again and again.
    #[error("died {times} times in a row soon after its start")]
    CrashLoop {
        /// How often.
        times: u32,
    },
    /// A person on the host asked for the version before.
    #[error("rolled back by hand on the host")]
    ByHand,
}

/// The record of a run at one moment, as the agent sends it to the server and keeps it on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Which run.
    pub id: RunId,
    /// What is being changed.
    pub package: PackageName,
    /// The version before, if there was one.
    pub from: Option<Version>,
    /// The version wanted.
    pub to: Version,
    /// The bytes wanted.
    pub hash: ContentHash,
    /// The order that asked for it; for one given by hand, the newest that the host had seen.
    pub generation: u64,
    /// Where the run is.
    pub phase: Phase,
    /// How it ended, once it is over.
    pub outcome: Option<Outcome>,
    /// Why it ended so, unless it ended well.
    pub reason: Option<RunReason>,
    /// When it began.
    pub started_at: Timestamp,
    /// When this record was made.
    pub at: Timestamp,
    /// The end of the failed candidate's output, at most [`RunRecord::LONGEST_LOG`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

impl RunRecord {
    /// Longest log that a record carries, in bytes.
    pub const LONGEST_LOG: usize = 32 * 1024;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_sort_by_their_beginning() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (earlier, later) = (
            RunId::new(at(1000), [0xff; 10]),
            RunId::new(at(1001), [0; 10]),
        );
        assert!(earlier < later);
        assert_eq!(earlier.to_string().parse::<RunId>().unwrap(), earlier);
    }

    #[test]
    fn reasons_have_a_stable_code_and_a_sentence() {
        let reason = RunReason::ItemWorse {
            item: ItemName::parse("agent_memory").unwrap(),
            before: Level::FINE,
            now: Level::CRITICAL,
        };
        assert_eq!(
            reason.to_string(),
            "agent_memory is critical since the update, fine before it"
        );
        let json = serde_json::to_value(&reason).unwrap();
        assert_eq!(json["code"], "item-worse");
        assert_eq!(serde_json::from_value::<RunReason>(json).unwrap(), reason);
    }
}
