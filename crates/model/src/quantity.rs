//! Numbers with a unit, as people write them in thresholds: `80%`, `300ms`, `5GB`, `21d`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number in the base unit of its kind: seconds for times, bytes for sizes, per cent for shares.
///
/// The base units are the ones that probes use in [`crate::Value::Number`]: `s`, `bytes`, `bytes/s`, `%`, `°C`, `/s`,
/// or nothing for a plain number.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// The number.
    pub value: f64,
    /// Its base unit.
    pub unit: String,
}

/// What may stand behind a number: the text, the factor, and the base unit.
const UNITS: [(&str, f64, &str); 37] = [
    ("", 1.0, ""),
    ("%", 1.0, "%"),
    ("us", 1e-6, "s"),
    ("µs", 1e-6, "s"),
    ("ms", 1e-3, "s"),
    ("s", 1.0, "s"),
    ("m", 60.0, "s"),
    ("h", 3_600.0, "s"),
    ("d", 86_400.0, "s"),
    ("w", 604_800.0, "s"),
    ("bytes", 1.0, "bytes"),
    ("B", 1.0, "bytes"),
    ("kB", 1e3, "bytes"),
    ("KB", 1e3, "bytes"),
    ("MB", 1e6, "bytes"),
    ("GB", 1e9, "bytes"),
    ("TB", 1e12, "bytes"),
    ("KiB", 1_024.0, "bytes"),
    ("MiB", 1_048_576.0, "bytes"),
    ("GiB", 1_073_741_824.0, "bytes"),
    ("TiB", 1_099_511_627_776.0, "bytes"),
    ("bytes/s", 1.0, "bytes/s"),
    ("B/s", 1.0, "bytes/s"),
    ("kB/s", 1e3, "bytes/s"),
    ("MB/s", 1e6, "bytes/s"),
    ("GB/s", 1e9, "bytes/s"),
    ("KiB/s", 1_024.0, "bytes/s"),
    ("MiB/s", 1_048_576.0, "bytes/s"),
    ("GiB/s", 1_073_741_824.0, "bytes/s"),
    ("bit/s", 0.125, "bytes/s"),
    ("Mbit/s", 125_000.0, "bytes/s"),
    ("Gbit/s", 125_000_000.0, "bytes/s"),
    ("°C", 1.0, "°C"),
    ("C", 1.0, "°C"),
    ("/s", 1.0, "/s"),
    ("k", 1e3, ""),
    ("M", 1e6, ""),
];

impl Quantity {
    /// A number with a base unit.
    #[must_use]
    pub fn new(value: f64, unit: &str) -> Self {
        Self {
            value,
            unit: unit.into(),
        }
    }

    /// Parses a number and the unit behind it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+'))
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: f64 = number.parse().map_err(|_| {
            format!("{text:?} does not begin with a number, as in \"80%\" or \"300ms\"")
        })?;
        let unit = unit.trim();
        let (_, factor, base) = UNITS
            .iter()
            .find(|(name, ..)| *name == unit)
            .ok_or_else(|| {
                format!("{unit:?} is not a unit; some are %, ms, s, m, h, d, MB, GiB, MB/s, °C")
            })?;
        let value = number * factor;
        if !value.is_finite() {
            return Err(format!("{text:?} is too large a number"));
        }
        Ok(Self::new(value, base))
    }
}

impl fmt::Display for Quantity {
    /// The shortest text that parses to the same quantity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, self.unit)
    }
}
impl FromStr for Quantity {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}
impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Quantity {
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
    fn people_write_units() {
        let is = |text, value: f64, unit| {
            let found = Quantity::parse(text).unwrap();
            assert!(
                found.unit == unit && (found.value - value).abs() <= value.abs() * 1e-12,
                "{text}: {found:?}"
            );
        };
        is("80%", 80.0, "%");
        is("300ms", 0.3, "s");
        is("21d", 1_814_400.0, "s");
        is("5 GB", 5e9, "bytes");
        is("-3.5", -3.5, "");
        is("100Mbit/s", 12.5e6, "bytes/s");
        for bad in ["", "%", "1..2", "5 parsecs", "ms", "1e999"] {
            assert!(Quantity::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(value in -1e15..1e15_f64, unit in 0..UNITS.len()) {
            let quantity = Quantity::new(value, UNITS[unit].2);
            prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = Quantity::parse(&text);
        }
    }
}
