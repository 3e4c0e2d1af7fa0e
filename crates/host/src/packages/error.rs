//! What can go wrong with a package manager.

use std::path::PathBuf;
use std::time::Duration;

use lockstep_model::{PackageName, PackageVersion};

use super::busy::Holder;

/// Why packages are not as they were wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A tool of the package manager failed, or was killed at its time limit.
    #[error("cannot {doing}: {tool}: {how}; the end of what it said:\n{output}")]
    Tool {
        /// What was attempted, as a verb with its object.
        doing: String,
        /// The program.
        tool: &'static str,
        /// How it ended.
        how: String,
        /// Whether it was killed at its time limit.
        timed_out: bool,
        /// The last lines of its output.
        output: String,
    },
    /// Another program works with the package manager, and did not end in time.
    #[error(
        "cannot {doing}: {path} was held by {} for {:.0} s; wait until it has ended, or end it, and try again",
        super::busy::name_of(holder.as_ref()), waited.as_secs_f64()
    )]
    Busy {
        /// What was attempted, as a verb with its object.
        doing: String,
        /// The lock's file.
        path: PathBuf,
        /// Who holds it, where that can be learned.
        holder: Option<Holder>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The operator of the host holds the package back.
    #[error(
        "{package} is held back on this host ({how}); it stays as it is until the hold is removed"
    )]
    Held {
        /// Which one.
        package: PackageName,
        /// By which of the package manager's means.
        how: &'static str,
    },
    /// No repository of the host has the package.
    #[error(
        "no repository of this host has {package}; check its repositories and what the last refresh said"
    )]
    NoCandidate {
        /// Which one.
        package: PackageName,
    },
    /// No repository of the host has the wanted version.
    #[error(
        "no repository of this host has {package} {wanted}; they have {}",
        list(available)
    )]
    NoVersion {
        /// Which package.
        package: PackageName,
        /// Which version.
        wanted: PackageVersion,
        /// What there is, the first few.
        available: Vec<PackageVersion>,
    },
    /// The wanted version is older than the installed one, and going back was not allowed.
    #[error(
        "{package} {wanted} is older than {installed}, which is installed; going back was not asked for"
    )]
    Older {
        /// Which package.
        package: PackageName,
        /// What is installed.
        installed: PackageVersion,
        /// What was wanted.
        wanted: PackageVersion,
    },
    /// The tool said that all is well, but the package is not as it was wanted.
    #[error("{package} should be at {wanted} now, but {}", now(installed.as_ref()))]
    NotReached {
        /// Which package.
        package: PackageName,
        /// What was wanted.
        wanted: PackageVersion,
        /// What is there and whole.
        installed: Option<PackageVersion>,
    },
    /// An interrupted change could not be completed.
    #[error("a change of packages was interrupted and cannot be completed; not whole: {}; {why}", packages.join(", "))]
    Unrepaired {
        /// What is not whole.
        packages: Vec<String>,
        /// What the last attempt said.
        why: String,
    },
    /// A tool's answer cannot be understood.
    #[error("{tool} answered what cannot be understood: {why}")]
    Answer {
        /// The program.
        tool: &'static str,
        /// What is wrong with its answer.
        why: String,
    },
    /// A repository is described by something that must not get into a file of the package manager.
    #[error("the repository of {package} is not added: {part} {why}")]
    Source {
        /// Whose repository.
        package: PackageName,
        /// Which part of its description.
        part: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The package manager refuses a repository beside those that the host has. It was taken away again.
    #[error("{path} was not kept, because apt refuses its repositories with it: {why}")]
    SourceRefused {
        /// The file that describes the repository.
        path: PathBuf,
        /// What apt said.
        why: String,
    },
    /// A root directory has a name that cannot be written into a configuration file.
    #[error(
        "{root} cannot be the root of packages: only absolute paths without quotes, blanks and control characters"
    )]
    Root {
        /// Which one.
        root: PathBuf,
    },
    /// A version that the package manager could not have written.
    #[error("{version} is not a version of this package manager")]
    Version {
        /// Which one.
        version: PackageVersion,
    },
}

fn list(versions: &[PackageVersion]) -> String {
    if versions.is_empty() {
        return "none of it".into();
    }
    let versions: Vec<_> = versions.iter().map(PackageVersion::as_str).collect();
    versions.join(", ")
}

fn now(installed: Option<&PackageVersion>) -> String {
    installed.map_or_else(
        || "it is not installed whole".into(),
        |version| format!("is at {version}"),
    )
}
