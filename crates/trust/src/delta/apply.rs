//! Applying a delta: what comes out is bounded and verified, whatever the patch says.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt as _;

use lockstep_model::{Content, DeltaAlgorithm, DeltaDetails};
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::bspatch::bspatch;
use super::{DeltaError, MAX_PREFIX_BYTES};
use crate::bundle::MAX_WINDOW_LOG;
use crate::hash::Hashing;

/// How the result is compressed where it is kept: quickly. It takes a fifth more space than a publisher's bundle, and
/// 2 MB of memory.
const PACKED_LEVEL: i32 = 3;
const PACKED_WINDOW_LOG: u32 = 20;

/// Writes the archive that the delta leads to, and checks that it is the signed one: after an error `out` holds part
/// of it or something else, to be thrown away. `old` must be the archive that it leads from; any other gives a wrong
/// result, which is refused. At most as many bytes are written as were signed.
///
/// # Errors
/// Why it does not lead there. It is no reason to hold anything against the release.
pub fn apply(
    details: &DeltaDetails,
    old: &File,
    patch: &File,
    out: impl Write,
) -> Result<(), DeltaError> {
    let mut output = Output::new(out, details.to.content);
    let old_length = details.from.content.length;
    match details.algorithm {
        DeltaAlgorithm::Bsdiff => bspatch(old, old_length, patch, &mut output)?,
        DeltaAlgorithm::Zstd => from_prefix(old, old_length, patch, &mut output)?,
        DeltaAlgorithm::Unknown => return Err(DeltaError::UnknownAlgorithm),
    }
    output.finish()
}

/// As [`apply`], and compresses what comes out: the result unpacks like a bundle. Its own bytes are not those of the
/// publisher's bundle, the archive in it is.
///
/// # Errors
/// As [`apply`].
pub fn apply_packed(
    details: &DeltaDetails,
    old: &File,
    patch: &File,
    out: impl Write,
) -> Result<(), DeltaError> {
    let writing = "write the new archive";
    let begin = || {
        let mut encoder = Encoder::new(out, PACKED_LEVEL)?;
        // A smaller window than a bundle's: the memory is a host's.
        encoder.window_log(PACKED_WINDOW_LOG.min(MAX_WINDOW_LOG))?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(details.to.content.length))?;
        Ok(encoder)
    };
    let mut encoder = begin().map_err(DeltaError::while_(writing))?;
    apply(details, old, patch, &mut encoder)?;
    encoder
        .finish()
        .and_then(|mut out| out.flush())
        .map_err(DeltaError::while_(writing))
}

/// The old archive in memory, and a frame that refers to it.
fn from_prefix<W: Write>(
    old: &File,
    old_length: u64,
    patch: &File,
    output: &mut Output<W>,
) -> Result<(), DeltaError> {
    let both = old_length.saturating_add(output.left());
    if both > MAX_PREFIX_BYTES {
        return Err(DeltaError::TooLarge {
            length: both,
            limit: MAX_PREFIX_BYTES,
            algorithm: DeltaAlgorithm::Zstd,
        });
    }
    let mut prefix = vec![0; old_length as usize];
    old.read_exact_at(&mut prefix, 0)
        .map_err(DeltaError::while_("read the old archive"))?;
    let length = patch
        .metadata()
        .map_err(DeltaError::while_("read a delta"))?
        .len();
    let damaged = |error: io::Error| DeltaError::patch(format!("its frame is damaged: {error}"));
    let reader = BufReader::new(Piece::new(patch, 0, length));
    let mut decoder = Decoder::with_ref_prefix(reader, &prefix)
        .map_err(damaged)?
        .single_frame();
    decoder
        .window_log_max(MAX_PREFIX_BYTES.ilog2())
        .map_err(damaged)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match decoder.read(&mut buffer).map_err(damaged)? {
            0 => return Ok(()),
            count => output.put(&buffer[..count])?,
        }
    }
}

/// What comes out: never more than was signed.
pub(super) struct Output<W> {
    out: Hashing<W>,
    signed: Content,
    left: u64,
}

impl<W: Write> Output<W> {
    fn new(out: W, signed: Content) -> Self {
        Self {
            out: Hashing::new(out),
            signed,
            left: signed.length,
        }
    }

    /// How many bytes may still come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Checks that so many bytes may still come, before anything is done for them.
    pub(super) fn allow(&self, count: u64) -> Result<(), DeltaError> {
        if count <= self.left {
            return Ok(());
        }
        Err(DeltaError::patch(format!(
            "it leads to more than the signed {} bytes",
            self.signed.length
        )))
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), DeltaError> {
        self.allow(bytes.len() as u64)?;
        self.left -= bytes.len() as u64;
        self.out
            .write_all(bytes)
            .map_err(DeltaError::while_("write the new archive"))
    }

    fn finish(mut self) -> Result<(), DeltaError> {
        self.out
            .flush()
            .map_err(DeltaError::while_("write the new archive"))?;
        let (hash, length) = self.out.finish();
        if length != self.signed.length {
            return Err(DeltaError::patch(format!(
                "it ends after {length} of the signed {} bytes",
                self.signed.length
            )));
        }
        if hash != self.signed.hash {
            return Err(DeltaError::OtherResult {
                found: hash,
                signed: self.signed.hash,
            });
        }
        Ok(())
    }
}

/// Part of a file as a reader; several may read one file at once.
pub(super) struct Piece<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl<'a> Piece<'a> {
    /// From one byte of the file to before another.
    pub(super) fn new(file: &'a File, at: u64, end: u64) -> Self {
        Self { file, at, end }
    }
}

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.at);
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let room = buffer.len().min(most);
        let count = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
