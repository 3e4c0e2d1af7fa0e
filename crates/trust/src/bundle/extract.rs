//! The archive in a bundle, without its compression: what deltas lead from and to.

use std::io::{BufReader, Read, Write};

use lockstep_model::Content;

use super::BundleError;
use super::build::writing;
use super::inspect::decompressor;
use crate::hash::Hashing;

/// Writes the archive that a bundle holds, of at most `max` bytes, and says which one it is. What is in the archive is
/// not looked at.
///
/// # Errors
/// [`BundleError::Read`] if it cannot be decompressed, [`BundleError::TooMuch`] if it is longer, [`BundleError::Write`].
pub fn extract(reader: impl Read, max: u64, writer: impl Write) -> Result<Content, BundleError> {
    let mut decoder = decompressor(BufReader::new(reader))?;
    let mut out = Hashing::new(writer);
    let mut left = max;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = decoder
            .read(&mut buffer)
            .map_err(|source| BundleError::Read { source })?;
        if count == 0 {
            break;
        }
        left = left.checked_sub(count as u64).ok_or(BundleError::TooMuch {
            limit: max,
            what: "bytes of archive",
        })?;
        out.write_all(&buffer[..count]).map_err(writing)?;
    }
    out.flush().map_err(writing)?;
    let (_, content) = out.into_parts();
    Ok(content)
}
