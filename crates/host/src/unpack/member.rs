//! One member of the archive, put together from its header and the extension headers before it.
//!
//! The `tar` crate reads headers and checks their sums; it is asked for raw entries, because it would read
//! extensions of any length into memory, and apply ones (sizes, sparse maps) that other readers of the same bytes
//! do not. What is understood here is what writers need for long names, and nothing else.

use std::io::Read;

use tar::{Entry, EntryType, PaxExtensions};

use super::name::{LONGEST, Name, check_link};
use super::{Refusal, UnpackError};

/// Longest PAX header, in bytes: two long names and a few times.
const LONGEST_PAX: u64 = 8 * 1024;

/// What an archive may hold.
#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    File { size: u64, executable: bool },
    Dir,
    Link { target: Vec<u8> },
}

/// A member as the archive has it, with the extensions before it; nothing of it was judged yet.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) name: Vec<u8>,
    /// Where a link points.
    pub(super) target: Option<Vec<u8>>,
    pub(super) kind: EntryType,
    pub(super) size: u64,
    pub(super) mode: u32,
}

/// Extensions that were read and wait for their member.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    /// True passes over what changes nothing of the bytes: what other systems note of their files.
    lenient: bool,
}

impl Extensions {
    /// For archives that were not made for us.
    pub(super) fn of_others() -> Self {
        Self {
            lenient: true,
            ..Self::default()
        }
    }

    /// True if no member came for them.
    pub(super) fn are_left(&self) -> bool {
        self.name.is_some() || self.target.is_some()
    }

    /// Takes an entry: an extension is remembered (`None`), a member is returned with what was remembered.
    pub(super) fn take<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
    ) -> Result<Option<Member>, UnpackError> {
        let shown = self.shown(entry);
        let Some(raw) = self.take_raw(entry)? else {
            return Ok(None);
        };
        let member = Member::of(raw).map_err(|why| UnpackError::refused(&shown, why));
        member.map(Some)
    }

    /// The name as far as it is known, for people.
    fn shown<R: Read>(&self, entry: &Entry<'_, R>) -> String {
        String::from_utf8_lossy(self.name.as_deref().unwrap_or(&entry.header().path_bytes()))
            .chars()
            .take(200)
            .collect()
    }

    /// The same as [`take`](Self::take), without a judgement on the member.
    pub(super) fn take_raw<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
    ) -> Result<Option<Raw>, UnpackError> {
        let shown = self.shown(entry);
        let refuse = |why| UnpackError::refused(&shown, why);
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let name = read_gnu(entry).map_err(|error| error.about(&shown))?;
                once(&mut self.name, name).map_err(refuse)?;
                Ok(None)
            }
            EntryType::GNULongLink => {
                let target = read_gnu(entry).map_err(|error| error.about(&shown))?;
                once(&mut self.target, target).map_err(refuse)?;
                Ok(None)
            }
            EntryType::XHeader => {
                let bytes =
                    read_extension(entry, LONGEST_PAX).map_err(|error| error.about(&shown))?;
                self.take_pax(&bytes).map_err(refuse)?;
                Ok(None)
            }
            EntryType::XGlobalHeader if self.lenient => Ok(None),
            kind => self.finish(entry, kind).map(Some).map_err(refuse),
        }
    }

    fn take_pax(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        for extension in PaxExtensions::new(bytes) {
            let extension = extension.map_err(|_| Refusal::BadHeader)?;
            let value = extension.value_bytes().to_vec();
            match extension.key().map_err(|_| Refusal::BadHeader)? {
                "path" => once(&mut self.name, value)?,
                "linkpath" => once(&mut self.target, value)?,
                // What a slot does not take over anyway.
                "mtime" | "atime" | "ctime" | "uid" | "gid" | "uname" | "gname" => {}
                key if self.lenient && key != "size" && !key.starts_with("GNU.sparse") => {}
                key => {
                    return Err(Refusal::Extension {
                        key: key.chars().take(40).collect(),
                    });
                }
            }
        }
        Ok(())
    }

    fn finish<R: Read>(&mut self, entry: &Entry<'_, R>, kind: EntryType) -> Result<Raw, Refusal> {
        let header = entry.header();
        let target = self
            .target
            .take()
            .or_else(|| header.link_name_bytes().map(Into::into));
        let name = self
            .name
            .take()
            .unwrap_or_else(|| header.path_bytes().into_owned());
        Ok(Raw {
            name,
            target,
            kind,
            size: header.entry_size().map_err(|_| Refusal::BadHeader)?,
            mode: header.mode().map_err(|_| Refusal::BadHeader)?,
        })
    }
}

impl Member {
    /// What a bundle may hold.
    fn of(raw: Raw) -> Result<Self, Refusal> {
        let ends_in_slash = raw.name.ends_with(b"/");
        let name = Name::parse(&raw.name)?;
        if raw.mode & 0o7000 != 0 {
            return Err(Refusal::SpecialBits { mode: raw.mode });
        }
        let kind = match raw.kind {
            EntryType::Regular if ends_in_slash => return Err(Refusal::BadHeader),
            EntryType::Regular => Kind::File {
                size: raw.size,
                executable: raw.mode & 0o111 != 0,
            },
            _ if raw.size != 0 => return Err(Refusal::BadHeader),
            EntryType::Directory => Kind::Dir,
            EntryType::Symlink => {
                let target = raw.target.unwrap_or_default();
                let depth = name.split().ok_or(Refusal::NoName)?.0.len();
                check_link(depth, &target)?;
                Kind::Link { target }
            }
            EntryType::Link => return Err(Refusal::HardLink),
            other => {
                return Err(Refusal::Kind {
                    tag: char::from(other.as_byte()),
                });
            }
        };
        Ok(Self { name, kind })
    }
}

/// A second extension for the same thing is a disagreement that readers settle differently.
fn once(place: &mut Option<Vec<u8>>, value: Vec<u8>) -> Result<(), Refusal> {
    if place.replace(value).is_some() {
        return Err(Refusal::BadHeader);
    }
    Ok(())
}

/// GNU writes the name with a NUL behind it.
fn read_gnu<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, UnpackError> {
    let mut bytes = read_extension(entry, LONGEST as u64 + 1)?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn read_extension<R: Read>(entry: &mut Entry<'_, R>, longest: u64) -> Result<Vec<u8>, UnpackError> {
    let bad = |_| UnpackError::refused("", Refusal::BadHeader);
    let size = entry.header().entry_size().map_err(bad)?;
    if size > longest {
        return Err(UnpackError::refused("", Refusal::NameTooLong));
    }
    let mut bytes = Vec::new();
    entry
        .take(longest)
        .read_to_end(&mut bytes)
        .map_err(UnpackError::reading)?;
    if bytes.len() as u64 != size {
        return Err(UnpackError::refused("", Refusal::Truncated));
    }
    Ok(bytes)
}
