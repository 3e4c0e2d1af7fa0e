//! The bundle that a slot keeps, and slots that are made of the archive that a delta led to.

use std::path::PathBuf;

use jiff::Timestamp;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Error, Layout};
use lockstep_model::{Content, ContentHash, Release, Version};
use tempfile::TempDir;

use super::bundles::{Bundle, compress};
use super::trials::{self, put};

struct Host {
    directory: TempDir,
    slots: Slots,
}

impl Host {
    fn new() -> Self {
        let directory = trials::directory();
        let slots = Slots::new(Layout::below(directory.path().join("root")));
        Self { directory, slots }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("bundle")
    }

    fn publish(&self, bundle: &Bundle, version: &str) -> Release {
        let mut release = bundle.publish(&self.file(), version);
        release.details.content = Some(content(bundle));
        release
    }

    fn install(&self, release: &Release, old: Option<&Slot>) -> Result<Slot, Error> {
        let slots = &self.slots;
        slots.install(&self.file(), release, old, Timestamp::UNIX_EPOCH)
    }

    fn install_packed(&self, release: &Release, old: Option<&Slot>) -> Result<Slot, Error> {
        let slots = &self.slots;
        slots.install_packed(&self.file(), release, old, Timestamp::UNIX_EPOCH)
    }
}

fn content(bundle: &Bundle) -> Content {
    let archive = bundle.archive();
    Content {
        hash: ContentHash::of(&archive),
        length: archive.len() as u64,
    }
}

/// The archive's bundle with other bytes than the publisher's.
fn packed(archive: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::Write::write_all(&mut encoder, archive).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_slot_keeps_the_bundle_that_it_came_from() {
    let host = Host::new();
    // Greedy: the kept bundle is the slot's own, and not preserved.
    let greedy = "[preserve]\npaths = [\"*\"]\n";
    let (first, second) = (Bundle::of("1.0.0", greedy), Bundle::of("1.1.0", greedy));
    let release = host.publish(&first, "1.0.0");
    let old = host.install(&release, None).unwrap();
    assert_eq!(old.content, Some(content(&first)));
    assert_eq!(
        std::fs::read(old.kept_bundle().unwrap()).unwrap(),
        first.bytes()
    );
    let release = host.publish(&second, "1.1.0");
    let new = host.install(&release, Some(&old)).unwrap();
    assert_eq!(new.content, Some(content(&second)));
    assert_eq!(
        std::fs::read(new.kept_bundle().unwrap()).unwrap(),
        second.bytes()
    );
    // Read again from disk, and gone with the slot.
    assert_eq!(
        host.slots.get(new.package(), new.version()).unwrap(),
        Some(new.clone())
    );
    host.slots.make_current(&new).unwrap();
    host.slots.collect(new.package(), &[]).unwrap();
    assert!(!old.dir.exists());
}

#[test]
fn a_slot_of_an_older_agent_or_a_bare_program_keeps_none() {
    let host = Host::new();
    let bundle = Bundle::agent("1.0.0");
    let release = host.publish(&bundle, "1.0.0");
    let slot = host.install(&release, None).unwrap();
    // What an older agent would have written.
    let path = slot.dir.join("slot.json");
    let mut record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("content").unwrap();
    put(&path, record.to_string().into_bytes());
    let slot = host.slots.open(&slot.dir).unwrap();
    assert_eq!((slot.content, slot.kept_bundle()), (None, None));
    // It is the wanted slot all the same.
    assert_eq!(host.install(&release, None).unwrap(), slot);

    let version = Version::parse("0.9.0").unwrap();
    put(host.file(), b"a program");
    let bare = host
        .slots
        .adopt_program(&host.file(), &version, Timestamp::UNIX_EPOCH)
        .unwrap();
    assert_eq!((bare.content, bare.kept_bundle()), (None, None));
}

#[test]
fn an_archive_that_is_not_the_signed_one_is_refused_and_blamed() {
    let host = Host::new();
    let mut release = host.publish(&Bundle::agent("1.0.0"), "1.0.0");
    release.details.content.as_mut().unwrap().length += 512;
    let error = host.install(&release, None).unwrap_err();
    assert!(matches!(error, Error::OtherRelease { .. }), "{error}");
    assert!(error.blames_bundle());
    assert!(host.slots.list().unwrap().is_empty());
}

#[test]
fn a_slot_is_made_of_the_archive_that_the_release_states() {
    let host = Host::new();
    let bundle = Bundle::agent("1.0.0");
    let release = host.publish(&bundle, "1.0.0");
    let bytes = packed(&bundle.archive());
    assert_ne!(bytes, bundle.bytes());
    put(host.file(), bytes.clone());
    let error = host.install(&release, None).unwrap_err();
    assert!(
        matches!(error, Error::BundleChanged { .. }),
        "it is not the bundle: {error}"
    );
    let slot = host.install_packed(&release, None).unwrap();
    assert_eq!(
        (slot.hash, slot.content),
        (Some(release.hash), release.details.content)
    );
    assert_eq!(std::fs::read(slot.kept_bundle().unwrap()).unwrap(), bytes);
    assert_eq!(std::fs::read(slot.program()).unwrap(), b"program 1.0.0");
    // The real bundle gives the same slot, which is there.
    host.publish(&bundle, "1.0.0");
    assert_eq!(host.install(&release, None).unwrap(), slot);
}

#[test]
fn another_archive_makes_no_slot_and_blames_nobody() {
    let host = Host::new();
    let bundle = Bundle::agent("1.0.0");
    let release = host.publish(&bundle, "1.0.0");
    let mut silent = release.clone();
    silent.details.content = None;
    let outside = Bundle::agent("1.0.0").link("out", "/etc");
    for (what, bytes, release) in [
        (
            "another archive",
            packed(&Bundle::agent("1.0.1").archive()),
            &release,
        ),
        ("no archive", compress(b"no archive"), &release),
        ("no frame", b"no frame".to_vec(), &release),
        ("it leaves the tree", packed(&outside.archive()), &release),
        (
            "the release does not say",
            packed(&bundle.archive()),
            &silent,
        ),
    ] {
        put(host.file(), bytes);
        let error = host.install_packed(release, None).unwrap_err();
        assert!(
            matches!(error, Error::BundleChanged { .. }),
            "{what}: {error}"
        );
        assert!(!error.blames_bundle(), "{what}");
        assert!(host.slots.list().unwrap().is_empty(), "{what}");
    }
}

#[test]
fn space_for_the_kept_bundle_is_asked_for() {
    let host = Host::new();
    let mut release = host.publish(&Bundle::agent("1.0.0"), "1.0.0");
    host.slots.check_space_by_delta(&release, 1000).unwrap();
    let error = host
        .slots
        .check_space_by_delta(&release, u64::MAX / 2)
        .unwrap_err();
    assert!(matches!(error, Error::NoSpace(_)), "{error}");
    release.details.content.as_mut().unwrap().length = u64::MAX / 2;
    let error = host.slots.check_space_by_delta(&release, 0).unwrap_err();
    assert!(matches!(error, Error::NoSpace(_)), "{error}");
    // All of the bundle is there: it is needed once more.
    release.length = u64::MAX / 2;
    let error = host
        .slots
        .check_space(&release, release.length)
        .unwrap_err();
    assert!(matches!(error, Error::NoSpace(_)), "{error}");
}
