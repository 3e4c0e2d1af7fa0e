//! Applying a patch of bsdiff 4, in pieces.
//!
//! The format is that of Colin Percival's bsdiff (2003): `BSDIFF40`, then the lengths of the first two of three
//! streams and of the result, then the streams, each compressed by bzip2: triples of how many bytes to add to the old
//! file's, how many to insert, and how far to skip in the old file; the bytes to add; the bytes to insert. Numbers have
//! eight bytes, the least significant first, and a sign in the highest bit.
//!
//! The library that makes our patches can apply them too, with all of both archives in memory; a host reads the old
//! archive and the three streams from their files instead.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use bzip2::read::BzDecoder;

use super::DeltaError;
use super::apply::{Output, Piece};

const MAGIC: &[u8; 8] = b"BSDIFF40";
const HEADER: u64 = 32;
const PIECE: usize = 64 * 1024;

/// Writes what the patch makes of the old archive, which has `old_length` bytes.
pub(super) fn bspatch<W: io::Write>(
    old: &File,
    old_length: u64,
    patch: &File,
    output: &mut Output<W>,
) -> Result<(), DeltaError> {
    let patch_length = patch
        .metadata()
        .map_err(DeltaError::while_("read a delta"))?
        .len();
    let mut header = [0; HEADER as usize];
    patch
        .read_exact_at(&mut header, 0)
        .map_err(|_| DeltaError::patch("it is too short"))?;
    if &header[..8] != MAGIC {
        return Err(DeltaError::patch("it is no patch of bsdiff"));
    }
    let length = |at: usize| {
        u64::try_from(number(&header[at..at + 8]))
            .map_err(|_| DeltaError::patch("its header has a negative length"))
    };
    let (steps, added, result) = (length(8)?, length(16)?, length(24)?);
    if result != output.left() {
        return Err(DeltaError::patch(format!(
            "it states {result} bytes, the publisher signed {}",
            output.left()
        )));
    }
    let second = HEADER.checked_add(steps);
    let third = second.and_then(|second| second.checked_add(added));
    let (Some(second), Some(third)) = (second, third.filter(|&third| third <= patch_length)) else {
        return Err(DeltaError::patch("its streams reach behind its end"));
    };
    let stream = |from, to| BzDecoder::new(Piece::new(patch, from, to));
    let mut streams = Streams {
        steps: stream(HEADER, second),
        added: stream(second, third),
        inserted: stream(third, patch_length),
    };

    let mut at = 0_i64;
    // Each step but a few must bring the end nearer, or a small patch could keep a host busy for hours.
    let mut idle = 0;
    while output.left() > 0 {
        let (add, insert, skip) = streams.next()?;
        if add == 0 && insert == 0 {
            idle += 1;
            if idle > 1000 {
                return Err(DeltaError::patch("it does not come to an end"));
            }
        }
        let from = u64::try_from(at).ok();
        let end = from.and_then(|from| from.checked_add(add));
        match (from, end) {
            _ if add == 0 => {}
            (Some(from), Some(end)) if end <= old_length => {
                output.allow(add)?;
                streams.add(old, from, add, output)?;
            }
            _ => return Err(DeltaError::patch("it reads where the old archive is not")),
        }
        output.allow(insert)?;
        streams.insert(insert, output)?;
        at = i64::try_from(add)
            .ok()
            .and_then(|add| at.checked_add(add)?.checked_add(skip))
            .ok_or_else(|| DeltaError::patch("it skips too far"))?;
    }
    Ok(())
}

/// A number of the format: a magnitude, and the sign in the highest bit.
fn number(bytes: &[u8]) -> i64 {
    let mut value = [0; 8];
    value.copy_from_slice(bytes);
    let value = u64::from_le_bytes(value);
    let magnitude = (value & !(1 << 63)) as i64;
    if value >> 63 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

struct Streams<'a> {
    steps: BzDecoder<Piece<'a>>,
    added: BzDecoder<Piece<'a>>,
    inserted: BzDecoder<Piece<'a>>,
}

impl Streams<'_> {
    /// How many bytes to add and to insert, and how far to skip.
    fn next(&mut self) -> Result<(u64, u64, i64), DeltaError> {
        let mut step = [0; 24];
        read(&mut self.steps, &mut step)?;
        let count = |at: usize| {
            u64::try_from(number(&step[at..at + 8]))
                .map_err(|_| DeltaError::patch("a step has a negative length"))
        };
        Ok((count(0)?, count(8)?, number(&step[16..])))
    }

    fn add<W: io::Write>(
        &mut self,
        old: &File,
        mut from: u64,
        mut count: u64,
        output: &mut Output<W>,
    ) -> Result<(), DeltaError> {
        let (mut sums, mut added) = ([0; PIECE], [0; PIECE]);
        while count > 0 {
            let piece = usize::try_from(count).unwrap_or(PIECE).min(PIECE);
            let (sums, added) = (&mut sums[..piece], &mut added[..piece]);
            old.read_exact_at(sums, from)
                .map_err(DeltaError::while_("read the old archive"))?;
            read(&mut self.added, added)?;
            for (sum, added) in sums.iter_mut().zip(added) {
                *sum = sum.wrapping_add(*added);
            }
            output.put(sums)?;
            from += piece as u64;
            count -= piece as u64;
        }
        Ok(())
    }

    fn insert<W: io::Write>(
        &mut self,
        mut count: u64,
        output: &mut Output<W>,
    ) -> Result<(), DeltaError> {
        let mut inserted = [0; PIECE];
        while count > 0 {
            let piece = usize::try_from(count).unwrap_or(PIECE).min(PIECE);
            let inserted = &mut inserted[..piece];
            read(&mut self.inserted, inserted)?;
            output.put(inserted)?;
            count -= piece as u64;
        }
        Ok(())
    }
}

fn read(stream: &mut impl Read, buffer: &mut [u8]) -> Result<(), DeltaError> {
    stream
        .read_exact(buffer)
        .map_err(|error| DeltaError::patch(format!("one of its streams is damaged: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_sign_in_the_highest_bit() {
        assert_eq!(number(&[5, 1, 0, 0, 0, 0, 0, 0]), 261);
        assert_eq!(number(&[5, 0, 0, 0, 0, 0, 0, 0x80]), -5);
        assert_eq!(number(&[0, 0, 0, 0, 0, 0, 0, 0x80]), 0);
        assert_eq!(number(&[0xff; 8]), -i64::MAX);
    }
}
