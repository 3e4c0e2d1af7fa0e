//! The board at a moment that is over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HostName, ItemName, Level};

/// `GET /api/v1/board?at=TIME`: how the fleet stood at that moment, as far as what is kept can say. Acknowledgements,
/// silences and what depended on what are not a part of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BoardThen {
    /// The moment.
    pub at: Timestamp,
    /// Where it comes from, for the most part.
    pub by: ToldBy,
    /// Hosts by the worst of their items, best level first.
    pub levels: [u64; 5],
    /// Hosts of which there is a snapshot from shortly before the moment.
    pub snapshots: u64,
    /// When the oldest and the newest of those snapshots were taken.
    pub taken: Option<(Timestamp, Timestamp)>,
    /// Hosts of which events alone tell.
    pub by_events: u64,
    /// When the oldest event was stored that is still there; none if there is none.
    pub events_since: Option<Timestamp>,
    /// Hosts of which nothing is known at that moment, by name; at most 10,000.
    pub unknown: Vec<HostName>,
    /// Hosts that were enrolled later.
    pub not_yet: u64,
    /// True if there was more than is looked at: then of hosts by events alone items that were fine may be missing.
    #[serde(default)]
    pub cut: bool,
    /// Items that were not fine or had no value, worst first, then by host and name; of one host that was asked for, all.
    pub items: Vec<ItemThen>,
    /// Items of that list that were left out, because it was too long.
    #[serde(default)]
    pub more: u64,
}

/// Where the past comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToldBy {
    /// Snapshots: what hosts measured, each ten minutes. They are kept for a day.
    Snapshots,
    /// Events, and what has not changed since: levels, and no numbers but those of events. They are kept for four weeks.
    #[default]
    Events,
}

impl ToldBy {
    /// The source as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Events => "events",
        }
    }
}

/// How an item stood at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemThen {
    /// Whose item.
    pub host: HostName,
    /// Which item.
    pub item: ItemName,
    /// Its level.
    pub level: Level,
    /// Its number, where one is known.
    pub number: Option<f64>,
    /// Since when it had the level, where that is known.
    pub since: Option<Timestamp>,
    /// True if it had no value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_data: bool,
    /// Why it had the level, in words, where they are known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What says so.
    pub proof: Proof,
}

/// What says how an item stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// A snapshot from before the moment, and no event between.
    Snapshot,
    /// The last event before the moment.
    EventBefore,
    /// The first event after it, which says from which level the item went.
    EventAfter,
    /// The item has had the level that it has now since before the moment.
    Unchanged,
}

impl Proof {
    /// The proof in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::EventBefore => "event before",
            Self::EventAfter => "event after",
            Self::Unchanged => "unchanged since",
        }
    }
}
