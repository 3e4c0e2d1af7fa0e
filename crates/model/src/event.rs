//! What happened to an item.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HostName, ItemName, Level, Value};

/// An item's change from one level to another. It is written to the host's outbox before anything is sent, and
/// leaves it when the server has stored it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number: together with the series of its [`crate::api::EventBatch`] it is unique for the agent that made
    /// it. Numbers of one series grow by one.
    pub number: u64,
    /// When, by the host's clock.
    pub at: Timestamp,
    /// Whose item it is: the agent's own host, or one that it watches.
    pub host: HostName,
    /// Which item.
    pub item: ItemName,
    /// What changed.
    pub kind: EventKind,
    /// The level before.
    pub from: Level,
    /// The level from now on.
    pub to: Level,
    /// The value that made it.
    pub value: Value,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The level.
    Level,
    /// There is no value any more.
    NoData,
    /// There is a value again.
    Data,
    /// It begins to go back and forth.
    Flapping,
    /// It goes back and forth no longer.
    Steady,
}

impl EventKind {
    /// The kind as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::NoData => "no-data",
            Self::Data => "data",
            Self::Flapping => "flapping",
            Self::Steady => "steady",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
