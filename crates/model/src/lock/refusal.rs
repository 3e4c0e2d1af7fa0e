//! Why a place was not given.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Holder, Need};
use crate::{HostName, Level};

/// Why a host takes a place of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// It holds the lock.
    Holds,
    /// It is silent.
    Silent,
    /// A run is under way on it.
    Running,
    /// It is at this level.
    Level(Level),
}

/// One place that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// By whom.
    pub by: Holder,
    /// Why it counts.
    pub counted: Counted,
}

/// Why a lock was not given to whoever asked. The code is stable and of low cardinality; the sentence is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum LockRefusal {
    /// All places are taken.
    #[error("{}: {}", full(*.places, .taken.len()), list(.taken))]
    Full {
        /// How many places there are.
        places: usize,
        /// Who takes them, and why.
        taken: Vec<Taken>,
    },
    /// Others came earlier.
    #[error("{} {} first: {}", .ahead.len(), if .ahead.len() == 1 { "other is" } else { "others are" }, list(.ahead))]
    Turn {
        /// Who.
        ahead: Vec<Holder>,
    },
    /// Too few others are well.
    #[error("it needs {need}, and of the others {} fit{}", so_many(*.fit), those(.unfit))]
    Needs {
        /// What must hold.
        need: Need,
        /// How many hosts of the condition's part that is nearest are well.
        fit: usize,
        /// Those that are not, and why; at most [`LockRefusal::MOST_NAMED`].
        unfit: Vec<(HostName, Counted)>,
    },
    /// It gives no places now.
    #[error("it is disabled: {why}")]
    Disabled {
        /// Why.
        why: String,
    },
    /// It is for the hosts of another group.
    #[error("it is for the hosts of group {group} only")]
    NotOfGroup {
        /// Which.
        group: String,
    },
}

impl LockRefusal {
    /// Most hosts that one refusal names.
    pub const MOST_NAMED: usize = 10;
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds => f.write_str("holds it"),
            Self::Silent => f.write_str("silent"),
            Self::Running => f.write_str("in a run"),
            Self::Level(level) => level.fmt(f),
        }
    }
}
impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.by, self.counted)
    }
}

/// Hosts that are unwell take places whether there are any or not, so more can be taken than there are.
fn full(places: usize, taken: usize) -> String {
    let noun = if places == 1 { "place" } else { "places" };
    let verb = if places == 1 { "is" } else { "are" };
    match taken > places {
        true => format!("{taken} take its {places} {noun}"),
        false => format!("{taken} of {places} {noun} {verb} taken"),
    }
}

fn so_many(fit: usize) -> String {
    match fit {
        0 => "none is".into(),
        1 => "1 is".into(),
        more => format!("{more} are"),
    }
}

fn list<T: fmt::Display>(things: &[T]) -> String {
    let most = LockRefusal::MOST_NAMED;
    let mut words: Vec<String> = things.iter().take(most).map(ToString::to_string).collect();
    if things.len() > most {
        words.push(format!("{} more", things.len() - most));
    }
    words.join(", ")
}

fn those(hosts: &[(HostName, Counted)]) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let words: Vec<String> = hosts
        .iter()
        .map(|(host, why)| format!("{host} is {}", word(why)))
        .collect();
    format!(" ({})", words.join(", "))
}

fn word(why: &Counted) -> String {
    match why {
        Counted::Holds => "taken".into(),
        other => other.to_string(),
    }
}
