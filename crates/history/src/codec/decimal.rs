//! Doubles as whole numbers of a power of ten.

use super::ints::LARGEST;

/// The finest power: millionths.
pub(crate) const FINEST: u8 = 6;
const POWERS: [f64; FINEST as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
/// Whole numbers up to here have a double each.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The coarsest power of ten of which the value is a whole number, exactly; and that number.
pub(crate) fn of(value: f64) -> Option<(u8, i64)> {
    (0..=FINEST).find_map(|exponent| whole(value, exponent).map(|number| (exponent, number)))
}

/// The value as a whole number of the power, if it is one.
fn whole(value: f64, exponent: u8) -> Option<i64> {
    let number = (value * POWERS[usize::from(exponent)]).round();
    // Also false for what is not a number.
    (number.abs() <= EXACT && back(number as i64, exponent).to_bits() == value.to_bits())
        .then_some(number as i64)
}

/// The value behind a whole number.
pub(crate) fn back(number: i64, exponent: u8) -> f64 {
    number as f64 / POWERS[usize::from(exponent)]
}

/// All values as whole numbers of one power of ten.
pub(crate) fn all(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut exponent = 0;
    for &value in values {
        exponent = exponent.max(of(value)?.0);
    }
    let numbers: Option<Vec<i64>> = values.iter().map(|&value| whole(value, exponent)).collect();
    Some((exponent, numbers?))
}

/// A sum of values as a whole number of the power. Adding doubles rounds, so what is near a whole number is taken
/// for it; `size` is how large the sum's parts are together.
pub(crate) fn sum(value: f64, size: f64, exponent: u8) -> Option<i64> {
    let number = (value * POWERS[usize::from(exponent)]).round();
    let near = (back(number as i64, exponent) - value).abs() <= size * 1e-9;
    (number.abs() < LARGEST as f64 && near).then_some(number as i64)
}
