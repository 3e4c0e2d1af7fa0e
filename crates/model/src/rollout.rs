//! Rollouts: the controlled move of hosts to what a channel says.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ChannelName, HostName, ItemName, Level, PackageName, Strategy, Version};

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
    /// True if it cannot wait: its strategy has lost windows, spread and the longer bake time.
    #[serde(default)]
    pub urgent: bool,
    /// Where it stands.
    pub state: RolloutState,
    /// Why it stands there, with the figures, in words.
    pub why: String,
    /// The person who paused it. A hold with a name ends by that person's word alone, one without as soon as the
    /// gate agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// Hosts that people have left out of it. What one of them has begun it finishes all the same. At most
    /// [`Rollout::MOST_SKIPPED`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<HostName, SkippedHost>,
    /// The waves, in their order.
    pub waves: Vec<Wave>,
    /// When it was ordered.
    pub created_at: Timestamp,
}

impl Rollout {
    /// Most hosts that can be left out of one rollout.
    pub const MOST_SKIPPED: usize = 500;
}

/// That a person has left a host out of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedHost {
    /// Who.
    pub by: String,
    /// Why, in that person's words; at most [`SkippedHost::LONGEST_WHY`] bytes.
    pub why: String,
    /// Since when: about the time at which it was stored.
    pub since: Timestamp,
    /// True if it had been let go by then and had reported since, as far as was known when the person asked: so it may have
    /// begun unseen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

impl SkippedHost {
    /// Longest reason, in bytes.
    pub const LONGEST_WHY: usize = 500;
}

/// Hosts that are let go together, or one after the other as the strategy allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Its hosts: those that were let go first, the others by their turns.
    pub hosts: Vec<HostName>,
    /// How many of them have been let go.
    #[serde(default = "everyone")]
    pub let_go: usize,
    /// Where it stands.
    pub state: WaveState,
    /// When its first hosts could be let go.
    pub opened_at: Option<Timestamp>,
    /// When all of its hosts had come to a good end; its bake time counts from here.
    pub proven_at: Option<Timestamp>,
    /// How often its hosts have been compared with others.
    #[serde(default)]
    pub looks: u32,
    /// The person who let the next wave go without waiting for this one's gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_by: Option<String>,
}

/// What waves were stored without a number of hosts let go by: all of them were.
fn everyone() -> usize {
    usize::MAX
}

impl Wave {
    /// A wave whose turn has not come.
    #[must_use]
    pub fn waiting(hosts: Vec<HostName>) -> Self {
        Self {
            hosts,
            let_go: 0,
            state: WaveState::Waiting,
            opened_at: None,
            proven_at: None,
            looks: 0,
            skipped_by: None,
        }
    }

    /// The hosts that have been let go, and those that have not.
    #[must_use]
    pub fn split(&self) -> (&[HostName], &[HostName]) {
        let let_go = match self.state {
            WaveState::Waiting => 0,
            _ => self.let_go.min(self.hosts.len()),
        };
        self.hosts.split_at(let_go)
    }
}

/// How a host stands, as far as gates look at it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// True if nothing has been heard of it for too long.
    #[serde(default, skip_serializing_if = "is_false")]
    pub silent: bool,
    /// Its items at `sick` or worse, by name; at most [`Health::MOST`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ailing: Vec<(ItemName, Level)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Health {
    /// Most items of a host that are looked at, the worst ones; a host with more is ill enough.
    pub const MOST: usize = 16;

    /// True if it is heard of and no gated item is at `sick` or worse.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        !self.silent && self.ailing.is_empty()
    }

    /// True if it is worse than it was: silent though it was heard of, or with an item at a worse level than before.
    #[must_use]
    pub fn is_worse_than(&self, before: &Self) -> bool {
        if self.silent && !before.silent {
            return true;
        }
        self.ailing.iter().any(|(item, level)| {
            let known = before.ailing.binary_search_by(|(name, _)| name.cmp(item));
            known.map_or(true, |at| *level > before.ailing[at].1)
        })
    }
}

/// How hosts stood at a moment of a rollout, for comparison with later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// True if a wave was opened: whoever has not been let go and is not named was fit then. False if hosts were let
    /// go: those named, and from then on they keep what is said here.
    pub opening: bool,
    /// The hosts. In an opening those that were fit are left out.
    pub hosts: Vec<(HostName, Health)>,
}

/// A version that a rollout has found wanting: it is not promoted again without a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// The rollout that found it.
    pub rollout: RolloutId,
    /// Why, with the figures.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
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
    /// The rollout stopped in it, and all of its hosts go back.
    TakenBack,
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
