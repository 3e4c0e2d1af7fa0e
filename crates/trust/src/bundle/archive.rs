//! The archive in a bundle, entry by entry: the same records for building and reading.
//!
//! Only what we write is read: plain files, directories and symbolic links, with GNU records for long names. The
//! reader of the `tar` crate would hold such a name in memory whatever its length, so the records are read raw and
//! their length is checked first.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use lockstep_model::BundleManifest;
use tar::{Archive, Builder, EntryType, Header};

use super::tree::{FileNode, Node, NodeKind, check_link, check_path};
use super::{BundleError, MAX_ENTRIES, MAX_PATH_BYTES, MAX_UNPACKED_BYTES};

/// Most bytes of all paths together; they are remembered to find what is there twice.
const MAX_NAMES_BYTES: usize = 16 << 20;

/// Writes the manifest's entry.
pub(super) fn write_manifest<W: Write>(builder: &mut Builder<W>, text: &str) -> io::Result<()> {
    let mut header = header(EntryType::Regular, text.len() as u64, 0o644);
    builder.append_data(&mut header, BundleManifest::FILE, text.as_bytes())
}

/// Writes the entry of one thing of the tree; `contents` gives a file's bytes.
pub(super) fn write_node<W: Write, R: Read>(
    builder: &mut Builder<W>,
    node: &Node,
    contents: impl FnOnce() -> R,
) -> io::Result<()> {
    match &node.kind {
        NodeKind::Directory => {
            let mut header = header(EntryType::Directory, 0, 0o755);
            builder.append_data(&mut header, format!("{}/", node.path), io::empty())
        }
        NodeKind::Link { target } => {
            let mut header = header(EntryType::Symlink, 0, 0o777);
            builder.append_link(&mut header, &node.path, target)
        }
        NodeKind::File(file) => {
            let mode = if file.executable { 0o755 } else { 0o644 };
            let mut header = header(EntryType::Regular, file.length, mode);
            let exactly = Exactly {
                reader: contents(),
                left: file.length,
            };
            builder.append_data(&mut header, &node.path, exactly)
        }
    }
}

/// A header without a trace of the machine it was made on: nobody's, of 1970.
fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Reads the stated number of bytes, and fails if there are fewer or more: the header is written by then.
struct Exactly<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = if self.left == 0 {
            self.reader.read(&mut [0])?
        } else {
            let most = buffer
                .len()
                .min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.reader.read(&mut buffer[..most])?
        };
        match (count as u64, self.left) {
            (0, 0) => Ok(0),
            (0, _) | (_, 0) => Err(io::ErrorKind::InvalidData.into()),
            (count_read, _) => {
                self.left -= count_read;
                Ok(count)
            }
        }
    }
}

/// The sum of what an archive holds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// Reads an archive to its end and checks every entry; answers with its manifest, as text, and its totals.
pub(super) fn read<R: Read>(reader: R) -> Result<(String, Totals), BundleError> {
    let mut archive = Archive::new(reader);
    let mut manifest = None;
    let mut reading = Reading::default();
    let unreadable = |source| BundleError::Read { source };
    for record in archive.entries().map_err(unreadable)?.raw(true) {
        let mut record = record.map_err(unreadable)?;
        let Some(entry) = reading.next(&mut record)? else {
            continue;
        };
        if manifest.is_none() {
            if entry.path != BundleManifest::FILE || !matches!(entry.kind, NodeKind::File(_)) {
                return Err(BundleError::Manifest {
                    why: format!(
                        "it must be the first entry, and the first is {:?}",
                        entry.path
                    ),
                });
            }
            manifest = Some(read_manifest(&mut record)?);
        }
    }
    let manifest = manifest.ok_or_else(|| BundleError::Manifest {
        why: "the bundle is empty".into(),
    })?;
    if reading.long_path.is_some() || reading.long_target.is_some() {
        return Err(BundleError::Format {
            why: "it ends with the name of an entry that does not follow",
        });
    }
    end(archive.into_inner())?;
    Ok((manifest, reading.totals))
}

/// The text of a manifest, within its limit.
pub(super) fn read_manifest(reader: &mut dyn Read) -> Result<String, BundleError> {
    let mut text = String::new();
    reader
        .take(BundleManifest::MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| BundleError::Manifest {
            why: error.to_string(),
        })?;
    if text.len() as u64 > BundleManifest::MAX_BYTES {
        return Err(BundleError::Manifest {
            why: format!("it is longer than {} bytes", BundleManifest::MAX_BYTES),
        });
    }
    Ok(text)
}

/// Behind the last entry there is nothing but the zeros that end an archive and fill its last record.
fn end(mut reader: impl Read) -> Result<(), BundleError> {
    let mut buffer = [0; 4096];
    let mut rest = 0u64;
    loop {
        let count = reader
            .read(&mut buffer)
            .map_err(|source| BundleError::Read { source })?;
        if count == 0 {
            return Ok(());
        }
        rest += count as u64;
        // 10 KiB is the record that other tools fill up.
        if rest > 10 * 1024 || buffer[..count].iter().any(|&byte| byte != 0) {
            return Err(BundleError::Format {
                why: "there is something behind the end of the archive",
            });
        }
    }
}

/// What is remembered from entry to entry.
#[derive(Default)]
struct Reading {
    totals: Totals,
    directories: BTreeSet<String>,
    others: BTreeSet<String>,
    names_bytes: usize,
    long_path: Option<String>,
    long_target: Option<String>,
}

impl Reading {
    /// Checks the next record; none if it only carries a name for the one behind it.
    fn next<R: Read>(
        &mut self,
        record: &mut tar::Entry<'_, R>,
    ) -> Result<Option<Node>, BundleError> {
        let kind = record.header().entry_type();
        if kind.is_gnu_longname() || kind.is_gnu_longlink() {
            let name = long_name(record)?;
            let place = if kind.is_gnu_longname() {
                &mut self.long_path
            } else {
                &mut self.long_target
            };
            return match place.replace(name) {
                None => Ok(None),
                Some(_) => Err(BundleError::Format {
                    why: "an entry has two long names",
                }),
            };
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let path = match self.long_path.take() {
            Some(path) => path,
            None => text(&record.header().path_bytes()),
        };
        let target = match self.long_target.take() {
            Some(target) => Some(target),
            None => record.header().link_name_bytes().map(|bytes| text(&bytes)),
        };
        let node = self.check(record.header(), path, target)?;
        self.remember(&node)?;
        Ok(Some(node))
    }

    fn check(
        &self,
        header: &Header,
        path: String,
        target: Option<String>,
    ) -> Result<Node, BundleError> {
        let kind = header.entry_type();
        let path = match path.strip_suffix('/') {
            Some(plain) if kind.is_dir() => plain.to_owned(),
            _ => path,
        };
        let refuse = |path: &str, why: String| BundleError::Entry {
            path: path.chars().take(200).collect(),
            why,
        };
        if path.contains(char::REPLACEMENT_CHARACTER) {
            return Err(refuse(&path, "its name is not UTF-8".into()));
        }
        check_path(&path).map_err(|why| refuse(&path, why))?;
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.directories.contains(parent)
        {
            return Err(refuse(
                &path,
                "its directory is not listed before it, as a directory".into(),
            ));
        }
        let mode = header
            .mode()
            .map_err(|error| refuse(&path, error.to_string()))?;
        if mode & 0o7000 != 0 {
            return Err(refuse(&path, "it is setuid, setgid or sticky".into()));
        }
        let length = header
            .entry_size()
            .map_err(|error| refuse(&path, error.to_string()))?;
        let kind = if kind.is_file() {
            NodeKind::File(FileNode {
                length,
                executable: mode & 0o100 != 0,
                identity: (0, 0),
            })
        } else if length != 0 {
            return Err(refuse(&path, "it is no file and has bytes".into()));
        } else if kind.is_dir() {
            NodeKind::Directory
        } else if kind.is_symlink() {
            let target = target.unwrap_or_default();
            check_link(&path, &target).map_err(|why| refuse(&path, why))?;
            NodeKind::Link { target }
        } else {
            return Err(refuse(
                &path,
                "it is neither a file nor a directory nor a symbolic link".into(),
            ));
        };
        Ok(Node { path, kind })
    }

    fn remember(&mut self, node: &Node) -> Result<(), BundleError> {
        let Node { path, kind } = node;
        if self.directories.contains(path) || self.others.contains(path) {
            return Err(BundleError::Entry {
                path: path.clone(),
                why: "it is there twice".into(),
            });
        }
        let too_much = |limit, what| Err(BundleError::TooMuch { limit, what });
        self.totals.entries += 1;
        if self.totals.entries > MAX_ENTRIES {
            return too_much(MAX_ENTRIES, "entries");
        }
        self.names_bytes += path.len();
        if self.names_bytes > MAX_NAMES_BYTES {
            return too_much(MAX_NAMES_BYTES as u64, "bytes of names");
        }
        self.totals.bytes = self.totals.bytes.saturating_add(node.length());
        if self.totals.bytes > MAX_UNPACKED_BYTES {
            return too_much(MAX_UNPACKED_BYTES, "bytes");
        }
        let place = match kind {
            NodeKind::Directory => &mut self.directories,
            _ => &mut self.others,
        };
        place.insert(path.clone());
        Ok(())
    }
}

/// The contents of a GNU record for a long name: the name and a zero byte.
fn long_name<R: Read>(record: &mut tar::Entry<'_, R>) -> Result<String, BundleError> {
    let mut name = Vec::new();
    record
        .by_ref()
        .take(MAX_PATH_BYTES as u64 + 2)
        .read_to_end(&mut name)
        .map_err(|source| BundleError::Read { source })?;
    if name.pop() != Some(0) || name.len() > MAX_PATH_BYTES {
        return Err(BundleError::Format {
            why: "the name of an entry is too long",
        });
    }
    String::from_utf8(name).map_err(|_| BundleError::Format {
        why: "the name of an entry is not UTF-8",
    })
}
