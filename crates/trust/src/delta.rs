//! Deltas: what leads from the archive of one bundle to that of another of the same package and platform.
//!
//! A delta begins and ends at the *uncompressed* archive, because two compressed ones have nothing in common. It is
//! made in both ways that are known, and the smaller is kept: a patch of bsdiff 4 is mostly the smaller one for
//! programs, whose addresses have all moved by a little, a zstd frame that refers to the old archive for everything
//! else.
//!
//! Applying trusts nothing: what comes out must have the length and the hash that the publisher signed for it, never
//! more bytes are written than that length, and memory does not depend on what the patch says of itself.
//!
//! * bsdiff: a constant few MB, whatever the size of the archives, which are read and written in pieces.
//! * zstd: the old archive, and as much of the new one as its window spans; [`MAX_PREFIX_BYTES`] bounds both together.

mod apply;
mod bspatch;
mod make;

use std::io;

use lockstep_model::{ContentHash, DeltaAlgorithm};

pub use apply::{apply, apply_packed};
pub use make::{Made, make};

/// Largest archive that a delta leads from or to, in bytes: 512 MiB. Making one takes six times as much memory.
pub const MAX_ARCHIVE_BYTES: u64 = 512 << 20;
/// Most bytes of both archives together for a delta by zstd: 128 MiB, which a host may have to hold in memory.
pub const MAX_PREFIX_BYTES: u64 = 128 << 20;

/// Why a delta cannot be made or does not lead where it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// An archive is too large.
    #[error(
        "an archive of {length} bytes is too large for a delta by {algorithm}, which is limited to {limit}"
    )]
    TooLarge {
        /// What there is of it, in bytes; of both archives for zstd.
        length: u64,
        /// The limit in bytes.
        limit: u64,
        /// In which way.
        algorithm: DeltaAlgorithm,
    },
    /// This version does not know how to apply it.
    #[error("it was made in a way that this version does not know")]
    UnknownAlgorithm,
    /// The patch contradicts itself or the signed list.
    #[error("it cannot be applied: {why}")]
    Patch {
        /// What is wrong with it.
        why: String,
    },
    /// What came out is not what was signed.
    #[error("it leads to an archive with SHA-256 {}, the publisher signed {}", .found.short(), .signed.short())]
    OtherResult {
        /// What came out.
        found: ContentHash,
        /// What should have come out.
        signed: ContentHash,
    },
    /// A file could not be read or written, or a compressor failed.
    #[error("failed to {doing}")]
    System {
        /// What was attempted.
        doing: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl DeltaError {
    pub(crate) fn patch(why: impl Into<String>) -> Self {
        Self::Patch { why: why.into() }
    }

    /// For `map_err`.
    pub(crate) fn while_(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }
}
