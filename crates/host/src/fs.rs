//! Files that survive a power cut.
//!
//! Each function says what another process, and the next start after a cut, can see: the old state or the new
//! one, complete. The rules beneath (POSIX promises no more): a file's bytes are durable after `fsync` of the
//! file, its name after `fsync` of the directory; only `rename` replaces one thing by another at an instant.
//!
//! All functions are idempotent, and all of them sync *even when there is nothing left to do*: the change that
//! they find may have been made by a process that was killed before it could sync it.

mod dir;
mod hasher;
mod replacement;
mod space;
mod temporary;
mod tree;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

pub(crate) use dir::{Dir, NewFile, split};
pub(crate) use hasher::HashingReader;
pub use hasher::{Hasher, hash_file};
pub use replacement::{Replacement, write_durable};
pub(crate) use space::device;
pub use space::{NoSpace, check_space, free_bytes};
pub use temporary::remove_leftovers;
pub(crate) use tree::{remove_entry, sync_dirs};
pub use tree::{remove_tree, sync_tree};

use crate::error::{Attempt, Error, Result};
use crate::fault;

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `0600`: keys, tokens, state.
    Private,
    /// `0644`.
    Public,
    /// `0755`.
    Executable,
}

impl Mode {
    fn bits(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
            Self::Executable => 0o755,
        }
    }
}

/// Reads a file of at most `max` bytes; `None` if there is none. Only regular files are read, so that nothing
/// waits for the other end of a fifo.
pub fn read_capped(path: &Path, max: u64) -> Result<Option<Vec<u8>>> {
    use rustix::fs::OFlags;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.reading(path)?.into(),
    };
    if !file.metadata().reading(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ))
        .reading(path);
    }
    read_file_capped(file, path, max).map(Some)
}

fn read_file_capped(file: File, path: &Path, max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .reading(path)?;
    if bytes.len() as u64 > max {
        return Err(Error::TooLarge {
            path: path.into(),
            max,
        });
    }
    Ok(bytes)
}

/// Reads the last `max` bytes of a file.
pub fn read_tail(path: &Path, max: u64) -> Result<Vec<u8>> {
    let mut file = File::open(path).reading(path)?;
    let length = file.metadata().reading(path)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(max)))
        .reading(path)?;
    let mut bytes = Vec::new();
    // The file may be growing.
    file.take(max).read_to_end(&mut bytes).reading(path)?;
    Ok(bytes)
}

/// Makes the contents of a file durable that others wrote. Its name is durable when its directory is synced, as
/// [`rename_durable`] does.
pub fn sync_file(path: &Path) -> Result<()> {
    let (dir, name) = split(path).syncing(path)?;
    Dir::open(&dir)
        .and_then(|dir| dir.sync_file(name))
        .syncing(path)
}

/// Moves a file or directory within one file system, over a file that has the new name. After a power cut it has
/// one of the two names, and once this has returned the new one. What it holds is durable only if it was synced
/// before. If `from` is gone and `to` exists, an earlier attempt was cut off, and is completed.
pub fn rename_durable(from: &Path, to: &Path) -> Result<()> {
    fault::point("fs.rename-durable");
    let failed = |source: io::Error| Error::Rename {
        from: from.into(),
        to: to.into(),
        source,
    };
    let (from_path, from_name) = split(from).map_err(failed)?;
    let (to_path, to_name) = split(to).map_err(failed)?;
    let from_dir = Dir::open(&from_path).map_err(failed)?;
    let to_dir = Dir::open(&to_path).map_err(failed)?;
    match from_dir.rename(from_name, &to_dir, to_name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if to_dir.kind(to_name).map_err(failed)?.is_none() {
                return Err(failed(error));
            }
        }
        other => other.map_err(failed)?,
    }
    // First where it goes to: a cut between the two may leave both names, but never none.
    to_dir.sync().syncing(&to_path)?;
    from_dir.sync().syncing(&from_path)
}

/// Lets a symbolic link point at `target`, replacing it at one instant. After a power cut it points where it did
/// or at `target`, and once this has returned at `target`. Whether anything is there is the caller's concern.
pub fn replace_symlink(link: &Path, target: &Path) -> Result<()> {
    fault::point("fs.replace-symlink");
    let failed = |source: io::Error| Error::Link {
        link: link.into(),
        target: target.into(),
        source,
    };
    let (dir_path, name) = split(link).map_err(failed)?;
    let dir = Dir::open(&dir_path).map_err(failed)?;
    if !points_at(&dir, name, target) {
        let (temporary, ()) = temporary::with_free_name(name, |temporary| {
            dir.create_link(target.as_os_str(), temporary)
        })
        .map_err(failed)?;
        if let Err(error) = dir.rename(&temporary, &dir, name) {
            // The error that is returned is the one to act on; leftovers are removed at the next start.
            let _ = dir.remove_file(&temporary);
            return Err(failed(error));
        }
    }
    dir.sync().syncing(&dir_path)
}

fn points_at(dir: &Dir, name: &OsStr, target: &Path) -> bool {
    dir.read_link(name)
        .is_ok_and(|now| now.as_bytes() == target.as_os_str().as_bytes())
}

/// Where a symbolic link points; `None` if nothing has that name.
pub fn read_symlink(link: &Path) -> Result<Option<PathBuf>> {
    match rustix::fs::readlink(link, Vec::new()) {
        Ok(target) => Ok(Some(OsStr::from_bytes(target.as_bytes()).into())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error).reading(link),
    }
}

/// Removes a file or a link, if there is one. Once this has returned it does not come back; before that, a power
/// cut may leave it, whole.
pub fn remove_durable(path: &Path) -> Result<()> {
    fault::point("fs.remove-durable");
    let (dir_path, name) = split(path).removing(path)?;
    let dir = match Dir::open(&dir_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.removing(path)?,
    };
    match dir.remove_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other.removing(path)?,
    }
    dir.sync().syncing(&dir_path)
}

/// Creates a directory and those above it, mode `0755`, durably. One that exists keeps its mode.
pub fn create_dir(path: &Path) -> Result<()> {
    create_dir_as(path, 0o755)
}

/// Creates a directory that only its owner may enter, mode `0700`, durably; those above it that are missing are
/// created with `0755`. One that exists keeps its mode.
pub fn create_private_dir(path: &Path) -> Result<()> {
    create_dir_as(path, 0o700)
}

fn create_dir_as(path: &Path, mode: u32) -> Result<()> {
    let failed = |source: io::Error| Error::CreateDir {
        path: path.into(),
        source,
    };
    if path.is_dir() {
        return sync_name_of(path);
    }
    let (parent, name) = split(path).map_err(failed)?;
    if !parent.as_os_str().is_empty() {
        create_dir_as(&parent, 0o755)?;
    }
    let dir = Dir::open(&parent).map_err(failed)?;
    match dir.create_dir(name, mode) {
        // Another process was faster, which is as good, if it is a directory.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => drop(other.map_err(failed)?),
    }
    dir.sync().syncing(&parent)
}

/// Completes the creation of a directory that was cut off before its name was durable. One level is enough,
/// because each level is durable before the next is created.
fn sync_name_of(path: &Path) -> Result<()> {
    let Ok((parent, _)) = split(path) else {
        return Ok(());
    };
    match Dir::open(&parent) {
        // Nobody creates names in a directory that they may not read: it was there before.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other.and_then(|dir| dir.sync()).syncing(&parent),
    }
}

#[cfg(test)]
mod tests;
