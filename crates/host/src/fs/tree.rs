//! Whole trees: removing them, and making them durable.
//!
//! Trees are walked by descriptors, part by part, and links in them are never followed, so nothing outside is
//! touched even if somebody changes the tree meanwhile.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::fs::FileType;

use super::dir::{Dir, split};
use crate::error::{Attempt, Result};
use crate::fault;

/// Deepest tree that is walked. Each level holds a descriptor, of which a process has 1024 by default.
pub(crate) const DEEPEST: usize = 256;

/// Removes a file, a link or a whole tree, if there is one, also where its directories are read-only. Once this
/// has returned, it does not come back. Killed in the middle, or after a power cut, *a part* of the tree may be
/// left: whoever must not take that for the whole renames it first. Repeating it removes the rest.
pub fn remove_tree(path: &Path) -> Result<()> {
    fault::point("fs.remove-tree");
    let (dir_path, name) = split(path).removing(path)?;
    let dir = match Dir::open(&dir_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.removing(path)?,
    };
    remove_entry(&dir, name).removing(path)?;
    dir.sync().syncing(&dir_path)
}

/// Removes whatever has a name in an opened directory, without making it durable. Idempotent.
pub(crate) fn remove_entry(dir: &Dir, name: &OsStr) -> io::Result<()> {
    remove_below(dir, name, DEEPEST)
}

fn remove_below(dir: &Dir, name: &OsStr, depth: usize) -> io::Result<()> {
    match dir.kind(name)? {
        None => Ok(()),
        Some(FileType::Directory) => {
            let inner = match dir.open_dir(name) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    dir.unlock_dir(name)?;
                    dir.open_dir(name)?
                }
                other => other?,
            };
            let deeper = depth.checked_sub(1).ok_or_else(too_deep)?;
            for name in inner.names()? {
                remove_below(&inner, &name, deeper)?;
            }
            unlocked(dir, |dir| dir.remove_dir(name))
        }
        Some(_) => unlocked(dir, |dir| dir.remove_file(name)),
    }
}

/// Tries again with write permission for the owner, if that was missing. What is gone already is fine.
fn unlocked(dir: &Dir, remove: impl Fn(&Dir) -> io::Result<()>) -> io::Result<()> {
    let removed = match remove(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            dir.unlock().and_then(|()| remove(dir))
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes everything in a tree durable: contents, links and names, but not the name of the tree itself, which is
/// its parent's. Idempotent.
pub fn sync_tree(path: &Path) -> Result<()> {
    fault::point("fs.sync-tree");
    let dir = Dir::open(path).syncing(path)?;
    sync_below(&dir, DEEPEST, Files::Too).syncing(path)
}

/// Makes the names in a tree durable, of which each file was synced when it was written.
pub(crate) fn sync_dirs(dir: &Dir) -> io::Result<()> {
    sync_below(dir, DEEPEST, Files::AreSynced)
}

#[derive(Clone, Copy, PartialEq)]
enum Files {
    Too,
    AreSynced,
}

fn sync_below(dir: &Dir, depth: usize, files: Files) -> io::Result<()> {
    for name in dir.names()? {
        match dir.kind(&name)? {
            Some(FileType::Directory) => {
                let deeper = depth.checked_sub(1).ok_or_else(too_deep)?;
                sync_below(&dir.open_dir(&name)?, deeper, files)?;
            }
            Some(FileType::RegularFile) if files == Files::Too => {
                dir.sync_file(&name)?;
            }
            _ => {}
        }
    }
    dir.sync()
}

pub(crate) fn too_deep() -> io::Error {
    io::Error::other(format!("the tree is deeper than {DEEPEST} directories"))
}
