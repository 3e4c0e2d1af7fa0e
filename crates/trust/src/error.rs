//! What can go wrong with signing keys and with signed metadata.
//!
//! The verifier's own error type stays inside this crate: [`Error::refused`] sorts it into what an operator can act
//! upon, so that nobody outside depends on the library that verifies.

use std::error::Error as StdError;

use jiff::Timestamp;
use lockstep_model::{PackageName, Version};

use crate::Role;

/// An error of another crate, kept as the cause.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// The result of everything that touches keys or metadata.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a key, a piece of metadata or a release was refused or could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cryptographic library gave no key, random bytes or signature.
    #[error("the cryptographic library failed to {0}")]
    Cryptography(&'static str),
    /// A text is not the signing key it should be.
    #[error("the signing key cannot be read: {why}")]
    ReadKey {
        /// What is wrong with it.
        why: String,
    },
    /// An encrypted key did not open.
    #[error("the signing key does not open: the passphrase is wrong or the file is damaged")]
    WrongPassphrase,
    /// Something is not a TUF public key.
    #[error("the public key cannot be used: {why}")]
    PublicKey {
        /// What is wrong with it.
        why: String,
    },
    /// Metadata cannot be made from what was asked for.
    #[error("{role} cannot be made: {why}")]
    Author {
        /// Which metadata.
        role: Role,
        /// What stands in the way, and what to do.
        why: String,
    },
    /// A change of the list of releases contradicts that list.
    #[error("the list of releases cannot be changed: {why}")]
    Edit {
        /// What stands in the way.
        why: String,
    },
    /// Bytes are not metadata of the role they should be.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// The file's name in the repository.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Too few of the role's keys have signed.
    #[error("{file} carries {found} valid signatures of the {needed} that its role needs")]
    Threshold {
        /// The file's name in the repository.
        file: String,
        /// Valid signatures by different keys of the role.
        found: usize,
        /// The role's threshold.
        needed: usize,
    },
    /// Metadata is older than what was already trusted.
    #[error("{file} goes back from version {trusted} to {offered}")]
    Rollback {
        /// The file that is older, or that is named in an older version.
        file: String,
        /// The version that is trusted.
        trusted: u64,
        /// The version that was offered.
        offered: u64,
    },
    /// Metadata of another version than the next one.
    #[error("{file} has version {offered} where version {wanted} must follow")]
    WrongVersion {
        /// The file's name in the repository.
        file: String,
        /// The version that must come next.
        wanted: u64,
        /// The version that was offered.
        offered: u64,
    },
    /// Metadata is past its expiry.
    #[error("{file} expired at {expired}")]
    Expired {
        /// The file's name in the repository.
        file: String,
        /// When.
        expired: Timestamp,
    },
    /// Length, hash or version differ from what the signed parent says.
    #[error("{file} is not what was signed for it: {why}")]
    Mismatch {
        /// The file's name in the repository.
        file: String,
        /// The difference.
        why: String,
    },
    /// Metadata verifies but breaks a rule of this repository.
    #[error("{file} is refused: {why}")]
    Refused {
        /// The file's name in the repository.
        file: String,
        /// Which rule, and what to do.
        why: String,
    },
    /// A file could not be fetched; nothing is known about it.
    #[error("{file} could not be fetched")]
    Fetch {
        /// The file's name in the repository.
        file: String,
        /// The cause, as the fetching side reported it.
        #[source]
        source: Cause,
    },
    /// The repository does not hold a file that it must hold.
    #[error("the repository does not hold {file}")]
    Missing {
        /// The file's name in the repository.
        file: String,
    },
    /// A repository gave more bytes than it was allowed to.
    #[error("{file} is longer than the {max} bytes allowed for it")]
    TooLong {
        /// The file's name in the repository.
        file: String,
        /// The limit in bytes.
        max: usize,
    },
    /// Trusted metadata could not be loaded or kept.
    #[error("trusted metadata {file} could not be {verb}")]
    Store {
        /// The file's name in the store.
        file: String,
        /// `loaded` or `kept`.
        verb: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// There is no root to begin with.
    #[error("there is no trusted root.json: enrol the host again, or give the root to begin with")]
    NoRoot,
    /// The newest refresh did not succeed, so nothing may be installed.
    #[error("the repository's metadata is not verified: refresh it first")]
    NotRefreshed,
    /// No release has this target path.
    #[error("the signed list of releases does not name {target:?}")]
    UnknownTarget {
        /// The path that was asked for.
        target: String,
    },
    /// A target is listed but is not a release of ours, or contradicts itself.
    #[error("{target:?} is listed but is no release to install: {why}")]
    NotARelease {
        /// The target's path.
        target: String,
        /// What is missing or contradicts itself.
        why: String,
    },
    /// A release is older than the publisher allows.
    #[error("{package} {version} is below the floor {floor} that the publisher set")]
    BelowFloor {
        /// The package.
        package: PackageName,
        /// The version that was asked for.
        version: Version,
        /// The lowest version allowed.
        floor: Version,
    },
}

impl Error {
    /// Sorts the verifier's refusal of `file`.
    pub(crate) fn refused(file: impl Into<String>, error: sigstore_tuf::Error) -> Self {
        use sigstore_tuf::Error as E;
        let file = file.into();
        match error {
            E::ThresholdNotMet {
                found, threshold, ..
            } => Self::Threshold {
                file,
                found,
                needed: threshold,
            },
            E::Rollback { trusted, new, .. } => Self::Rollback {
                file,
                trusted,
                offered: new,
            },
            E::BadRootVersion { trusted, new } => Self::WrongVersion {
                file,
                wanted: trusted.saturating_add(1),
                offered: new,
            },
            E::Expired { expires, .. } => Self::Expired {
                file,
                expired: expires,
            },
            E::IntegrityMismatch(why) => Self::Mismatch { file, why },
            other => Self::Unreadable {
                file,
                why: chain(&other),
            },
        }
    }

    /// True if the repository or the way to it failed, and nothing it said was found to be wrong: worth another
    /// attempt, and nothing to hold against a release.
    #[must_use]
    pub fn is_surroundings(&self) -> bool {
        matches!(
            self,
            Self::Fetch { .. } | Self::Missing { .. } | Self::Store { .. }
        )
    }
}

/// An error and its causes in one line, each said once.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !line.ends_with(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        cause = next.source();
    }
    line
}
