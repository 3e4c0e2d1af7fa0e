//! What is watched on a host, and how it stands.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{HostName, Interval, Level};

/// One watched quantity of a host: a probe's name, and behind a colon what it looks at, as in
/// `disk_usage:/var`. At most 200 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemName(String);

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A quantity with its unit (`%`, `s`, `bytes`, or nothing).
    Number {
        /// The quantity.
        value: f64,
        /// Its unit.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        unit: String,
    },
    /// A text, at most [`Value::LONGEST_TEXT`] bytes.
    Text(String),
    /// The probe failed; this is why.
    None(String),
}

impl Value {
    /// Longest text that travels in a report, in bytes; longer ones are cut where they are made.
    pub const LONGEST_TEXT: usize = 4096;
}

/// What a probe found at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The watched host whose item it is; none for the agent's own host.
    pub host: Option<HostName>,
    /// Which item.
    pub item: ItemName,
    /// When, by the host's clock.
    pub at: Timestamp,
    /// What was found.
    pub value: Value,
    /// What the probe itself thinks of it. It counts where no fitness function is configured for the item.
    pub verdict: Option<Verdict>,
}

/// A probe's own judgement: a Nagios plugin has one, a file's size has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The level.
    pub level: Level,
    /// Why, in the probe's words.
    pub why: String,
}

/// An item's value, its level, and since when it has that level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemState {
    /// Which item.
    pub item: ItemName,
    /// The newest value.
    pub value: Value,
    /// The level that the fitness function gave it.
    pub level: Level,
    /// Since when it has had this level.
    pub since: Timestamp,
    /// Why it has this level, in words; empty when fine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// True if the newest sample has no value. The level is then the one of the last value, unless the fitness
    /// function says what a missing value is worth: a gap is not a recovery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_data: bool,
    /// True while the item goes back and forth; its level is then the worst of that time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flapping: bool,
    /// The level that it takes next, if it goes on as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// A level that an item has not taken yet: the rule that leads there says for how long its condition must hold, and that
/// time is not over (what Prometheus calls a pending alert).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The level.
    pub to: Level,
    /// What is lacking, counted from the newest sample.
    pub lacks: Lacks,
}

/// For how long a condition must still hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lacks {
    /// Time with data until the sample at which it has held for long enough, in whole seconds: a condition is looked at
    /// when there is a sample.
    Time(Interval),
    /// Samples in a row.
    Samples(u32),
}

impl fmt::Display for Lacks {
    /// `in 3m`, `in 1 sample`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "in {time}"),
            Self::Samples(1) => write!(f, "in 1 sample"),
            Self::Samples(samples) => write!(f, "in {samples} samples"),
        }
    }
}

impl ItemState {
    /// True if somebody may want to look at it: not at the best level, without a value, or flapping.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.level > Level::FINE || self.no_data || self.flapping
    }
}

impl ItemName {
    /// Parses an item's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > Self::LONGEST {
            return Err(format!(
                "an item's name has 1 to {} bytes, not {}",
                Self::LONGEST,
                text.len()
            ));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control()) {
            return Err(format!("{bad:?} is not allowed in an item's name"));
        }
        let probe = text.split(':').next().unwrap_or_default();
        if probe.is_empty() || !probe.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                "{text:?} does not begin with a probe's name such as \"cpu_load\" or \"disk_usage:/\""
            ));
        }
        Ok(Self(text.into()))
    }

    /// Longest name, in bytes.
    pub const LONGEST: usize = 200;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The item of another probe with the same object: from `disk_usage:/var` to `disk_free:/var`.
    #[must_use]
    pub fn sibling(&self, probe: &str) -> Option<Self> {
        let text = match self.object() {
            Some(object) => format!("{probe}:{object}"),
            None => probe.to_owned(),
        };
        Self::parse(&text).ok()
    }

    /// The probe's name: what stands before the first colon.
    #[must_use]
    pub fn probe(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// What the probe looks at: what stands behind the first colon.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.0.split_once(':').map(|(_, object)| object)
    }
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { value, unit } if unit.is_empty() => write!(f, "{value:.2}"),
            Self::Number { value, unit } if unit == "bytes" => {
                let mut value = *value;
                let mut prefix = "";
                for next in ["k", "M", "G", "T"] {
                    if value < 1000.0 {
                        break;
                    }
                    value /= 1000.0;
                    prefix = next;
                }
                write!(f, "{value:.1} {prefix}B")
            }
            Self::Number { value, unit } => write!(f, "{value:.1} {unit}"),
            Self::Text(text) => f.write_str(text),
            Self::None(why) => write!(f, "none ({why})"),
        }
    }
}
impl FromStr for ItemName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}
impl Serialize for ItemName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for ItemName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_probe_and_an_object() {
        let item = ItemName::parse("http:https://localhost/health").unwrap();
        assert_eq!(
            (item.probe(), item.object()),
            ("http", Some("https://localhost/health"))
        );
        let item = ItemName::parse("cpu_load").unwrap();
        assert_eq!((item.probe(), item.object()), ("cpu_load", None));
        for bad in ["", ":x", "a b", "x\ny", "ü:1"] {
            assert!(ItemName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn values_are_shown_for_people() {
        let number = |value, unit: &str| {
            Value::Number {
                value,
                unit: unit.into(),
            }
            .to_string()
        };
        assert_eq!(number(0.5, ""), "0.50");
        assert_eq!(number(12_345_678.0, "bytes"), "12.3 MB");
        assert_eq!(number(93.25, "%"), "93.2 %");
    }
}
