//! The tree that a bundle is made of: what is in it, in the order in which it will be written.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use lockstep_model::BundleManifest;

use super::{BundleError, MAX_ENTRIES, MAX_PATH_BYTES, MAX_UNPACKED_BYTES};

/// One thing of the tree.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    /// Its path below the top, with `/` between the parts.
    pub(super) path: String,
    pub(super) kind: NodeKind,
}

#[derive(Debug, PartialEq)]
pub(super) enum NodeKind {
    Directory,
    File(FileNode),
    Link { target: String },
}

#[derive(Debug, PartialEq)]
pub(super) struct FileNode {
    pub(super) length: u64,
    pub(super) executable: bool,
    /// Device and inode: what is opened later must be what was looked at.
    pub(super) identity: (u64, u64),
}

impl Node {
    /// Bytes of a file; none of anything else.
    pub(super) fn length(&self) -> u64 {
        match &self.kind {
            NodeKind::File(file) => file.length,
            NodeKind::Directory | NodeKind::Link { .. } => 0,
        }
    }
}

/// Lists a tree by path, without its `bundle.toml`, which is written separately.
pub(super) fn list(top: &Path) -> Result<Vec<Node>, BundleError> {
    let mut nodes = Vec::new();
    let mut bytes = 0u64;
    let mut pending: Vec<(PathBuf, String)> = vec![(top.to_owned(), String::new())];
    while let Some((directory, prefix)) = pending.pop() {
        let reading = |source| BundleError::ReadTree {
            path: directory.clone(),
            source,
        };
        for entry in fs::read_dir(&directory).map_err(reading)? {
            let entry = entry.map_err(reading)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(BundleError::Entry {
                    path: format!("{prefix}{}", name.display()),
                    why: "its name is not UTF-8".into(),
                });
            };
            let path = format!("{prefix}{name}");
            if path == BundleManifest::FILE {
                continue;
            }
            let node = look_at(&entry.path(), path)?;
            if node.kind == NodeKind::Directory {
                pending.push((entry.path(), format!("{}/", node.path)));
            }
            bytes = bytes.saturating_add(node.length());
            nodes.push(node);
            // One place is the manifest's.
            if nodes.len() as u64 >= MAX_ENTRIES {
                return Err(BundleError::TooMuch {
                    limit: MAX_ENTRIES,
                    what: "entries",
                });
            }
            if bytes > MAX_UNPACKED_BYTES {
                return Err(BundleError::TooMuch {
                    limit: MAX_UNPACKED_BYTES,
                    what: "bytes",
                });
            }
        }
    }
    // Byte order puts every directory before what is in it.
    nodes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(nodes)
}

fn look_at(file: &Path, path: String) -> Result<Node, BundleError> {
    if let Err(why) = check_path(&path) {
        return Err(BundleError::Entry { path, why });
    }
    let reading = |source| BundleError::ReadTree {
        path: file.to_owned(),
        source,
    };
    let metadata = fs::symlink_metadata(file).map_err(reading)?;
    let kind = metadata.file_type();
    let refuse = |why: &str| {
        Err(BundleError::Entry {
            path: path.clone(),
            why: why.into(),
        })
    };
    let kind = if kind.is_dir() {
        NodeKind::Directory
    } else if kind.is_symlink() {
        let target = fs::read_link(file).map_err(reading)?;
        let Some(target) = target.to_str() else {
            return refuse("its target is not UTF-8");
        };
        if let Err(why) = check_link(&path, target) {
            return Err(BundleError::Entry { path, why });
        }
        NodeKind::Link {
            target: target.to_owned(),
        }
    } else if kind.is_file() {
        if metadata.mode() & 0o7000 != 0 {
            return refuse("it is setuid, setgid or sticky: a bundle carries no such rights");
        }
        NodeKind::File(FileNode {
            length: metadata.len(),
            // The owner's bit alone, because a umask may have taken the others.
            executable: metadata.mode() & 0o100 != 0,
            identity: identity(&metadata),
        })
    } else if kind.is_fifo() || kind.is_socket() {
        return refuse("it is a pipe or a socket");
    } else {
        return refuse("it is a device");
    };
    Ok(Node { path, kind })
}

/// What tells one file from every other on the machine.
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The rules for paths, of trees and of bundles.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > MAX_PATH_BYTES {
        return Err(format!("its path is longer than {MAX_PATH_BYTES} bytes"));
    }
    if path.contains('\0') {
        return Err("its path holds a zero byte".into());
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("its path is not plain: relative, without \".\", \"..\" or empty parts".into());
    }
    Ok(())
}

/// The rules for symbolic links: relative, and never out of the tree. `..` may only stand at the beginning: there it
/// climbs from the link's own, real directory. Behind a name that is itself a link it would climb from elsewhere.
pub(super) fn check_link(path: &str, target: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("it is a link to {target:?}, {why}"));
    if target.is_empty() || target.len() > MAX_PATH_BYTES || target.contains('\0') {
        return refuse("which is no path");
    }
    if target.starts_with('/') {
        return refuse("which is absolute");
    }
    let mut depth = path.split('/').count() - 1;
    let mut below = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if below => return refuse("which has \"..\" behind a name"),
            ".." if depth == 0 => return refuse("which leaves the tree"),
            ".." => depth -= 1,
            _ => below = true,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_stay_inside() {
        for (path, target) in [
            ("lib/a.so", "a.so.1"),
            ("lib/x/a.so", "../../bin/a"),
            ("a", "./b//c/"),
            ("a/b", ".."),
            ("current", "slots/1.0"),
        ] {
            assert_eq!(check_link(path, target), Ok(()), "{path} -> {target}");
        }
        for (path, target, words) in [
            ("a", "/etc/passwd", "absolute"),
            ("a", "..", "leaves"),
            ("a/b", "../../x", "leaves"),
            ("a/b/c", "d/../../../..", "behind a name"),
            ("a", "", "no path"),
        ] {
            let why = check_link(path, target).unwrap_err();
            assert!(why.contains(words), "{path} -> {target}: {why}");
        }
    }

    #[test]
    fn paths_are_plain() {
        assert_eq!(check_path("usr/lib/a b"), Ok(()));
        for path in [
            "",
            "/a",
            "a/",
            "a//b",
            "./a",
            "a/../b",
            "a\0b",
            &"x".repeat(1025),
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }

    proptest! {
        /// Any chain of links that pass the check, followed as a kernel would, ends inside.
        #[test]
        fn no_chain_of_links_leaves_the_tree(
            links in proptest::collection::btree_map(
                "[ab](/[ab]){0,3}",
                "(\\.\\./){0,3}[ab](/([ab]|\\.\\.)){0,4}",
                1..8,
            ),
            start in "[ab](/[ab]){0,5}",
        ) {
            let links: std::collections::BTreeMap<String, String> = links
                .into_iter()
                .filter(|(path, target)| check_link(path, target).is_ok())
                .collect();
            // Parts still to walk, last first; where we are; how many links were followed.
            let mut parts: Vec<String> = start.rsplit('/').map(Into::into).collect();
            let mut place: Vec<String> = Vec::new();
            let mut followed = 0;
            while let Some(part) = parts.pop() {
                if part == ".." {
                    prop_assert!(place.pop().is_some(), "left the tree: {:?} by {:?}", start, links);
                    continue;
                }
                place.push(part);
                if let Some(target) = links.get(&place.join("/")) {
                    followed += 1;
                    if followed > 40 {
                        break;
                    }
                    place.pop();
                    parts.extend(target.rsplit('/').map(Into::into));
                }
            }
        }
    }
}
