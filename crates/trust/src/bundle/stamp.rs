//! Giving a bundle another version: the same bytes, released under another number.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use lockstep_model::{BundleManifest, Version};
use serde::Deserialize;
use tar::{Builder, Header};
use zstd::zstd_safe::get_frame_content_size;

use super::build::{Compression, compressor, finish, writing};
use super::inspect::{decompressor, parse};
use super::{BuiltBundle, BundleError, archive, details};
use crate::hash::Hashing;

/// An archive is made of blocks of this many bytes.
const BLOCK: u64 = 512;

/// Copies a bundle with another version in its `bundle.toml`. See [`stamp_with`].
///
/// # Errors
/// What is wrong with the bundle, as `inspect` says it, or what could not be written.
pub fn stamp(
    reader: impl Read,
    version: &Version,
    writer: impl Write,
) -> Result<BuiltBundle, BundleError> {
    stamp_with(reader, version, Compression::default(), writer)
}

/// Copies a bundle with another version in its `bundle.toml` and everything else byte for byte, comments in the
/// manifest included, and checks it on the way. What comes out is what building the same tree under the new version
/// gives. After an error `writer` holds part of a bundle, to be thrown away.
///
/// # Errors
/// As [`stamp`].
pub fn stamp_with(
    reader: impl Read,
    version: &Version,
    compression: Compression,
    writer: impl Write,
) -> Result<BuiltBundle, BundleError> {
    let unreadable = |source| BundleError::Read { source };
    let mut source = BufReader::new(reader);
    let stated = get_frame_content_size(source.fill_buf().map_err(unreadable)?)
        .ok()
        .flatten();
    let mut decoder = decompressor(source)?;

    let old = read_first_entry(&mut decoder)?;
    let new = restamped(&old, version)?;
    let manifest = parse(&new)?;
    let length = stated.and_then(|stated| {
        stated
            .checked_sub(whole_blocks(old.len()))?
            .checked_add(whole_blocks(new.len()))
    });
    // The new first entry, alone: what the builder wrote behind it, the end of an archive, is cut off.
    let mut first = Builder::new(Vec::new());
    archive::write_manifest(&mut first, &new).map_err(writing)?;
    let first = {
        let entry = BLOCK + whole_blocks(new.len());
        let mut bytes = first.into_inner().map_err(writing)?;
        bytes.truncate(usize::try_from(entry).unwrap_or(usize::MAX));
        bytes
    };

    let mut encoder = Hashing::new(compressor(writer, compression, length)?);
    let passing = Passing {
        reader: first.as_slice().chain(&mut decoder),
        writer: &mut encoder,
        fault: None,
    };
    let mut passing = io::BufReader::with_capacity(128 * 1024, passing);
    let read = archive::read(&mut passing);
    if let Some(fault) = passing.into_inner().fault {
        return Err(writing(fault));
    }
    let (_, totals) = read?;
    let mut rest = decoder.finish();
    if !rest.fill_buf().map_err(unreadable)?.is_empty() {
        return Err(BundleError::Format {
            why: "there is something behind its compressed data",
        });
    }
    let (encoder, content) = encoder.into_parts();
    let (hash, length) = finish(encoder)?;
    Ok(BuiltBundle {
        details: details(&manifest, totals.entries, totals.bytes, content),
        length,
        hash,
    })
}

/// Takes the manifest off the beginning of an archive; the reader then stands at the second entry.
fn read_first_entry(reader: &mut impl Read) -> Result<String, BundleError> {
    let mut block = [0; BLOCK as usize];
    reader
        .read_exact(&mut block)
        .map_err(|source| BundleError::Read { source })?;
    let header = Header::from_byte_slice(&block);
    let length = header.entry_size().unwrap_or(u64::MAX);
    if *header.path_bytes() != *BundleManifest::FILE.as_bytes()
        || !header.entry_type().is_file()
        || length > BundleManifest::MAX_BYTES
    {
        return Err(BundleError::Manifest {
            why: "it must be the first entry, and a file of modest size".into(),
        });
    }
    let mut entry = reader.take(whole_blocks(length as usize));
    let text = archive::read_manifest(&mut entry.by_ref().take(length))?;
    let padding =
        io::copy(&mut entry, &mut io::sink()).map_err(|source| BundleError::Read { source })?;
    if length + padding != whole_blocks(length as usize) {
        return Err(BundleError::Read {
            source: io::ErrorKind::UnexpectedEof.into(),
        });
    }
    Ok(text)
}

/// The manifest's text with another version and nothing else changed.
fn restamped(text: &str, version: &Version) -> Result<String, BundleError> {
    #[derive(Deserialize)]
    struct Place {
        version: toml::Spanned<String>,
    }
    let refuse = |why: String| BundleError::Manifest { why };
    parse(text)?;
    let place: Place = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
    let mut stamped = text.to_owned();
    // A version needs no escapes in TOML.
    stamped.replace_range(place.version.span(), &format!("\"{version}\""));
    let manifest = parse(&stamped)?;
    if manifest.version != *version {
        return Err(refuse("its version cannot be replaced".into()));
    }
    Ok(stamped)
}

fn whole_blocks(length: usize) -> u64 {
    (length as u64).div_ceil(BLOCK) * BLOCK
}

/// Hands on what is read through it, and writes it to somebody else as well.
struct Passing<'a, R, W> {
    reader: R,
    writer: &'a mut W,
    fault: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Passing<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if let Err(error) = self.writer.write_all(&buffer[..count]) {
            let kind = error.kind();
            self.fault = Some(error);
            return Err(kind.into());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_changes_in_the_text() {
        let text = "# ours\npackage = 'x'   # version = \"9\"\nversion='1.0.0' # now\nplatform=\"any\"\n\n[purge]\npaths = []\n";
        let new = restamped(text, &Version::parse("1.0.1-rc.1+b").unwrap()).unwrap();
        assert_eq!(new, text.replace("'1.0.0'", "\"1.0.1-rc.1+b\""));
    }
}
