//! Making a delta, in both ways.

use std::io::{self, Write};

use lockstep_model::DeltaAlgorithm;
use qbsdiff::{Bsdiff, ParallelScheme};
use zstd::stream::write::Encoder;

use super::{DeltaError, MAX_ARCHIVE_BYTES, MAX_PREFIX_BYTES};

/// Level of zstd for archives of up to [`HARD_BYTES`] together, and for larger ones.
const HARDEST: i32 = 22;
const HARD: i32 = 19;
/// Beyond this, the hardest level takes minutes for a fraction of a percent.
const HARD_BYTES: u64 = 64 << 20;
/// The largest blocks of bzip2: 900 kB.
const BZIP2_LEVEL: u32 = 9;

/// A delta that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// In which way: the smaller of the two.
    pub algorithm: DeltaAlgorithm,
    /// The patch.
    pub bytes: Vec<u8>,
    /// Length in bytes of the patch by bsdiff.
    pub bsdiff: u64,
    /// Length in bytes of the patch by zstd; none where the archives are too large for it.
    pub zstd: Option<u64>,
}

/// Makes a delta that leads from one archive to another. The same archives give the same bytes. It takes about
/// five times the size of both archives in memory. For each ten megabytes of one it takes six seconds (at 7 MB) to
/// eleven (at 37 MB), nearly all of them for bsdiff, which works in one thread.
///
/// # Errors
/// [`DeltaError::TooLarge`]; [`DeltaError::System`] if a compressor fails.
pub fn make(old: &[u8], new: &[u8]) -> Result<Made, DeltaError> {
    for archive in [old, new] {
        let length = archive.len() as u64;
        if length > MAX_ARCHIVE_BYTES {
            return Err(DeltaError::TooLarge {
                length,
                limit: MAX_ARCHIVE_BYTES,
                algorithm: DeltaAlgorithm::Bsdiff,
            });
        }
    }
    let both = (old.len() + new.len()) as u64;
    // Two cores are better than one: either way takes its time.
    let (by_bsdiff, by_zstd) = std::thread::scope(|scope| {
        let by_bsdiff = scope.spawn(|| bsdiff(old, new));
        let by_zstd = (both <= MAX_PREFIX_BYTES).then(|| patch_from(old, new));
        (by_bsdiff.join(), by_zstd)
    });
    let by_bsdiff = by_bsdiff
        .unwrap_or_else(|_| Err(io::Error::other("it gave up on these archives")))
        .map_err(DeltaError::while_("make a patch by bsdiff"))?;
    let by_zstd = by_zstd
        .transpose()
        .map_err(DeltaError::while_("make a patch by zstd"))?;
    let (bsdiff, zstd) = (
        by_bsdiff.len() as u64,
        by_zstd.as_ref().map(|bytes| bytes.len() as u64),
    );
    let (algorithm, bytes) = match by_zstd {
        Some(bytes) if bytes.len() <= by_bsdiff.len() => (DeltaAlgorithm::Zstd, bytes),
        _ => (DeltaAlgorithm::Bsdiff, by_bsdiff),
    };
    Ok(Made {
        algorithm,
        bytes,
        bsdiff,
        zstd,
    })
}

/// In one piece: searching in parallel gives a larger patch.
pub(super) fn bsdiff(old: &[u8], new: &[u8]) -> io::Result<Vec<u8>> {
    let mut patch = Vec::new();
    Bsdiff::new(old, new)
        .parallel_scheme(ParallelScheme::Never)
        .compression_level(BZIP2_LEVEL)
        .compare(io::Cursor::new(&mut patch))?;
    Ok(patch)
}

/// As `zstd --patch-from` does it: the old archive stands before the new one, and the window reaches over both.
pub(super) fn patch_from(old: &[u8], new: &[u8]) -> io::Result<Vec<u8>> {
    let both = (old.len() + new.len()) as u64;
    let level = if both > HARD_BYTES { HARD } else { HARDEST };
    let mut encoder = Encoder::with_ref_prefix(Vec::new(), level, old)?;
    encoder.window_log(window_log(both))?;
    encoder.long_distance_matching(true)?;
    // The result's hash is checked anyway.
    encoder.include_checksum(false)?;
    encoder.include_contentsize(true)?;
    encoder.set_pledged_src_size(Some(new.len() as u64))?;
    encoder.write_all(new)?;
    encoder.finish()
}

/// The smallest window that spans so many bytes, as a power of two, within what zstd knows.
fn window_log(bytes: u64) -> u32 {
    bytes.max(1).next_power_of_two().ilog2().clamp(10, 27)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_spans_both() {
        assert_eq!(window_log(0), 10);
        assert_eq!(window_log(1 << 20), 20);
        assert_eq!(window_log((1 << 20) + 1), 21);
        assert_eq!(window_log(MAX_PREFIX_BYTES), 27);
    }
}
