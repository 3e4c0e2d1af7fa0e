//! The tree that a bundle becomes, entry by entry.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lockstep_model::{BundleManifest, Content};
use rustix::io::Errno;
use tar::Entry;

use super::member::{Kind, Member};
use super::{Limits, Refusal, UnpackError, Unpacked, is_reserved};
use crate::fs::{self, Dir};

/// The tree as far as it is unpacked.
pub(super) struct Tree<'a> {
    root: Dir,
    path: &'a Path,
    limits: Limits,
    entries: u64,
    bytes: u64,
    manifest: Option<BundleManifest>,
    /// Directories that had an entry of their own, by inode; the others came with what is in them.
    named_dirs: HashSet<u64>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: Dir, path: &'a Path, limits: Limits) -> Self {
        Self {
            root,
            path,
            limits,
            entries: 0,
            bytes: 0,
            manifest: None,
            named_dirs: HashSet::new(),
        }
    }

    pub(super) fn add<R: Read>(
        &mut self,
        member: &Member,
        data: &mut Entry<'_, R>,
    ) -> Result<(), UnpackError> {
        let refuse = |why| Err(UnpackError::refused(&member.name.to_string(), why));
        self.entries += 1;
        if self.entries > self.limits.entries {
            return refuse(Refusal::TooManyEntries {
                limit: self.limits.entries,
            });
        }
        if self.manifest.is_none() {
            return self.add_manifest(member, data);
        }
        if member.name.at_root().is_some_and(is_reserved) {
            return refuse(Refusal::Reserved);
        }
        let Some((parents, name)) = member.name.split() else {
            return match member.kind {
                // The entry that some writers make for the root of the tree.
                Kind::Dir => Ok(()),
                _ => refuse(Refusal::NoName),
            };
        };
        let dir = self.enter(member, parents)?;
        match &member.kind {
            Kind::File { size, executable } => {
                self.count(member, *size)?;
                let mode = if *executable { 0o755 } else { 0o644 };
                self.write_file(&dir, member, name, mode, *size, data)
            }
            Kind::Dir => self.add_dir(&dir, member, name),
            Kind::Link { target } => dir
                .create_link(OsStr::from_bytes(target), name)
                .map_err(|error| self.creating(member, error)),
        }
    }

    /// The first entry: it is kept in memory, and written like every other file.
    fn add_manifest<R: Read>(
        &mut self,
        member: &Member,
        data: &mut Entry<'_, R>,
    ) -> Result<(), UnpackError> {
        let refuse = |why| UnpackError::refused(&member.name.to_string(), why);
        let size = match member.kind {
            Kind::File { size, .. } if member.name.is_at_root(BundleManifest::FILE) => size,
            _ => return Err(refuse(Refusal::ManifestNotFirst)),
        };
        if size > BundleManifest::MAX_BYTES {
            return Err(refuse(Refusal::ManifestTooLarge));
        }
        self.count(member, size)?;
        let mut text = Vec::new();
        data.take(size)
            .read_to_end(&mut text)
            .map_err(UnpackError::reading)?;
        let text = String::from_utf8(text)
            .map_err(|error| refuse(Refusal::BadManifest(error.to_string())))?;
        if text.len() as u64 != size {
            return Err(refuse(Refusal::Truncated));
        }
        let manifest =
            BundleManifest::parse(&text).map_err(|why| refuse(Refusal::BadManifest(why)))?;
        self.manifest = Some(manifest);
        let (root, name) = (self.root.clone(), OsStr::new(BundleManifest::FILE));
        self.write_file(&root, member, name, 0o644, size, &mut text.as_bytes())
    }

    /// Counts a file before any of it is written.
    fn count(&mut self, member: &Member, size: u64) -> Result<(), UnpackError> {
        let limit = self.limits.bytes;
        match self.bytes.checked_add(size) {
            Some(bytes) if bytes <= limit => self.bytes = bytes,
            _ => {
                return Err(UnpackError::refused(
                    &member.name.to_string(),
                    Refusal::TooManyBytes { limit },
                ));
            }
        }
        Ok(())
    }

    /// Opens the directory that a member lies in, and creates what is missing of it.
    fn enter(&self, member: &Member, parents: &[OsString]) -> Result<Dir, UnpackError> {
        let mut dir = self.root.clone();
        for part in parents {
            let next = match dir.open_dir(part) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    dir.create_dir(part, 0o755)
                }
                other => other,
            };
            // Which of the two a link is depends on the kernel.
            dir = next.map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NOTDIR | Errno::LOOP) => {
                    UnpackError::refused(&member.name.to_string(), Refusal::ThroughFile)
                }
                _ => self.creating(member, error),
            })?;
        }
        Ok(dir)
    }

    fn add_dir(&mut self, dir: &Dir, member: &Member, name: &OsStr) -> Result<(), UnpackError> {
        let added = match dir.create_dir(name, 0o755) {
            // It came with what is in it; or it is a file, or a link, which cannot be opened as a directory.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                dir.open_dir(name).map_err(|_| error)
            }
            other => other,
        };
        let inode = added
            .and_then(|added| added.inode())
            .map_err(|error| self.creating(member, error))?;
        if !self.named_dirs.insert(inode) {
            return Err(UnpackError::refused(
                &member.name.to_string(),
                Refusal::Twice,
            ));
        }
        Ok(())
    }

    fn write_file(
        &self,
        dir: &Dir,
        member: &Member,
        name: &OsStr,
        mode: u32,
        size: u64,
        data: &mut impl Read,
    ) -> Result<(), UnpackError> {
        let failed = |error| self.creating(member, error);
        let mut file = dir.create_file(name, mode).map_err(failed)?;
        let mut buffer = [0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left)
                .unwrap_or(buffer.len())
                .min(buffer.len());
            let read = data
                .read(&mut buffer[..wanted])
                .map_err(UnpackError::reading)?;
            if read == 0 {
                return Err(UnpackError::refused(
                    &member.name.to_string(),
                    Refusal::Truncated,
                ));
            }
            file.write_all(&buffer[..read]).map_err(failed)?;
            left -= read as u64;
        }
        file.sync().map_err(failed)
    }

    pub(super) fn finish(self, content: Content) -> Result<Unpacked, UnpackError> {
        let manifest = self
            .manifest
            .ok_or_else(|| UnpackError::refused("", Refusal::ManifestNotFirst))?;
        fs::sync_dirs(&self.root).map_err(|source| UnpackError::Write {
            path: self.path.into(),
            source,
        })?;
        Ok(Unpacked {
            manifest,
            entries: self.entries,
            bytes: self.bytes,
            content,
        })
    }

    /// A name that exists already is the bundle's fault, since the tree began empty; the rest is the host's.
    fn creating(&self, member: &Member, error: io::Error) -> UnpackError {
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                UnpackError::refused(&member.name.to_string(), Refusal::Twice)
            }
            _ => UnpackError::Write {
                path: self.path.join(member.name.to_path()),
                source: error,
            },
        }
    }
}
