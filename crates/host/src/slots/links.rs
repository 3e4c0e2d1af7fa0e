//! `current` and `previous`: which slot is the agent, and which one it was before.

use std::path::{Component, Path, PathBuf};

use lockstep_model::{PackageName, Version};

use super::{Slot, Slots};
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
        // Loaded again: the caller's slot may have been collected since.
        if self.load(&slot.dir)?.is_none() {
            return Err(Error::BrokenLink {
                link,
                target: wanted,
            });
        }
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
        fs::replace_symlink(&link, &wanted)?;
        fault::point("slots.make-current.done");
        Ok(())
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

    /// The slots that the links point at, whatever is in them.
    pub(super) fn linked_dirs(&self) -> Result<Vec<PathBuf>> {
        let mut dirs = Vec::new();
        for link in [self.layout.current(), self.layout.previous()] {
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

/// Reads `slots/PACKAGE/VERSION`, and nothing else.
fn slot_of(target: &Path) -> Option<(PackageName, Version)> {
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
        for bad in [
            "/opt/lockstep/slots/lockstep/1.4.0",
            "slots/lockstep",
            "slots/lockstep/1.4.0/bin",
            "slots/../lockstep/1.4.0",
            "slots/lockstep/.unpack-1.4.0",
            "elsewhere/lockstep/1.4.0",
            "",
        ] {
            assert!(slot_of(Path::new(bad)).is_none(), "{bad}");
        }
    }
}
