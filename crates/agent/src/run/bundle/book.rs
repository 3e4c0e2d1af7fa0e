//! What is written down of a package of others: what the server wants, and what came of it.
//!
//! Two files below `var/lib/lockstep/bundles/PACKAGE`, each with one writer. `wanted.json` is the worker's: the order that
//! a run takes up. `book.json` belongs to whoever goes on with the package's run.

use std::path::PathBuf;

use lockstep_host::Layout;
use lockstep_host::fs;
use lockstep_model::{ChannelName, LockName, PackageName, RunId, Version};
use lockstep_plan::update::{Memory, Order};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::state::{read, write};

/// What the server wants of a package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The newest generation that any order for it had by the way that orders come now.
    #[serde(default)]
    pub(crate) generation: u64,
    /// That way: a channel, or none while the host is held at a version.
    #[serde(default)]
    pub(crate) channel: Option<ChannelName>,
    /// What a run shall bring; none if nothing is wanted, or not now.
    #[serde(default)]
    pub(crate) order: Option<Order>,
    /// The lock that is held for it, where the order names one.
    #[serde(default)]
    pub(crate) lock: Option<LockName>,
}

/// What outlives the runs of a package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Book {
    /// Releases that failed here, and a version that was chosen by hand.
    #[serde(default)]
    pub(crate) memory: Memory,
    /// The version that has proven itself last.
    #[serde(default)]
    pub(crate) proven: Option<Version>,
    /// The version in force before that.
    #[serde(default)]
    pub(crate) before: Option<Version>,
    /// Whether the service shall run at the end of a run: it ran before, or the package was not there.
    #[serde(default)]
    pub(crate) runs: Option<(RunId, bool)>,
    /// Whether the service ran when the last run began to change something, or was to run from then on.
    #[serde(default)]
    pub(crate) ran: Option<bool>,
    /// How the service was started last.
    #[serde(default)]
    pub(crate) started: Option<Started>,
}

/// A start of a service by a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Started {
    /// The run.
    pub(crate) run: RunId,
    /// The boot in which it was.
    pub(crate) boot_id: String,
    /// What the service manager calls that start, where it does.
    pub(crate) incarnation: Option<String>,
}

/// The two files of a package.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    dir: PathBuf,
}

impl Books {
    pub(crate) fn of(layout: &Layout, package: &PackageName) -> Self {
        Self {
            dir: layout.bundles_dir().join(package.as_str()),
        }
    }

    pub(crate) fn wanted(&self) -> Result<Wanted, Error> {
        Ok(read(&self.dir.join("wanted.json"))?.unwrap_or_default())
    }

    pub(crate) fn write_wanted(&self, wanted: &Wanted) -> Result<(), Error> {
        fs::create_private_dir(&self.dir)?;
        write(&self.dir.join("wanted.json"), wanted)
    }

    pub(crate) fn book(&self) -> Result<Book, Error> {
        Ok(read(&self.dir.join("book.json"))?.unwrap_or_default())
    }

    pub(crate) fn write_book(&self, book: &Book) -> Result<(), Error> {
        fs::create_private_dir(&self.dir)?;
        write(&self.dir.join("book.json"), book)
    }
}
