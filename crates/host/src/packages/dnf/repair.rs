//! Completing what dnf was interrupted in.
//!
//! rpm upgrades a package by installing the new version and then removing the old one. Stopped in between, both are
//! there. `dnf remove --duplicates` (dnf(8)) installs the newer one again, with its scripts, and removes the older one,
//! in one transaction. Where that does not work, because no repository has the version any more or because dnf is
//! version 5, which has no such command, `rpm -e` does the half that the transaction still owed.
//!
//! A single version whose scripts did not come to their end is seen from the note of the change only, and installed
//! again.

use std::collections::BTreeMap;

use lockstep_model::PackageVersion;

use super::super::busy::Wait;
use super::super::error::PackageError;
use super::super::output::Repaired;
use super::super::tool::Act;
use super::answers::Entry;
use super::mark::Change;
use super::{Dnf, Holds};
use crate::error::{Error, Result};

impl Dnf {
    pub(in super::super) async fn repair_interrupted(&self) -> Result<Repaired> {
        // While another program is at work, everything looks interrupted.
        let wait = Wait::begin(self.tools.patience.lock);
        let locks = self.locks().await?;
        locks
            .wait_free("look for interrupted changes", &wait)
            .await?;
        let mut text = String::new();
        if let Err(error) = self.entries(None).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "rpm cannot read its list of packages"
            );
            text += &self
                .rpm("rebuild the list of packages", &["--rebuilddb"])
                .await?;
        }
        let marked = self.marked()?;
        let doubled = self.doubled().await?;
        if marked.is_none() && doubled.is_empty() {
            return Ok(Repaired::Nothing);
        }
        let mut packages: Vec<_> = doubled.iter().map(described).collect();
        packages.extend(marked.as_ref().map(Change::described));
        tracing::info!(?packages, "completing what was interrupted");
        let change = marked.clone().unwrap_or_else(Change::all);
        let mut again = marked.is_some();
        if !doubled.is_empty() {
            match self
                .change(
                    "remove doubled packages",
                    &change,
                    &["remove", "--duplicates"],
                )
                .await
            {
                Ok(said) => {
                    text += &said;
                    again = false;
                }
                Err(error @ Error::Packages(PackageError::Busy { .. })) => return Err(error),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "doubled packages are removed one by one");
                }
            }
            text += &self.remove_older().await?;
        }
        if let Some(marked) = marked.filter(|_| again) {
            text += &self.again(&marked).await?;
        }
        let still = self.broken().await?;
        if !still.is_empty() {
            let why = "rpm has them in several versions".into();
            return Err(PackageError::Unrepaired {
                packages: still,
                why,
            }
            .into());
        }
        self.unmark()?;
        Ok(Repaired::Completed { packages, text })
    }

    pub(in super::super) async fn broken(&self) -> Result<Vec<String>> {
        Ok(self.doubled().await?.iter().map(described).collect())
    }

    /// Packages that are installed in several versions and should not be; kernels may. Only if rpm has anything twice
    /// is dnf asked which of them, since that takes seconds.
    async fn doubled(&self) -> Result<Vec<Entry>> {
        let listed = self.list().await?;
        if listed.values().all(|versions| versions.len() < 2) {
            return Ok(Vec::new());
        }
        self.query(Holds::Ignored, &["--installed", "--duplicates"])
            .await
    }

    /// Removes all but the newest version of what is doubled still. The newer one owns the files that both have.
    async fn remove_older(&self) -> Result<String> {
        let mut doubled: BTreeMap<_, Vec<PackageVersion>> = BTreeMap::new();
        for entry in self.doubled().await? {
            doubled
                .entry((entry.name, entry.arch))
                .or_default()
                .push(entry.version);
        }
        let mut text = String::new();
        for ((name, arch), versions) in doubled {
            let newest = self.newest(versions.clone()).await?;
            for older in versions
                .iter()
                .filter(|version| Some(*version) != newest.as_ref())
            {
                let package = format!("{name}-{older}.{arch}");
                text += &self
                    .rpm(&format!("remove {package}"), &["-e", "--nodeps", &package])
                    .await?;
            }
        }
        Ok(text)
    }

    /// Installs again what was being installed, so that its scripts come to their end.
    async fn again(&self, change: &Change) -> Result<String> {
        let Some(name) = change.package() else {
            return Ok(String::new());
        };
        let entries = self.entries(None).await?;
        let Some(entry) = entries.into_iter().find(|entry| entry.name == name) else {
            // Nothing of it is there: it had not begun.
            return Ok(String::new());
        };
        let package = format!("{name}-{}", entry.version);
        self.change(
            &format!("install {package} again"),
            change,
            &["reinstall", &package],
        )
        .await
    }

    async fn rpm(&self, doing: &str, command: &[&str]) -> Result<String> {
        let locks = self.locks().await?;
        let act = Act {
            doing,
            tool: "rpm",
            args: self.rpm_args(command),
            limit: self.tools.patience.change,
            locks: &locks,
        };
        self.tools.act(&act).await
    }
}

fn described(entry: &Entry) -> String {
    format!("{} {} (doubled)", entry.name, entry.version)
}
