//! Releases: signed versions of packages, as the repository's `targets` lists them.

use serde::{Deserialize, Serialize};

use crate::{ContentHash, PackageName, Platform, Requires, Version};

/// One version of a package for one platform, as the publisher signed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// What the release says of itself.
    #[serde(flatten)]
    pub details: ReleaseDetails,
    /// The path of its bundle below the repository's `targets/`, without the hash that consistent snapshots put
    /// before the file name (TUF 1.0.31, section 6.2).
    pub target: String,
    /// Length of the bundle in bytes.
    pub length: u64,
    /// SHA-256 of the bundle.
    pub hash: ContentHash,
}

/// What the publisher states of a release beside its length and hash: a target's `custom` data in TUF, below the
/// key `lockstep`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseDetails {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: Version,
    /// What it runs on.
    pub platform: Platform,
    /// Sum of the unpacked files' lengths, in bytes.
    pub unpacked_bytes: u64,
    /// Number of entries in the bundle.
    pub entries: u64,
    /// Whom it can work with.
    #[serde(default)]
    pub requires: Requires,
    /// The archive in the bundle, before compression: what deltas lead from and to. Lists that were signed before
    /// there were deltas do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// A bundle's archive (`tar`) without its compression, which the same archive may have in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 of the archive.
    pub hash: ContentHash,
    /// Its length in bytes.
    pub length: u64,
}

/// The target path of a release: `PACKAGE/VERSION/PACKAGE-VERSION-PLATFORM.tar.zst`.
#[must_use]
pub fn target_path(package: &PackageName, version: &Version, platform: &Platform) -> String {
    format!("{package}/{version}/{package}-{version}-{platform}.tar.zst")
}
