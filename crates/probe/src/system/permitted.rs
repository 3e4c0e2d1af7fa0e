//! Files that a host lets its server watch.
//!
//! What `[probes] files` of `agent.toml` names is what counts, after every symbolic link has been followed: a link in
//! `/var/log` must not lead to a key. A path outside is refused with the same words whether something is there or
//! not, so that a server cannot feel its way through the file system either.

use std::fs::{File, Metadata};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;

use crate::probe::Order;

/// The path behind the colon of an entry: absolute, and without tricks.
pub(super) fn path(order: &Order) -> Result<PathBuf, String> {
    let text = super::object(order)?;
    let path = Path::new(text);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !order.name.is_plain() {
        Err(format!(
            "{text} is a pattern, and {} takes one file",
            order.probe()
        ))
    } else if !path.is_absolute() || !is_plain {
        Err(format!(
            "{text} is not an absolute path, or goes through \"..\""
        ))
    } else {
        Ok(path.into())
    }
}

/// What is known of a file that may be watched. It is not opened.
pub(super) fn metadata(order: &Order, path: &Path) -> Result<Metadata, String> {
    let real = resolve(order, path)?;
    // A link that took the file's place just now is not followed.
    std::fs::symlink_metadata(&real).map_err(|error| unread(path, &error))
}

/// Opens a regular file that may be watched.
pub(super) fn open(order: &Order, path: &Path) -> Result<(File, Metadata), String> {
    let real = resolve(order, path)?;
    let refuse = |what: &str| format!("{} {what}", path.display());
    // Opening a device can do things, and a fifo has to wait for its other end.
    let known = std::fs::symlink_metadata(&real).map_err(|error| unread(path, &error))?;
    if !known.is_file() {
        return Err(refuse("is not a regular file"));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(&real, flags, rustix::fs::Mode::empty())
        .map_err(|error| unread(path, &error.into()))?
        .into();
    // A directory on the way may have become a link since it was looked at; the kernel knows what was opened.
    let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .map_err(|error| unread(path, &error))?;
    let metadata = file.metadata().map_err(|error| unread(path, &error))?;
    if opened != real || !metadata.is_file() || metadata.ino() != known.ino() {
        return Err(refuse("was replaced while it was opened"));
    }
    Ok((file, metadata))
}

/// The real path of a file, if it may be watched.
fn resolve(order: &Order, path: &Path) -> Result<PathBuf, String> {
    let permits = &order.permits.files;
    let refuse = || {
        let files: Vec<_> = permits
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        format!(
            "{} is not below what this host lets its server watch ({}); if it should be, name it in agent.toml: \
             [probes] files",
            path.display(),
            files.join(", ")
        )
    };
    match std::fs::canonicalize(below(&order.root, path)) {
        Ok(real) => {
            let is_permitted = permits
                .iter()
                .filter_map(|permit| std::fs::canonicalize(below(&order.root, permit)).ok())
                .any(|permit| real.starts_with(permit));
            if is_permitted {
                Ok(real)
            } else {
                Err(refuse())
            }
        }
        Err(error) if permits.iter().any(|permit| path.starts_with(permit)) => {
            Err(unread(path, &error))
        }
        Err(_) => Err(refuse()),
    }
}

/// An absolute path as it lies below a root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

pub(super) fn unread(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::world::World;
    use std::os::unix::fs::symlink;

    fn refused(world: &World, at: &str) -> bool {
        let order = world.order(&format!("file_size:{at}"));
        match (open(&order, Path::new(at)), metadata(&order, Path::new(at))) {
            (Err(one), Err(two)) => {
                assert_eq!(one, two);
                one.contains("agent.toml: [probes] files")
            }
            (Ok(_), Ok(_)) => false,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_permitted_is_opened() {
        let world = World::new();
        world.put("var/log/a/b.log", "x");
        world.put("var/logs/c", "x");
        world.put("etc/shadow", "x");
        assert!(!refused(&world, "/var/log/a/b.log"));
        assert!(refused(&world, "/var/logs/c"));
        assert!(refused(&world, "/etc/shadow"));
        assert!(refused(&world, "/etc/nothing"));
        let missing = open(
            &world.order("log:/var/log/none"),
            Path::new("/var/log/none"),
        );
        assert!(missing.unwrap_err().contains("No such file"));
    }

    #[test]
    fn links_are_followed_before_anything_is_decided() {
        let world = World::new();
        world.put("etc/shadow", "x");
        world.put("var/log/real", "x");
        world.put("srv/there", "x");
        let root = world.root();
        symlink("../../etc/shadow", root.join("var/log/bad")).unwrap();
        symlink("../../etc", root.join("var/log/etc")).unwrap();
        symlink("../var/log/real", root.join("srv/good")).unwrap();
        assert!(refused(&world, "/var/log/bad"));
        assert!(refused(&world, "/var/log/etc/shadow"));
        assert!(!refused(&world, "/srv/good"));
        // A permitted directory may itself be a link.
        symlink("../srv", root.join("etc/ssl")).unwrap();
        std::fs::create_dir(root.join("srv/certs")).unwrap();
        world.put("srv/certs/a.pem", "x");
        assert!(!refused(&world, "/etc/ssl/certs/a.pem"));
        assert!(!refused(&world, "/srv/certs/a.pem"));
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let world = World::new();
        world.put("var/log/a", "x");
        let order = world.order("log:/var/log");
        let why = open(&order, Path::new("/var/log")).unwrap_err();
        assert_eq!(why, "/var/log is not a regular file");
        let fifo = world.root().join("var/log/fifo");
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let why = open(&order, Path::new("/var/log/fifo")).unwrap_err();
        assert_eq!(why, "/var/log/fifo is not a regular file");
    }

    #[test]
    fn odd_paths_are_refused_at_once() {
        let world = World::new();
        for (name, part) in [
            ("log:var/log/a", "not an absolute path"),
            ("log:/var/log/../../etc/shadow", "goes through"),
            ("log:/var/log/*", "is a pattern"),
            ("log:", "wants to know"),
            ("log", "wants to know"),
        ] {
            let why = path(&world.order(name)).unwrap_err();
            assert!(why.contains(part), "{name}: {why}");
        }
        assert_eq!(
            path(&world.order("log:/var/log/a")),
            Ok(PathBuf::from("/var/log/a"))
        );
    }
}
