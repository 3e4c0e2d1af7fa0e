//! Hosts that do not run what their channel says.

use serde::{Deserialize, Serialize};

use crate::{ChannelName, HostName, PackageName, RolloutId, RolloutState, Version};

/// One channel of a package in `GET /api/v1/releases/behind`, by package and channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelBehind {
    /// The package.
    pub package: PackageName,
    /// The channel.
    pub channel: ChannelName,
    /// The version at which it points.
    pub version: Version,
    /// Hosts that follow it, those that a pin holds at a version left out.
    pub followers: u64,
    /// Of these, hosts that run another version, or none.
    pub behind: u64,
    /// The channel's newest rollout.
    pub rollout: Option<RolloutId>,
    /// Where that stands.
    pub state: Option<RolloutState>,
    /// Who is behind, by name; at most [`ChannelBehind::MOST`].
    pub hosts: Vec<HostBehind>,
}

impl ChannelBehind {
    /// Most hosts that are named.
    pub const MOST: usize = 1_000;
}

/// A host that is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostBehind {
    /// The host.
    pub host: HostName,
    /// The version that it runs; none if it does not have the package.
    pub version: Option<Version>,
    /// What is in its way, in short; `GET /api/v1/hosts/NAME/explain` says it in full.
    pub why: WhyBehind,
}

/// What is in the way of a host that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyBehind {
    /// There is no release of the version for its platform.
    NoRelease,
    /// A person on the host keeps the package as it is.
    Kept,
    /// A run is at it.
    Running,
    /// It failed on the version, or took it back.
    Failed,
    /// Nothing is heard of it.
    Silent,
    /// Its turn has not come, or it has not got to it yet.
    Waits,
}

impl WhyBehind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoRelease,
        Self::Kept,
        Self::Running,
        Self::Failed,
        Self::Silent,
        Self::Waits,
    ];

    /// The reason as people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoRelease => "there is no release of it for its platform",
            Self::Kept => "kept as it is by a person on the host",
            Self::Running => "a run is at it",
            Self::Failed => "failed on it, or took it back",
            Self::Silent => "silent",
            Self::Waits => "waits for its turn",
        }
    }
}
