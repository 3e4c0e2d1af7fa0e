//! Packages of the host's own package manager: apt or dnf.
//!
//! The tools do the work, as an administrator would use them (`apt-get`, `apt-cache`, `dpkg`; `dnf`, `rpm`); their
//! libraries change with each release, their command lines do not. What every call keeps to:
//!
//! * No question is ever asked, and no text is parsed that could be translated.
//! * Other users of the package manager are waited for, for a time ([`Patience::lock`]), and then named.
//! * Every tool has a time limit; at the limit all that it started is killed.
//! * What was interrupted, by us or by anybody, is completed before the next change
//!   ([`repair_interrupted`](PackageManager::repair_interrupted)).
//! * Changed configuration files are kept. For apt that is asked for; for dnf it is the package's own decision
//!   (`%config(noreplace)`), and rpm keeps a copy otherwise.
//! * Signatures are always checked, and nothing unsigned is installed, whatever the host's configuration says.
//! * No other package is removed for the sake of one.
//!
//! All of it works below another root, for tests and for images: `APT_CONFIG` with `Dir`, `dpkg --root`,
//! `dnf --installroot`, `rpm --root`. Programs are always those of the running system.

mod apt;
mod busy;
mod dnf;
mod error;
mod install;
mod output;
mod sources;
mod tool;

use std::collections::BTreeMap;
use std::path::Path;

use lockstep_model::{PackageName, PackageVersion, Sources};

pub use apt::Apt;
pub use busy::Holder;
pub use dnf::Dnf;
pub use error::PackageError;
use install::{Backwards, Facts, How};
pub use output::{Changed, Output, Patience, Pending, Refreshed, Repaired, Restart};

use crate::error::Result;

/// The package manager of a host.
#[derive(Debug, Clone)]
pub enum PackageManager {
    /// Debian and what comes from it.
    Apt(Apt),
    /// Fedora, Red Hat and what comes from it.
    Dnf(Dnf),
}

/// Installed packages with their versions. Some may be there in several.
type Listed = BTreeMap<String, Vec<PackageVersion>>;

/// Calls the same function of either.
macro_rules! either {
    ($self:ident, $manager:ident => $call:expr) => {
        match $self {
            PackageManager::Apt($manager) => $call,
            PackageManager::Dnf($manager) => $call,
        }
    };
}

impl PackageManager {
    /// The package manager that knows which packages are installed below a root; none if there is no such.
    #[must_use]
    pub fn detect(root: &Path) -> Option<Self> {
        let apt = Apt::below(root);
        if apt.rules_here() {
            return Some(Self::Apt(apt));
        }
        let dnf = Dnf::below(root);
        dnf.rules_here().then_some(Self::Dnf(dnf))
    }

    /// The same with other times to wait.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        match &mut self {
            Self::Apt(apt) => apt.set_patience(patience),
            Self::Dnf(dnf) => dnf.set_patience(patience),
        }
        self
    }

    /// Its name: `apt` or `dnf`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apt(_) => "apt",
            Self::Dnf(_) => "dnf",
        }
    }

    /// Completes changes that were interrupted: by a power cut, by `kill -9`, by a script of a package that failed.
    /// [`PackageError::Unrepaired`] if something is still not whole after that.
    pub async fn repair_interrupted(&self) -> Result<Repaired> {
        either!(self, manager => manager.repair_interrupted().await)
    }

    /// Looks at all repositories. One that cannot be read or believed stops nothing: it is reported, and what was known
    /// of it before is still known. An error only if the look as a whole was not possible.
    pub async fn refresh(&self) -> Result<Refreshed> {
        either!(self, manager => manager.refresh().await)
    }

    /// The installed version; none also if the package is not whole. dnf's versions are `[EPOCH:]VERSION-RELEASE`.
    pub async fn installed(&self, name: &PackageName) -> Result<Option<PackageVersion>> {
        let facts = self.facts_present(name).await?;
        Ok(facts.present.filter(|_| facts.whole))
    }

    /// What the package manager would install, by its own rules (priorities, pins), as of the last
    /// [`refresh`](Self::refresh), also if that is [`held`](Self::held) back; none if no repository has the package.
    pub async fn candidate(&self, name: &PackageName) -> Result<Option<PackageVersion>> {
        either!(self, manager => manager.candidate(name).await)
    }

    /// Whether the operator of the host holds the package back: `apt-mark hold`; for dnf a versionlock or an exclude that
    /// keeps versions from it which the repositories have.
    pub async fn held(&self, name: &PackageName) -> Result<bool> {
        either!(self, manager => manager.held(name).await)
    }

    /// Adds the repository of a package, with its key, or brings them up to date. True if something was written; then
    /// [`refresh`](Self::refresh) comes next. Nothing is done if no repository is given for this package manager.
    pub async fn ensure_source(&self, name: &PackageName, sources: &Sources) -> Result<bool> {
        match self {
            Self::Apt(apt) => match &sources.apt {
                Some(source) => apt.ensure_source(name, source).await,
                None => Ok(false),
            },
            Self::Dnf(dnf) => match &sources.dnf {
                Some(source) => dnf.ensure_source(name, source),
                None => Ok(false),
            },
        }
    }

    /// Installs, upgrades or goes back to exactly this version; without one, to the [`candidate`](Self::candidate) if
    /// that is newer than what is installed. Interrupted changes are repaired first. Nothing is done if the version is
    /// there and whole. Safe to call again after any failure.
    pub async fn install(
        &self,
        name: &PackageName,
        version: Option<&PackageVersion>,
        allow_downgrade: bool,
    ) -> Result<Output> {
        let backwards = match allow_downgrade {
            true => Backwards::Allowed,
            false => Backwards::Refused,
        };
        self.bring(name, version, backwards).await
    }

    /// Fetches what [`install`](Self::install) or [`upgrade_all`](Self::upgrade_all) (without a name) would need, and
    /// changes nothing: so that a network that fails does so before anything was stopped.
    pub async fn download(&self, what: Option<(&PackageName, &PackageVersion)>) -> Result<()> {
        either!(self, manager => manager.download(what).await)
    }

    /// What could be upgraded, as of the last [`refresh`](Self::refresh), sorted by name; also what is held back.
    pub async fn pending(&self) -> Result<Vec<Pending>> {
        either!(self, manager => manager.pending().await)
    }

    /// Upgrades everything that is not held back. New packages come in where an upgrade needs them; none is removed.
    pub async fn upgrade_all(&self) -> Result<Output> {
        self.repair_interrupted().await?;
        let before = self.list().await?;
        let text = either!(self, manager => manager.upgrade_all().await)?;
        let changed = changes(&before, &self.list().await?);
        let broken = Vec::new();
        Ok(Output {
            changed,
            text,
            broken,
        })
    }

    /// Whether `a` is newer than `b`, by the package manager's own order.
    pub async fn is_newer(&self, a: &PackageVersion, b: &PackageVersion) -> Result<bool> {
        if a == b {
            return Ok(false);
        }
        either!(self, manager => manager.is_newer(a, b).await)
    }

    /// Whether the machine must be started again before all that was upgraded is in use.
    pub async fn needs_restart(&self) -> Result<Restart> {
        either!(self, manager => manager.needs_restart().await)
    }

    async fn facts(&self, name: &PackageName) -> Result<Facts> {
        let Facts { present, whole, .. } = self.facts_present(name).await?;
        let offered = either!(self, manager => manager.offered(name).await)?;
        Ok(Facts {
            present,
            whole,
            ..offered
        })
    }

    /// What is there of a package; the rest of the facts is not asked for.
    async fn facts_present(&self, name: &PackageName) -> Result<Facts> {
        let (present, whole) = either!(self, manager => manager.present(name).await)?;
        Ok(Facts {
            present,
            whole,
            ..Facts::default()
        })
    }

    async fn apply(
        &self,
        name: &PackageName,
        version: &PackageVersion,
        how: How,
    ) -> Result<String> {
        either!(self, manager => manager.apply(name, version, how).await)
    }

    async fn list(&self) -> Result<Listed> {
        either!(self, manager => manager.list().await)
    }

    async fn broken(&self) -> Result<Vec<String>> {
        either!(self, manager => manager.broken().await)
    }
}

/// What differs between two lists.
fn changes(before: &Listed, after: &Listed) -> Vec<Changed> {
    let newest = |listed: &Listed, name: &String| {
        listed
            .get(name)
            .and_then(|versions| versions.last().cloned())
    };
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|&name| before.get(name) != after.get(name))
        .map(|name| Changed {
            name: name.clone(),
            from: newest(before, name),
            to: newest(after, name),
        })
        .collect()
}
