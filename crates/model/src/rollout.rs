//! Rollouts: the controlled move of hosts to what a channel says.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ChannelName, HostName, Interval, PackageName, Version};

/// A rollout as it is stored and shown: the order, how it shall go, and how far it has come. The functions that
/// decide over it are in the `plan` crate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Its number, which is its generation.
    pub id: RolloutId,
    /// The package.
    pub package: PackageName,
    /// The version it brings.
    pub version: Version,
    /// The version that the channel said before; hosts whose turn has not come keep to it.
    pub from: Option<Version>,
    /// The channel.
    pub channel: ChannelName,
    /// How it shall go.
    pub strategy: Strategy,
    /// Where it stands.
    pub state: RolloutState,
    /// Why it stands there, with the figures, in words.
    pub why: String,
    /// The person who paused it. A hold with a name ends by that person's word alone, one without as soon as the
    /// gate agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// The waves, in their order.
    pub waves: Vec<Wave>,
    /// When it was ordered.
    pub created_at: Timestamp,
}

/// Hosts that are let go together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Its hosts.
    pub hosts: Vec<HostName>,
    /// Where it stands.
    pub state: WaveState,
    /// When its hosts were let go.
    pub opened_at: Option<Timestamp>,
    /// When all of its hosts had proven the release; its bake time counts from here.
    pub proven_at: Option<Timestamp>,
}

/// How a rollout goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Strategy {
    /// Hosts of the first wave.
    pub canaries: u32,
    /// How long a proven wave is watched before the next one opens.
    pub bake: Interval,
    /// The rollout halts when more hosts than this have failed.
    pub max_failed: u32,
    /// The gate stays shut while more hosts than this, of those let go, are silent.
    pub max_silent: u32,
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            canaries: 1,
            bake: Interval::from_secs(120),
            max_failed: 0,
            max_silent: 0,
        }
    }
}

/// A rollout's number, which is also its generation: it only grows, so an agent can refuse an order that is
/// older than one it has seen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct RolloutId(pub u64);

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutState {
    /// It has not begun.
    Planned,
    /// Hosts are being let go.
    Running,
    /// A gate or a person says wait.
    Holding,
    /// It was stopped; nobody else is let go.
    Halted,
    /// Its hosts are being taken back.
    RollingBack,
    /// Every host is where it should be.
    Done,
    /// A later order took its place, or all of its hosts were taken back.
    Cancelled,
}

/// Where one wave of a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaveState {
    /// Its turn has not come.
    Waiting,
    /// Its hosts have been let go.
    Open,
    /// Its hosts have all proven the release.
    Proven,
    /// The rollout stopped in it.
    Stopped,
}

impl RolloutState {
    /// True if nothing moves any more, whatever happens.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }

    /// The state as the command line and the wire write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Holding => "holding",
            Self::Halted => "halted",
            Self::RollingBack => "rolling-back",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Parses what [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Planned,
            Self::Running,
            Self::Holding,
            Self::Halted,
            Self::RollingBack,
            Self::Done,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
