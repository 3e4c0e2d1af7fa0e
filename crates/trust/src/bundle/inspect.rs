//! Looking into a finished bundle, without unpacking it.

use std::io::{BufRead as _, BufReader, Read};

use lockstep_model::BundleManifest;
use zstd::stream::read::Decoder;

use super::{BundleError, Inspected, MAX_WINDOW_LOG, archive};
use crate::hash::Hashing;

/// Reads a bundle to its end and checks all that can be checked without writing: one compressed frame with a small
/// window, `bundle.toml` first, plain paths, each once and below a listed directory, links that stay inside, no
/// special files or rights, nothing behind the end.
///
/// # Errors
/// The first thing that is wrong.
pub fn inspect(reader: impl Read) -> Result<Inspected, BundleError> {
    let mut decoder = Hashing::new(decompressor(BufReader::new(Hashing::new(reader)))?);
    let (text, totals) = archive::read(&mut decoder)?;
    let (decoder, content) = decoder.into_parts();
    let mut rest = decoder.finish();
    let left = rest
        .fill_buf()
        .map_err(|source| BundleError::Read { source })?;
    if !left.is_empty() {
        return Err(BundleError::Format {
            why: "there is something behind its compressed data",
        });
    }
    let (hash, length) = rest.into_inner().finish();
    Ok(Inspected {
        manifest: parse(&text)?,
        entries: totals.entries,
        unpacked_bytes: totals.bytes,
        content,
        hash,
        length,
    })
}

pub(super) fn parse(text: &str) -> Result<BundleManifest, BundleError> {
    BundleManifest::parse(text).map_err(|why| BundleError::Manifest { why })
}

/// A decompressor that reads one frame and takes no more memory than our window.
pub(super) fn decompressor<R: std::io::BufRead>(
    reader: R,
) -> Result<Decoder<'static, R>, BundleError> {
    let make = || {
        let mut decoder = Decoder::with_buffer(reader)?.single_frame();
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(decoder)
    };
    make().map_err(|source| BundleError::Read { source })
}
