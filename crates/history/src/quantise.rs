//! How exact a value is kept.
//!
//! Digits beyond what a probe can know are noise, and noise is what costs space. So each unit has its own step:
//!
//! | unit | kept |
//! |---|---|
//! | `%` | hundredths |
//! | `°C` | tenths |
//! | `s` | four digits, but nothing finer than a microsecond, and milliseconds however long it is |
//! | `bytes` | whole bytes |
//! | `bytes/s` | four digits, but nothing finer than a byte |
//! | `/s` | four digits, but nothing finer than a thousandth |
//! | any other, or none | whole numbers as they are, others to six digits |
//!
//! Four digits are exact to half a thousandth of the value at worst, six to five millionths.

/// Whole numbers up to here have a double each; beyond, there is nothing left to round.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value as history keeps it.
#[must_use]
pub fn quantise(value: f64, unit: &str) -> f64 {
    let power = match unit {
        "%" => -2,
        "°C" => -1,
        "s" => digits(value, 4).clamp(-6, -3),
        "bytes" => 0,
        "bytes/s" => digits(value, 4).max(0),
        "/s" => digits(value, 4).max(-3),
        // Adding zero takes the sign from a zero, here and below.
        _ if value.fract() == 0.0 => return value + 0.0,
        _ => digits(value, 6),
    };
    round_to(value, power) + 0.0
}

/// The power of ten of the last of so many digits.
fn digits(value: f64, digits: i32) -> i32 {
    let first = value.abs().log10().floor();
    // Zero has no first digit.
    if first.is_finite() {
        first as i32 - (digits - 1)
    } else {
        0
    }
}

/// The nearest multiple of a power of ten, as the double that is nearest to that decimal.
fn round_to(value: f64, power: i32) -> f64 {
    // Powers of ten are exact up to 10^22; dividing by one rounds once, multiplying by a negative one would twice.
    let factor = 10_f64.powi(power.abs());
    let whole = if power < 0 {
        (value * factor).round()
    } else {
        (value / factor).round()
    };
    let rounded = if power < 0 {
        whole / factor
    } else {
        whole * factor
    };
    if rounded.is_finite() && whole.abs() <= EXACT {
        rounded
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_unit_keeps_what_its_probes_know() {
        for (value, unit, kept) in [
            (12.345_678, "%", 12.35),
            (-0.001, "%", 0.0),
            (45.678, "°C", 45.7),
            (0.012_345_67, "s", 0.012_35),
            (0.000_001_4, "s", 0.000_001),
            (2.345_678, "s", 2.346),
            (86_400.123_456, "s", 86_400.123),
            (4_096.4, "bytes", 4_096.0),
            (1_234_567.8, "bytes/s", 1_235_000.0),
            (3.6, "bytes/s", 4.0),
            (0.033_333, "/s", 0.033),
            (123_456_789_012.0, "", 123_456_789_012.0),
            (2.414_213_562, "", 2.414_21),
            (1e-12, "V", 1e-12),
            (1e80, "bytes", 1e80),
        ] {
            assert_eq!(quantise(value, unit), kept, "{value} {unit}");
        }
    }

    proptest! {
        #[test]
        fn the_error_is_small_and_rounding_twice_changes_nothing(
            value in prop_oneof![-1e9..1e9_f64, -1.0..1.0_f64, -1e99..1e99_f64],
            unit in prop::sample::select(vec!["%", "°C", "s", "bytes", "bytes/s", "/s", "", "V"]),
        ) {
            let kept = quantise(value, unit);
            let step = match unit {
                "%" => 0.01,
                "°C" => 0.1,
                "s" => 1e-6_f64.max(value.abs() * 1e-3),
                "bytes" => 1.0,
                "bytes/s" => 1.0_f64.max(value.abs() * 1e-3),
                "/s" => 1e-3_f64.max(value.abs() * 1e-3),
                _ => value.abs() * 1e-5,
            };
            prop_assert!((kept - value).abs() <= step * 0.5000001 + f64::MIN_POSITIVE, "{} {}", value, kept);
            prop_assert_eq!(quantise(kept, unit).to_bits(), kept.to_bits());
        }
    }
}
