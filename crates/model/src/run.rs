//! Runs: one change to one host, from check to release.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ChainLink, ContentHash, Fence, LockName, PackageName, PackageVersion};

mod reason;

pub use reason::RunReason;

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
    /// Waits until the host's work allows it. The bundle of a package of others is fetched and checked before that.
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
    /// The change failed half-way, nothing can take it back, and the run waits for a person: its lock is kept, so that
    /// the next host cannot fail in the same way. `run retry` enters the phase again, `run skip` gives the run up.
    Stopped,
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
            Self::Stopped => "stopped",
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

/// What a run changes, and thereby how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// A signed bundle becomes a slot; what fails is rolled back.
    #[default]
    Bundle,
    /// One package of the host's package manager.
    Package,
    /// All of the operating system, by scripts or by its package manager.
    System,
    /// Nothing: the machine is restarted, because an operator [wishes](crate::HostWish) it.
    Reboot,
}

impl RunKind {
    /// The kind as the wire and the command line write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Package => "package",
            Self::System => "system",
            Self::Reboot => "reboot",
        }
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The lock that a run holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLock {
    /// Its name.
    pub name: LockName,
    /// The number of the grant.
    pub fence: Fence,
    /// When it was granted, by the server's clock.
    pub since: Timestamp,
}

/// The record of a run at one moment, as the agent sends it to the server and keeps it on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Which run.
    pub id: RunId,
    /// What kind of change.
    #[serde(default)]
    pub kind: RunKind,
    /// What is being changed; `os` for the operating system as a whole.
    pub package: PackageName,
    /// The version before, if there was one.
    pub from: Option<PackageVersion>,
    /// The version wanted; none where nobody knows it before, as with an upgrade of everything.
    #[serde(default)]
    pub to: Option<PackageVersion>,
    /// The bytes wanted, where they are known.
    #[serde(default)]
    pub hash: Option<ContentHash>,
    /// The order that asked for it; for one given by hand, the newest that the host had seen; 0 for none.
    pub generation: u64,
    /// Who asked for it, in words: `order 7 of the server`, `root by hand`, `the schedule of this host`. At most
    /// [`RunRecord::LONGEST_BY`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Where the run is.
    pub phase: Phase,
    /// What it waits for, in words, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// The lock that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<RunLock>,
    /// How it ended, once it is over or has [stopped](Outcome::Stopped).
    pub outcome: Option<Outcome>,
    /// Why it ended so, unless it ended well.
    pub reason: Option<RunReason>,
    /// When it began.
    pub started_at: Timestamp,
    /// When this record was made.
    pub at: Timestamp,
    /// The end of what its scripts or its candidate wrote, at most [`RunRecord::LONGEST_LOG`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
    /// The record's place in the host's own chain of records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<ChainLink>,
}

impl RunRecord {
    /// Longest log that a record carries, in bytes.
    pub const LONGEST_LOG: usize = 32 * 1024;
    /// Longest [`by`](Self::by), in bytes.
    pub const LONGEST_BY: usize = 200;

    /// What comes to the host, in words that are the same for all hosts that get the same: `lockstep 1.4.2`, `os`.
    #[must_use]
    pub fn brings(&self) -> String {
        match &self.to {
            Some(to) => format!("{} {to}", self.package),
            None => self.package.to_string(),
        }
    }

    /// What is changed, in words: `lockstep 1.4.1 → 1.4.2`, `driveclient → 1.20.3`, `os`.
    #[must_use]
    pub fn what(&self) -> String {
        let package = &self.package;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!("{package} {from} → {to}"),
            (None, Some(to)) => format!("{package} → {to}"),
            (Some(from), None) => format!("{package} {from}"),
            (None, None) => package.to_string(),
        }
    }
}

/// What a person says of a run that has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunVerb {
    /// Enter the phase that failed once more.
    Retry,
    /// Give the run up, leave the host as it is, and free the lock.
    Skip,
}

/// A person's word on a run that has stopped, on its way to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCommand {
    /// The run.
    pub run: RunId,
    /// What shall become of it.
    pub verb: RunVerb,
    /// Grows with each command; a host obeys each number once.
    pub number: u64,
    /// Who says so.
    pub by: String,
    /// Why; at most [`RunCommand::LONGEST_WHY`] bytes.
    pub why: String,
}

impl RunCommand {
    /// Longest reason, in bytes.
    pub const LONGEST_WHY: usize = 500;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ItemName, Level};

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
