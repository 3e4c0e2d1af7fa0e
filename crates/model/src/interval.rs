//! Lengths of time as people write them in configuration: `30s`, `5m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, from a millisecond to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(Duration);

/// Why a text is not an interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an interval: {why}; write for example \"30s\", \"5m\", \"1h30m\" or \"2d\""
)]
pub struct IntervalError {
    text: String,
    why: &'static str,
}

const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Ten years: longer is a mistake, and keeps every sum of two intervals far from overflow.
const LONGEST_MS: u64 = 10 * 366 * 86_400_000;

impl Interval {
    /// An interval of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// An interval of whole milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// The interval as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Parses a chain of numbers with units, e.g. `1h30m`.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        let refuse = |why| IntervalError {
            text: text.chars().take(40).collect(),
            why,
        };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(refuse("it is empty"));
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number: u64 = rest[..digits]
                .parse()
                .map_err(|_| refuse("a number is expected before each unit"))?;
            rest = &rest[digits..];
            let letters = rest.len()
                - rest
                    .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                    .len();
            let (_, unit) = UNITS
                .iter()
                .find(|(name, _)| *name == &rest[..letters])
                .ok_or_else(|| refuse("each number needs a unit of ms, s, m, h, d or w"))?;
            total = number
                .checked_mul(*unit)
                .and_then(|part| total.checked_add(part))
                .filter(|&sum| sum <= LONGEST_MS)
                .ok_or_else(|| refuse("it is longer than ten years"))?;
            rest = rest[letters..].trim_start();
        }
        if total == 0 {
            return Err(refuse("it must be longer than nothing"));
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if left == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in UNITS.iter().rev().filter(|(name, _)| *name != "w") {
            if left >= *unit {
                write!(f, "{}{name}", left / unit)?;
                left %= unit;
            }
        }
        Ok(())
    }
}
impl FromStr for Interval {
    type Err = IntervalError;
    fn from_str(text: &str) -> Result<Self, IntervalError> {
        Self::parse(text)
    }
}
impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_write_chains() {
        assert_eq!(Interval::parse("1h30m").unwrap(), Interval::from_secs(5400));
        assert_eq!(
            Interval::parse("1w 2d").unwrap(),
            Interval::from_secs(9 * 86_400)
        );
        assert_eq!(
            Interval::parse("250ms").unwrap(),
            Interval::from_millis(250)
        );
        for bad in [
            "",
            "5",
            "m",
            "5x",
            "-5m",
            "0s",
            "99999999999d",
            "99999999999999999999999s",
        ] {
            assert!(Interval::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(ms in 1..LONGEST_MS) {
            let interval = Interval::from_millis(ms);
            prop_assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,60}") {
            let _ = Interval::parse(&text);
        }
    }
}
