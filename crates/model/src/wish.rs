//! Wishes: what an operator wants of one host, once, and not after an end.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Interval, RunId};

/// What can be wished of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WishVerb {
    /// The machine is restarted, by a run.
    Reboot,
    /// The agent ends in good order and is started again by its supervisor.
    RestartAgent,
    /// Something that this version does not know, and leaves aside.
    #[serde(other)]
    Unknown,
}

impl WishVerb {
    /// The verb as the wire and the command line write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::RestartAgent => "restart-agent",
            Self::Unknown => "unknown",
        }
    }

    /// The verb of these letters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reboot, Self::RestartAgent]
            .into_iter()
            .find(|verb| verb.as_str() == text)
    }
}

impl fmt::Display for WishVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A wish, as the server keeps it and tells it to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostWish {
    /// What is wished.
    pub verb: WishVerb,
    /// Grows with each wish of this verb for this host; a host obeys each number once.
    pub number: u64,
    /// The boot of the machine in which it was wished, as the host had told of it: a restart of the machine is wished of
    /// this boot, and of no other. May be empty for another verb.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub boot_id: String,
    /// Who wishes it.
    pub by: String,
    /// Why; at most [`HostWish::LONGEST_WHY`] bytes, and not empty.
    pub why: String,
    /// Since when, by the server's clock.
    pub at: Timestamp,
    /// From then on it is void, by the server's clock.
    pub until: Timestamp,
}

impl HostWish {
    /// Longest reason, in bytes.
    pub const LONGEST_WHY: usize = 500;
    /// It is void after this time unless somebody says otherwise.
    pub const LASTS: Interval = Interval::from_secs(3_600);
    /// Shortest time that can be said.
    pub const SHORTEST: Interval = Interval::from_secs(1);
    /// Longest time that can be said.
    pub const LONGEST: Interval = Interval::from_secs(7 * 86_400);
}

/// Where a wish stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WishState {
    /// The host has not heard of it.
    Unheard,
    /// A file of the host does not permit it.
    NotPermitted,
    /// The host has heard of it, and has done nothing yet: its work, or a lock, keeps it.
    Waits,
    /// It is being done.
    Begun,
    /// Its run has stopped half-way and waits for a person.
    Stopped,
    /// It is done.
    Done,
    /// It was begun and given up.
    Failed,
    /// Its end came before it was done.
    Void,
    /// It was taken back before it was begun.
    TakenBack,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

impl WishState {
    /// The state as the wire and the command line write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unheard => "unheard",
            Self::NotPermitted => "not-permitted",
            Self::Waits => "waits",
            Self::Begun => "begun",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Void => "void",
            Self::TakenBack => "taken-back",
            Self::Unknown => "unknown",
        }
    }

    /// True while the host may still begin it: it is told of it, and it can be taken back.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Unheard | Self::NotPermitted | Self::Waits)
    }

    /// True while it is being done, or waits half-way for a person.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Begun | Self::Stopped)
    }
}

impl fmt::Display for WishState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a host says of a wish in its report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishSeen {
    /// Which verb.
    pub verb: WishVerb,
    /// Which number.
    pub number: u64,
    /// Where it stands.
    pub state: WishState,
    /// The run that does it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What there is to say of it, for people; at most [`WishSeen::LONGEST_WORDS`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

impl WishSeen {
    /// Longest words, in bytes.
    pub const LONGEST_WORDS: usize = 500;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_yet_is_left_aside() {
        let verb: WishVerb = serde_json::from_str("\"fly\"").unwrap();
        assert_eq!(verb, WishVerb::Unknown);
        let state: WishState = serde_json::from_str("\"flying\"").unwrap();
        assert_eq!(state, WishState::Unknown);
        assert_eq!(WishVerb::parse("unknown"), None);
        for verb in [WishVerb::Reboot, WishVerb::RestartAgent] {
            assert_eq!(WishVerb::parse(verb.as_str()), Some(verb));
            let json = serde_json::to_string(&verb).unwrap();
            assert_eq!(json, format!("\"{verb}\""));
        }
    }
}
