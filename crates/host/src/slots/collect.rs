//! Removing slots that nobody needs any more.

use std::path::PathBuf;

use lockstep_model::{PackageName, Version};

use super::{Slots, visible_names};
use crate::error::{Attempt, Error, Result};
use crate::fault;
use crate::fs::{self, Dir};

/// What stands before the name of a slot that is being built.
pub(super) const UNPACK: &str = ".unpack-";
/// What stands before the name of a slot that is being removed.
const REMOVE: &str = ".remove-";

impl Slots {
    /// Removes all slots of a package but those named in `keep` and those that links say are in force,
    /// and what crashes left behind. The caller names every version that a journal or a running process needs, and
    /// does not call this while another process installs. Returns what was removed.
    ///
    /// A cut leaves each slot complete or without a name; repeating it removes the rest.
    pub fn collect(&self, package: &PackageName, keep: &[Version]) -> Result<Vec<PathBuf>> {
        fault::point("slots.collect");
        let path = self.layout.package_dir(package);
        let package_dir = match Dir::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.reading(&path)?,
        };
        for name in package_dir.names().reading(&path)? {
            let text = name.to_string_lossy();
            if text.starts_with(UNPACK) || text.starts_with(REMOVE) {
                fs::remove_entry(&package_dir, &name).removing(&path.join(&name))?;
            }
        }
        let linked = self.linked_dirs(package)?;
        let mut removed = Vec::new();
        for dir in visible_names(&path)? {
            // What is no slot by its name is not ours to remove.
            let version = dir
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| Version::parse(name).ok());
            let Some(version) = version else { continue };
            if !linked.contains(&dir) && !keep.contains(&version) {
                self.remove_slot(&package_dir, package, &version)?;
                removed.push(dir);
            }
        }
        package_dir.sync().syncing(&path)?;
        Ok(removed)
    }

    /// Takes the name from a slot, durably, and then removes what is in it.
    pub(super) fn remove_slot(
        &self,
        package_dir: &Dir,
        package: &PackageName,
        version: &Version,
    ) -> Result<()> {
        let dir = self.layout.slot(package, version);
        let (name, aside) = (version.to_string(), format!("{REMOVE}{version}"));
        // An earlier removal may have been cut off in the middle.
        fs::remove_entry(package_dir, aside.as_ref()).removing(&dir)?;
        package_dir
            .rename(name.as_ref(), package_dir, aside.as_ref())
            .map_err(|source| Error::Rename {
                from: dir.clone(),
                to: self.layout.package_dir(package).join(&aside),
                source,
            })?;
        package_dir.sync().syncing(&dir)?;
        // Whatever comes back of this after a cut is worthless, and is removed by the next one.
        fs::remove_entry(package_dir, aside.as_ref()).removing(&dir)
    }
}
