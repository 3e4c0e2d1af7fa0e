//! Bundles: the same tree is the same bytes, and nothing else gets in.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use lockstep_model::{BundleManifest, Version};
use lockstep_trust::bundle::{
    BuiltBundle, BundleError, Compression, build, build_with, inspect, stamp, stamp_with,
};
use proptest::prelude::*;

fn manifest(version: &str) -> BundleManifest {
    BundleManifest::parse(&format!(
        "package = \"lockstep\"\nversion = \"{version}\"\nplatform = \"linux-x86_64\"\n\
         [requires]\nserver = \">=1.3, <2\"\n"
    ))
    .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "files of a test need not be durable"
)]
fn file(path: impl AsRef<Path>, bytes: &[u8], mode: u32) {
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

/// A tree with everything that is allowed, made in either order, with other times and modes.
fn tree(top: &Path, second: bool) {
    let long = format!("share/{}", "long-name-".repeat(20));
    let steps: [&dyn Fn(); 8] = [
        &|| fs::create_dir_all(top.join("bin")).unwrap(),
        &|| fs::create_dir_all(top.join("share/empty")).unwrap(),
        &|| {
            file(
                top.join("bin/lockstep"),
                &vec![7; 300_000],
                if second { 0o700 } else { 0o755 },
            )
        },
        &|| {
            file(
                top.join("share/ä b.txt"),
                b"text",
                if second { 0o600 } else { 0o664 },
            )
        },
        &|| file(top.join("share/nothing"), b"", 0o644),
        &|| file(top.join(&long), b"long", 0o644),
        &|| symlink("../bin/lockstep", top.join("share/link")).unwrap(),
        &|| symlink("x/".repeat(80), top.join("share/long-link")).unwrap(),
    ];
    let (directories, rest) = steps.split_at(2);
    directories.iter().for_each(|step| step());
    if second {
        rest.iter().rev().for_each(|step| step());
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for path in ["bin/lockstep", "share/nothing"] {
            let file = File::options().read(true).open(top.join(path)).unwrap();
            file.set_modified(past).unwrap();
        }
        fs::set_permissions(top.join("bin"), Permissions::from_mode(0o2770)).unwrap();
        // What lies there is not what is written.
        file(top.join("bundle.toml"), b"old = true", 0o755);
    } else {
        rest.iter().for_each(|step| step());
    }
}

fn built(top: &Path, version: &str) -> (BuiltBundle, Vec<u8>) {
    let mut bytes = Vec::new();
    let built = build(top, &manifest(version), &mut bytes).unwrap();
    (built, bytes)
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tree(one.path(), false);
    tree(other.path(), true);
    let (first, bytes) = built(one.path(), "1.4.0");
    assert_eq!(built(other.path(), "1.4.0"), (first.clone(), bytes.clone()));
    assert_eq!(first.length, bytes.len() as u64);
    assert_eq!(first.details.entries, 10);
    assert!(first.details.unpacked_bytes > 300_000);
    let release = first.release();
    assert_eq!(
        release.target,
        "lockstep/1.4.0/lockstep-1.4.0-linux-x86_64.tar.zst"
    );

    let inspected = inspect(&bytes[..]).unwrap();
    assert_eq!(inspected.manifest, manifest("1.4.0"));
    assert_eq!(inspected.into_built(), first);
}

#[test]
fn a_bundle_is_an_ordinary_archive() {
    let top = tempfile::tempdir().unwrap();
    tree(top.path(), false);
    let (_, bytes) = built(top.path(), "1.4.0");
    let mut archive = tar::Archive::new(zstd::Decoder::new(&bytes[..]).unwrap());
    let listed: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(
                (
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    header.mtime().unwrap()
                ),
                (0, 0, 0)
            );
            (
                entry.path().unwrap().display().to_string(),
                header.mode().unwrap(),
                entry
                    .link_name()
                    .unwrap()
                    .map(|target| target.display().to_string()),
            )
        })
        .collect();
    let long = format!("share/{}", "long-name-".repeat(20));
    let long_link = "x/".repeat(80);
    let expected = [
        ("bundle.toml", 0o644, None),
        ("bin/", 0o755, None),
        ("bin/lockstep", 0o755, None),
        ("share/", 0o755, None),
        ("share/empty/", 0o755, None),
        ("share/link", 0o777, Some("../bin/lockstep")),
        ("share/long-link", 0o777, Some(long_link.as_str())),
        (&long, 0o644, None),
        ("share/nothing", 0o644, None),
        ("share/ä b.txt", 0o644, None),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, mode, target)| ((*path).to_owned(), *mode, target.map(str::to_owned)))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn a_stamped_bundle_is_the_one_that_would_have_been_built() {
    let top = tempfile::tempdir().unwrap();
    tree(top.path(), false);
    // Across the length of a block, so that the archive's length changes.
    for version in ["1.4.1", &format!("1.4.0-{}", "a".repeat(50))] {
        let (expected, expected_bytes) = built(top.path(), version);
        let (_, old) = built(top.path(), "1.4.0");
        let mut bytes = Vec::new();
        let stamped = stamp(&old[..], &Version::parse(version).unwrap(), &mut bytes).unwrap();
        assert_eq!(stamped, expected);
        assert!(bytes == expected_bytes);
    }
    let mut smallest = Vec::new();
    build_with(
        top.path(),
        &manifest("1.4.0"),
        Compression::Smallest,
        &mut smallest,
    )
    .unwrap();
    let mut bytes = Vec::new();
    stamp_with(
        &smallest[..],
        &Version::parse("1.4.0").unwrap(),
        Compression::Smallest,
        &mut bytes,
    )
    .unwrap();
    assert!(bytes == smallest);
}

#[test]
fn stamping_keeps_what_people_wrote_in_the_manifest() {
    let text = "# by hand\nplatform='any'\nversion = \"1.0.0\" # bump me\npackage='tool'\n";
    let bytes = packed(|builder| entry(builder, b'0', "bundle.toml", 0o644, text.as_bytes(), ""));
    let mut stamped = Vec::new();
    stamp(&bytes[..], &Version::parse("2.0.0").unwrap(), &mut stamped).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(&stamped[..]).unwrap());
    let mut first = archive.entries().unwrap().next().unwrap().unwrap();
    let mut after = String::new();
    std::io::Read::read_to_string(&mut first, &mut after).unwrap();
    assert_eq!(after, text.replace("1.0.0", "2.0.0"));
}

#[test]
fn what_has_no_place_in_a_bundle_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let why = |make: &dyn Fn(&Path)| {
        let top = tempfile::tempdir().unwrap();
        make(top.path());
        let mut bytes = Vec::new();
        build(top.path(), &manifest("1.0.0"), &mut bytes)
            .unwrap_err()
            .to_string()
    };
    let not_utf8 = std::ffi::OsStr::from_bytes(b"\xff");
    for (words, error) in [
        ("setuid", why(&|top| file(top.join("su"), b"x", 0o4755))),
        ("setgid", why(&|top| file(top.join("sg"), b"x", 0o2755))),
        (
            "absolute",
            why(&|top| symlink("/etc/passwd", top.join("link")).unwrap()),
        ),
        (
            "leaves the tree",
            why(&|top| symlink("../x", top.join("link")).unwrap()),
        ),
        (
            "behind a name",
            why(&|top| symlink("a/../../x", top.join("link")).unwrap()),
        ),
        (
            "not UTF-8",
            why(&|top| file(top.join(not_utf8), b"x", 0o644)),
        ),
        (
            "pipe or a socket",
            why(&|top| {
                std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
            }),
        ),
        ("cannot be read", why(&|top| fs::remove_dir(top).unwrap())),
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_manifest_that_is_too_large_is_refused() {
    let top = tempfile::tempdir().unwrap();
    let mut manifest = manifest("1.0.0");
    manifest.purge.paths = (0..10_000).map(|number| format!("data/{number}")).collect();
    let error = build(top.path(), &manifest, std::io::sink()).unwrap_err();
    assert!(
        matches!(&error, BundleError::Manifest { why } if why.contains("longer than")),
        "{error}"
    );
    manifest.purge.paths = vec!["../escape".into()];
    let error = build(top.path(), &manifest, std::io::sink()).unwrap_err();
    assert!(matches!(error, BundleError::Manifest { .. }), "{error}");
}

#[test]
fn a_writer_that_fails_is_told_from_a_tree_that_does() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let top = tempfile::tempdir().unwrap();
    tree(top.path(), false);
    let error = build(top.path(), &manifest("1.0.0"), Full).unwrap_err();
    assert!(matches!(error, BundleError::Write { .. }), "{error:?}");
    let (_, bytes) = built(top.path(), "1.0.0");
    let error = stamp(&bytes[..], &Version::parse("2.0.0").unwrap(), Full).unwrap_err();
    assert!(matches!(error, BundleError::Write { .. }), "{error:?}");
}

const MANIFEST: &[u8] = b"package = \"a\"\nversion = \"1.0.0\"\nplatform = \"any\"\n";

/// Packs an archive of a test's own making.
fn packed(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut archive = Vec::new();
    write(&mut archive);
    archive.extend([0; 1024]);
    zstd::encode_all(&archive[..], 3).unwrap()
}

/// One record, without the niceties of a library that would refuse to write it.
fn entry(archive: &mut Vec<u8>, kind: u8, path: &str, mode: u32, bytes: &[u8], target: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(bytes);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

#[test]
fn hostile_bundles_are_refused() {
    let with = |write: &dyn Fn(&mut Vec<u8>)| {
        let bytes = packed(|archive| {
            entry(archive, b'0', "bundle.toml", 0o644, MANIFEST, "");
            write(archive);
        });
        let error = inspect(&bytes[..]).unwrap_err();
        let stamped = stamp(
            &bytes[..],
            &Version::parse("2.0.0").unwrap(),
            std::io::sink(),
        );
        assert_eq!(stamped.unwrap_err().to_string(), error.to_string());
        error.to_string()
    };
    let long = vec![b'a'; 5000];
    for (words, error) in [
        (
            "is not plain",
            with(&|a| entry(a, b'0', "../x", 0o644, b"x", "")),
        ),
        (
            "is not plain",
            with(&|a| entry(a, b'0', "/x", 0o644, b"x", "")),
        ),
        (
            "is not plain",
            with(&|a| entry(a, b'0', "a/./x", 0o644, b"x", "")),
        ),
        ("setuid", with(&|a| entry(a, b'0', "x", 0o4755, b"x", ""))),
        ("sticky", with(&|a| entry(a, b'5', "x", 0o1755, b"", ""))),
        (
            "neither a file",
            with(&|a| entry(a, b'3', "dev", 0o644, b"", "")),
        ),
        (
            "neither a file",
            with(&|a| entry(a, b'6', "pipe", 0o644, b"", "")),
        ),
        (
            "neither a file",
            with(&|a| entry(a, b'1', "hard", 0o644, b"", "bundle.toml")),
        ),
        (
            "it is no file and has bytes",
            with(&|a| entry(a, b'x', "pax", 0o644, b"11 path=/x\n", "")),
        ),
        (
            "absolute",
            with(&|a| entry(a, b'2', "link", 0o777, b"", "/etc")),
        ),
        (
            "leaves the tree",
            with(&|a| entry(a, b'2', "link", 0o777, b"", "..")),
        ),
        (
            "its directory is not listed",
            with(&|a| entry(a, b'0', "d/x", 0o644, b"x", "")),
        ),
        (
            "its directory is not listed",
            with(&|a| {
                entry(a, b'2', "d", 0o777, b"", "elsewhere");
                entry(a, b'0', "d/x", 0o644, b"x", "");
            }),
        ),
        (
            "its directory is not listed",
            with(&|a| {
                entry(a, b'0', "d", 0o644, b"", "");
                entry(a, b'0', "d/x", 0o644, b"x", "");
            }),
        ),
        (
            "there twice",
            with(&|a| entry(a, b'0', "bundle.toml", 0o644, b"x", "")),
        ),
        (
            "there twice",
            with(&|a| {
                entry(a, b'0', "d", 0o644, b"", "");
                entry(a, b'5', "d/", 0o755, b"", "");
            }),
        ),
        (
            "too long",
            with(&|a| entry(a, b'L', "././@LongLink", 0o644, &long, "")),
        ),
        (
            "two long names",
            with(&|a| {
                entry(a, b'L', "././@LongLink", 0o644, b"x\0", "");
                entry(a, b'L', "././@LongLink", 0o644, b"y\0", "");
            }),
        ),
        (
            "does not follow",
            with(&|a| entry(a, b'L', "././@LongLink", 0o644, b"x\0", "")),
        ),
        (
            "behind the end of the archive",
            with(&|a| {
                a.extend([0; 1024]);
                entry(a, b'0', "late", 0o644, b"x", "");
            }),
        ),
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn what_is_no_bundle_is_refused() {
    let whole = packed(|archive| entry(archive, b'0', "bundle.toml", 0o644, MANIFEST, ""));
    inspect(&whole[..]).unwrap();
    let why = |bytes: &[u8]| match inspect(bytes).unwrap_err() {
        BundleError::Read { source } => source.to_string(),
        other => other.to_string(),
    };
    for length in 0..whole.len() {
        why(&whole[..length]);
    }
    let mut trailing = whole.clone();
    trailing.push(0);
    assert!(why(&trailing).contains("behind its compressed data"));
    let mut twice = whole.clone();
    twice.extend_from_slice(&whole);
    assert!(why(&twice).contains("behind its compressed data"));
    let late = packed(|archive| {
        entry(archive, b'0', "x", 0o644, b"x", "");
        entry(archive, b'0', "bundle.toml", 0o644, MANIFEST, "");
    });
    assert!(why(&late).contains("must be the first entry"));
    let huge = packed(|archive| entry(archive, b'0', "bundle.toml", 0o644, &[b' '; 70_000], ""));
    assert!(why(&huge).contains("longer than 65536"));
    let wrong = packed(|archive| entry(archive, b'0', "bundle.toml", 0o644, b"x = 1", ""));
    assert!(why(&wrong).contains("bundle.toml is refused"));
    assert!(why(&packed(|_| {})).contains("the bundle is empty"));
    // A window larger than any unpacker of ours will hold.
    let mut wide = zstd::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(27).unwrap();
    wide.write_all(&whole).unwrap();
    assert!(why(&wide.finish().unwrap()).contains("too much memory"));
}

#[test]
fn a_small_bundle_that_unpacks_to_a_sea_is_refused_without_drowning() {
    // 20 GiB by the header; the zeros themselves never exist.
    let bytes = packed(|archive| {
        entry(archive, b'0', "bundle.toml", 0o644, MANIFEST, "");
        let mut header = tar::Header::new_gnu();
        header.set_path("sea").unwrap();
        header.set_mode(0o644);
        header.set_size(20 << 30);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
    });
    let error = inspect(&bytes[..]).unwrap_err();
    assert!(
        matches!(error, BundleError::TooMuch { what: "bytes", .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any tree of plain files comes out of its bundle as it went in.
    #[test]
    fn trees_survive(files in proptest::collection::btree_map(
        "[a-zé .-]{1,12}(/[a-z]{1,8}){0,3}",
        (proptest::collection::vec(any::<u8>(), 0..2000), any::<bool>()),
        0..12,
    )) {
        let top = tempfile::tempdir().unwrap();
        let mut expected = std::collections::BTreeMap::new();
        for (path, (bytes, executable)) in &files {
            let place = top.path().join(path);
            // A file may stand where another needs a directory, or the name may be no name: leave those out.
            if path.split('/').any(|part| part == "." || part == "..")
                || fs::create_dir_all(place.parent().unwrap()).is_err()
                || place.exists()
            {
                continue;
            }
            file(&place, bytes, if *executable { 0o755 } else { 0o644 });
            expected.insert(path.clone(), (bytes.clone(), *executable));
        }
        let (built, bytes) = built(top.path(), "1.0.0");
        prop_assert_eq!(inspect(&bytes[..]).unwrap().into_built(), built);
        let mut archive = tar::Archive::new(zstd::Decoder::new(&bytes[..]).unwrap());
        let mut found = std::collections::BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.header().entry_type().is_file() {
                let mut contents = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut contents).unwrap();
                let path = entry.path().unwrap().display().to_string();
                let executable = entry.header().mode().unwrap() == 0o755;
                found.insert(path, (contents, executable));
            }
        }
        found.remove("bundle.toml");
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn changed_bytes_never_panic(
        place in any::<prop::sample::Index>(),
        flip in 1u8..,
        packed_again in any::<bool>(),
    ) {
        let mut archive = Vec::new();
        entry(&mut archive, b'0', "bundle.toml", 0o644, MANIFEST, "");
        entry(&mut archive, b'5', "d", 0o755, b"", "");
        entry(&mut archive, b'0', "d/file", 0o644, &[7; 700], "");
        entry(&mut archive, b'2', "d/link", 0o777, b"", "../x");
        archive.extend([0; 1024]);
        let mut bytes = archive;
        if packed_again {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            bytes = zstd::encode_all(&bytes[..], 1).unwrap();
        } else {
            bytes = zstd::encode_all(&bytes[..], 1).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        let _ = inspect(&bytes[..]);
        let _ = stamp(&bytes[..], &Version::parse("3.0.0").unwrap(), std::io::sink());
    }
}
