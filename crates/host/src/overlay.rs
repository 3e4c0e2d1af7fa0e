//! Overlays: somebody else's archive on top of a directory that is in use, all of it or nothing.
//!
//! The directory is copied beside itself, the archive is unpacked onto the copy, and when every byte and name of that
//! is durable the two change places at one instant (`renameat2(2)`, `RENAME_EXCHANGE`). The one that was there before
//! stays as `NAME.old`. Whoever looks at any instant, and after a power cut, sees the old directory or the new one.
//!
//! The copy shares its files with the original (hard links), which costs names and no bytes, and lets a program that
//! has a log open go on writing to it. Nothing here writes to a file that has two names.
//!
//! Beside a directory `NAME` there may be, until the next call has put it in order: `.NAME.build` (worthless),
//! `.NAME.next` (whole, the new one or already the old one) and `.NAME.overlay.json` (which of the two); and always
//! `.NAME.lock`, held while one is at work.
//!
//! What it does not do: verify who made the archive, keep extended attributes of directories, or see names that others
//! make in the directory while it is copied.

mod copy;
mod swap;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};
use crate::fs::{self, Dir};
use crate::unpack::{Limits, Onto};
use crate::{fault, flock};

/// A directory that archives are unpacked onto.
#[derive(Debug)]
pub struct Overlay {
    home: PathBuf,
    swap: swap::Swap,
    _lock: File,
}

/// What comes on top.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Most that the archive may hold.
    pub limits: Limits,
    /// Files to be executable for owner and group whatever the archive says, from the directory's root.
    pub programs: &'a [&'a str],
    /// A file that is written beside what the archive brings, and its bytes.
    pub note: (&'a str, &'a [u8]),
}

impl Overlay {
    /// Takes a directory in hand, alone: [`Error::LockHeld`] if another process has. What an earlier attempt left behind
    /// is put in order first. `home` is the directory itself and not a link to it.
    pub fn begin(home: &Path) -> Result<Self> {
        let swap = swap::Swap::beside(home)?;
        let lock = flock::take(&swap.lock())?;
        swap.recover()?;
        let is_dir = std::fs::symlink_metadata(home).is_ok_and(|it| it.is_dir());
        if !is_dir {
            return Err(Error::Nonsense {
                path: home.into(),
                why: "it is not a directory".into(),
            });
        }
        Ok(Self {
            home: home.into(),
            swap,
            _lock: lock,
        })
    }

    /// Unpacks an archive (`tar`, not compressed) onto the directory, and returns how many members it had. When this
    /// returns, the new directory is in force and durable; on an error the old one is as it was.
    pub fn apply(&self, archive: impl Read, layer: Layer<'_>) -> Result<u64> {
        fault::point("overlay.apply");
        let built = self.build(archive, layer);
        if built.is_err() {
            self.swap.discard();
        }
        let members = built?;
        self.swap.exchange()?;
        fault::point("overlay.applied");
        Ok(members)
    }

    /// The new directory, whole and durable, under a name that nobody uses.
    fn build(&self, archive: impl Read, layer: Layer<'_>) -> Result<u64> {
        let path = self.swap.build_path();
        let from = Dir::open(&self.home).reading(&self.home)?;
        let to = self.swap.create_build(&from)?;
        copy::tree(&from, &to, &self.home)?;
        fault::point("overlay.copied");
        let unpacked = Onto::new(to.clone(), &path, layer.limits, layer.programs)
            .map_err(|source| crate::unpack::UnpackError::Write {
                path: path.clone(),
                source,
            })
            .and_then(|mut onto| {
                let members = onto.unpack(archive)?;
                onto.put(layer.note.0, layer.note.1)?;
                Ok(members)
            });
        let members = unpacked.map_err(|source| Error::Unpack {
            bundle: self.home.clone(),
            source,
        })?;
        fault::point("overlay.unpacked");
        copy::finish_modes(&from, &to).writing(&path)?;
        fs::sync_dirs(&to).syncing(&path)?;
        Ok(members)
    }
}
