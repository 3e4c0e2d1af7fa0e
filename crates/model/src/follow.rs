//! Who follows what: which channel says which version of a package a host should run.

use serde::{Deserialize, Serialize};

use crate::{ChannelName, PackageName, Version};

/// What one host follows for one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// The package.
    pub package: PackageName,
    /// The channel.
    pub channel: ChannelName,
    /// The version at which the host is held, whatever the channel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Version>,
    /// The rule of the fleet file that says so; none for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Follow {
    /// Most packages that one host follows.
    pub const MOST: usize = 64;

    /// What every host does that no rule speaks of: the agent itself, by channel `stable`.
    #[must_use]
    pub fn agent() -> Self {
        Self {
            package: PackageName::lockstep(),
            channel: ChannelName::stable(),
            pin: None,
            rule: None,
        }
    }
}
