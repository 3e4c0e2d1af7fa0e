//! One opened directory, and everything that can be done to a name in it.
//!
//! All changes that this crate makes to files go through here, so this is where faults and power cuts are
//! injected: each effect is recorded with the fault ledger and followed by a point. Names are single parts of a
//! path and symbolic links are never followed, so nothing here can reach out of the directory, whoever else
//! changes it at the same time.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::fault;

/// An opened directory.
#[derive(Debug, Clone)]
pub(crate) struct Dir {
    fd: Arc<OwnedFd>,
}

/// A file that is being written for the first time. Nothing of it is durable before [`NewFile::sync`].
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
}

const OPEN_DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Dir {
    /// Opens a directory by its path; links on the way are followed, as the operator set them.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let flags = OPEN_DIR.difference(OFlags::NOFOLLOW);
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd) })
    }

    /// Opens a directory in this one. A symbolic link is an error (`ENOTDIR`), as anything else that is not one.
    pub(crate) fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        single(name)?;
        let fd = rustix::fs::openat(&self.fd, name, OPEN_DIR, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd) })
    }

    /// Walks down a relative path, part by part. Returns `None` if a part does not exist.
    pub(crate) fn descend(&self, path: &Path) -> io::Result<Option<Self>> {
        let mut dir = self.clone();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::Normal(name) => match dir.open_dir(name) {
                    Ok(next) => dir = next,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(error),
                },
                _ => return Err(Errno::INVAL.into()),
            }
        }
        Ok(Some(dir))
    }

    /// Creates a directory with exactly this mode.
    pub(crate) fn create_dir(&self, name: &OsStr, mode: u32) -> io::Result<Self> {
        single(name)?;
        let mut effects = fault::effects();
        rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode))?;
        effects.created(&self.fd, name);
        drop(effects);
        let dir = self.open_dir(name)?;
        // The process's umask has no say in what a slot looks like.
        rustix::fs::fchmod(&dir.fd, Mode::from_raw_mode(mode))?;
        fault::point("fs.create-dir");
        Ok(dir)
    }

    /// Creates a file with exactly this mode; a name that is there already, even a dangling link, is an error.
    pub(crate) fn create_file(&self, name: &OsStr, mode: u32) -> io::Result<NewFile> {
        single(name)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut effects = fault::effects();
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?;
        effects.created(&self.fd, name);
        drop(effects);
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
        fault::point("fs.create-file");
        Ok(NewFile { file: fd.into() })
    }

    /// Creates a symbolic link.
    pub(crate) fn create_link(&self, target: &OsStr, name: &OsStr) -> io::Result<()> {
        single(name)?;
        let mut effects = fault::effects();
        rustix::fs::symlinkat(target, &self.fd, name)?;
        effects.created(&self.fd, name);
        drop(effects);
        fault::point("fs.create-link");
        Ok(())
    }

    /// Gives a file a second name; a name that is there already, even a dangling link, is an error.
    pub(crate) fn link(&self, name: &OsStr, to_name: &OsStr) -> io::Result<()> {
        self.link_to(name, self, to_name)
    }

    /// The same in another directory of the file system. A symbolic link is given the second name itself, and not what
    /// it points at.
    pub(crate) fn link_to(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        single(name)?;
        single(to_name)?;
        let mut effects = fault::effects();
        rustix::fs::linkat(&self.fd, name, &to.fd, to_name, AtFlags::empty())?;
        effects.created(&to.fd, to_name);
        drop(effects);
        fault::point("fs.link");
        Ok(())
    }

    /// Lets two names that are both there change places, at one instant; durable when this directory is synced. Not
    /// every file system can (`renameat2(2)`, `EINVAL`).
    pub(crate) fn exchange(&self, one: &OsStr, other: &OsStr) -> io::Result<()> {
        single(one)?;
        single(other)?;
        let mut effects = fault::effects();
        rustix::fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE)?;
        effects.exchanged(&self.fd, one, other);
        drop(effects);
        fault::point("fs.exchange");
        Ok(())
    }

    /// Opens an existing regular file to read it; never waits for the other end of a fifo.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        single(name)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: File = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?.into();
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ));
        }
        Ok(file)
    }

    /// Makes the contents of an existing file durable.
    pub(crate) fn sync_file(&self, name: &OsStr) -> io::Result<()> {
        let file = self.open_file(name)?;
        let mut effects = fault::effects();
        rustix::fs::fsync(&file)?;
        effects.synced_file(&file);
        drop(effects);
        fault::point("fs.sync-file");
        Ok(())
    }

    /// Reads where a symbolic link points.
    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        single(name)?;
        let target = rustix::fs::readlinkat(&self.fd, name, Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()))
    }

    /// Moves a name, over what has the other name; both directories must be synced to make it durable, the one it
    /// goes to first.
    pub(crate) fn rename(&self, name: &OsStr, to: &Self, to_name: &OsStr) -> io::Result<()> {
        single(name)?;
        single(to_name)?;
        let mut effects = fault::effects();
        let replaced = effects.keep(&to.fd, to_name);
        rustix::fs::renameat(&self.fd, name, &to.fd, to_name)?;
        effects.renamed((&self.fd, name), (&to.fd, to_name), replaced);
        drop(effects);
        fault::point("fs.rename");
        Ok(())
    }

    /// Removes a file or a link.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        self.unlink(name, AtFlags::empty())
    }

    /// Removes an empty directory.
    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    fn unlink(&self, name: &OsStr, flags: AtFlags) -> io::Result<()> {
        single(name)?;
        let mut effects = fault::effects();
        let was = effects.keep(&self.fd, name);
        rustix::fs::unlinkat(&self.fd, name, flags)?;
        effects.removed(&self.fd, name, was);
        drop(effects);
        fault::point("fs.remove");
        Ok(())
    }

    /// What has the name, without following a link; `None` if nothing has.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        single(name)?;
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What kind of thing has the name.
    pub(crate) fn kind(&self, name: &OsStr) -> io::Result<Option<FileType>> {
        let stat = self.stat(name)?;
        Ok(stat.map(|stat| FileType::from_raw_mode(stat.st_mode)))
    }

    /// All names, in byte order, so that whatever is done to them is done in the same order each time.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes all changes of names in this directory durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut effects = fault::effects();
        rustix::fs::fsync(&self.fd)?;
        effects.synced_dir(&self.fd);
        drop(effects);
        fault::point("fs.sync-dir");
        Ok(())
    }

    /// Gives the directory to another owner, as [`NewFile::give_to`] does with files.
    pub(crate) fn give_to(&self, stat: &Stat) -> io::Result<()> {
        give(self.fd.as_fd(), stat)
    }

    /// What the directory itself is.
    pub(crate) fn stat_itself(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&self.fd)?)
    }

    /// The inode number, which is the directory's identity on its file system.
    pub(crate) fn inode(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.fd)?.st_ino)
    }

    /// True if everybody can remove what others put there: all may write, and nothing protects the names
    /// (`inode(7)`, sticky bit).
    pub(crate) fn lets_anybody_remove(&self) -> io::Result<bool> {
        let mode = rustix::fs::fstat(&self.fd)?.st_mode;
        Ok(mode & 0o002 != 0 && mode & 0o1000 == 0)
    }

    /// Sets the mode; durable with the next sync.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode))?)
    }

    /// Allows the owner everything, so that what is in it can be removed.
    pub(crate) fn unlock(&self) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.fd, Mode::RWXU)?)
    }

    /// Allows the owner everything in a directory that cannot even be opened.
    pub(crate) fn unlock_dir(&self, name: &OsStr) -> io::Result<()> {
        single(name)?;
        // `fchmodat` would follow a link here; whoever calls this saw a directory, and may own it at most.
        if self.kind(name)? != Some(FileType::Directory) {
            return Err(Errno::NOTDIR.into());
        }
        Ok(rustix::fs::chmodat(
            &self.fd,
            name,
            Mode::RWXU,
            AtFlags::empty(),
        )?)
    }
}

impl NewFile {
    /// Makes the contents durable. If this fails, what the file holds is unknown and it must be thrown away:
    /// a second sync may succeed without having written anything.
    pub(crate) fn sync(&self) -> io::Result<()> {
        fault::point("fs.write");
        let mut effects = fault::effects();
        rustix::fs::fsync(&self.file)?;
        effects.synced_file(&self.file);
        drop(effects);
        fault::point("fs.sync-file");
        Ok(())
    }

    /// Gives the file to another owner, where this process may; one who may not is the owner of all it makes.
    pub(crate) fn give_to(&self, stat: &Stat) -> io::Result<()> {
        give(self.file.as_fd(), stat)
    }
}

fn give(file: BorrowedFd<'_>, stat: &Stat) -> io::Result<()> {
    let own = rustix::fs::fstat(file)?;
    if (own.st_uid, own.st_gid) == (stat.st_uid, stat.st_gid) {
        return Ok(());
    }
    let (owner, group) = (
        rustix::fs::Uid::from_raw(stat.st_uid),
        rustix::fs::Gid::from_raw(stat.st_gid),
    );
    match rustix::fs::fchown(file, Some(owner), Some(group)) {
        Err(Errno::PERM) => Ok(()),
        other => Ok(other?),
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut effects = fault::effects();
        let written = self.file.write(bytes)?;
        effects.wrote(&self.file);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Splits a path into its directory and the last name.
pub(crate) fn split(path: &Path) -> io::Result<(PathBuf, &OsStr)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(Errno::INVAL))?;
    Ok((path.parent().unwrap_or(Path::new("")).to_path_buf(), name))
}

/// Refuses what would be more than one part of a path.
fn single(name: &OsStr) -> io::Result<()> {
    let bytes = name.as_bytes();
    if matches!(bytes, b"" | b"." | b"..") || bytes.contains(&b'/') {
        return Err(Errno::INVAL.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::open(root.path()).unwrap();
        for name in ["", ".", "..", "../x", "/etc", "a/b"] {
            let name = OsStr::new(name);
            assert!(dir.open_dir(name).is_err(), "{name:?}");
            assert!(dir.create_file(name, 0o644).is_err(), "{name:?}");
            assert!(dir.create_link(OsStr::new("x"), name).is_err(), "{name:?}");
            assert!(dir.remove_file(name).is_err(), "{name:?}");
        }
        assert!(dir.descend(Path::new("../x")).is_err());
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::open(root.path()).unwrap();
        dir.create_link(OsStr::new("/etc"), OsStr::new("link"))
            .unwrap();
        assert!(dir.open_dir(OsStr::new("link")).is_err());
        assert!(dir.descend(Path::new("link/passwd")).is_err());
        assert!(dir.open_file(OsStr::new("link")).is_err());
        assert!(dir.create_file(OsStr::new("link"), 0o644).is_err());
        assert!(dir.descend(Path::new("missing/x")).unwrap().is_none());
    }
}
