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

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockstep_model::{BundleManifest, Release};
use rustix::io::Errno;
use tar::{Archive, Entry};

use crate::fs::{self, Dir};
use member::{Extensions, Kind, Member};
pub(crate) use name::check_link;

/// Largest window of a frame, as its base-two logarithm.
const WINDOW_LOG_MAX: u32 = 23;
/// Most bytes of zeros behind the archive: writers fill blocks of up to 128 records.
const MOST_PADDING: u64 = 64 * 1024;
/// What a slot holds beside what the bundle brought.
pub(crate) const RESERVED: &str = "slot.json";

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
}

/// Why a bundle was not unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The bundle does what no bundle may do; it would be refused on every host.
    #[error("{}{why}", about(entry))]
    Refused {
        /// The entry, as far as it has a name.
        entry: String,
        /// What is wrong with it.
        why: Refusal,
    },
    /// The bundle cannot be decompressed, or is no archive; it would be refused on every host.
    #[error("the bundle is damaged")]
    Damaged(#[source] io::Error),
    /// The bundle's bytes could not be read; this host is at fault.
    #[error("the bundle cannot be read")]
    Read(#[source] io::Error),
    /// A file could not be written; this host is at fault.
    #[error("cannot write {path}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// What no bundle may do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The name begins with `/`.
    #[error("its name is absolute")]
    Absolute,
    /// The name holds `..`.
    #[error("its name holds \"..\"")]
    Climbs,
    /// The name is empty.
    #[error("it has no name")]
    NoName,
    /// The name or an extension header is too long.
    #[error("its name is too long")]
    NameTooLong,
    /// The name has too many parts.
    #[error("its name has too many parts")]
    TooDeep,
    /// The name holds a NUL.
    #[error("its name holds a NUL byte")]
    NulInName,
    /// The name is one that the slot needs itself.
    #[error("its name is reserved for the slot")]
    Reserved,
    /// Two entries have one name.
    #[error("its name appears twice")]
    Twice,
    /// A file or link is used as a directory.
    #[error("it lies below something that is not a directory")]
    ThroughFile,
    /// A symbolic link could lead out of the tree.
    #[error("it is a link to {target:?}, which leaves the bundle")]
    LinkLeaves {
        /// Where it points.
        target: String,
    },
    /// A hard link.
    #[error("it is a hard link")]
    HardLink,
    /// A device, fifo, sparse file or another thing that is not a file, directory or symbolic link.
    #[error("it is of the kind {tag:?}, which is not a file, directory or symbolic link")]
    Kind {
        /// The header's type flag.
        tag: char,
    },
    /// A setuid, setgid or sticky bit.
    #[error("its mode {mode:o} has special bits")]
    SpecialBits {
        /// The mode.
        mode: u32,
    },
    /// A PAX record that changes what the bytes mean.
    #[error("its extension {key:?} is not allowed")]
    Extension {
        /// The record's key.
        key: String,
    },
    /// A header that contradicts itself.
    #[error("its header is malformed")]
    BadHeader,
    /// More entries than stated.
    #[error("the bundle holds more than the {limit} entries that its release states")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// More bytes than stated.
    #[error("the bundle holds more than the {limit} bytes that its release states")]
    TooManyBytes {
        /// The limit.
        limit: u64,
    },
    /// `bundle.toml` is not the first entry.
    #[error("bundle.toml must come first")]
    ManifestNotFirst,
    /// `bundle.toml` is larger than a manifest may be.
    #[error("bundle.toml is too large")]
    ManifestTooLarge,
    /// `bundle.toml` cannot be understood.
    #[error("bundle.toml: {0}")]
    BadManifest(String),
    /// The archive ends in the middle.
    #[error("the bundle is cut off")]
    Truncated,
    /// Something follows the archive.
    #[error("something follows the end of the archive")]
    Trailing,
}

fn about(entry: &str) -> String {
    if entry.is_empty() {
        String::new()
    } else {
        format!("{entry:?}: ")
    }
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
    check_end(decoder.finish())?;
    tree.finish()
}

/// The tree as far as it is unpacked.
struct Tree<'a> {
    root: Dir,
    path: &'a Path,
    limits: Limits,
    entries: u64,
    bytes: u64,
    manifest: Option<BundleManifest>,
    /// Directories that had an entry of their own, by inode; the others came with what is in them.
    named_dirs: HashSet<u64>,
}

impl<'a> Tree<'a> {
    fn new(root: Dir, path: &'a Path, limits: Limits) -> Self {
        Self {
            root,
            path,
            limits,
            entries: 0,
            bytes: 0,
            manifest: None,
            named_dirs: HashSet::new(),
        }
    }

    fn add<R: Read>(
        &mut self,
        member: &Member,
        data: &mut Entry<'_, R>,
    ) -> Result<(), UnpackError> {
        let refuse = |why| Err(UnpackError::refused(&member.name.to_string(), why));
        self.entries += 1;
        if self.entries > self.limits.entries {
            return refuse(Refusal::TooManyEntries {
                limit: self.limits.entries,
            });
        }
        if self.manifest.is_none() {
            return self.add_manifest(member, data);
        }
        if member.name.is_at_root(RESERVED) {
            return refuse(Refusal::Reserved);
        }
        let Some((parents, name)) = member.name.split() else {
            return match member.kind {
                // The entry that some writers make for the root of the tree.
                Kind::Dir => Ok(()),
                _ => refuse(Refusal::NoName),
            };
        };
        let dir = self.enter(member, parents)?;
        match &member.kind {
            Kind::File { size, executable } => {
                self.count(member, *size)?;
                let mode = if *executable { 0o755 } else { 0o644 };
                self.write_file(&dir, member, name, mode, *size, data)
            }
            Kind::Dir => self.add_dir(&dir, member, name),
            Kind::Link { target } => dir
                .create_link(OsStr::from_bytes(target), name)
                .map_err(|error| self.creating(member, error)),
        }
    }

    /// The first entry: it is kept in memory, and written like every other file.
    fn add_manifest<R: Read>(
        &mut self,
        member: &Member,
        data: &mut Entry<'_, R>,
    ) -> Result<(), UnpackError> {
        let refuse = |why| UnpackError::refused(&member.name.to_string(), why);
        let size = match member.kind {
            Kind::File { size, .. } if member.name.is_at_root(BundleManifest::FILE) => size,
            _ => return Err(refuse(Refusal::ManifestNotFirst)),
        };
        if size > BundleManifest::MAX_BYTES {
            return Err(refuse(Refusal::ManifestTooLarge));
        }
        self.count(member, size)?;
        let mut text = Vec::new();
        data.take(size)
            .read_to_end(&mut text)
            .map_err(UnpackError::reading)?;
        let text = String::from_utf8(text)
            .map_err(|error| refuse(Refusal::BadManifest(error.to_string())))?;
        if text.len() as u64 != size {
            return Err(refuse(Refusal::Truncated));
        }
        let manifest =
            BundleManifest::parse(&text).map_err(|why| refuse(Refusal::BadManifest(why)))?;
        self.manifest = Some(manifest);
        let (root, name) = (self.root.clone(), OsStr::new(BundleManifest::FILE));
        self.write_file(&root, member, name, 0o644, size, &mut text.as_bytes())
    }

    /// Counts a file before any of it is written.
    fn count(&mut self, member: &Member, size: u64) -> Result<(), UnpackError> {
        let limit = self.limits.bytes;
        match self.bytes.checked_add(size) {
            Some(bytes) if bytes <= limit => self.bytes = bytes,
            _ => {
                return Err(UnpackError::refused(
                    &member.name.to_string(),
                    Refusal::TooManyBytes { limit },
                ));
            }
        }
        Ok(())
    }

    /// Opens the directory that a member lies in, and creates what is missing of it.
    fn enter(&self, member: &Member, parents: &[OsString]) -> Result<Dir, UnpackError> {
        let mut dir = self.root.clone();
        for part in parents {
            let next = match dir.open_dir(part) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    dir.create_dir(part, 0o755)
                }
                other => other,
            };
            // Which of the two a link is depends on the kernel.
            dir = next.map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NOTDIR | Errno::LOOP) => {
                    UnpackError::refused(&member.name.to_string(), Refusal::ThroughFile)
                }
                _ => self.creating(member, error),
            })?;
        }
        Ok(dir)
    }

    fn add_dir(&mut self, dir: &Dir, member: &Member, name: &OsStr) -> Result<(), UnpackError> {
        let added = match dir.create_dir(name, 0o755) {
            // It came with what is in it; or it is a file, or a link, which cannot be opened as a directory.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                dir.open_dir(name).map_err(|_| error)
            }
            other => other,
        };
        let inode = added
            .and_then(|added| added.inode())
            .map_err(|error| self.creating(member, error))?;
        if !self.named_dirs.insert(inode) {
            return Err(UnpackError::refused(
                &member.name.to_string(),
                Refusal::Twice,
            ));
        }
        Ok(())
    }

    fn write_file(
        &self,
        dir: &Dir,
        member: &Member,
        name: &OsStr,
        mode: u32,
        size: u64,
        data: &mut impl Read,
    ) -> Result<(), UnpackError> {
        let failed = |error| self.creating(member, error);
        let mut file = dir.create_file(name, mode).map_err(failed)?;
        let mut buffer = [0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left)
                .unwrap_or(buffer.len())
                .min(buffer.len());
            let read = data
                .read(&mut buffer[..wanted])
                .map_err(UnpackError::reading)?;
            if read == 0 {
                return Err(UnpackError::refused(
                    &member.name.to_string(),
                    Refusal::Truncated,
                ));
            }
            file.write_all(&buffer[..read]).map_err(failed)?;
            left -= read as u64;
        }
        file.sync().map_err(failed)
    }

    fn finish(self) -> Result<Unpacked, UnpackError> {
        let manifest = self
            .manifest
            .ok_or_else(|| UnpackError::refused("", Refusal::ManifestNotFirst))?;
        fs::sync_dirs(&self.root).map_err(|source| UnpackError::Write {
            path: self.path.into(),
            source,
        })?;
        Ok(Unpacked {
            manifest,
            entries: self.entries,
            bytes: self.bytes,
        })
    }

    /// A name that exists already is the bundle's fault, since the tree began empty; the rest is the host's.
    fn creating(&self, member: &Member, error: io::Error) -> UnpackError {
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                UnpackError::refused(&member.name.to_string(), Refusal::Twice)
            }
            _ => UnpackError::Write {
                path: self.path.join(member.name.to_path()),
                source: error,
            },
        }
    }
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

impl UnpackError {
    fn refused(entry: &str, why: Refusal) -> Self {
        Self::Refused {
            entry: entry.into(),
            why,
        }
    }

    /// Names the entry in a refusal that was made without knowing it.
    fn about(self, shown: &str) -> Self {
        match self {
            Self::Refused { why, .. } => Self::refused(shown, why),
            other => other,
        }
    }

    /// Only the operating system's errors have a number; the others are the decoder's or the archive's.
    fn reading(error: io::Error) -> Self {
        if error.raw_os_error().is_some() {
            Self::Read(error)
        } else {
            Self::Damaged(error)
        }
    }

    /// True if the bundle is to blame and not this host: it would be refused again, here and everywhere.
    #[must_use]
    pub fn blames_bundle(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Damaged(_))
    }
}
