//! A chunk of one series' buckets: what is left of samples when they are folded.

use super::bits::{Reader, Writer};
use super::{Garbage, MOST, begin, begun, decimal, ints};
use crate::tally::Tally;

/// A bucket: its place in the chunk's stretch of time, and what fell into it.
pub(crate) type Bucket = (u32, Tally);

/// The columns as whole numbers that tell little beyond each other: the least value, how far the greatest lies above
/// it, how far the sum lies above that of as many least values.
struct Columns {
    exponent: u8,
    least: Vec<i64>,
    span: Vec<i64>,
    excess: Vec<i64>,
}

/// Makes a chunk of buckets that are not empty, in their order, at most [`MOST`].
pub(crate) fn encode(buckets: &[Bucket]) -> Vec<u8> {
    let mut bits = Writer::default();
    let columns = columns(buckets);
    let exponent = columns.as_ref().map(|columns| columns.exponent);
    begin(&mut bits, exponent, buckets.len());
    let places: Vec<i64> = buckets.iter().map(|bucket| bucket.0.into()).collect();
    ints::encode(&places, &mut bits);
    let counts: Vec<i64> = buckets.iter().map(|bucket| count(&bucket.1)).collect();
    ints::encode(&counts, &mut bits);
    match columns {
        Some(columns) => {
            ints::encode(&columns.least, &mut bits);
            ints::encode(&columns.span, &mut bits);
            ints::encode(&columns.excess, &mut bits);
        }
        None => {
            for (_, tally) in buckets {
                for value in [tally.min, tally.max, tally.sum] {
                    bits.put(value.to_bits(), 64);
                }
            }
        }
    }
    bits.finish()
}

fn count(tally: &Tally) -> i64 {
    i64::try_from(tally.count)
        .unwrap_or(i64::MAX)
        .min(ints::LARGEST)
}

fn columns(buckets: &[Bucket]) -> Option<Columns> {
    let extremes: Vec<f64> = buckets
        .iter()
        .flat_map(|(_, tally)| [tally.min, tally.max])
        .collect();
    let (exponent, extremes) = decimal::all(&extremes)?;
    let mut columns = Columns {
        exponent,
        least: Vec::with_capacity(buckets.len()),
        span: Vec::with_capacity(buckets.len()),
        excess: Vec::with_capacity(buckets.len()),
    };
    for ((_, tally), extremes) in buckets.iter().zip(extremes.chunks_exact(2)) {
        let (least, greatest) = (extremes[0], extremes[1]);
        let size = tally.count as f64 * tally.min.abs().max(tally.max.abs());
        let sum = decimal::sum(tally.sum, size, exponent)?;
        let excess = sum.checked_sub(least.checked_mul(count(tally))?)?;
        if excess.checked_abs()? > ints::LARGEST {
            return None;
        }
        columns.least.push(least);
        columns.span.push(greatest - least);
        columns.excess.push(excess);
    }
    Some(columns)
}

/// The buckets of a chunk.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Bucket>, Garbage> {
    let mut bits = Reader::new(bytes);
    let (exponent, count) = begun(&mut bits)?;
    let places = ints::decode(&mut bits, count)?;
    let counts = ints::decode(&mut bits, count)?;
    let mut heads = Vec::with_capacity(count);
    for (place, count) in places.into_iter().zip(counts) {
        let place = u32::try_from(place)
            .ok()
            .filter(|&place| place < MOST as u32);
        let count = u64::try_from(count).ok().filter(|&count| count > 0);
        match (place, count) {
            (Some(place), Some(count)) => heads.push((place, count)),
            _ => return Err(Garbage("a bucket has no place or no samples")),
        }
    }
    let Some(exponent) = exponent else {
        return heads
            .into_iter()
            .map(|(place, count)| {
                let mut next = || bits.take(64).map(f64::from_bits);
                let (min, max, sum) = (next()?, next()?, next()?);
                Ok((
                    place,
                    Tally {
                        count,
                        min,
                        max,
                        sum,
                    },
                ))
            })
            .collect();
    };
    let least = ints::decode(&mut bits, count)?;
    let span = ints::decode(&mut bits, count)?;
    let excess = ints::decode(&mut bits, count)?;
    let value = |number| decimal::back(number, exponent);
    let values = least.into_iter().zip(span).zip(excess);
    Ok(heads
        .into_iter()
        .zip(values)
        .map(|((place, count), ((least, span), excess))| {
            let sum = least.wrapping_mul(count as i64).wrapping_add(excess);
            let tally = Tally {
                count,
                min: value(least),
                max: value(least.wrapping_add(span)),
                sum: value(sum),
            };
            (place, tally)
        })
        .collect())
}
