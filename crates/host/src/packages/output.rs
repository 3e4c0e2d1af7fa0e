//! What package managers answer.

use std::time::Duration;

use lockstep_model::PackageVersion;

/// How long the package manager is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until other programs let go of its locks.
    pub lock: Duration,
    /// For one question about what is installed or known.
    pub question: Duration,
    /// For one look at all repositories.
    pub refresh: Duration,
    /// For one change of packages: downloads, unpacking, scripts of packages.
    pub change: Duration,
}

impl Default for Patience {
    /// Ten minutes for locks: `unattended-upgrades` and a first boot take some. An hour for a change: a full upgrade
    /// over a slow line on a slow disk.
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(600),
            question: Duration::from_secs(120),
            refresh: Duration::from_secs(900),
            change: Duration::from_secs(3600),
        }
    }
}

/// What a change of packages did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// What is different now, by name; also what came in or went beside the named package.
    pub changed: Vec<Changed>,
    /// The end of what the tools said; empty if nothing was to be done.
    pub text: String,
    /// What was not whole before, and still is not: other packages, which did not stop this change.
    pub broken: Vec<String>,
}

/// A package that has another version than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its name, with its architecture where the package manager needs that.
    pub name: String,
    /// What was there before; none for one that is new.
    pub from: Option<PackageVersion>,
    /// What is there now; none for one that went.
    pub to: Option<PackageVersion>,
}

/// What became of the look at all repositories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refreshed {
    /// What the tool said about repositories that could not be read or believed, at most
    /// [`Refreshed::MOST_PROBLEMS`] lines. What was known of them before is still known.
    pub problems: Vec<String>,
}

impl Refreshed {
    /// Most lines that are kept.
    pub const MOST_PROBLEMS: usize = 20;

    /// True if all repositories were read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What became of changes that were interrupted earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repaired {
    /// There were none.
    Nothing,
    /// They were completed.
    Completed {
        /// Which packages were not whole.
        packages: Vec<String>,
        /// The end of what the tools said.
        text: String,
    },
}

/// A package that could be upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its name, with its architecture where the package manager needs that.
    pub name: String,
    /// What is installed.
    pub installed: Option<PackageVersion>,
    /// What the repositories have.
    pub candidate: PackageVersion,
    /// Whether the operator of the host holds it back: it is not upgraded then.
    pub held: bool,
}

/// Whether the machine must be started again before all that was upgraded is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// Nothing says so.
    NotNeeded,
    /// It must.
    Needed {
        /// Because of these packages, where that is known.
        packages: Vec<String>,
    },
    /// There is no means to know on this host.
    Unknown,
}
