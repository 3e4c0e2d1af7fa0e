//! Whether a file can be trusted: whether anybody but root, or the user who runs this, could have put it there.
//!
//! The path is walked from the root, part by part. Each directory on the way belongs to root or to this user and
//! can be written by neither group nor others; one with the sticky bit may be, because there nobody can replace
//! what belongs to another. The directory that the file is in has no such exception, because in it others could put
//! a file of root's under another name. Symbolic links are followed, each by the same rules: the directory it is
//! in, the link's own owner, and every directory on the way to its target. (The kernel keeps what access lists allow
//! others within the mode's bits for the group, `acl(5)`, so they are seen, too.)

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

/// Most links that are followed on one way (`path_resolution(7)`).
const MOST_LINKS: u32 = 40;

const STICKY: u32 = 0o1000;

/// Why something is not trusted, for people.
pub(super) type Why = String;

/// Follows a path to a directory whose files can be trusted. None if there is none.
pub(super) fn directory(path: &Path) -> Result<Option<PathBuf>, Why> {
    let Some((real, stat)) = walk(path)? else {
        return Ok(None);
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(format!("{} is not a directory", real.display()));
    }
    holds_only_ours(&real, &stat)?;
    Ok(Some(real))
}

/// Makes sure that a path is that of a program which may be run; none if there is none.
pub(super) fn program(path: &Path) -> Result<Option<()>, Why> {
    let Some((real, stat)) = walk(path)? else {
        return Ok(None);
    };
    // Named only where it differs.
    let it = if real == path {
        "it".to_owned()
    } else {
        format!("its target {}", real.display())
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(format!("{it} is not a regular file"));
    }
    if let Some(parent) = real.parent() {
        let stat = rustix::fs::stat(parent).map_err(|error| unreadable(parent, error))?;
        holds_only_ours(parent, &stat)?;
    }
    if !is_ours(stat.st_uid) {
        return Err(format!("{it} belongs to {}", whom(stat.st_uid)));
    }
    if let Some(writers) = writers(&stat) {
        return Err(format!(
            "{it} can be written by {writers} (mode {:04o}); chmod go-w",
            stat.st_mode & 0o7777
        ));
    }
    if stat.st_mode & 0o100 == 0 {
        return Err(format!(
            "{it} is not executable by its owner (mode {:04o}); chmod u+x",
            stat.st_mode & 0o7777
        ));
    }
    Ok(Some(()))
}

/// Where a path leads when all links are followed, and what is there.
fn walk(path: &Path) -> Result<Option<(PathBuf, Stat)>, Why> {
    let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut left: VecDeque<OsString> = parts(&path);
    let mut here = PathBuf::from("/");
    let mut stat = rustix::fs::lstat(&here).map_err(|error| unreadable(&here, error))?;
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            here.pop();
            stat = rustix::fs::lstat(&here).map_err(|error| unreadable(&here, error))?;
            continue;
        }
        leads_safely(&here, &stat)?;
        let next = here.join(&part);
        let found = match rustix::fs::lstat(&next) {
            Err(Errno::NOENT | Errno::NOTDIR) if links == 0 => return Ok(None),
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return Err(format!(
                    "it leads to {}, which does not exist",
                    next.display()
                ));
            }
            other => other.map_err(|error| unreadable(&next, error))?,
        };
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            (here, stat) = (next, found);
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(format!("{} leads through too many links", path.display()));
        }
        if !is_ours(found.st_uid) {
            return Err(format!(
                "the link {} belongs to {}",
                next.display(),
                whom(found.st_uid)
            ));
        }
        let target =
            rustix::fs::readlink(&next, Vec::new()).map_err(|error| unreadable(&next, error))?;
        let target = Path::new(OsStr::from_bytes(target.as_bytes()));
        if target.is_absolute() {
            here = PathBuf::from("/");
            stat = rustix::fs::lstat(&here).map_err(|error| unreadable(&here, error))?;
        }
        for part in parts(target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(Some((here, stat)))
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// A directory on the way: nobody else can replace what is in it.
fn leads_safely(dir: &Path, stat: &Stat) -> Result<(), Why> {
    if stat.st_mode & STICKY != 0 && is_ours(stat.st_uid) {
        return Ok(());
    }
    holds_only_ours(dir, stat)
}

/// A directory that nobody else can put anything into.
fn holds_only_ours(dir: &Path, stat: &Stat) -> Result<(), Why> {
    if !is_ours(stat.st_uid) {
        return Err(format!(
            "the directory {} belongs to {}",
            dir.display(),
            whom(stat.st_uid)
        ));
    }
    match writers(stat) {
        None => Ok(()),
        Some(writers) => Err(format!(
            "the directory {} can be written by {writers} (mode {:04o}); chmod go-w",
            dir.display(),
            stat.st_mode & 0o7777
        )),
    }
}

/// Who besides the owner may write.
fn writers(stat: &Stat) -> Option<&'static str> {
    match stat.st_mode & 0o022 {
        0 => None,
        0o020 => Some("its group"),
        _ => Some("everybody"),
    }
}

fn is_ours(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

fn whom(owner: u32) -> String {
    let own = rustix::process::geteuid();
    if own.is_root() {
        format!("user {owner} and not to root")
    } else {
        format!(
            "user {owner} and neither to root nor to user {}",
            own.as_raw()
        )
    }
}

fn unreadable(path: &Path, error: Errno) -> Why {
    format!("cannot look at {}: {error}", path.display())
}
