//! Why a bundle is not unpacked, and who is to blame.

use std::io;
use std::path::PathBuf;

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
    /// A hard link to what is no file of the tree.
    #[error("it is a hard link to {target:?}, which is no file there")]
    NoSuchFile {
        /// What it names.
        target: String,
    },
    /// A file or link where the host has a directory, or the other way round.
    #[error("it would take the place of {what}")]
    OtherKind {
        /// What has the name on this host.
        what: &'static str,
    },
    /// An archive without a member.
    #[error("the archive holds nothing")]
    Empty,
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

impl UnpackError {
    pub(super) fn refused(entry: &str, why: Refusal) -> Self {
        Self::Refused {
            entry: entry.into(),
            why,
        }
    }

    /// Names the entry in a refusal that was made without knowing it.
    pub(super) fn about(self, shown: &str) -> Self {
        match self {
            Self::Refused { why, .. } => Self::refused(shown, why),
            other => other,
        }
    }

    /// Only the operating system's errors have a number; the others are the decoder's or the archive's.
    pub(super) fn reading(error: io::Error) -> Self {
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
