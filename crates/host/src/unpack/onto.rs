//! Unpacking somebody else's archive onto a tree: a plain `tar` that adds and overwrites, and leaves the rest.
//!
//! Such archives were not made for us, so more is taken than of a bundle: any permissions, names that come twice (the
//! later counts), hard links to files of the tree. What could do harm is not: absolute names, `..`, links that lead out,
//! devices, names below a link. Setuid, setgid and sticky bits are dropped, and everything belongs to the tree's owner.
//!
//! Files of the tree are never written to: what is overwritten loses its name first. So the tree may share its files
//! with another one.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::member::{Extensions, Raw};
use super::name::{Name, check_link};
use super::{Limits, Refusal, UnpackError, check_padding};
use crate::fs::{Dir, NewFile};

/// A tree that is changed by an archive.
pub(crate) struct Onto<'a> {
    root: Dir,
    path: &'a Path,
    /// Whose everything is.
    owner: Stat,
    limits: Limits,
    /// Files that must be executable for owner and group, whatever the archive says.
    programs: &'a [&'a str],
    entries: u64,
    bytes: u64,
}

impl<'a> Onto<'a> {
    /// A tree, whose path is only for errors.
    pub(crate) fn new(
        root: Dir,
        path: &'a Path,
        limits: Limits,
        programs: &'a [&'a str],
    ) -> io::Result<Self> {
        Ok(Self {
            owner: root.stat_itself()?,
            root,
            path,
            limits,
            programs,
            entries: 0,
            bytes: 0,
        })
    }

    /// Takes the whole archive, and returns how many members it had. Contents are synced, names are not.
    pub(crate) fn unpack(&mut self, mut reader: impl Read) -> Result<u64, UnpackError> {
        let mut archive = Archive::new(&mut reader);
        let mut extensions = Extensions::of_others();
        for entry in archive.entries().map_err(UnpackError::reading)?.raw(true) {
            let mut entry = entry.map_err(UnpackError::reading)?;
            if let Some(raw) = extensions.take_raw(&mut entry)? {
                self.add(raw, &mut entry)?;
            }
        }
        // An end in the middle looks like an end of the transfer: only the two blocks of zeros say that all is there.
        if extensions.are_left() {
            return Err(UnpackError::refused("", Refusal::Truncated));
        }
        check_padding(&mut reader)?;
        match self.entries {
            0 => Err(UnpackError::refused("", Refusal::Empty)),
            entries => Ok(entries),
        }
    }

    /// Puts a file there that the archive does not bring.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), UnpackError> {
        let name = self.name(name.as_bytes())?;
        let (dir, last) = self.place(&name)?;
        let mut file = self.make_file(&dir, &name, last, 0o644)?;
        file.write_all(bytes)
            .and_then(|()| file.sync())
            .map_err(|error| self.writing(&name, error))
    }

    fn add<R: Read>(&mut self, raw: Raw, data: &mut Entry<'_, R>) -> Result<(), UnpackError> {
        let name = self.name(&raw.name)?;
        let refuse = |why| Err(UnpackError::refused(&name.to_string(), why));
        self.entries += 1;
        if self.entries > self.limits.entries {
            let limit = self.limits.entries;
            return refuse(Refusal::TooManyEntries { limit });
        }
        // Before 1988 a directory was a file with a slash at its end.
        let is_dir = raw.kind == EntryType::Directory
            || (raw.kind == EntryType::Regular && raw.name.ends_with(b"/"));
        if name.split().is_none() {
            return if is_dir {
                Ok(())
            } else {
                refuse(Refusal::NoName)
            };
        }
        match raw.kind {
            _ if is_dir => self.add_dir(&name, raw.mode),
            EntryType::Regular => self.add_file(&name, raw.mode, raw.size, data),
            _ if raw.size != 0 => refuse(Refusal::BadHeader),
            EntryType::Symlink => self.add_symlink(&name, &raw.target.unwrap_or_default()),
            EntryType::Link => self.add_link(&name, &raw.target.unwrap_or_default()),
            other => refuse(Refusal::Kind {
                tag: char::from(other.as_byte()),
            }),
        }
    }

    fn add_dir(&self, name: &Name, mode: u32) -> Result<(), UnpackError> {
        let (dir, last) = self.place(name)?;
        match dir.kind(last).map_err(|error| self.writing(name, error))? {
            Some(FileType::Directory) => Ok(()),
            Some(_) => Err(UnpackError::refused(
                &name.to_string(),
                Refusal::OtherKind {
                    what: "what is no directory on this host",
                },
            )),
            // Whoever cannot enter a directory cannot fill it.
            None => self
                .make_dir(&dir, name, last, mode & 0o777 | 0o700)
                .map(drop),
        }
    }

    fn add_file<R: Read>(
        &mut self,
        name: &Name,
        mode: u32,
        size: u64,
        data: &mut Entry<'_, R>,
    ) -> Result<(), UnpackError> {
        let limit = self.limits.bytes;
        match self.bytes.checked_add(size) {
            Some(bytes) if bytes <= limit => self.bytes = bytes,
            _ => {
                return Err(UnpackError::refused(
                    &name.to_string(),
                    Refusal::TooManyBytes { limit },
                ));
            }
        }
        let is_program = self
            .programs
            .iter()
            .any(|it| Path::new(it) == name.to_path());
        let mode = if is_program { 0o550 } else { mode & 0o777 };
        let (dir, last) = self.place(name)?;
        let mut file = self.make_file(&dir, name, last, mode)?;
        let mut buffer = [0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let read = data
                .read(&mut buffer[..wanted])
                .map_err(UnpackError::reading)?;
            if read == 0 {
                return Err(UnpackError::refused(&name.to_string(), Refusal::Truncated));
            }
            file.write_all(&buffer[..read])
                .map_err(|error| self.writing(name, error))?;
            left -= read as u64;
        }
        file.sync().map_err(|error| self.writing(name, error))
    }

    fn add_symlink(&self, name: &Name, target: &[u8]) -> Result<(), UnpackError> {
        let depth = name.split().map_or(0, |(parents, _)| parents.len());
        check_link(depth, target).map_err(|why| UnpackError::refused(&name.to_string(), why))?;
        let (dir, last) = self.place(name)?;
        self.make_room(&dir, name, last)?;
        dir.create_link(OsStr::from_bytes(target), last)
            .map_err(|error| self.writing(name, error))
    }

    /// A second name for a file that is there, from the archive or from before.
    fn add_link(&self, name: &Name, target: &[u8]) -> Result<(), UnpackError> {
        let target = self.name(target)?;
        let no_file = || {
            let target = target.to_string();
            UnpackError::refused(&name.to_string(), Refusal::NoSuchFile { target })
        };
        let (parents, source) = target.split().ok_or_else(no_file)?;
        let parents: PathBuf = parents.iter().collect();
        let from = self.root.descend(&parents).ok().flatten();
        let from = from.ok_or_else(no_file)?;
        let kind = from
            .kind(source)
            .map_err(|error| self.writing(name, error))?;
        if kind != Some(FileType::RegularFile) {
            return Err(no_file());
        }
        if *name == target {
            return Ok(());
        }
        let (dir, last) = self.place(name)?;
        self.make_room(&dir, name, last)?;
        from.link_to(source, &dir, last)
            .map_err(|error| self.writing(name, error))
    }

    fn name(&self, bytes: &[u8]) -> Result<Name, UnpackError> {
        Name::parse(bytes).map_err(|why| {
            let shown: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
            UnpackError::refused(&shown, why)
        })
    }

    /// The directory that a member lies in, made where it is missing, and the member's name there.
    fn place<'n>(&self, name: &'n Name) -> Result<(Dir, &'n OsStr), UnpackError> {
        let (parents, last) = name
            .split()
            .ok_or_else(|| UnpackError::refused("", Refusal::NoName))?;
        Ok((self.enter(name, parents)?, last))
    }

    fn enter(&self, name: &Name, parents: &[OsString]) -> Result<Dir, UnpackError> {
        let mut dir = self.root.clone();
        for part in parents {
            dir = match dir.open_dir(part) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.make_dir(&dir, name, part, 0o755)?
                }
                // Which of the two a link is depends on the kernel.
                Err(error) => {
                    return Err(match Errno::from_io_error(&error) {
                        Some(Errno::NOTDIR | Errno::LOOP) => {
                            UnpackError::refused(&name.to_string(), Refusal::ThroughFile)
                        }
                        _ => self.writing(name, error),
                    });
                }
                Ok(next) => next,
            };
        }
        Ok(dir)
    }

    fn make_dir(
        &self,
        dir: &Dir,
        name: &Name,
        part: &OsStr,
        mode: u32,
    ) -> Result<Dir, UnpackError> {
        let made = dir.create_dir(part, mode).and_then(|made| {
            made.give_to(&self.owner)?;
            Ok(made)
        });
        made.map_err(|error| self.writing(name, error))
    }

    fn make_file(
        &self,
        dir: &Dir,
        name: &Name,
        last: &OsStr,
        mode: u32,
    ) -> Result<NewFile, UnpackError> {
        self.make_room(dir, name, last)?;
        let made = dir.create_file(last, mode).and_then(|file| {
            file.give_to(&self.owner)?;
            Ok(file)
        });
        made.map_err(|error| self.writing(name, error))
    }

    /// Takes the name from what has it.
    fn make_room(&self, dir: &Dir, name: &Name, last: &OsStr) -> Result<(), UnpackError> {
        match dir.kind(last).map_err(|error| self.writing(name, error))? {
            None => Ok(()),
            Some(FileType::Directory) => Err(UnpackError::refused(
                &name.to_string(),
                Refusal::OtherKind {
                    what: "a directory of this host",
                },
            )),
            Some(_) => dir
                .remove_file(last)
                .map_err(|error| self.writing(name, error)),
        }
    }

    fn writing(&self, name: &Name, source: io::Error) -> UnpackError {
        UnpackError::Write {
            path: self.path.join(name.to_path()),
            source,
        }
    }
}
