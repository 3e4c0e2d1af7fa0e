//! Bundles from hostile hands: each is refused with its reason, and nothing is written outside of the destination.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use lockstep_host::unpack::{Limits, Refusal, UnpackError, Unpacked, unpack};
use proptest::prelude::*;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::bundles::{Bundle, compress, manifest};
use super::trials::{self, put};

const ROOMY: Limits = Limits {
    entries: 100,
    bytes: 10_000_000,
};

/// A place to unpack into, with something beside it that must not change.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(trials::directory());
        put(place.0.path().join("canary"), "alive");
        put(place.0.path().join("beside/canary"), "alive");
        place
    }

    fn dest(&self) -> PathBuf {
        self.0.path().join("dest")
    }

    fn unpack(&self, bundle: impl Read, limits: Limits) -> Result<Unpacked, UnpackError> {
        let outside = snapshot(self.0.path());
        let result = unpack(bundle, &self.dest(), limits);
        assert_eq!(
            snapshot(self.0.path()),
            outside,
            "something was written outside"
        );
        result
    }
}

/// What lies in a directory, without the destination.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
        if path.ends_with("dest") {
            continue;
        }
        if kind.is_dir() {
            found.extend(snapshot(&path));
            found.insert(path, "directory".into());
        } else {
            found.insert(
                path.clone(),
                std::fs::read_to_string(&path).unwrap_or_default(),
            );
        }
    }
    found
}

fn refusal(bytes: &[u8]) -> Refusal {
    match Place::new().unpack(bytes, ROOMY) {
        Err(UnpackError::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn good() -> Bundle {
    Bundle::of("1.0.0", "")
}

#[test]
fn a_good_bundle_is_unpacked() {
    let place = Place::new();
    let bundle = good()
        .dir("bin/")
        .executable("bin/tool", "x")
        .file("implied/dirs/file", "y")
        .dir("implied/")
        .link("implied/tool", "../bin/tool")
        .dir("./");
    let unpacked = place.unpack(&bundle.bytes()[..], ROOMY).unwrap();
    assert_eq!(unpacked.entries, 7);
    assert_eq!(unpacked.bytes, manifest("1.0.0", "").len() as u64 + 2);
    assert_eq!(unpacked.manifest.version.to_string(), "1.0.0");
    let read = |name: &str| std::fs::read_to_string(place.dest().join(name)).unwrap();
    assert_eq!(
        (
            read("implied/tool").as_str(),
            read("implied/dirs/file").as_str()
        ),
        ("x", "y")
    );
    // The stated limits are just enough, and anything less is too little.
    let exactly = Limits {
        entries: unpacked.entries,
        bytes: unpacked.bytes,
    };
    Place::new().unpack(&bundle.bytes()[..], exactly).unwrap();
    for (entries, bytes) in [(0, 1), (1, 0)] {
        let less = Limits {
            entries: exactly.entries - entries,
            bytes: exactly.bytes - bytes,
        };
        assert!(
            Place::new()
                .unpack(&bundle.bytes()[..], less)
                .unwrap_err()
                .blames_bundle()
        );
    }
}

#[test]
fn each_refusal_has_its_reason() {
    let link = |target: &str| good().link("sub/link", target);
    let leaves = |target: &str| Refusal::LinkLeaves {
        target: target.into(),
    };
    let kind = |tag: char| Refusal::Kind { tag };
    let cases = [
        (good().file("/etc/passwd", "x"), Refusal::Absolute),
        (good().file("../canary", "x"), Refusal::Climbs),
        (good().file("a/../../canary", "x"), Refusal::Climbs),
        (good().dir(".."), Refusal::Climbs),
        (good().file("", "x"), Refusal::NoName),
        (link("/etc"), leaves("/etc")),
        (link("../../etc"), leaves("../../etc")),
        (link("a/../../.."), leaves("a/../../..")),
        (link(""), leaves("")),
        (
            good().entry(EntryType::Link, "hard", 0o644, "/etc/passwd", b""),
            Refusal::HardLink,
        ),
        (
            good().entry(EntryType::Link, "hard", 0o644, "bundle.toml", b""),
            Refusal::HardLink,
        ),
        (
            good().entry(EntryType::Char, "null", 0o644, "", b""),
            kind('3'),
        ),
        (
            good().entry(EntryType::Block, "disk", 0o644, "", b""),
            kind('4'),
        ),
        (
            good().entry(EntryType::Fifo, "pipe", 0o644, "", b""),
            kind('6'),
        ),
        (
            good().entry(EntryType::GNUSparse, "sparse", 0o644, "", b""),
            kind('S'),
        ),
        (
            good().entry(EntryType::Continuous, "continuous", 0o644, "", b""),
            kind('7'),
        ),
        (
            good().entry(EntryType::XGlobalHeader, "global", 0o644, "", b""),
            kind('g'),
        ),
        (
            good().entry(EntryType::Regular, "s", 0o4755, "", b""),
            Refusal::SpecialBits { mode: 0o4755 },
        ),
        (
            good().entry(EntryType::Regular, "s", 0o2755, "", b""),
            Refusal::SpecialBits { mode: 0o2755 },
        ),
        (
            good().entry(EntryType::Directory, "s", 0o1777, "", b""),
            Refusal::SpecialBits { mode: 0o1777 },
        ),
        (
            good().entry(EntryType::Directory, "d", 0o755, "", b"data"),
            Refusal::BadHeader,
        ),
        (
            good().entry(EntryType::Regular, "file/", 0o644, "", b"x"),
            Refusal::BadHeader,
        ),
        (good().file("twice", "1").file("twice", "2"), Refusal::Twice),
        (
            good().file("twice", "1").file("./twice", "2"),
            Refusal::Twice,
        ),
        (good().dir("twice").dir("twice/"), Refusal::Twice),
        (good().file("a", "1").dir("a"), Refusal::Twice),
        (good().dir("a").file("a", "1"), Refusal::Twice),
        (good().link("a", "b").dir("a"), Refusal::Twice),
        (good().link("a", "b").file("a", "x"), Refusal::Twice),
        (good().file("bundle.toml", "again"), Refusal::Twice),
        (good().file("a", "1").file("a/b", "2"), Refusal::ThroughFile),
        (
            good().dir("d").link("a", "d").file("a/b", "2"),
            Refusal::ThroughFile,
        ),
        (good().link("a", ".").file("a/b", "2"), Refusal::ThroughFile),
        (good().file("slot.json", "{}"), Refusal::Reserved),
        (Bundle::default(), Refusal::ManifestNotFirst),
        (
            Bundle::default().file("first", "x"),
            Refusal::ManifestNotFirst,
        ),
        (
            Bundle::default()
                .file("first", "x")
                .file("bundle.toml", "x"),
            Refusal::ManifestNotFirst,
        ),
        (
            Bundle::default().dir("bundle.toml"),
            Refusal::ManifestNotFirst,
        ),
        (
            Bundle::default().link("bundle.toml", "x"),
            Refusal::ManifestNotFirst,
        ),
        (
            Bundle::default().file("bundle.toml", vec![b' '; 70_000]),
            Refusal::ManifestTooLarge,
        ),
    ];
    for (number, (bundle, why)) in cases.into_iter().enumerate() {
        assert_eq!(refusal(&bundle.bytes()), why, "case {number}");
    }
    let nonsense = Bundle::default().file("bundle.toml", "package = 1").bytes();
    assert!(matches!(refusal(&nonsense), Refusal::BadManifest(_)));
    let binary = Bundle::default().file("bundle.toml", [0xff, 0xfe]).bytes();
    assert!(matches!(refusal(&binary), Refusal::BadManifest(_)));
}

/// An entry that carries something for the one behind it.
fn extension(bundle: Bundle, kind: EntryType, data: &[u8]) -> Bundle {
    bundle.entry(kind, "././@LongLink", 0o644, "", data)
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        // The length counts itself.
        let length = (1..)
            .find(|n: &usize| n.to_string().len() + rest.len() == *n)
            .unwrap();
        bytes.extend(format!("{length}{rest}").bytes());
    }
    bytes
}

#[test]
fn long_names_are_understood_and_checked_like_others() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    for (kind, data) in [
        (EntryType::GNULongName, [long.as_bytes(), b"\0"].concat()),
        (
            EntryType::XHeader,
            pax(&[("path", &long), ("mtime", "1.5")]),
        ),
    ] {
        let place = Place::new();
        let bundle = extension(good(), kind, &data).file("short", "x");
        place.unpack(&bundle.bytes()[..], ROOMY).unwrap();
        assert_eq!(
            std::fs::read_to_string(place.dest().join(&long)).unwrap(),
            "x"
        );
    }
    for (kind, data, why) in [
        (
            EntryType::GNULongName,
            b"../canary\0".to_vec(),
            Refusal::Climbs,
        ),
        (
            EntryType::GNULongName,
            b"/etc/passwd".to_vec(),
            Refusal::Absolute,
        ),
        (
            EntryType::GNULongName,
            b"a\0b\0".to_vec(),
            Refusal::NulInName,
        ),
        (
            EntryType::GNULongName,
            vec![b'x'; 5000],
            Refusal::NameTooLong,
        ),
        (
            EntryType::GNULongName,
            vec![b'x'; 300],
            Refusal::NameTooLong,
        ),
        (
            EntryType::XHeader,
            pax(&[("path", "../canary")]),
            Refusal::Climbs,
        ),
        (
            EntryType::XHeader,
            pax(&[("path", "a"), ("path", "b")]),
            Refusal::BadHeader,
        ),
        (
            EntryType::XHeader,
            b"99 path=cut".to_vec(),
            Refusal::BadHeader,
        ),
        (EntryType::XHeader, vec![b'x'; 10_000], Refusal::NameTooLong),
    ] {
        let bundle = extension(good(), kind, &data).file("short", "x");
        assert_eq!(refusal(&bundle.bytes()), why);
    }
    let twice = extension(
        extension(good(), EntryType::GNULongName, b"a\0"),
        EntryType::GNULongName,
        b"b\0",
    );
    assert_eq!(
        refusal(&twice.file("short", "x").bytes()),
        Refusal::BadHeader
    );
    let left = extension(good(), EntryType::GNULongName, b"a\0");
    assert_eq!(refusal(&left.bytes()), Refusal::Truncated);
    let target =
        extension(good(), EntryType::GNULongLink, b"../../etc\0").link("link", "bundle.toml");
    assert!(matches!(
        refusal(&target.bytes()),
        Refusal::LinkLeaves { .. }
    ));
}

#[test]
fn records_that_change_what_the_bytes_mean_are_refused() {
    for key in [
        "size",
        "GNU.sparse.major",
        "GNU.sparse.name",
        "SCHILY.xattr.user.x",
        "hdrcharset",
    ] {
        let bundle = extension(good(), EntryType::XHeader, &pax(&[(key, "1")])).file("file", "x");
        assert_eq!(
            refusal(&bundle.bytes()),
            Refusal::Extension { key: key.into() }
        );
    }
}

#[test]
fn a_size_that_the_header_lies_about_is_refused() {
    let claims = |size: u64| {
        let mut header = Header::new_gnu();
        header.set_path("file").unwrap();
        header.set_mode(0o644);
        header.set_size(size);
        good().raw(header, b"short")
    };
    assert_eq!(
        refusal(&claims(20_000_000).bytes()),
        Refusal::TooManyBytes { limit: ROOMY.bytes }
    );
    assert_eq!(
        refusal(&claims(1 << 60).bytes()),
        Refusal::TooManyBytes { limit: ROOMY.bytes }
    );
    let overflow = Place::new().unpack(&claims(u64::MAX).bytes()[..], ROOMY);
    assert!(overflow.unwrap_err().blames_bundle());
    assert_eq!(refusal(&claims(5_000_000).bytes()), Refusal::Truncated);
}

/// Ten gigabytes of zeros, in a few hundred kilobytes or less.
fn bomb(before: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(before).unwrap();
    io::copy(&mut io::repeat(0).take(64 << 20), &mut encoder).unwrap();
    let mut bytes = encoder.finish().unwrap();
    // A raw frame could be repeated as it is: many frames are many bombs.
    let frame = zstd::encode_all(io::repeat(0).take(1 << 30), 1).unwrap();
    for _ in 0..10 {
        bytes.extend(&frame);
    }
    bytes
}

#[test]
fn a_bomb_does_not_go_off() {
    // As a file: its size is known from the header.
    let mut header = Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_size(10 << 30);
    let before = good().raw(header, b"").open_archive();
    let bytes = bomb(&before);
    assert!(bytes.len() < 1_000_000, "{}", bytes.len());
    assert_eq!(
        refusal(&bytes),
        Refusal::TooManyBytes { limit: ROOMY.bytes }
    );
    // Behind the end of the archive.
    assert_eq!(refusal(&bomb(&good().archive())), Refusal::Trailing);
    // Within a name.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_path("name").unwrap();
    header.set_mode(0o644);
    header.set_size(10 << 30);
    let before = good().raw(header, b"").open_archive();
    assert_eq!(refusal(&bomb(&before)), Refusal::NameTooLong);
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused() {
    let compressed = |window: u32| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(window).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.write_all(&good().archive()).unwrap();
        encoder.finish().unwrap()
    };
    Place::new().unpack(&compressed(23)[..], ROOMY).unwrap();
    let error = Place::new().unpack(&compressed(24)[..], ROOMY).unwrap_err();
    assert!(matches!(error, UnpackError::Damaged(_)), "{error}");
    assert!(error.blames_bundle());
}

#[test]
fn a_bundle_ends_where_its_archive_ends() {
    let archive = good().archive();
    let garbage = [&compress(&archive)[..], b"garbage"].concat();
    assert_eq!(refusal(&garbage), Refusal::Trailing);
    let two_frames = [compress(&archive), compress(&archive)].concat();
    assert_eq!(refusal(&two_frames), Refusal::Trailing);
    // A skippable frame (RFC 8878, section 3.1.2), behind and before.
    let skippable = [
        &0x184d_2a50_u32.to_le_bytes()[..],
        &4_u32.to_le_bytes(),
        b"skip",
    ]
    .concat();
    assert_eq!(
        refusal(&[&compress(&archive)[..], &skippable].concat()),
        Refusal::Trailing
    );
    assert!(
        Place::new()
            .unpack(&[&skippable[..], &compress(&archive)].concat()[..], ROOMY)
            .is_err()
    );
    let second_archive = [&archive[..], &good().archive()].concat();
    assert_eq!(refusal(&compress(&second_archive)), Refusal::Trailing);
    let padded = [&archive[..], &[0; 9 * 1024]].concat();
    Place::new().unpack(&compress(&padded)[..], ROOMY).unwrap();
    let endless = [&archive[..], &[0; 128 * 1024]].concat();
    assert_eq!(refusal(&compress(&endless)), Refusal::Trailing);
}

#[test]
fn a_bundle_that_is_cut_off_anywhere_is_refused() {
    let bundle = good().dir("bin/").executable("bin/tool", vec![b'x'; 3000]);
    let bytes = bundle.bytes();
    for length in 0..bytes.len() {
        let error = Place::new().unpack(&bytes[..length], ROOMY).unwrap_err();
        assert!(error.blames_bundle(), "{length}: {error}");
    }
    // The archive itself, in a frame that is whole.
    let archive = bundle.archive();
    for length in (0..archive.len()).step_by(256) {
        let cut = compress(&archive[..length]);
        let error = Place::new().unpack(&cut[..], ROOMY).unwrap_err();
        assert!(error.blames_bundle(), "{length}: {error}");
    }
}

#[test]
fn what_is_no_bundle_is_refused() {
    for bytes in [&b""[..], b"#!/bin/sh\n", &[0; 4096], b"\x28\xb5\x2f\xfd"] {
        let error = Place::new().unpack(bytes, ROOMY).unwrap_err();
        assert!(error.blames_bundle(), "{error}");
    }
}

#[test]
fn a_host_that_cannot_read_or_write_is_not_the_bundles_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            // EIO.
            Err(io::Error::from_raw_os_error(5))
        }
    }
    let error = Place::new().unpack(Broken, ROOMY).unwrap_err();
    assert!(
        matches!(error, UnpackError::Read(_)) && !error.blames_bundle(),
        "{error}"
    );
    let place = Place::new();
    std::fs::create_dir(place.dest()).unwrap();
    let error = place.unpack(&good().bytes()[..], ROOMY).unwrap_err();
    assert!(
        matches!(error, UnpackError::Write { .. }) && !error.blames_bundle(),
        "{error}"
    );
}

/// A bundle with everything in it, to be spoilt.
fn rich() -> Bundle {
    let long = [&b"long/"[..], &[b'n'; 150], b"\0"].concat();
    extension(
        good()
            .dir("bin/")
            .executable("bin/tool", "x".repeat(600))
            .link("lib", "bin"),
        EntryType::GNULongName,
        &long,
    )
    .file("short", "y")
    .file("a/b/c", "z")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Spoilt anywhere: in the compressed bytes, or in the archive with its checksums mended.
    #[test]
    fn no_spoilt_bundle_panics_or_writes_outside(
        spots in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_archive in any::<bool>(),
    ) {
        let mut bytes = if in_archive { rich().archive() } else { rich().bytes() };
        for (spot, byte) in &spots {
            let spot = spot.index(bytes.len());
            bytes[spot] = *byte;
        }
        if in_archive {
            mend_checksums(&mut bytes);
            bytes = compress(&bytes);
        }
        let place = Place::new();
        let result = place.unpack(&bytes[..], ROOMY);
        check_tree(&place.dest(), &place.dest())?;
        if let Err(error) = result {
            prop_assert!(error.blames_bundle(), "{error}");
        }
    }

    /// Names from the alphabet that attacks are made of.
    #[test]
    fn no_name_or_target_leads_outside(
        entries in prop::collection::vec((0..3_u8, "[ab./]{1,8}", "[ab./]{1,8}"), 1..8),
    ) {
        let mut bundle = good();
        for (kind, name, target) in &entries {
            bundle = match kind {
                0 => bundle.file(name, "x"),
                1 => bundle.dir(name),
                _ => bundle.link(name, target),
            };
        }
        let place = Place::new();
        let _ = place.unpack(&bundle.bytes()[..], ROOMY);
        check_tree(&place.dest(), &place.dest())?;
    }
}

/// Recomputes the checksum of every block that looks like a header, so that changes get further.
fn mend_checksums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// Only files, directories and links that stay inside, with the two modes.
fn check_tree(dir: &Path, root: &Path) -> Result<(), TestCaseError> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            prop_assert_eq!(mode, 0o755);
            check_tree(&path, root)?;
        } else if metadata.is_symlink() {
            // Wherever it leads, if it leads anywhere, is inside.
            if let Ok(target) = path.canonicalize() {
                prop_assert!(
                    target.starts_with(root.canonicalize().unwrap()),
                    "{path:?} leads to {target:?}"
                );
            }
        } else {
            prop_assert!(metadata.is_file() && matches!(mode, 0o644 | 0o755));
        }
    }
    Ok(())
}
