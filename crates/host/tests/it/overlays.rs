//! Archives of others on top of a directory: all of them or nothing, and never outside.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use lockstep_host::Error;
use lockstep_host::overlay::{Layer, Overlay};
use lockstep_host::unpack::Limits;
use tar::{Builder, EntryType, Header};

use super::trials::{self, put};

const LAYER: Layer<'_> = Layer {
    limits: Limits {
        entries: 50,
        bytes: 100_000,
    },
    programs: &["bin/run"],
    note: ("etc/version", b"new"),
};

/// An archive in the making.
pub(crate) struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn entry(mut self, name: &str, kind: EntryType, mode: u32, target: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        // Names that no builder would write are what matters here.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    pub(crate) fn file(self, name: &str, mode: u32, text: &str) -> Self {
        self.entry(name, EntryType::Regular, mode, "", text.as_bytes())
    }

    fn dir(self, name: &str) -> Self {
        self.entry(name, EntryType::Directory, 0o755, "", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Symlink, 0o777, target, b"")
    }

    fn hardlink(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Link, 0o644, target, b"")
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A client's directory as it is before.
pub(crate) fn old_home(root: &Path) {
    put(root.join("home/bin/run"), "old program");
    put(root.join("home/bin/other"), "stays");
    put(root.join("home/etc/version"), "old");
    put(root.join("home/tmp/log"), "a line\n");
    std::fs::set_permissions(root.join("home/tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    symlink("/var/log", root.join("home/logs")).unwrap();
}

pub(crate) fn new_archive() -> Vec<u8> {
    Tar::new()
        .dir("./bin/")
        .file("./bin/run", 0o4755, "new program")
        .file("./bin/tool", 0o640, "added")
        .symlink("bin/alias", "run")
        .hardlink("bin/second", "bin/tool")
        .file("share/deep/text", 0o644, "text")
        .bytes()
}

/// Every name below a directory with what it is.
fn tree(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let mode = metadata.mode() & 0o7777;
            if metadata.is_dir() {
                found.insert(name, format!("dir {mode:o}"));
                walk(root, &path, found);
            } else if metadata.is_symlink() {
                found.insert(name, format!("-> {}", path.read_link().unwrap().display()));
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(name, format!("{mode:o} {text}"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// The directory that the old one with the archive on top makes.
fn is_new(home: &Path) {
    let tree = tree(home);
    let all: Vec<String> = tree
        .iter()
        .map(|(name, it)| format!("{name}: {it}"))
        .collect();
    assert_eq!(
        all,
        [
            "bin: dir 755",
            "bin/alias: -> run",
            "bin/other: 644 stays",
            "bin/run: 550 new program",
            "bin/second: 640 added",
            "bin/tool: 640 added",
            "etc: dir 755",
            "etc/version: 644 new",
            "logs: -> /var/log",
            "share: dir 755",
            "share/deep: dir 755",
            "share/deep/text: 644 text",
            "tmp: dir 1777",
            "tmp/log: 644 a line\n",
        ]
    );
}

/// The old directory or the new one; says if it is the new one.
pub(crate) fn old_or_new(root: &Path, before: &BTreeMap<String, String>) -> bool {
    let home = root.join("home");
    if tree(&home) == *before {
        return false;
    }
    is_new(&home);
    true
}

pub(crate) fn state(root: &Path) -> BTreeMap<String, String> {
    tree(&root.join("home"))
}

#[test]
fn an_archive_adds_and_overwrites_and_leaves_the_rest() {
    let directory = trials::directory();
    let root = directory.path();
    old_home(root);
    let before = state(root);
    let log = std::fs::OpenOptions::new()
        .append(true)
        .open(root.join("home/tmp/log"))
        .unwrap();
    let overlay = Overlay::begin(&root.join("home")).unwrap();
    let other = Overlay::begin(&root.join("home")).unwrap_err();
    assert!(matches!(other, Error::LockHeld { .. }), "{other}");
    assert_eq!(overlay.apply(&new_archive()[..], LAYER).unwrap(), 6);
    is_new(&root.join("home"));
    assert_eq!(tree(&root.join("home.old")), before);
    // Who has a file open goes on in the new directory.
    std::io::Write::write_all(&mut &log, b"another\n").unwrap();
    let text = std::fs::read_to_string(root.join("home/tmp/log")).unwrap();
    assert_eq!(text, "a line\nanother\n");
    // And once more: the one before the one before goes.
    let archive = Tar::new().file("bin/run", 0o755, "newest").bytes();
    overlay.apply(&archive[..], LAYER).unwrap();
    let of_before = std::fs::read_to_string(root.join("home.old/bin/run")).unwrap();
    assert_eq!(of_before, "new program");
    drop(overlay);
    let mut names: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".home.lock", "home", "home.old"]);
}

#[test]
fn what_is_not_whole_or_does_harm_changes_nothing() {
    let whole = new_archive();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("damaged", whole[..whole.len() * 2 / 3].to_vec()),
        ("cut off", whole[..whole.len() - 1024].to_vec()),
        ("damaged", whole[..whole.len() - 600].to_vec()),
        ("holds nothing", vec![0; 10_240]),
        ("", b"no such file\n".repeat(100)),
        ("", Vec::new()),
        ("follows the end", [whole.clone(), whole.clone()].concat()),
        ("absolute", Tar::new().file("/tmp/x", 0o644, "x").bytes()),
        ("\"..\"", Tar::new().file("bin/../../x", 0o644, "x").bytes()),
        ("leaves", Tar::new().symlink("bin/x", "../../x").bytes()),
        ("leaves", Tar::new().symlink("x", "/etc").bytes()),
        (
            "not a directory",
            Tar::new().file("logs/x", 0o644, "x").bytes(),
        ),
        (
            "not a directory",
            Tar::new()
                .symlink("l", "bin")
                .file("l/x", 0o644, "x")
                .bytes(),
        ),
        ("no file there", Tar::new().hardlink("x", "logs").bytes()),
        ("no file there", Tar::new().hardlink("x", "missing").bytes()),
        ("\"..\"", Tar::new().hardlink("x", "../archive").bytes()),
        (
            "directory of this host",
            Tar::new().file("bin", 0o644, "x").bytes(),
        ),
        (
            "no directory on this host",
            Tar::new().dir("bin/run/").bytes(),
        ),
        (
            "kind '3'",
            Tar::new()
                .entry("x", EntryType::Char, 0o644, "", b"")
                .bytes(),
        ),
        (
            "kind '6'",
            Tar::new()
                .entry("x", EntryType::Fifo, 0o644, "", b"")
                .bytes(),
        ),
        (
            "100000 bytes",
            Tar::new().file("x", 0o644, &"x".repeat(100_001)).bytes(),
        ),
        (
            "50 entries",
            (0..51)
                .fold(Tar::new(), |tar, n| tar.file(&format!("f{n}"), 0o644, ""))
                .bytes(),
        ),
    ];
    let directory = trials::directory();
    let root = directory.path();
    old_home(root);
    let before = tree(root);
    for (why, archive) in cases {
        let overlay = Overlay::begin(&root.join("home")).unwrap();
        let error = overlay.apply(&archive[..], LAYER).unwrap_err();
        drop(overlay);
        let Error::Unpack { source, .. } = error else {
            panic!("{error}");
        };
        assert!(source.to_string().contains(why), "{why}: {source}");
        std::fs::remove_file(root.join(".home.lock")).unwrap();
        assert_eq!(tree(root), before, "{why}");
    }
}

#[test]
fn a_link_is_no_home_and_a_mount_inside_is_told() {
    let directory = trials::directory();
    let root = directory.path();
    old_home(root);
    symlink("home", root.join("link")).unwrap();
    assert!(Overlay::begin(&root.join("link")).is_err());
    assert!(Overlay::begin(&root.join("missing")).is_err());
    // A note that lies behind a link would land elsewhere.
    let overlay = Overlay::begin(&root.join("home")).unwrap();
    let layer = Layer {
        note: ("logs/version", b"new"),
        ..LAYER
    };
    let before = state(root);
    assert!(overlay.apply(&new_archive()[..], layer).is_err());
    assert_eq!(state(root), before);
}
