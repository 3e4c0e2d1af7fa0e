//! Questions to an item's history, and the answers.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HostName, ItemName};

/// The five views, grouped as dmon groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// 60 buckets of a minute.
    Hour,
    /// 145 buckets of 10 minutes.
    Day,
    /// 168 buckets of an hour.
    Week,
    /// 186 buckets of 4 hours.
    Month,
    /// 184 buckets of 2 days.
    Year,
}

impl View {
    /// All views, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// How long one bucket is.
    #[must_use]
    pub const fn bucket(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => 60,
            Self::Day => 600,
            Self::Week => 3_600,
            Self::Month => 4 * 3_600,
            Self::Year => 2 * 86_400,
        })
    }

    /// How many buckets it has.
    #[must_use]
    pub const fn buckets(self) -> u32 {
        match self {
            Self::Hour => 60,
            Self::Day => 145,
            Self::Week => 168,
            Self::Month => 186,
            Self::Year => 184,
        }
    }

    /// The view as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
impl FromStr for View {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|view| view.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a view: hour, day, week, month or year"))
    }
}

/// Which part of an item's history is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// The watched host whose item it is; none for the agent's own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Which item.
    pub item: ItemName,
    /// Which time.
    pub span: Span,
    /// How many buckets; none for the view's own number, or 100. At most [`HistoryQuery::MOST_POINTS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
}

impl HistoryQuery {
    /// Most buckets of one answer.
    pub const MOST_POINTS: u32 = 2_000;
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// One of the five views, up to now.
    View(View),
    /// From one moment to another.
    Between {
        /// The beginning.
        from: Timestamp,
        /// The end.
        to: Timestamp,
    },
}

/// An item's history, oldest bucket first. Buckets without a sample are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Which item.
    pub item: ItemName,
    /// The unit of its numbers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// How long a bucket is, in milliseconds.
    pub bucket_ms: u64,
    /// The buckets that hold samples.
    pub buckets: Vec<Bucket>,
}

/// The samples of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its beginning.
    pub at: Timestamp,
    /// How many samples.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The smallest one.
    pub min: f64,
    /// The largest one.
    pub max: f64,
}
