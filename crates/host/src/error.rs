//! What can go wrong with the machine.
//!
//! A message names what was attempted and its object; the operating system's words are the `source` beneath it
//! and are not repeated. Show both with `{:#}` of `anyhow`.

use std::io;
use std::path::{Path, PathBuf};

use lockstep_model::{PackageName, Version};

use crate::fs::NoSpace;
use crate::packages::PackageError;
use crate::unpack::UnpackError;

/// An attempt that the machine did not let succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file is larger than what may be read of it.
    #[error("{path} is larger than the {max} bytes that are read of it")]
    TooLarge {
        /// Which one.
        path: PathBuf,
        /// The limit in bytes.
        max: u64,
    },
    /// A file exists but says nothing that can be understood.
    #[error("{path} cannot be understood: {why}")]
    Nonsense {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file could not be written. What was there before is still there, whole.
    #[error("cannot write {path}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A directory could not be created.
    #[error("cannot create the directory {path}")]
    CreateDir {
        /// Which one.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file or directory could not be moved.
    #[error("cannot rename {from} to {to}")]
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A symbolic link could not be set.
    #[error("cannot let {link} point at {target}")]
    Link {
        /// The link.
        link: PathBuf,
        /// Where it should point.
        target: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file or tree could not be removed whole.
    #[error("cannot remove {path}")]
    Remove {
        /// Which one.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// What was written could not be made durable. Its state after a power cut is unknown.
    #[error("cannot make {path} durable")]
    Sync {
        /// Which one.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The free space of a file system could not be learned.
    #[error("cannot learn how much space is free below {path}")]
    Space {
        /// Where.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// There is not enough free space.
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    /// Packages of the host's package manager are not as they were wanted.
    #[error(transparent)]
    Packages(#[from] PackageError),
    /// A bundle was not unpacked.
    #[error("cannot unpack {bundle}")]
    Unpack {
        /// The bundle's file.
        bundle: PathBuf,
        /// Why.
        source: UnpackError,
    },
    /// The bundle's file is not the one that was verified: it was changed, or cut off, since.
    #[error("{bundle} is not what was verified: {why}")]
    BundleChanged {
        /// The bundle's file.
        bundle: PathBuf,
        /// What differs.
        why: String,
    },
    /// The bundle says of itself that it is another than the signed release.
    #[error("{bundle} is not the release {package} {version}: {why}")]
    OtherRelease {
        /// The bundle's file.
        bundle: PathBuf,
        /// The package that was wanted.
        package: PackageName,
        /// The version that was wanted.
        version: Version,
        /// What differs.
        why: String,
    },
    /// The slot's place is taken by other bytes of the same version, which are in use.
    #[error("{dir} holds other bytes of this version and is in use")]
    SlotTaken {
        /// The slot's directory.
        dir: PathBuf,
    },
    /// `current` or `previous` does not point at a complete slot.
    #[error("{link} points at {target}, which is not a complete slot")]
    BrokenLink {
        /// The link.
        link: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// Something that should survive the change could not be copied from the old slot.
    #[error("cannot preserve {path}: {why}")]
    Preserve {
        /// What should have been copied.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A path to be purged cannot be reached without leaving the package's data directory.
    #[error("cannot purge {path}: {why}")]
    Purge {
        /// What should have been removed.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A process that should be watched over is not a child of this one, or does not exist.
    #[error("process {pid} is not a child of this process")]
    NotOurChild {
        /// Its id.
        pid: u32,
    },
    /// A process could not be signalled or waited for.
    #[error("cannot {attempt} process {pid}")]
    Process {
        /// What was attempted, as a verb.
        attempt: &'static str,
        /// Its id.
        pid: u32,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A process was killed and is still there, most likely waiting for a device.
    #[error("process {pid} ({program}) does not end although it was killed")]
    Unkillable {
        /// Its id.
        pid: u32,
        /// Its program.
        program: PathBuf,
    },
    /// The process that started this one is gone already.
    #[error("the parent process {expected} is gone")]
    Orphaned {
        /// The parent's id.
        expected: u32,
    },
    /// Another agent or command holds the host's lock.
    #[error("{path} is held by {}", holder(*pid))]
    LockHeld {
        /// The lock's file.
        path: PathBuf,
        /// Who holds it, where the file says so.
        pid: Option<u32>,
    },
    /// The kernel did not answer a question about the machine.
    #[error("cannot learn {what} of this machine")]
    Machine {
        /// What was asked.
        what: &'static str,
    },
    /// A script is not run, because something about it changed since it was looked for.
    #[error("the script {path} is not run: {why}")]
    Script {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The path that was named for an idle lock cannot be one.
    #[error("{path} cannot be an idle lock: {why}")]
    IdleLock {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name is not that of a service.
    #[error(
        "{name:?} is not the name of a service: it has letters, digits and @ : . _ - and begins with a letter, a digit or _"
    )]
    ServiceName {
        /// The name.
        name: String,
    },
    /// A service could not be asked, stopped or started.
    #[error("cannot {attempt} the service {name}: {why}")]
    Service {
        /// What was attempted, as a verb.
        attempt: &'static str,
        /// Which one.
        name: String,
        /// How the service manager answered.
        why: String,
    },
    /// No command was given where one is needed.
    #[error("there is no command to {purpose}")]
    NoCommand {
        /// What it was for, as a verb.
        purpose: &'static str,
    },
    /// The lock could not be tried.
    #[error("cannot lock {path}")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl Error {
    /// True if the bundle is to blame and not this host: it would be refused again, here and everywhere.
    #[must_use]
    pub fn blames_bundle(&self) -> bool {
        match self {
            Self::Unpack { source, .. } => source.blames_bundle(),
            Self::OtherRelease { .. } => true,
            _ => false,
        }
    }
}

/// The crate's result.
pub(crate) type Result<T> = std::result::Result<T, Error>;

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".into(),
        |pid| format!("process {pid}; wait until it has ended, or stop it"),
    )
}

/// Gives an operating system's answer its object.
pub(crate) trait Attempt<T> {
    /// The attempt was to write `path`.
    fn writing(self, path: &Path) -> Result<T>;
    /// The attempt was to read `path`.
    fn reading(self, path: &Path) -> Result<T>;
    /// The attempt was to remove `path`.
    fn removing(self, path: &Path) -> Result<T>;
    /// The attempt was to make `path` durable.
    fn syncing(self, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> Attempt<T> for std::result::Result<T, E> {
    fn writing(self, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Write {
            path: path.into(),
            source: error.into(),
        })
    }
    fn reading(self, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Read {
            path: path.into(),
            source: error.into(),
        })
    }
    fn removing(self, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Remove {
            path: path.into(),
            source: error.into(),
        })
    }
    fn syncing(self, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Sync {
            path: path.into(),
            source: error.into(),
        })
    }
}
