//! Bundles, good ones and others, made entry by entry.

use std::io::Write;
use std::path::Path;

use lockstep_host::fs::hash_file;
use lockstep_model::{
    BundleManifest, PackageName, Platform, Release, ReleaseDetails, Requires, Version,
};
use tar::{EntryType, Header};

/// An archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Bundle {
    bytes: Vec<u8>,
    entries: u64,
    unpacked: u64,
}

/// The text of a manifest.
pub(crate) fn manifest(version: &str, more: &str) -> String {
    format!("package = \"lockstep\"\nversion = \"{version}\"\nplatform = \"any\"\n{more}")
}

impl Bundle {
    /// One that begins with a manifest.
    pub(crate) fn of(version: &str, more: &str) -> Self {
        Self::default().file(BundleManifest::FILE, manifest(version, more))
    }

    /// An agent: a manifest, a program, a settings file and a plugin.
    pub(crate) fn agent(version: &str) -> Self {
        let preserve = "[preserve]\npaths = [\"etc/*.env\", \"plugins/\"]\n";
        Self::of(version, preserve)
            .dir("bin/")
            .executable("bin/lockstep", format!("program {version}"))
            .file("etc/agent.env", format!("env of {version}"))
            .file("etc/other.conf", format!("conf of {version}"))
            .link("lib", "bin")
    }

    /// A package of others: a manifest and a program.
    pub(crate) fn other(package: &str, version: &str, more: &str) -> Self {
        let manifest = manifest(version, more).replace("\"lockstep\"", &format!("{package:?}"));
        Self::default()
            .file(BundleManifest::FILE, manifest)
            .dir("bin/")
            .executable("bin/daemon", format!("daemon {version}"))
    }

    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, name, 0o644, "", text.as_ref())
    }

    pub(crate) fn executable(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, name, 0o755, "", text.as_ref())
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, 0o755, "", b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, 0o777, target, b"")
    }

    /// Any entry, with the name and link target as they stand.
    pub(crate) fn entry(
        self,
        kind: EntryType,
        name: &str,
        mode: u32,
        target: &str,
        data: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        let raw = header.as_gnu_mut().unwrap();
        raw.name[..name.len()].copy_from_slice(name.as_bytes());
        raw.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(data.len() as u64);
        self.raw(header, data)
    }

    /// A header as it stands, and data.
    pub(crate) fn raw(mut self, mut header: Header, data: &[u8]) -> Self {
        for set in [Header::set_uid, Header::set_gid, Header::set_mtime] {
            set(&mut header, 0);
        }
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self.entries += 1;
        self.unpacked += data.len() as u64;
        self
    }

    /// The archive without its end.
    pub(crate) fn open_archive(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The archive with its end.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    /// The bundle's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        compress(&self.archive())
    }

    /// Writes the bundle, and says what its publisher would sign.
    pub(crate) fn publish(&self, path: &Path, version: &str) -> Release {
        super::trials::put(path, self.bytes());
        Release {
            details: ReleaseDetails {
                package: PackageName::lockstep(),
                version: Version::parse(version).unwrap(),
                platform: Platform::parse("any").unwrap(),
                unpacked_bytes: self.unpacked,
                entries: self.entries,
                requires: Requires::default(),
                content: None,
            },
            target: format!("lockstep/{version}/bundle"),
            length: std::fs::metadata(path).unwrap().len(),
            hash: hash_file(path).unwrap(),
        }
    }
}

/// Compresses as the publisher does: one frame with a checksum.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
