//! A second tree with the same files.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::fs::Dir;

/// Deepest directory that is copied.
const DEEPEST: usize = 64;
/// Most names that are copied.
const MOST: usize = 500_000;

/// Gives everything in a tree a name in another, empty one. Directories are made anew, with the owners of the old ones.
pub(super) fn tree(from: &Dir, to: &Dir, path: &Path) -> Result<()> {
    let failed = |(path, error): (PathBuf, io::Error)| Error::Preserve {
        path,
        why: error.to_string(),
    };
    let device = from
        .stat_itself()
        .map_err(|error| failed((path.into(), error)))?
        .st_dev;
    let mut left = MOST;
    below(from, to, path, device, DEEPEST, &mut left).map_err(failed)
}

fn below(
    from: &Dir,
    to: &Dir,
    path: &Path,
    device: u64,
    depth: usize,
    left: &mut usize,
) -> std::result::Result<(), (PathBuf, io::Error)> {
    for name in from.names().map_err(|error| (path.to_owned(), error))? {
        let path = path.join(&name);
        let failed = |error: io::Error| (path.clone(), error);
        let refuse = |why: &str| Err((path.clone(), io::Error::other(why.to_owned())));
        *left = match left.checked_sub(1) {
            Some(left) => left,
            None => return refuse(&format!("the directory holds more than {MOST} names")),
        };
        let Some(stat) = from.stat(&name).map_err(failed)? else {
            // Somebody has removed it just now.
            continue;
        };
        if stat.st_dev != device {
            return refuse("another file system is mounted there, which cannot change places");
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            match share(from, to, &name, &stat) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(failed)?,
            }
            continue;
        }
        let Some(deeper) = depth.checked_sub(1) else {
            return refuse(&format!("the directory is deeper than {DEEPEST} levels"));
        };
        let inner = from.open_dir(&name).map_err(failed)?;
        // What may not be written to gets its own mode when everything is in it.
        let made = to
            .create_dir(&name, stat.st_mode & 0o7777 | 0o700)
            .and_then(|made| made.give_to(&stat).map(|()| made))
            .map_err(failed)?;
        below(&inner, &made, &path, device, deeper, left)?;
    }
    Ok(())
}

/// A second name for the same file; a copy where the file system or the kernel (`fs.protected_hardlinks`) says no.
fn share(from: &Dir, to: &Dir, name: &OsStr, stat: &Stat) -> io::Result<()> {
    let error = match from.link_to(name, to, name) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    match Errno::from_io_error(&error) {
        Some(Errno::PERM | Errno::MLINK | Errno::OPNOTSUPP | Errno::ACCESS) => {}
        _ => return Err(error),
    }
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let mut old = from.open_file(name)?;
            // Setuid is dropped: the copy may have another owner.
            let mut new = to.create_file(name, stat.st_mode & 0o777)?;
            io::copy(&mut old, &mut new)?;
            new.give_to(stat)?;
            new.sync()
        }
        FileType::Symlink => to.create_link(&from.read_link(name)?, name),
        _ => Err(error),
    }
}

/// Gives the directories of the new tree the modes that they have in the old one; those that came with the archive have
/// theirs.
pub(super) fn finish_modes(from: &Dir, to: &Dir) -> io::Result<()> {
    for name in from.names()? {
        if from.kind(&name)? == Some(FileType::Directory)
            && to.kind(&name)? == Some(FileType::Directory)
        {
            finish_modes(&from.open_dir(&name)?, &to.open_dir(&name)?)?;
        }
    }
    // A change of the owner takes special bits away, so this comes last.
    to.set_mode(from.stat_itself()?.st_mode & 0o7777)
}
