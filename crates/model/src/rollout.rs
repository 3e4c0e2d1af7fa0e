//! Rollouts: the controlled move of hosts to what a channel says.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// A later order took its place.
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
