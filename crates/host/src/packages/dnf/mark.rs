//! A note of the change that is being made, written before it begins.
//!
//! dpkg keeps the state of each package; rpm does not. A package whose last script never ran, or failed, is installed to
//! rpm like any other. So the change is noted, durably, and the note goes when the change has come to its end.

use std::path::PathBuf;

use lockstep_model::{PackageName, PackageVersion};
use serde::{Deserialize, Serialize};

use super::Dnf;
use crate::error::{Error, Result};
use crate::fs::{Mode, read_capped, remove_durable, write_durable};

/// What stands for all packages of the host.
const ALL: &str = "*";
/// Largest note, in bytes.
const MOST: u64 = 4 * 1024;

/// What is being changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The package's name, or `*`.
    package: String,
    /// Where it is going.
    version: Option<PackageVersion>,
}

impl Change {
    pub(super) fn of(name: &PackageName, version: &PackageVersion) -> Self {
        Self {
            package: name.as_str().into(),
            version: Some(version.clone()),
        }
    }

    pub(super) fn all() -> Self {
        Self {
            package: ALL.into(),
            version: None,
        }
    }

    /// The package; none for all.
    pub(super) fn package(&self) -> Option<&str> {
        Some(self.package.as_str()).filter(|&name| name != ALL)
    }

    pub(super) fn concerns(&self, name: &PackageName) -> bool {
        self.package() == Some(name.as_str())
    }

    /// For people.
    pub(super) fn described(&self) -> String {
        match (self.package(), &self.version) {
            (Some(name), Some(version)) => format!("{name} {version}"),
            (Some(name), None) => name.into(),
            (None, _) => "all packages".into(),
        }
    }
}

impl Dnf {
    pub(super) fn mark(&self, change: &Change) -> Result<()> {
        let path = self.mark_file();
        let text = serde_json::to_vec(change).map_err(|error| Error::Nonsense {
            path: path.clone(),
            why: error.to_string(),
        })?;
        write_durable(&path, &text, Mode::Private)
    }

    pub(super) fn unmark(&self) -> Result<()> {
        remove_durable(&self.mark_file())
    }

    /// The change that did not come to its end.
    pub(super) fn marked(&self) -> Result<Option<Change>> {
        let path = self.mark_file();
        let Some(text) = read_capped(&path, MOST)? else {
            return Ok(None);
        };
        let change = serde_json::from_slice(&text);
        change.map(Some).map_err(|error| Error::Nonsense {
            path,
            why: format!("{error}; remove it if no change of packages is being made"),
        })
    }

    fn mark_file(&self) -> PathBuf {
        self.root.join("var/lib/lockstep/packages/dnf-change.json")
    }
}
