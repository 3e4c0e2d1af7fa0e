//! Slots: unpacked releases, complete or not there at all, and the two links that say which one is the agent.
//!
//! ```text
//! opt/lockstep/slots/PACKAGE/VERSION/        a complete slot: the bundle's tree, slot.json and the bundle itself
//! opt/lockstep/slots/PACKAGE/.unpack-VERSION being built; worthless after a crash
//! opt/lockstep/slots/PACKAGE/.remove-VERSION being removed; worthless
//! opt/lockstep/current  -> slots/lockstep/VERSION
//! opt/lockstep/previous -> slots/lockstep/VERSION
//! opt/lockstep/packages/PACKAGE -> ../slots/PACKAGE/VERSION
//! ```
//!
//! Invariants, at every instant and after a power cut at any:
//!
//! * What has a version's name is complete and durable: it got the name by one rename, after everything in it was
//!   synced, and it loses it by one rename, before anything in it is removed.
//! * `current` is absent or points at a complete slot, and moves only by [`Slots::make_current`]. So is the link of each
//!   package of others, which moves by [`Slots::activate`]; one function beneath both moves them.
//! * The slots that links point at are never removed.
//!
//! Nothing here locks: one process at a time installs and collects a package. That is the one whose supervisor holds the
//! [`AgentLock`](crate::lock::AgentLock), and for a package of others the one that goes on with its run.

mod collect;
mod install;
mod kept;
mod links;
mod origin;
mod preserve;
mod purge;
mod record;
mod space;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_model::{BundleManifest, Content, ContentHash, PackageName, Version};

use crate::error::{Attempt, Error, Result};
use crate::fs::{self, Dir};
use crate::layout::Layout;
use crate::unpack::KEPT;
use record::Record;
pub use space::space_needed;

/// The slots of one host.
#[derive(Debug, Clone)]
pub struct Slots {
    layout: Layout,
}

/// A complete slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its directory.
    pub dir: PathBuf,
    /// What its bundle says of itself.
    pub manifest: BundleManifest,
    /// SHA-256 of the bundle it came from; none if it was made from a bare program.
    pub hash: Option<ContentHash>,
    /// The archive in that bundle, which the slot keeps; none if it was made from a bare program or by an older
    /// agent.
    pub content: Option<Content>,
    /// When it was built.
    pub installed_at: Timestamp,
}

impl Slot {
    /// The agent's program in a slot, from the slot's directory.
    pub const PROGRAM: &'static str = "bin/lockstep";

    /// The agent's program.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.dir.join(Self::PROGRAM)
    }

    /// Where the bundle that it came from is kept: a `tar.zst` whose archive should be [`Slot::content`]; whoever
    /// reads it checks that. None if there is none.
    #[must_use]
    pub fn kept_bundle(&self) -> Option<PathBuf> {
        let path = self.dir.join(KEPT);
        (self.content.is_some() && path.is_file()).then_some(path)
    }

    /// The package.
    #[must_use]
    pub fn package(&self) -> &PackageName {
        &self.manifest.package
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.manifest.version
    }
}

impl Slots {
    /// The slots of a layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// The slot of a version, if it is there.
    pub fn get(&self, package: &PackageName, version: &Version) -> Result<Option<Slot>> {
        self.load(&self.layout.slot(package, version))
    }

    /// The slot in a directory, for a program that was told where it lies.
    pub fn open(&self, dir: &Path) -> Result<Slot> {
        self.load(dir)?.ok_or_else(|| Error::Nonsense {
            path: dir.into(),
            why: "there is no slot".into(),
        })
    }

    /// All complete slots, by package and version. What cannot be understood is logged and left out: a slot from
    /// a newer agent must not keep this one from working.
    pub fn list(&self) -> Result<Vec<Slot>> {
        let mut slots = Vec::new();
        for package in visible_names(&self.layout.slots_dir())? {
            for version in visible_names(&package)? {
                match self.load(&version) {
                    Ok(slot) => slots.extend(slot),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(slot = %version.display(), error, "left out a slot that cannot be understood");
                    }
                }
            }
        }
        slots.sort_by(|a, b| (a.package(), a.version()).cmp(&(b.package(), b.version())));
        Ok(slots)
    }

    /// Reads a slot; `None` if nothing has its name.
    fn load(&self, dir: &Path) -> Result<Option<Slot>> {
        if !dir.exists() {
            return Ok(None);
        }
        let nonsense = |file: &str, why: String| Error::Nonsense {
            path: dir.join(file),
            why,
        };
        let record = Record::read(dir)?;
        let path = dir.join(BundleManifest::FILE);
        let text = fs::read_capped(&path, BundleManifest::MAX_BYTES)?
            .ok_or_else(|| nonsense(BundleManifest::FILE, "it is missing".into()))?;
        let text = String::from_utf8(text)
            .map_err(|error| nonsense(BundleManifest::FILE, error.to_string()))?;
        let manifest =
            BundleManifest::parse(&text).map_err(|why| nonsense(BundleManifest::FILE, why))?;
        if self.layout.slot(&manifest.package, &manifest.version) != dir {
            let why = format!("it is of {} {}", manifest.package, manifest.version);
            return Err(nonsense(BundleManifest::FILE, why));
        }
        Ok(Some(Slot {
            dir: dir.into(),
            manifest,
            hash: record.hash,
            content: record.content,
            installed_at: record.installed_at,
        }))
    }

    fn open_package_dir(&self, package: &PackageName) -> Result<Dir> {
        let path = self.layout.package_dir(package);
        fs::create_dir(&path)?;
        Dir::open(&path).reading(&path)
    }
}

/// The entries of a directory that do not begin with a dot; none if there is no such directory.
fn visible_names(dir: &Path) -> Result<Vec<PathBuf>> {
    let names = match Dir::open(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.and_then(|dir| dir.names()).reading(dir)?,
    };
    Ok(names
        .into_iter()
        .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
        .map(|name| dir.join(name))
        .collect())
}
