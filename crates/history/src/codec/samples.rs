//! A chunk of one series' samples.

use super::bits::{Reader, Writer};
use super::{Garbage, begin, begun, decimal, ints};

/// A sample: seconds since 1970, and a value.
pub(crate) type Sample = (i64, f64);

/// Makes a chunk of samples, oldest first, at most [`super::MOST`]. Times are kept relative to `origin`.
pub(crate) fn encode(origin: i64, samples: &[Sample]) -> Vec<u8> {
    let mut bits = Writer::default();
    let values: Vec<f64> = samples.iter().map(|sample| sample.1).collect();
    let whole = decimal::all(&values);
    let exponent = whole.as_ref().map(|(exponent, _)| *exponent);
    begin(&mut bits, exponent, samples.len());
    let times: Vec<i64> = samples
        .iter()
        .map(|sample| sample.0.wrapping_sub(origin))
        .collect();
    ints::encode(&times, &mut bits);
    match whole {
        Some((_, numbers)) => ints::encode(&numbers, &mut bits),
        None => values
            .iter()
            .for_each(|value| bits.put(value.to_bits(), 64)),
    }
    bits.finish()
}

/// The samples of a chunk.
pub(crate) fn decode(origin: i64, bytes: &[u8]) -> Result<Vec<Sample>, Garbage> {
    let mut bits = Reader::new(bytes);
    let (exponent, count) = begun(&mut bits)?;
    let times = ints::decode(&mut bits, count)?;
    let at = |time: i64| time.wrapping_add(origin);
    match exponent {
        Some(exponent) => {
            let numbers = ints::decode(&mut bits, count)?;
            let value = |number| decimal::back(number, exponent);
            let samples = times.into_iter().zip(numbers);
            Ok(samples
                .map(|(time, number)| (at(time), value(number)))
                .collect())
        }
        None => times
            .into_iter()
            .map(|time| Ok((at(time), f64::from_bits(bits.take(64)?))))
            .collect(),
    }
}
