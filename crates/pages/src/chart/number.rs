//! Numbers for people: four significant digits, and a unit with the prefix that makes them short.
//!
//! The prefixes are decimal ones (ISO 80000-1: k is 1000), as everywhere on the command line; one value is one text,
//! wherever it is read.

/// Significant digits that are shown.
const DIGITS: i32 = 4;
/// Beyond so many digits a double has none to show; it is written with a power of ten then.
const LARGEST_POWER: i32 = 15;
const LEAST_POWER: i32 = -9;
/// Letters of a foreign unit that are shown.
const LONGEST_UNIT: usize = 12;

/// What numbers are divided by so that they are short, and what stands behind them then.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    factor: f64,
    name: String,
}

impl Unit {
    /// The unit for numbers of which `largest` is the greatest, so that all of an axis have the same. `base` is a base
    /// unit of [`lockstep_model::Quantity`], or any text that a plugin gave.
    #[must_use]
    pub fn fitting(base: &str, largest: f64) -> Self {
        let largest = largest.abs();
        match base {
            "bytes" | "B" => prefixed(largest, "B"),
            "bytes/s" | "B/s" => prefixed(largest, "B/s"),
            "" if largest >= 100_000.0 => prefixed(largest, ""),
            "s" => seconds(largest),
            other => Self {
                factor: 1.0,
                name: other
                    .chars()
                    .filter(|it| !it.is_control())
                    .take(LONGEST_UNIT)
                    .collect(),
            },
        }
    }

    /// What a number is divided by.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// A number with its unit, as in `12.34 MB`.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        self.with_name(short(value / self.factor))
    }

    /// A number at an axis whose ticks are `step` apart: all of them have the same number of decimals.
    #[must_use]
    pub fn show_tick(&self, value: f64, step: f64) -> String {
        let (value, step) = (value / self.factor, (step / self.factor).abs());
        let power = power_of(step);
        if power < LEAST_POWER || value.abs() >= 10_f64.powi(LARGEST_POWER) {
            return self.with_name(short(value));
        }
        let decimals = usize::try_from(-power).unwrap_or(0);
        // Without the sum a tick that is a hair below zero would be "-0".
        self.with_name(unsigned_zero(format!("{value:.decimals$}")))
    }

    fn with_name(&self, number: String) -> String {
        if self.name.is_empty() {
            number
        } else {
            format!("{number} {}", self.name)
        }
    }
}

/// A number with the unit that makes it short, as in `12.34 MB`, `300 ms`, `93.2 %`.
#[must_use]
pub fn show(value: f64, unit: &str) -> String {
    Unit::fitting(unit, value).show(value)
}

/// A number without a unit, with four significant digits and no zeros behind them.
#[must_use]
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let power = power_of(value.abs());
    if !(LEAST_POWER..LARGEST_POWER).contains(&power) {
        return format!("{value:.3e}");
    }
    let decimals = usize::try_from(DIGITS - 1 - power).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        text
    }
}

/// A size as people read it, as in `12.34 MB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
pub fn bytes(bytes: u64) -> String {
    show(bytes as f64, "bytes")
}

/// A count with its noun: `one sample`, `12 samples`.
#[must_use]
pub fn count(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("one {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// A share from 0 to 1 as per cent.
#[must_use]
pub fn share(share: f64) -> String {
    let percent = if share.is_finite() {
        share.clamp(0.0, 1.0) * 100.0
    } else {
        0.0
    };
    // What is not all is not shown as all, and what is not nothing not as nothing.
    match percent {
        0.0 => "0 %".into(),
        it if it < 0.1 => "< 0.1 %".into(),
        it if it > 99.9 && it < 100.0 => "> 99.9 %".into(),
        it => format!("{} %", short((it * 10.0).round() / 10.0)),
    }
}

fn power_of(value: f64) -> i32 {
    if value > 0.0 && value.is_finite() {
        value.log10().floor() as i32
    } else {
        0
    }
}

fn unsigned_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|it| matches!(it, '0' | '.')) => rest.into(),
        _ => text,
    }
}

fn prefixed(largest: f64, base: &str) -> Unit {
    let prefixes = [("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)];
    let fitting = prefixes
        .into_iter()
        .find(|(_, factor)| largest >= *factor)
        .unwrap_or(("", 1.0));
    Unit {
        factor: fitting.1,
        name: format!("{}{base}", fitting.0),
    }
}

fn seconds(largest: f64) -> Unit {
    let (factor, name) = match largest {
        it if it >= 2.0 * 86_400.0 => (86_400.0, "d"),
        it if it >= 2.0 * 3_600.0 => (3_600.0, "h"),
        it if it >= 2.0 * 60.0 => (60.0, "min"),
        it if it >= 1.0 || it == 0.0 => (1.0, "s"),
        it if it >= 1e-3 => (1e-3, "ms"),
        _ => (1e-6, "µs"),
    };
    Unit {
        factor,
        name: name.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(96_000_000), "96 MB");
        assert_eq!(bytes(2_097_152), "2.097 MB");
    }

    #[test]
    fn numbers_are_short() {
        let texts = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (0.123_456, "0.1235"),
            (9.999_96, "10"),
            (1234.5, "1234"),
            (123_456.0, "123456"),
            (-2.5, "-2.5"),
            (1.5e300, "1.500e300"),
            (3e-12, "3.000e-12"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ];
        for (value, text) in texts {
            assert_eq!(short(value), text, "{value}");
        }
    }

    #[test]
    fn units_have_prefixes() {
        assert_eq!(show(12_345_678.0, "bytes"), "12.35 MB");
        assert_eq!(show(999.0, "bytes/s"), "999 B/s");
        assert_eq!(show(0.3, "s"), "300 ms");
        assert_eq!(show(0.000_02, "s"), "20 µs");
        assert_eq!(show(90.0, "s"), "90 s");
        assert_eq!(show(1_814_400.0, "s"), "21 d");
        assert_eq!(show(93.25, "%"), "93.25 %");
        assert_eq!(show(0.5, ""), "0.5");
        assert_eq!(show(2_500_000.0, ""), "2.5 M");
        assert_eq!(show(1.0, "a unit\nthat is long"), "1 a unitthat i");
    }

    #[test]
    fn ticks_have_the_same_decimals() {
        let unit = Unit::fitting("bytes", 2e6);
        assert_eq!(unit.show_tick(1e6, 5e5), "1.0 MB");
        assert_eq!(unit.show_tick(-1e-9, 5e5), "0.0 MB");
        assert_eq!(Unit::fitting("%", 100.0).show_tick(40.0, 20.0), "40 %");
    }

    #[test]
    fn not_all_is_not_all() {
        let shares = [
            (0.0, "0 %"),
            (0.000_1, "< 0.1 %"),
            (0.333, "33.3 %"),
            (0.999_9, "> 99.9 %"),
            (1.0, "100 %"),
            (f64::NAN, "0 %"),
        ];
        for (value, text) in shares {
            assert_eq!(share(value), text);
        }
        assert_eq!(
            (count(1, "run").as_str(), count(0, "run").as_str()),
            ("one run", "0 runs")
        );
    }

    proptest! {
        #[test]
        fn every_number_has_a_short_text(bits: u64) {
            prop_assert!(short(f64::from_bits(bits)).len() <= 17);
        }
    }
}
