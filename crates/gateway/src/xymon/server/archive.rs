//! A tree of files as a plain tar archive (POSIX ustar, with GNU's long names), made while it is sent.
//!
//! The archive is unpacked over a client's home, where directories are there already and may be links. So directories are
//! in it only if they are empty; for all others the unpacker makes what is missing and leaves what is there.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tar::{EntryType, Header};
use tokio::io::{AsyncReadExt as _, AsyncWrite};

use super::wire::send;

/// Files of one archive, at most.
const MOST: usize = 100_000;
/// How deep directories go.
const DEEPEST: usize = 64;
/// What archives are made of, in bytes.
const BLOCK: usize = 512;

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    path: PathBuf,
    kind: Kind,
    mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    File(u64),
    Link(PathBuf),
    Empty,
}

/// The files of a tree, in the order of their names. It blocks.
///
/// # Errors
/// When something cannot be read, or is too much.
pub(super) fn members(root: &Path) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    collect(root, Path::new(""), 0, &mut members)?;
    Ok(members)
}

fn collect(root: &Path, below: &Path, depth: usize, members: &mut Vec<Member>) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("the tree is too deep"));
    }
    let entries = std::fs::read_dir(root.join(below))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    if entries.is_empty() && depth > 0 {
        members.push(Member {
            path: below.to_owned(),
            kind: Kind::Empty,
            mode: root.join(below).metadata()?.mode() & 0o777,
        });
    }
    for entry in entries {
        let path = below.join(entry.file_name());
        let metadata = entry.metadata()?;
        let kind = if metadata.is_dir() {
            collect(root, &path, depth + 1, members)?;
            continue;
        } else if metadata.is_symlink() {
            Kind::Link(std::fs::read_link(entry.path())?)
        } else if metadata.is_file() {
            Kind::File(metadata.len())
        } else {
            return Err(io::Error::other(format!(
                "{} is neither a file nor a directory nor a link",
                path.display()
            )));
        };
        if members.len() == MOST {
            return Err(io::Error::other("the tree has too many files"));
        }
        members.push(Member {
            path,
            kind,
            // Whoever unpacks it as root must not get programs that run as somebody else.
            mode: metadata.mode() & 0o777,
        });
    }
    Ok(())
}

/// Sends the archive of a tree; the number of bytes that went.
///
/// # Errors
/// When the receiver is gone, or a file cannot be read or has changed meanwhile. What was sent until then is no whole
/// archive.
pub(super) async fn stream<S: AsyncWrite + Unpin>(
    stream: &mut S,
    root: &Path,
    members: &[Member],
    modified: u64,
    idle: Duration,
) -> io::Result<u64> {
    let mut sent = 0;
    for member in members {
        let head = head(member, modified);
        send(stream, &head, idle).await?;
        sent += head.len() as u64;
        if let Kind::File(size) = member.kind {
            sent += content(stream, &root.join(&member.path), size, idle).await?;
        }
    }
    let end = [0; 2 * BLOCK];
    send(stream, &end, idle).await?;
    Ok(sent + end.len() as u64)
}

async fn content<S: AsyncWrite + Unpin>(
    stream: &mut S,
    path: &Path,
    size: u64,
    idle: Duration,
) -> io::Result<u64> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut buffer = vec![0; 64 * 1024];
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = file.read(&mut buffer[..most]).await?;
        if read == 0 {
            return Err(io::Error::other(format!(
                "{} became shorter while it was sent",
                path.display()
            )));
        }
        send(stream, &buffer[..read], idle).await?;
        left -= read as u64;
    }
    let padding = size.next_multiple_of(BLOCK as u64) - size;
    let zeros = [0; BLOCK];
    let zeros = &zeros[..usize::try_from(padding).unwrap_or(0)];
    send(stream, zeros, idle).await?;
    Ok(size + padding)
}

/// What stands before a file's content.
fn head(member: &Member, modified: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK);
    let path = member.path.as_os_str().as_bytes();
    let (kind, size, link) = match &member.kind {
        Kind::File(size) => (EntryType::Regular, *size, &b""[..]),
        Kind::Link(target) => (EntryType::Symlink, 0, target.as_os_str().as_bytes()),
        Kind::Empty => (EntryType::Directory, 0, &b""[..]),
    };
    for (name, kind) in [
        (path, EntryType::GNULongName),
        (link, EntryType::GNULongLink),
    ] {
        if name.len() > SHORT {
            long(&mut bytes, name, kind);
        }
    }
    let mut header = blank(kind, size, modified);
    header.set_mode(member.mode);
    let old = header.as_old_mut();
    put(&mut old.name, path);
    put(&mut old.linkname, link);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

/// Longest name that fits into a header.
const SHORT: usize = 100;

/// An entry whose content is the name of the next one.
fn long(bytes: &mut Vec<u8>, name: &[u8], kind: EntryType) {
    let mut header = blank(kind, name.len() as u64 + 1, 0);
    put(&mut header.as_old_mut().name, b"././@LongLink");
    header.set_mode(0o644);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(name);
    let padded = (name.len() + 1).next_multiple_of(BLOCK);
    bytes.resize(bytes.len() + padded - name.len(), 0);
}

fn blank(kind: EntryType, size: u64, modified: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mtime(modified);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn put(field: &mut [u8], text: &[u8]) {
    for (place, byte) in field.iter_mut().zip(text) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test's own files")]
    fn write(path: &Path, content: &[u8], mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn a_foreign_reader_finds_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        write(&root.join("bin/run"), &[7; 1_000], 0o750);
        write(&root.join("bin/suid"), b"x", 0o4755);
        write(&root.join(&long), b"long", 0o600);
        write(&root.join("exact"), &[1; 512], 0o644);
        std::fs::create_dir(root.join("empty")).unwrap();
        std::os::unix::fs::symlink("run", root.join("bin/also")).unwrap();
        let members = members(root).unwrap();
        let mut archive = Vec::new();
        let idle = Duration::from_secs(5);
        let sent = stream(&mut archive, root, &members, 1_000_000, idle)
            .await
            .unwrap();
        assert_eq!(sent, archive.len() as u64);
        let mut again = Vec::new();
        stream(&mut again, root, &members, 1_000_000, idle)
            .await
            .unwrap();
        assert_eq!(archive, again);

        let mut found = Vec::new();
        let mut reader = tar::Archive::new(&archive[..]);
        for entry in reader.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let (mode, kind) = (header.mode().unwrap(), header.entry_type());
            let path = entry.path().unwrap().display().to_string();
            let link = entry
                .link_name()
                .unwrap()
                .map(|it| it.display().to_string());
            let mut content = Vec::new();
            io::Read::read_to_end(&mut entry, &mut content).unwrap();
            found.push((path, mode, kind, link, content.len()));
        }
        let link = Some("run".to_owned());
        let expected = [
            ("bin/also".to_owned(), 0o777, EntryType::Symlink, link, 0),
            ("bin/run".to_owned(), 0o750, EntryType::Regular, None, 1_000),
            ("bin/suid".to_owned(), 0o755, EntryType::Regular, None, 1),
            (long, 0o600, EntryType::Regular, None, 4),
            ("empty".to_owned(), 0o755, EntryType::Directory, None, 0),
            ("exact".to_owned(), 0o644, EntryType::Regular, None, 512),
        ];
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_ends_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &[0; 100], 0o644);
        let members = members(dir.path()).unwrap();
        write(&dir.path().join("a"), &[0; 10], 0o644);
        let mut archive = Vec::new();
        let error = stream(
            &mut archive,
            dir.path(),
            &members,
            0,
            Duration::from_secs(5),
        )
        .await
        .unwrap_err();
        assert!(error.to_string().contains("shorter"), "{error}");
    }
}
