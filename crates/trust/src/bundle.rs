//! Bundles: the file that a release is. A deterministic `tar.zst` with `bundle.toml` first, then the tree.
//!
//! The same tree and manifest give the same bytes, whatever the files' times and owners, the order of the directory
//! and the umask; so two people can build a release and compare. Entries are sorted by path, belong to nobody, are
//! from 1970, and have mode 0755 (directories, executables) or 0644. Compression is single-threaded, with the content
//! size stated, a checksum, and a window of at most 8 MiB, so that whoever unpacks can bound its memory.
//!
//! Nothing here holds a whole file in memory, and nothing here unpacks: the host's side does, and trusts none of this.
//! [`inspect()`] asks the same questions of a finished bundle that an unpacker must ask.

mod archive;
mod build;
mod error;
mod extract;
mod inspect;
mod stamp;
mod tree;

pub use build::{Compression, build, build_with};
pub use error::BundleError;
pub use extract::extract;
pub use inspect::inspect;
pub use stamp::{stamp, stamp_with};

use lockstep_model::{BundleManifest, Content, ContentHash, Release, ReleaseDetails, target_path};

/// Most entries of a bundle.
pub const MAX_ENTRIES: u64 = 100_000;
/// Largest sum of the lengths of a bundle's files, in bytes.
pub const MAX_UNPACKED_BYTES: u64 = 16 << 30;
/// Longest path in a bundle, in bytes; also the longest target of a symbolic link.
pub const MAX_PATH_BYTES: usize = 1024;
/// Largest window of the compression, as a power of two: 8 MiB.
pub const MAX_WINDOW_LOG: u32 = 23;

/// A bundle that was just made.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltBundle {
    /// What the publisher states of it.
    pub details: ReleaseDetails,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub hash: ContentHash,
}

/// What is in a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected {
    /// Its manifest.
    pub manifest: BundleManifest,
    /// Number of its entries, `bundle.toml` among them.
    pub entries: u64,
    /// Sum of the lengths of its files, in bytes.
    pub unpacked_bytes: u64,
    /// The archive in it.
    pub content: Content,
    /// Its SHA-256.
    pub hash: ContentHash,
    /// Its length in bytes.
    pub length: u64,
}

impl BuiltBundle {
    /// The bundle as an entry of the list of releases.
    #[must_use]
    pub fn release(&self) -> Release {
        let ReleaseDetails {
            package,
            version,
            platform,
            ..
        } = &self.details;
        Release {
            target: target_path(package, version, platform),
            details: self.details.clone(),
            length: self.length,
            hash: self.hash,
        }
    }
}

impl Inspected {
    /// The bundle as whoever built it would describe it.
    #[must_use]
    pub fn into_built(self) -> BuiltBundle {
        BuiltBundle {
            details: details(
                &self.manifest,
                self.entries,
                self.unpacked_bytes,
                self.content,
            ),
            length: self.length,
            hash: self.hash,
        }
    }
}

fn details(
    manifest: &BundleManifest,
    entries: u64,
    unpacked_bytes: u64,
    content: Content,
) -> ReleaseDetails {
    ReleaseDetails {
        package: manifest.package.clone(),
        version: manifest.version.clone(),
        platform: manifest.platform.clone(),
        unpacked_bytes,
        entries,
        requires: manifest.requires.clone(),
        content: Some(content),
    }
}
