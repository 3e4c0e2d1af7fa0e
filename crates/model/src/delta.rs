//! Deltas: what leads from the archive of one version to that of another, as the repository's `targets` lists them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Content, ContentHash, PackageName, Platform, Version};

/// What leads from one version of a package to another on one platform, as the publisher signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// What the delta says of itself.
    #[serde(flatten)]
    pub details: DeltaDetails,
    /// Its path below the repository's `targets/`, without the hash that consistent snapshots put before the file
    /// name (TUF 1.0.31, section 6.2).
    pub target: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub hash: ContentHash,
}

/// What the publisher states of a delta beside its length and hash: a target's `custom` data in TUF, below the key
/// `lockstep-delta`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaDetails {
    /// The package.
    pub package: PackageName,
    /// The platform of both versions.
    pub platform: Platform,
    /// Where it begins.
    pub from: DeltaEnd,
    /// Where it leads.
    pub to: DeltaEnd,
    /// How it is to be applied.
    pub algorithm: DeltaAlgorithm,
}

/// One end of a delta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaEnd {
    /// The version.
    pub version: Version,
    /// The archive in its bundle.
    pub content: Content,
}

/// How a delta is made and applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeltaAlgorithm {
    /// A patch in the format of bsdiff 4 (`BSDIFF40`).
    Bsdiff,
    /// A frame of zstd (RFC 8878) that refers to the old archive as what came before it (`zstd --patch-from`).
    Zstd,
    /// One that this version does not know; it takes the whole bundle.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for DeltaAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bsdiff => "bsdiff",
            Self::Zstd => "zstd",
            Self::Unknown => "unknown",
        })
    }
}

impl DeltaDetails {
    /// The target path: `PACKAGE/VERSION/PACKAGE-VERSION-PLATFORM.from-FROMVERSION.delta`, beside the bundle of the
    /// version it leads to.
    #[must_use]
    pub fn target_path(&self) -> String {
        let (package, version) = (&self.package, &self.to.version);
        format!(
            "{package}/{version}/{package}-{version}-{}.from-{}.delta",
            self.platform, self.from.version
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_is_read_as_it_is_signed() {
        let end = |version, byte| DeltaEnd {
            version: Version::parse(version).unwrap(),
            content: Content {
                hash: ContentHash::from_digest([byte; 32]),
                length: 1024,
            },
        };
        let details = DeltaDetails {
            package: PackageName::lockstep(),
            platform: Platform::parse("linux-x86_64").unwrap(),
            from: end("1.3.0-rc.1+b", 1),
            to: end("1.4.0", 2),
            algorithm: DeltaAlgorithm::Bsdiff,
        };
        assert_eq!(
            details.target_path(),
            "lockstep/1.4.0/lockstep-1.4.0-linux-x86_64.from-1.3.0-rc.1+b.delta"
        );
        let mut json = serde_json::to_value(&details).unwrap();
        assert_eq!(json["algorithm"], "bsdiff");
        let read: DeltaDetails = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read, details);
        json["algorithm"] = "of tomorrow".into();
        let read: DeltaDetails = serde_json::from_value(json).unwrap();
        assert_eq!(read.algorithm, DeltaAlgorithm::Unknown);
    }
}
