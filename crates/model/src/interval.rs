//! Lengths of time as people write them in configuration: `30s`, `5m`, `1h30m`, `7d+24h`.
//!
//! The syntax is the one of the distributed monitor dmon: a sum of signed terms `[+|-][number][unit]` with the
//! units `s m h d w`. A term without a unit counts seconds, one without a number counts one of its unit, and numbers
//! may have decimals. One thing is added: digits with `ms` directly behind them are milliseconds.

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

/// The units with their milliseconds; longer names first, so that `ms` behind a number is not taken for `m`.
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
/// Longest text that is looked at, in bytes.
const LONGEST_TEXT: usize = 100;

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

    /// The interval in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// Parses a sum of signed terms, e.g. `1h30m`, `7d+24h`, `w-0.5h` or `hm6`.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        let refuse = |why| IntervalError {
            text: text.chars().take(40).collect(),
            why,
        };
        if text.len() > LONGEST_TEXT {
            return Err(refuse("it is longer than 100 bytes"));
        }
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(refuse("it is empty"));
        }
        let mut total = 0.0;
        while !rest.is_empty() {
            let (milliseconds, behind) = term(rest).map_err(&refuse)?;
            total += milliseconds;
            rest = behind.trim_start();
        }
        if total < 0.5 {
            return Err(refuse("it must be longer than nothing"));
        }
        if total > LONGEST_MS as f64 {
            return Err(refuse("it is longer than ten years"));
        }
        Ok(Self(Duration::from_millis(total.round() as u64)))
    }
}

/// One term at the beginning of the text, in milliseconds, and what is behind it.
fn term(text: &str) -> Result<(f64, &str), &'static str> {
    let (sign, rest) = match text.strip_prefix(['+', '-']) {
        Some(rest) if text.starts_with('-') => (-1.0, rest.trim_start()),
        Some(rest) => (1.0, rest.trim_start()),
        None => (1.0, text),
    };
    let number_end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (digits, behind) = rest.split_at(number_end);
    let number = match digits {
        "" => 1.0,
        digits => digits
            .parse::<f64>()
            .map_err(|_| "a number has digits and at most one point")?,
    };
    let is_unit = |unit: &str| behind.starts_with(unit) && (unit != "ms" || !digits.is_empty());
    match UNITS.iter().find(|(unit, _)| is_unit(unit)) {
        Some((unit, milliseconds)) => {
            Ok((sign * number * *milliseconds as f64, &behind[unit.len()..]))
        }
        None if digits.is_empty() => Err("a number is expected, or a unit of ms, s, m, h, d or w"),
        None if behind.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Err("the units are ms, s, m, h, d and w")
        }
        None => Ok((sign * number * 1_000.0, behind)),
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_six_cases_of_dmon_hold() {
        for (text, seconds) in [
            ("22", 22),
            ("22s", 22),
            ("dw", 691_200),
            ("7d+24h", 691_200),
            ("w-0.5h", 603_000),
            ("hm6", 3_666),
        ] {
            assert_eq!(
                Interval::parse(text),
                Ok(Interval::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn people_write_chains() {
        let is = |text, expected| assert_eq!(Interval::parse(text), Ok(expected), "{text}");
        is("1h30m", Interval::from_secs(5400));
        is("1w 2d", Interval::from_secs(9 * 86_400));
        is("250ms", Interval::from_millis(250));
        // Without digits before them an m and an s are two units, as dmon has it.
        is("ms", Interval::from_secs(61));
        is("1m - 10", Interval::from_secs(50));
        for bad in [
            "",
            "5x",
            "-5m",
            "0s",
            "h-h",
            "1..5h",
            "5 minutes",
            "+",
            "1,5h",
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

        #[test]
        fn terms_may_come_in_any_order(h in 0_u32..50, m in 0_u32..90, s in 1_u32..90) {
            let sum = Interval::from_secs(u64::from(h * 3600 + m * 60 + s));
            for text in [format!("{h}h{m}m{s}s"), format!("{s}+{m}m+{h}h"), format!("{m}m {s} {h}h")] {
                prop_assert_eq!(Interval::parse(&text), Ok(sum), "{}", text);
            }
        }
    }
}
