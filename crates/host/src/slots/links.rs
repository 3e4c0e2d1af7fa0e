//! `current` and `previous`: which slot is the agent, and which one it was before. `packages/PACKAGE`: the same for the
//! packages of others, each with one link.

use std::path::{Component, Path, PathBuf};

use lockstep_model::{PackageName, Version};

use super::{Slot, Slots, visible_names};
use crate::error::{Error, Result};
use crate::{fault, fs};

impl Slots {
    /// The slot of the agent that has proven itself on this host; `None` before the first one.
    pub fn current(&self) -> Result<Option<Slot>> {
        self.follow(&self.layout.current())
    }

    /// The slot that was `current` before.
    pub fn previous(&self) -> Result<Option<Slot>> {
        self.follow(&self.layout.previous())
    }

    /// Makes a slot the current one. Only for a slot that has proven itself on this very host, or for the first.
    ///
    /// `previous` is set to what is current before `current` moves, each durably, so a cut leaves `current` where
    /// it was or at the new slot, and every slot that either link ever points at is complete. Repeating it
    /// completes it; repeated after it is done it changes nothing, `previous` least of all.
    pub fn make_current(&self, slot: &Slot) -> Result<()> {
        fault::point("slots.make-current");
        if *slot.package() != PackageName::lockstep() {
            return Err(Error::Nonsense {
                path: slot.dir.clone(),
                why: "only a slot of the agent can be the current one".into(),
            });
        }
        let (link, wanted) = (self.layout.current(), target(slot));
        self.must_be_there(slot, &link, &wanted)?;
        match self.current() {
            Ok(Some(now)) if now.dir != slot.dir => {
                fs::replace_symlink(&self.layout.previous(), &target(&now))?;
                fault::point("slots.make-current.previous");
            }
            Ok(_) => {}
            // There is nothing worth going back to, and moving `current` is what repairs it.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the current slot is damaged; the link to it is replaced"
                );
            }
        }
        self.point(&link, &wanted, slot)?;
        fault::point("slots.make-current.done");
        Ok(())
    }

    /// The slot of a package of others that is in force; `None` if the package is not on this host.
    pub fn active(&self, package: &PackageName) -> Result<Option<Slot>> {
        let link = self.layout.package_link(package);
        match self.follow(&link)? {
            Some(slot) if slot.package() != package => Err(Error::BrokenLink {
                target: target(&slot),
                link,
            }),
            slot => Ok(slot),
        }
    }

    /// The slots of all packages of others that are in force, by package. What cannot be understood is logged and left
    /// out.
    pub fn all_active(&self) -> Result<Vec<Slot>> {
        let mut slots = Vec::new();
        for link in visible_names(&self.layout.package_links())? {
            let name = link.file_name().and_then(|name| name.to_str());
            let Some(Ok(package)) = name.map(PackageName::parse) else {
                continue;
            };
            match self.active(&package) {
                Ok(slot) => slots.extend(slot),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(link = %link.display(), error, "left out a package that cannot be understood");
                }
            }
        }
        slots.sort_by(|a, b| a.package().cmp(b.package()));
        Ok(slots)
    }

    /// Puts a slot of a package of others in force. After a cut the link is where it was or at this slot, both complete;
    /// repeating it completes it. Who is to go back if the slot does not prove itself is the caller's to know.
    pub fn activate(&self, slot: &Slot) -> Result<()> {
        fault::point("slots.activate");
        if *slot.package() == PackageName::lockstep() {
            return Err(Error::Nonsense {
                path: slot.dir.clone(),
                why: "the agent's own slot becomes the current one by its probation alone".into(),
            });
        }
        fs::create_dir(&self.layout.package_links())?;
        let link = self.layout.package_link(slot.package());
        let wanted = Path::new("..").join(target(slot));
        self.point(&link, &wanted, slot)?;
        fault::point("slots.activate.done");
        Ok(())
    }

    /// Takes a package of others from the host; its slots stay. Repeating it changes nothing.
    pub fn deactivate(&self, package: &PackageName) -> Result<()> {
        fault::point("slots.deactivate");
        fs::remove_durable(&self.layout.package_link(package))
    }

    /// Moves a link to a slot, at one instant and durably. The one place where a link that says what is in force moves.
    fn point(&self, link: &Path, wanted: &Path, slot: &Slot) -> Result<()> {
        self.must_be_there(slot, link, wanted)?;
        fs::replace_symlink(link, wanted)
    }

    /// Loaded again: the caller's slot may have been collected since.
    fn must_be_there(&self, slot: &Slot, link: &Path, wanted: &Path) -> Result<()> {
        match self.load(&slot.dir)? {
            Some(_) => Ok(()),
            None => Err(Error::BrokenLink {
                link: link.into(),
                target: wanted.into(),
            }),
        }
    }

    fn follow(&self, link: &Path) -> Result<Option<Slot>> {
        let Some(target) = fs::read_symlink(link)? else {
            return Ok(None);
        };
        let slot = match slot_of(&target) {
            Some((package, version)) => self.get(&package, &version)?,
            None => None,
        };
        match slot {
            Some(slot) => Ok(Some(slot)),
            None => Err(Error::BrokenLink {
                link: link.into(),
                target,
            }),
        }
    }

    /// The slots of a package that links point at, whatever is in them.
    pub(super) fn linked_dirs(&self, package: &PackageName) -> Result<Vec<PathBuf>> {
        let mut dirs = Vec::new();
        let links = match *package == PackageName::lockstep() {
            true => vec![self.layout.current(), self.layout.previous()],
            false => vec![self.layout.package_link(package)],
        };
        for link in links {
            let Some(target) = fs::read_symlink(&link)? else {
                continue;
            };
            // Nothing may be removed while it is not known what is in use.
            let Some((package, version)) = slot_of(&target) else {
                return Err(Error::BrokenLink { link, target });
            };
            dirs.push(self.layout.slot(&package, &version));
        }
        Ok(dirs)
    }
}

/// Relative to the directory of the links, so that a host's tree can be looked at from elsewhere.
fn target(slot: &Slot) -> PathBuf {
    Path::new("slots")
        .join(slot.package().as_str())
        .join(slot.version().to_string())
}

/// Reads `slots/PACKAGE/VERSION` or, as the links of packages have it, the same behind `..`, and nothing else.
fn slot_of(target: &Path) -> Option<(PackageName, Version)> {
    let target = target.strip_prefix("..").unwrap_or(target);
    let mut parts = target.components().map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    if parts.next()? != Some("slots") {
        return None;
    }
    let package = PackageName::parse(parts.next()??).ok()?;
    let version = Version::parse(parts.next()??).ok()?;
    parts.next().is_none().then_some((package, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_slots_are_understood() {
        assert!(slot_of(Path::new("slots/lockstep/1.4.0")).is_some());
        assert!(slot_of(Path::new("../slots/driveclient/1.4.0")).is_some());
        for bad in [
            "/opt/lockstep/slots/lockstep/1.4.0",
            "slots/lockstep",
            "slots/lockstep/1.4.0/bin",
            "slots/../lockstep/1.4.0",
            "slots/lockstep/.unpack-1.4.0",
            "elsewhere/lockstep/1.4.0",
            "../../slots/lockstep/1.4.0",
            "",
        ] {
            assert!(slot_of(Path::new(bad)).is_none(), "{bad}");
        }
    }
}
