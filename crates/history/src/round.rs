//! A round of samples that no chunk holds yet: one short row for all series.

use crate::codec::bits::{unzigzag, zigzag};
use crate::codec::{Garbage, decimal};

/// In the place of a decimal exponent: a double as it is.
const PLAIN: u8 = 255;

/// Makes a round of (series, value), in the order of the series.
pub(crate) fn encode(values: &[(u32, f64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * 6);
    let mut last = 0;
    for &(series, value) in values {
        number(u64::from(series.wrapping_sub(last)), &mut bytes);
        last = series;
        match decimal::of(value) {
            Some((exponent, whole)) => {
                bytes.push(exponent);
                number(zigzag(whole), &mut bytes);
            }
            None => {
                bytes.push(PLAIN);
                bytes.extend(value.to_bits().to_le_bytes());
            }
        }
    }
    bytes
}

/// The values of a round, one after the other.
pub(crate) fn decode(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u32, f64), Garbage>> {
    const CUT: Garbage = Garbage("the round is cut off");
    let mut series = 0_u32;
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let mut next = || {
            series = series.wrapping_add(take_number(&mut bytes)? as u32);
            let (&exponent, rest) = bytes.split_first().ok_or(CUT)?;
            bytes = rest;
            let value = match exponent {
                PLAIN => {
                    let (double, rest) = bytes.split_first_chunk::<8>().ok_or(CUT)?;
                    bytes = rest;
                    f64::from_bits(u64::from_le_bytes(*double))
                }
                0..=decimal::FINEST => decimal::back(unzigzag(take_number(&mut bytes)?), exponent),
                _ => return Err(Garbage("an unknown exponent")),
            };
            Ok((series, value))
        };
        let next = next();
        if next.is_err() {
            bytes = &[];
        }
        Some(next)
    })
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn number(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_number(bytes: &mut &[u8]) -> Result<u64, Garbage> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Garbage("the round is cut off"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Garbage("a number is longer than 64 bits"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_round_comes_back(
            series in prop::collection::btree_map(0_u32..1 << 20, prop_oneof![
                -1e6..1e6_f64, (-9_999_i64..9_999).prop_map(|n| n as f64 / 100.0), Just(0.0),
                Just(1e100), any::<i32>().prop_map(f64::from),
            ], 0..60),
        ) {
            let values: Vec<(u32, f64)> = series.into_iter().collect();
            let back: Result<Vec<_>, _> = decode(&encode(&values)).collect();
            prop_assert_eq!(back.unwrap(), values);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes).count();
        }
    }
}
