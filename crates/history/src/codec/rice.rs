//! Rice's code for numbers that are mostly small: the lowest bits as they are, and as many ones as are left above
//! them. Each block of numbers has its own count of lowest bits, so that a restless hour does not make a quiet one
//! longer. Against packing a block at its widest number this spares what single outliers cost all their neighbours.

use super::Garbage;
use super::bits::{Reader, Writer};

/// Numbers that share a count of lowest bits.
const BLOCK: usize = 32;
const LOW_BITS: u32 = 6;
/// In the place of the count: all numbers of the block are zero.
const ZEROS: u64 = 63;
/// So many ones mean that the number follows as it is.
const ESCAPE: u32 = 20;

/// Writes the numbers; their count is known to the reader.
pub(crate) fn encode(numbers: &[u64], bits: &mut Writer) {
    for block in numbers.chunks(BLOCK) {
        let Some((low, _)) = best(block) else {
            bits.put(ZEROS, LOW_BITS);
            continue;
        };
        bits.put(u64::from(low), LOW_BITS);
        for &number in block {
            let above = number >> low;
            if above >= u64::from(ESCAPE) {
                bits.put((1 << ESCAPE) - 1, ESCAPE);
                bits.number(number);
            } else {
                // Ones, and the zero that ends them.
                bits.put((1 << above) - 1, above as u32 + 1);
                bits.put(number, low);
            }
        }
    }
}

/// How many bits [`encode`] would take.
pub(crate) fn cost(numbers: &[u64]) -> u64 {
    let of = |block| u64::from(LOW_BITS) + best(block).map_or(0, |(_, cost)| cost);
    numbers.chunks(BLOCK).map(of).sum()
}

/// The count of lowest bits that makes the block shortest, and its length; none for a block of zeros.
fn best(block: &[u64]) -> Option<(u32, u64)> {
    let sum: u128 = block.iter().map(|&number| u128::from(number)).sum();
    if sum == 0 {
        return None;
    }
    // The best one lies near the logarithm of the mean; outliers pull that up, never down.
    let mean = (sum / block.len() as u128) as u64;
    let near = 64 - mean.leading_zeros();
    let candidates = near.saturating_sub(6)..=(near + 1).min(62);
    candidates
        .map(|low| (low, block.iter().map(|&number| length(number, low)).sum()))
        .min_by_key(|&(_, cost)| cost)
}

fn length(number: u64, low: u32) -> u64 {
    match number >> low {
        above if above >= u64::from(ESCAPE) => {
            u64::from(ESCAPE) + 7 + u64::from(64 - number.leading_zeros())
        }
        above => above + 1 + u64::from(low),
    }
}

/// Reads `count` numbers, and hands each to `take`.
pub(crate) fn decode(
    bits: &mut Reader<'_>,
    count: usize,
    mut take: impl FnMut(u64),
) -> Result<(), Garbage> {
    let mut left = count;
    while left > 0 {
        let block = left.min(BLOCK);
        left -= block;
        let low = bits.take(LOW_BITS)?;
        if low == ZEROS {
            (0..block).for_each(|_| take(0));
            continue;
        }
        let low = low as u32;
        for _ in 0..block {
            let above = bits.peek().trailing_ones();
            if above >= ESCAPE {
                bits.skip(ESCAPE)?;
                take(bits.number()?);
            } else {
                bits.skip(above + 1)?;
                take(u64::from(above) << low | bits.take(low)?);
            }
        }
    }
    Ok(())
}
