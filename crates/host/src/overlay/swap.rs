//! The instant at which one directory takes the place of another, and what is known of it afterwards.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Attempt, Error, Result};
use crate::fault;
use crate::fs::{self, Dir, Mode, split};

/// Largest journal, in bytes.
const LARGEST: u64 = 4096;

/// The names beside a directory.
#[derive(Debug)]
pub(super) struct Swap {
    parent_path: PathBuf,
    parent: Dir,
    home: OsString,
}

/// Which directory is the new one. It is durable before that has a name by which it could be taken for whole.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// Its inode.
    new: u64,
}

impl Swap {
    pub(super) fn beside(home: &Path) -> Result<Self> {
        let (parent_path, name) = split(home).reading(home)?;
        Ok(Self {
            parent: Dir::open(&parent_path).reading(&parent_path)?,
            parent_path,
            home: name.to_owned(),
        })
    }

    fn name(&self, before: &str, behind: &str) -> OsString {
        let mut name = OsString::from(before);
        name.push(&self.home);
        name.push(behind);
        name
    }

    fn path(&self, name: &OsStr) -> PathBuf {
        self.parent_path.join(name)
    }

    fn build(&self) -> OsString {
        self.name(".", ".build")
    }

    fn next(&self) -> OsString {
        self.name(".", ".next")
    }

    fn old(&self) -> OsString {
        self.name("", ".old")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.path(&self.name(".", ".lock"))
    }

    fn journal(&self) -> PathBuf {
        self.path(&self.name(".", ".overlay.json"))
    }

    pub(super) fn build_path(&self) -> PathBuf {
        self.path(&self.build())
    }

    /// Makes the place for a new directory, for its owner alone until it is whole.
    pub(super) fn create_build(&self, like: &Dir) -> Result<Dir> {
        let path = self.build_path();
        fs::remove_entry(&self.parent, &self.build()).removing(&path)?;
        let made = self.parent.create_dir(&self.build(), 0o700);
        let made = made.and_then(|made| {
            made.give_to(&like.stat_itself()?)?;
            Ok(made)
        });
        made.map_err(|source| Error::CreateDir { path, source })
    }

    /// Gives back what will not be used. If that fails too, the next attempt does it.
    pub(super) fn discard(&self) {
        let removed = fs::remove_entry(&self.parent, &self.build()).removing(&self.build_path());
        tell(removed, "an unfinished directory cannot be removed yet");
    }

    /// Puts what was built in force.
    pub(super) fn exchange(&self) -> Result<()> {
        let failed = |source| Error::Rename {
            from: self.build_path(),
            to: self.path(&self.next()),
            source,
        };
        let new = self
            .inode(&self.build())?
            .ok_or_else(|| failed(io::Error::other("it is not there any more")))?;
        let journal = serde_json::to_vec(&Journal { new }).map_err(|error| failed(error.into()))?;
        fs::write_durable(&self.journal(), &journal, Mode::Private)?;
        fault::point("overlay.journaled");
        self.rename(&self.build(), &self.next())?;
        fault::point("overlay.next");
        if let Err(error) = self.change_places() {
            tell(self.recover(), "what was built cannot be removed yet");
            return Err(error);
        }
        fault::point("overlay.exchanged");
        // The new one is in force; that is what counts, and the next attempt completes the rest.
        tell(
            self.put_old_aside(),
            "the directory of before cannot be put aside yet",
        );
        Ok(())
    }

    fn change_places(&self) -> Result<()> {
        match self.parent.exchange(&self.home, &self.next()) {
            Ok(()) => self.parent.sync().syncing(&self.parent_path),
            Err(error) => match Errno::from_io_error(&error) {
                // Such a file system has no exchange. There is an instant without the directory then, which the next
                // start ends if this one does not come to it.
                Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.move_twice(),
                _ => Err(Error::Rename {
                    from: self.path(&self.next()),
                    to: self.path(&self.home),
                    source: error,
                }),
            },
        }
    }

    /// For file systems that cannot exchange.
    fn move_twice(&self) -> Result<()> {
        self.remove_old()?;
        self.rename(&self.home, &self.old())?;
        fault::point("overlay.moved");
        self.rename(&self.next(), &self.home)
    }

    /// What was in force before becomes `NAME.old`, and the journal is closed.
    fn put_old_aside(&self) -> Result<()> {
        if self
            .parent
            .kind(&self.next())
            .reading(&self.path(&self.next()))?
            .is_some()
        {
            self.remove_old()?;
            self.rename(&self.next(), &self.old())?;
        }
        fault::point("overlay.put-aside");
        fs::remove_durable(&self.journal())
    }

    /// Brings an attempt that was cut off to one of its two ends.
    pub(super) fn recover(&self) -> Result<()> {
        fs::remove_entry(&self.parent, &self.build()).removing(&self.build_path())?;
        let next = self.next();
        let Some(found) = self.inode(&next)? else {
            return fs::remove_durable(&self.journal());
        };
        let is_new = self.read_journal()?.is_none_or(|it| it.new == found);
        let has_home = self.inode(&self.home)?.is_some();
        match (is_new, has_home) {
            // It is in force already, and this is what was before.
            (false, _) => self.put_old_aside(),
            // Cut off between the two moves.
            (true, false) => {
                self.rename(&next, &self.home)?;
                self.put_old_aside()
            }
            // It never was in force. Whoever wanted it wants it again, or something newer.
            (true, true) => {
                // By a name that stands for nothing first: half of it must not be taken for whole.
                self.rename(&next, &self.build())?;
                fs::remove_entry(&self.parent, &self.build()).removing(&self.build_path())?;
                fs::remove_durable(&self.journal())
            }
        }
    }

    fn read_journal(&self) -> Result<Option<Journal>> {
        let bytes = fs::read_capped(&self.journal(), LARGEST)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn remove_old(&self) -> Result<()> {
        let path = self.path(&self.old());
        match self.parent.kind(&self.old()).reading(&path)? {
            None => Ok(()),
            Some(FileType::Directory) => fs::remove_tree(&path),
            Some(_) => Err(Error::Nonsense {
                path,
                why: "it is no directory, and nothing that an update has put there; move it away"
                    .into(),
            }),
        }
    }

    /// Durably.
    fn rename(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        let failed = |source| Error::Rename {
            from: self.path(from),
            to: self.path(to),
            source,
        };
        self.parent.rename(from, &self.parent, to).map_err(failed)?;
        self.parent.sync().syncing(&self.parent_path)
    }

    fn inode(&self, name: &OsStr) -> Result<Option<u64>> {
        let stat = self.parent.stat(name).reading(&self.path(name))?;
        Ok(stat.map(|stat| stat.st_ino))
    }
}

fn tell(done: Result<()>, what: &str) {
    if let Err(error) = done {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, read_dir};

    use super::*;

    /// A place with a directory that is in force, and a whole one that is to follow it.
    fn place() -> (tempfile::TempDir, Swap) {
        let root = tempfile::tempdir().unwrap();
        create_dir(root.path().join("home")).unwrap();
        create_dir(root.path().join("home/before")).unwrap();
        let swap = Swap::beside(&root.path().join("home")).unwrap();
        create_dir(swap.build_path()).unwrap();
        create_dir(swap.build_path().join("after")).unwrap();
        let new = swap.inode(&swap.build()).unwrap().unwrap();
        let journal = serde_json::to_vec(&Journal { new }).unwrap();
        fs::write_durable(&swap.journal(), &journal, Mode::Private).unwrap();
        swap.rename(&swap.build(), &swap.next()).unwrap();
        (root, swap)
    }

    fn names(root: &Path) -> Vec<String> {
        let names = read_dir(root).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_system_that_cannot_exchange_has_one_of_the_two_after_the_next_start() {
        let (root, swap) = place();
        swap.move_twice().unwrap();
        swap.put_old_aside().unwrap();
        assert_eq!(names(root.path()), ["home", "home.old"]);
        assert_eq!(names(&root.path().join("home")), ["after"]);

        // Cut off between the two moves.
        let (root, swap) = place();
        swap.rename(&swap.home, &swap.old()).unwrap();
        swap.recover().unwrap();
        assert_eq!(names(root.path()), ["home", "home.old"]);
        assert_eq!(names(&root.path().join("home")), ["after"]);
        assert_eq!(names(&root.path().join("home.old")), ["before"]);
    }

    #[test]
    fn what_never_was_in_force_goes() {
        let (root, swap) = place();
        swap.recover().unwrap();
        swap.recover().unwrap();
        assert_eq!(names(root.path()), ["home"]);
        assert_eq!(names(&root.path().join("home")), ["before"]);
    }

    #[test]
    fn what_was_in_force_stays_for_a_way_back() {
        let (root, swap) = place();
        create_dir(root.path().join("home.old")).unwrap();
        create_dir(root.path().join("home.old/older")).unwrap();
        swap.change_places().unwrap();
        swap.recover().unwrap();
        assert_eq!(names(root.path()), ["home", "home.old"]);
        assert_eq!(names(&root.path().join("home")), ["after"]);
        assert_eq!(names(&root.path().join("home.old")), ["before"]);
    }
}
