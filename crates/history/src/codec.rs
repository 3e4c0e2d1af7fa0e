//! How numbers become few bytes.
//!
//! Values of monitoring are decimals with few digits. The binary form of a double hides that; as whole numbers of
//! hundredths or thousandths they change little from one to the next. So a chunk finds the power of ten that makes
//! all of its values whole, and keeps what a simple forecast misses, in as few bits as that takes. The time of a
//! sample costs nothing while samples come at a steady pace.
//!
//! The layers, from below: [`bits`] writes bits, [`rice`] small numbers, [`ints`] series of whole numbers,
//! [`decimal`] turns doubles into whole numbers, [`samples`] and [`buckets`] are the chunks. Whatever bytes they are
//! given, all of them answer with values or with [`Garbage`], within a fixed bound of time and memory.

pub(crate) mod bits;
pub(crate) mod buckets;
pub(crate) mod decimal;
pub(crate) mod ints;
pub(crate) mod rice;
pub(crate) mod samples;

/// Bytes that no version of this program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no chunk of history: {0}")]
pub(crate) struct Garbage(pub(crate) &'static str);

/// Most entries of one chunk; more are neither written nor read.
pub(crate) const MOST: usize = 4096;

/// The first bits of each chunk. Another number stands for another layout.
const LAYOUT: u64 = 1;
const LAYOUT_BITS: u32 = 4;
/// In the place of a decimal exponent: the values are doubles as they are.
const PLAIN: u64 = 15;
const EXPONENT_BITS: u32 = 4;

fn begin(bits: &mut bits::Writer, exponent: Option<u8>, count: usize) {
    bits.put(LAYOUT, LAYOUT_BITS);
    bits.put(exponent.map_or(PLAIN, u64::from), EXPONENT_BITS);
    bits.number(count as u64);
}

/// The exponent, or none for plain doubles; and the number of entries.
fn begun(bits: &mut bits::Reader<'_>) -> Result<(Option<u8>, usize), Garbage> {
    if bits.take(LAYOUT_BITS)? != LAYOUT {
        return Err(Garbage("an unknown layout"));
    }
    let exponent = match bits.take(EXPONENT_BITS)? {
        PLAIN => None,
        exponent if exponent <= u64::from(decimal::FINEST) => Some(exponent as u8),
        _ => return Err(Garbage("an unknown exponent")),
    };
    let count = bits.number()?;
    if count > MOST as u64 {
        return Err(Garbage("more entries than a chunk has"));
    }
    Ok((exponent, count as usize))
}

#[cfg(test)]
mod tests;
