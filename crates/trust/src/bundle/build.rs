//! Building a bundle from a tree.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use lockstep_model::{BundleManifest, ContentHash};
use tar::Builder;
use zstd::stream::write::Encoder;

use super::archive::{Totals, write_manifest, write_node};
use super::tree::{self, Node, NodeKind};
use super::{BuiltBundle, BundleError, MAX_WINDOW_LOG, details};
use crate::hash::Hashing;

/// How hard to compress.
///
/// Measured on two programs of 21 and 33 MB: the default takes 0.5 and 0.7 s and leaves 32 %; the smallest takes 8 and
/// 15 s and leaves 29 %. The levels between are poor bargains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// For every day: zstd level 9.
    #[default]
    Quick,
    /// For a release that many hosts will download: zstd level 19.
    Smallest,
}

impl Compression {
    fn level(self) -> i32 {
        match self {
            Self::Quick => 9,
            Self::Smallest => 19,
        }
    }
}

/// Builds a bundle from the tree below `dir`, with `manifest` as its `bundle.toml` in place of the one that may lie
/// there. See [`build_with`].
///
/// # Errors
/// What in the tree has no place in a bundle, or what could not be read or written.
pub fn build(
    dir: &Path,
    manifest: &BundleManifest,
    writer: impl Write,
) -> Result<BuiltBundle, BundleError> {
    build_with(dir, manifest, Compression::default(), writer)
}

/// Builds a bundle with a chosen compression. Symbolic links are kept as they are, hard links become files of their
/// own, and of a file's mode only the owner's executable bit is kept. After an error `writer` holds part of a bundle,
/// to be thrown away.
///
/// # Errors
/// As [`build`].
pub fn build_with(
    dir: &Path,
    manifest: &BundleManifest,
    compression: Compression,
    writer: impl Write,
) -> Result<BuiltBundle, BundleError> {
    let text = checked_text(manifest)?;
    let nodes = tree::list(dir)?;
    let mut totals = Totals {
        entries: 1,
        bytes: text.len() as u64,
    };
    for node in &nodes {
        totals.entries += 1;
        totals.bytes += node.length();
    }
    // Written once for its length alone, with zeros for contents: the compressed stream begins with that length.
    let mut rehearsal = Builder::new(Counting(0));
    write_manifest(&mut rehearsal, &text).map_err(writing)?;
    for node in &nodes {
        write_node(&mut rehearsal, node, || io::repeat(0).take(node.length())).map_err(writing)?;
    }
    let length = rehearsal.into_inner().map_err(writing)?.0;

    let mut builder = Builder::new(Hashing::new(compressor(writer, compression, Some(length))?));
    write_manifest(&mut builder, &text).map_err(writing)?;
    for node in &nodes {
        append(&mut builder, dir, node)?;
    }
    let (encoder, content) = builder.into_inner().map_err(writing)?.into_parts();
    let (hash, length) = finish(encoder)?;
    Ok(BuiltBundle {
        details: details(manifest, totals.entries, totals.bytes, content),
        length,
        hash,
    })
}

/// The manifest's text, if it reads back as the same manifest.
fn checked_text(manifest: &BundleManifest) -> Result<String, BundleError> {
    let refuse = |why: String| BundleError::Manifest { why };
    let text = manifest.to_toml().map_err(refuse)?;
    if text.len() as u64 > BundleManifest::MAX_BYTES {
        return Err(refuse(format!(
            "it is longer than {} bytes",
            BundleManifest::MAX_BYTES
        )));
    }
    match BundleManifest::parse(&text).map_err(refuse)? {
        read if &read == manifest => Ok(text),
        _ => Err(refuse("it does not survive being written".into())),
    }
}

fn append<W: Write>(builder: &mut Builder<W>, dir: &Path, node: &Node) -> Result<(), BundleError> {
    let NodeKind::File(listed) = &node.kind else {
        return write_node(builder, node, io::empty).map_err(writing);
    };
    let path = dir.join(&node.path);
    let changed = || BundleError::Changed {
        path: node.path.clone(),
    };
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(source) => return Err(BundleError::ReadTree { path, source }),
    };
    if tree::identity(&metadata) != listed.identity || metadata.len() != listed.length {
        return Err(changed());
    }
    // Reading and writing fail alike in the builder's eyes, so the reader notes its own faults.
    let mut fault = None;
    let done = write_node(builder, node, || Noting {
        reader: file,
        fault: &mut fault,
    });
    match (done, fault) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(source)) => Err(BundleError::ReadTree { path, source }),
        (Err(error), None) if error.kind() == io::ErrorKind::InvalidData => Err(changed()),
        (Err(error), None) => Err(writing(error)),
    }
}

/// A compressor whose output depends on nothing but its input and the level.
pub(super) fn compressor<W: Write>(
    writer: W,
    compression: Compression,
    length: Option<u64>,
) -> Result<Encoder<'static, Hashing<W>>, BundleError> {
    let make = || {
        let mut encoder = Encoder::new(Hashing::new(writer), compression.level())?;
        encoder.window_log(MAX_WINDOW_LOG)?;
        encoder.include_checksum(true)?;
        encoder.include_contentsize(true)?;
        encoder.set_pledged_src_size(length)?;
        Ok(encoder)
    };
    make().map_err(writing)
}

/// Ends a compressed stream; its hash and length.
pub(super) fn finish<W: Write>(
    encoder: Encoder<'static, Hashing<W>>,
) -> Result<(ContentHash, u64), BundleError> {
    let mut output = encoder.finish().map_err(writing)?;
    output.flush().map_err(writing)?;
    Ok(output.finish())
}

pub(super) fn writing(source: io::Error) -> BundleError {
    BundleError::Write { source }
}

/// Counts what is written.
struct Counting(u64);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Remembers that reading failed, and how.
struct Noting<'a> {
    reader: File,
    fault: &'a mut Option<io::Error>,
}

impl Read for Noting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            let kind = error.kind();
            *self.fault = Some(error);
            kind.into()
        })
    }
}
