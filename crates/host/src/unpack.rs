//! Unpacking a bundle: a `tar.zst` with `bundle.toml` first, from a stranger's hands.
//!
//! The policy is small: regular files, directories, and symbolic links that stay in the tree, with modes `0644`
//! and `0755`. Everything else is refused with its reason, and so is every archive that another reader could
//! understand differently. Memory is bounded whatever the archive says: windows of at most 8 MiB (RFC 8878,
//! section 3.1.1.1.2, names this as what every decoder should support), names of at most 1 KiB, and nothing is
//! read into memory but the manifest.
//!
//! Nothing is written outside of the destination, even if somebody changes it meanwhile: each part of each name
//! is opened in the directory before it, without following links, and every file is created exclusively.
//!
//! What it does not do: verify signatures or hashes (the caller hashes what it passes in), remove what was
//! unpacked before an error, set owners or times.

mod member;
mod name;
mod onto;
mod refusal;
mod tree;

use std::io::Read;
use std::path::Path;

use lockstep_model::{BundleManifest, Content, Release};
use tar::Archive;

use crate::fs::{self, Dir, HashingReader};
use member::Extensions;
pub(crate) use name::check_link;
pub(crate) use onto::Onto;
pub use refusal::{Refusal, UnpackError};
use tree::Tree;

/// Largest window of a frame, as its base-two logarithm.
const WINDOW_LOG_MAX: u32 = 23;
/// Most bytes of zeros behind the archive: writers fill blocks of up to 128 records.
const MOST_PADDING: u64 = 64 * 1024;
/// What a slot holds beside what the bundle brought: what the host remembers of it.
pub(crate) const RECORD: &str = "slot.json";
/// And the bundle that it came from, which deltas lead from.
pub(crate) const KEPT: &str = ".bundle.tar.zst";

/// True for the names at a slot's root that no bundle may use, and that are never taken over from another slot.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    name == RECORD.as_bytes() || name == KEPT.as_bytes()
}

/// How much an archive may hold, as the signed release states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries, `bundle.toml` and directories among them.
    pub entries: u64,
    /// Sum of the files' lengths in bytes, that of `bundle.toml` among them.
    pub bytes: u64,
}

impl Limits {
    /// What a release states.
    #[must_use]
    pub fn of(release: &Release) -> Self {
        Self {
            entries: release.details.entries,
            bytes: release.details.unpacked_bytes,
        }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, PartialEq)]
pub struct Unpacked {
    /// What the bundle says of itself.
    pub manifest: BundleManifest,
    /// Number of entries.
    pub entries: u64,
    /// Sum of the files' lengths in bytes.
    pub bytes: u64,
    /// The whole archive.
    pub content: Content,
}

/// Unpacks a bundle into a directory that does not exist yet (its parent does). When this returns, everything in
/// it is durable; its own name is not, since it is meant to be renamed. On an error, and when killed, what was
/// unpacked so far stays there.
pub fn unpack(reader: impl Read, dest: &Path, limits: Limits) -> Result<Unpacked, UnpackError> {
    let writing = |source| UnpackError::Write {
        path: dest.into(),
        source,
    };
    let (parent, name) = fs::split(dest).map_err(writing)?;
    let root = Dir::open(&parent)
        .and_then(|dir| dir.create_dir(name, 0o755))
        .map_err(writing)?;
    let mut tree = Tree::new(root, dest, limits);

    let mut decoder = zstd::Decoder::new(reader)
        .map_err(UnpackError::reading)?
        .single_frame();
    decoder
        .window_log_max(WINDOW_LOG_MAX)
        .map_err(UnpackError::reading)?;
    let mut decoder = HashingReader::new(decoder);
    let mut archive = Archive::new(&mut decoder);
    let mut extensions = Extensions::default();
    for entry in archive.entries().map_err(UnpackError::reading)?.raw(true) {
        let mut entry = entry.map_err(UnpackError::reading)?;
        if let Some(member) = extensions.take(&mut entry)? {
            tree.add(&member, &mut entry)?;
        }
    }
    if extensions.are_left() {
        return Err(UnpackError::refused("", Refusal::Truncated));
    }
    check_padding(&mut decoder)?;
    let (decoder, content) = decoder.into_parts();
    check_end(decoder.finish())?;
    tree.finish(content)
}

/// Behind the block of zeros that ended the archive there is at least another (POSIX.1-2017, `pax`), then zeros.
fn check_padding(decoder: &mut impl Read) -> Result<(), UnpackError> {
    let mut buffer = [0; 4096];
    let mut padding = 0;
    loop {
        let read = decoder.read(&mut buffer).map_err(UnpackError::reading)?;
        if read == 0 {
            break;
        }
        padding += read as u64;
        if padding > MOST_PADDING || buffer[..read].iter().any(|&byte| byte != 0) {
            return Err(UnpackError::refused("", Refusal::Trailing));
        }
    }
    if padding < 512 {
        return Err(UnpackError::refused("", Refusal::Truncated));
    }
    Ok(())
}

/// Behind the frame there is nothing: no other frame, no signature, no garbage.
fn check_end(mut rest: impl Read) -> Result<(), UnpackError> {
    let mut byte = [0];
    match rest.read(&mut byte).map_err(UnpackError::reading)? {
        0 => Ok(()),
        _ => Err(UnpackError::refused("", Refusal::Trailing)),
    }
}
