//! Packages of a host's package manager that are kept current.

use serde::{Deserialize, Serialize};

use crate::{Hours, Interval, LockName, PackageName, PackageVersion, Spread};

/// What is to be kept current, and how. It comes from the fleet file, by way of the work document, or from a file on the
/// host itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRule {
    /// The package's name, as its package manager knows it.
    pub name: PackageName,
    /// Where it comes from, by package manager; empty for the repositories that the host has anyway.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
    /// Which version is wanted; none for the newest that the repositories have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<PackageVersion>,
    /// A URL whose text is the newest version, as in `https://repo.example.org/version.txt`: nothing else is looked at
    /// before that is newer than what is installed. None: the repositories are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The service that is stopped for the change and started after it, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// A file that is there while the package's program is at work: it is waited for, and then held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_lock: Option<String>,
    /// The lock that is held during the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockName>,
    /// How often it is looked.
    pub every: Interval,
    /// By which curve hosts begin.
    pub spread: Spread,
    /// When it may begin; none for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// Repositories that a package may come from. A host uses those of its own package manager.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sources {
    /// For apt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apt: Option<AptSource>,
    /// For dnf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnf: Option<DnfSource>,
}

impl Sources {
    /// True if the host's own repositories are meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.apt.is_none() && self.dnf.is_none()
    }
}

/// A repository for apt, as deb822 writes it (sources.list(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AptSource {
    /// `URIs`.
    pub uri: String,
    /// `Suites`: a code name, or an exact path that ends with a slash.
    pub suite: String,
    /// `Components`; empty with an exact path.
    #[serde(default)]
    pub components: Vec<String>,
    /// `Signed-By`: the public key in ASCII armour.
    pub key: String,
}

/// A repository for dnf (dnf.conf(5)); signatures of packages are always checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnfSource {
    /// `baseurl`.
    pub baseurl: String,
    /// The public key in ASCII armour.
    pub key: String,
    /// `repo_gpgcheck`: whether the repository's metadata is signed, too.
    #[serde(default)]
    pub signed_metadata: bool,
}

impl PackageRule {
    /// How often it is looked when nothing else is said: as cloudbackup-updater does.
    pub const EVERY: Interval = Interval::from_secs(3_600);
    /// Longest text of any one part, in bytes; a key may take [`PackageRule::LARGEST_KEY`].
    pub const LONGEST_TEXT: usize = 1_000;
    /// Largest key, in bytes.
    pub const LARGEST_KEY: usize = 32 * 1024;

    /// A rule that says no more than the name.
    #[must_use]
    pub fn named(name: PackageName) -> Self {
        Self {
            name,
            sources: Sources::default(),
            version: None,
            published: None,
            service: None,
            idle_lock: None,
            lock: None,
            every: Self::EVERY,
            spread: Spread::Gamma,
            hours: None,
        }
    }
}
