//! What slots do when nothing is cut off; what they do otherwise is in `cuts.rs`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use jiff::Timestamp;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Error, Layout};
use lockstep_model::{ContentHash, PackageName, Release, Version};
use tempfile::TempDir;

use super::bundles::Bundle;
use super::trials::{self, put};

struct Host {
    directory: TempDir,
    layout: Layout,
    slots: Slots,
}

impl Host {
    fn new() -> Self {
        let directory = trials::directory();
        let layout = Layout::below(directory.path().join("root"));
        let slots = Slots::new(layout.clone());
        Self {
            directory,
            layout,
            slots,
        }
    }

    fn outside(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn publish(&self, bundle: &Bundle, version: &str) -> Release {
        bundle.publish(&self.outside("bundle"), version)
    }

    fn install(&self, release: &Release, old: Option<&Slot>) -> Result<Slot, Error> {
        self.slots
            .install(&self.outside("bundle"), release, old, Timestamp::UNIX_EPOCH)
    }

    fn install_agent(&self, version: &str) -> Slot {
        let release = self.publish(&Bundle::agent(version), version);
        self.install(&release, None).unwrap()
    }

    fn version_of(slot: Option<Slot>) -> Option<String> {
        slot.map(|slot| slot.version().to_string())
    }
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn a_slot_remembers_where_it_came_from() {
    let host = Host::new();
    let release = host.publish(&Bundle::agent("1.0.0"), "1.0.0");
    let slot = host.install(&release, None).unwrap();
    assert_eq!(slot.hash, Some(release.hash));
    assert_eq!(slot.installed_at, Timestamp::UNIX_EPOCH);
    assert_eq!(
        slot.dir,
        host.layout
            .slot(&PackageName::lockstep(), &version("1.0.0"))
    );
    assert_eq!(text(slot.program()), "program 1.0.0");
    assert_eq!(
        (mode(slot.program()), mode(slot.dir.join("etc/agent.env"))),
        (0o755, 0o644)
    );
    assert_eq!(host.slots.list().unwrap(), std::slice::from_ref(&slot));
    assert_eq!(
        host.slots.get(slot.package(), slot.version()).unwrap(),
        Some(slot.clone())
    );
    // Again: it is returned as it is, and not even the bundle is needed.
    std::fs::remove_file(host.outside("bundle")).unwrap();
    assert_eq!(host.install(&release, None).unwrap(), slot);
}

#[test]
fn a_changed_bundle_is_not_unpacked_and_the_release_is_not_blamed() {
    let host = Host::new();
    let release = host.publish(&Bundle::agent("1.0.0"), "1.0.0");
    let same_length = Release {
        hash: ContentHash::from_digest([1; 32]),
        ..release.clone()
    };
    let longer = Release {
        length: release.length + 1,
        ..release
    };
    for release in [same_length, longer] {
        let error = host.install(&release, None).unwrap_err();
        assert!(matches!(error, Error::BundleChanged { .. }), "{error}");
        assert!(!error.blames_bundle());
    }
    // Not even if it cannot be unpacked any more.
    let release = host.publish(&Bundle::agent("1.0.0"), "1.0.0");
    let length = usize::try_from(release.length).unwrap();
    put(host.outside("bundle"), vec![0; length]);
    let error = host.install(&release, None).unwrap_err();
    assert!(!error.blames_bundle(), "{error}");
    assert!(host.slots.list().unwrap().is_empty());
}

#[test]
fn a_bundle_that_is_refused_is_blamed_and_leaves_nothing() {
    let host = Host::new();
    for (bundle, stated) in [
        // It holds more than its release states, is another version, or leaves the tree.
        (Bundle::agent("1.0.0"), "1.0.1"),
        (Bundle::agent("1.0.0").link("out", "/etc"), "1.0.0"),
        (Bundle::agent("1.0.0").file("slot.json", "{}"), "1.0.0"),
        (
            Bundle::agent("1.0.0").file(".bundle.tar.zst", "mine"),
            "1.0.0",
        ),
    ] {
        let release = host.publish(&bundle, stated);
        let error = host.install(&release, None).unwrap_err();
        assert!(error.blames_bundle(), "{error}");
    }
    let mut release = host.publish(&Bundle::agent("1.0.0"), "1.0.0");
    release.details.entries -= 1;
    assert!(host.install(&release, None).unwrap_err().blames_bundle());
    let package = host.layout.package_dir(&PackageName::lockstep());
    assert_eq!(std::fs::read_dir(package).unwrap().count(), 0);
}

#[test]
fn no_space_is_said_before_anything_is_unpacked() {
    let host = Host::new();
    let mut release = host.publish(&Bundle::agent("1.0.0"), "1.0.0");
    host.slots.check_space(&release, 0).unwrap();
    release.details.unpacked_bytes = u64::MAX / 2;
    for error in [
        host.slots.check_space(&release, 0).unwrap_err(),
        host.install(&release, None).unwrap_err(),
    ] {
        assert!(matches!(error, Error::NoSpace(_)), "{error}");
        assert!(!error.blames_bundle());
    }
}

#[test]
fn current_and_previous_follow_the_versions() {
    let host = Host::new();
    assert_eq!(host.slots.current().unwrap(), None);
    let (first, second) = (host.install_agent("1.0.0"), host.install_agent("1.1.0"));
    let state = || {
        (
            Host::version_of(host.slots.current().unwrap()),
            Host::version_of(host.slots.previous().unwrap()),
        )
    };
    let of =
        |current: &str, previous: Option<&str>| (Some(current.into()), previous.map(Into::into));
    host.slots.make_current(&first).unwrap();
    assert_eq!(state(), of("1.0.0", None));
    assert_eq!(
        std::fs::read_link(host.layout.current()).unwrap(),
        Path::new("slots/lockstep/1.0.0")
    );
    for _ in 0..2 {
        host.slots.make_current(&second).unwrap();
        assert_eq!(state(), of("1.1.0", Some("1.0.0")));
    }
    host.slots.make_current(&first).unwrap();
    assert_eq!(state(), of("1.0.0", Some("1.1.0")));
}

#[test]
fn a_slot_that_is_gone_cannot_become_current() {
    let host = Host::new();
    let (first, second) = (host.install_agent("1.0.0"), host.install_agent("1.1.0"));
    host.slots.make_current(&first).unwrap();
    host.slots.collect(&PackageName::lockstep(), &[]).unwrap();
    assert!(matches!(
        host.slots.make_current(&second),
        Err(Error::BrokenLink { .. })
    ));
    assert_eq!(
        Host::version_of(host.slots.current().unwrap()).unwrap(),
        "1.0.0"
    );
}

#[test]
fn a_broken_link_is_an_error_until_it_is_replaced() {
    let host = Host::new();
    let slot = host.install_agent("1.0.0");
    for target in ["slots/lockstep/9.9.9", "/elsewhere", "slots/../lockstep"] {
        let _ = std::fs::remove_file(host.layout.current());
        symlink(target, host.layout.current()).unwrap();
        assert!(
            matches!(host.slots.current(), Err(Error::BrokenLink { .. })),
            "{target}"
        );
    }
    // Nothing is removed while it is not known what is in use.
    assert!(host.slots.collect(&PackageName::lockstep(), &[]).is_err());
    host.slots.make_current(&slot).unwrap();
    assert_eq!(host.slots.current().unwrap(), Some(slot));
    assert_eq!(host.slots.previous().unwrap(), None);
}

#[test]
fn other_bytes_of_a_version_in_use_are_refused() {
    let host = Host::new();
    let slot = host.install_agent("1.0.0");
    let other = host.publish(&Bundle::agent("1.0.0").file("more", "x"), "1.0.0");
    host.slots.make_current(&slot).unwrap();
    let error = host.install(&other, None).unwrap_err();
    assert!(matches!(error, Error::SlotTaken { .. }), "{error}");
    assert_eq!(host.slots.current().unwrap(), Some(slot));
}

#[test]
fn a_damaged_slot_is_left_out_and_built_anew() {
    let host = Host::new();
    let slot = host.install_agent("1.0.0");
    put(slot.dir.join("slot.json"), "{");
    assert!(host.slots.list().unwrap().is_empty());
    assert!(matches!(
        host.slots.get(slot.package(), slot.version()),
        Err(Error::Nonsense { .. })
    ));
    assert_eq!(host.install_agent("1.0.0"), slot);
}

#[test]
fn a_program_becomes_a_slot_once() {
    let host = Host::new();
    let program = host.outside("program");
    put(&program, "bare");
    let adopt = |version: &str| {
        let version = Version::parse(version).unwrap();
        host.slots
            .adopt_program(&program, &version, Timestamp::UNIX_EPOCH)
    };
    let slot = adopt("1.0.0").unwrap();
    assert_eq!((slot.hash, text(slot.program()).as_str()), (None, "bare"));
    assert_eq!(adopt("1.0.0").unwrap(), slot);
    host.slots.make_current(&slot).unwrap();
    put(&program, "other");
    assert!(matches!(adopt("1.0.0"), Err(Error::SlotTaken { .. })));
    // The same program out of a bundle is the same slot.
    let bundled = host.install_agent("1.1.0");
    put(&program, "program 1.1.0");
    assert_eq!(adopt("1.1.0").unwrap(), bundled);
}

#[test]
fn settings_and_plugins_are_preserved_as_they_are() {
    let host = Host::new();
    let old = host.install_agent("1.0.0");
    let kept = [
        ("etc/agent.env", "mine"),
        ("etc/new.env", "mine too"),
        ("plugins/a/b", "plugin"),
    ];
    for (name, words) in kept {
        put(old.dir.join(name), words);
    }
    put(old.dir.join("etc/other.conf"), "not preserved");
    let secret = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(old.dir.join("etc/agent.env"), secret).unwrap();
    symlink("a/b", old.dir.join("plugins/link")).unwrap();
    std::fs::create_dir(old.dir.join("plugins/empty")).unwrap();
    let fifo = old.dir.join("plugins/fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, fifo, rustix::fs::Mode::RUSR).unwrap();

    let release = host.publish(&Bundle::agent("1.1.0").file("plugins/own", "own"), "1.1.0");
    let new = host.install(&release, Some(&old)).unwrap();
    for (name, words) in kept {
        assert_eq!(text(new.dir.join(name)), words, "{name}");
    }
    assert_eq!(mode(new.dir.join("etc/agent.env")), 0o600);
    assert_eq!(text(new.dir.join("etc/other.conf")), "conf of 1.1.0");
    assert_eq!(text(new.dir.join("plugins/own")), "own");
    assert_eq!(text(new.dir.join("plugins/link")), "plugin");
    assert!(new.dir.join("plugins/empty").is_dir());
    assert!(!new.dir.join("plugins/fifo").exists());
    assert_eq!(text(new.program()), "program 1.1.0");
}

#[test]
fn what_leads_out_is_not_preserved() {
    type Trap = fn(&Slot, &Path);
    let traps: [(&str, Trap); 5] = [
        ("a link out", |old, outside| {
            std::fs::create_dir(old.dir.join("plugins")).unwrap();
            symlink(outside, old.dir.join("plugins/out")).unwrap();
        }),
        ("a link up and out", |old, _| {
            std::fs::create_dir(old.dir.join("plugins")).unwrap();
            symlink("../../../etc", old.dir.join("plugins/out")).unwrap();
        }),
        ("a directory that is a link", |old, outside| {
            symlink(outside, old.dir.join("plugins")).unwrap()
        }),
        ("a parent that is a link", |old, outside| {
            std::fs::remove_dir_all(old.dir.join("etc")).unwrap();
            symlink(outside, old.dir.join("etc")).unwrap();
        }),
        ("a file where the new slot has a directory", |old, _| {
            put(old.dir.join("plugins/dir"), "x")
        }),
    ];
    for (name, trap) in traps {
        let host = Host::new();
        put(host.outside("secret.env"), "secret");
        let old = host.install_agent("1.0.0");
        trap(&old, host.directory.path());
        let bundle = Bundle::agent("1.1.0").dir("plugins/").dir("plugins/dir/");
        let release = host.publish(&bundle, "1.1.0");
        let error = host.install(&release, Some(&old)).unwrap_err();
        assert!(matches!(error, Error::Preserve { .. }), "{name}: {error}");
        assert!(!error.blames_bundle());
        assert_eq!(host.slots.list().unwrap(), [old], "{name}");
    }
}

#[test]
fn a_slot_keeps_its_own_files_whatever_is_preserved() {
    let host = Host::new();
    let greedy = "[preserve]\npaths = [\"*\"]\n";
    let release = host.publish(&Bundle::of("1.0.0", greedy).file("mine", "old"), "1.0.0");
    let old = host.install(&release, None).unwrap();
    let release = host.publish(&Bundle::of("1.1.0", greedy).file("mine", "new"), "1.1.0");
    let new = host.install(&release, Some(&old)).unwrap();
    assert_eq!(
        (text(new.dir.join("mine")).as_str(), new.hash),
        ("old", Some(release.hash))
    );
    assert_eq!(*new.version(), version("1.1.0"));
}

#[test]
fn collecting_keeps_what_is_needed() {
    let host = Host::new();
    for wanted in ["1.0.0", "1.1.0", "1.2.0", "1.3.0"] {
        host.slots
            .make_current(&host.install_agent(wanted))
            .unwrap();
    }
    let journaled = host.install_agent("1.4.0");
    let package = PackageName::lockstep();
    put(
        host.layout.package_dir(&package).join("README"),
        "not a slot",
    );
    let read_only = host.layout.slot(&package, &version("1.0.0")).join("bin");
    std::fs::set_permissions(read_only, PermissionsExt::from_mode(0o555)).unwrap();
    let removed = host.slots.collect(&package, &[version("1.4.0")]).unwrap();
    assert_eq!(removed.len(), 2);
    let left: Vec<String> = host
        .slots
        .list()
        .unwrap()
        .into_iter()
        .map(|slot| slot.version().to_string())
        .collect();
    assert_eq!(left, ["1.2.0", "1.3.0", "1.4.0"]);
    assert!(journaled.dir.exists());
    assert!(host.layout.package_dir(&package).join("README").exists());
    assert!(
        host.slots
            .collect(&PackageName::parse("other").unwrap(), &[])
            .unwrap()
            .is_empty()
    );
}

#[test]
fn purging_stays_below_the_data_directory() {
    let host = Host::new();
    let package = PackageName::lockstep();
    let data = host.layout.data_dir(&package);
    let purge = |path: &str| host.slots.purge(&package, &[path.into()]);
    purge("anything").unwrap();
    put(host.outside("secret/file"), "secret");
    for name in ["data/inventory.db", "data/kept", "cache/a/b"] {
        put(data.join(name), "x");
    }
    symlink(host.outside("secret"), data.join("link")).unwrap();
    for path in [
        "data/inventory.db",
        "cache/",
        "missing/deep/file",
        "data/inventory.db",
    ] {
        purge(path).unwrap();
    }
    assert!(!data.join("data/inventory.db").exists() && !data.join("cache").exists());
    assert_eq!(text(data.join("data/kept")), "x");
    assert!(matches!(purge("link/file"), Err(Error::Purge { .. })));
    assert!(matches!(
        purge("../../agent.lock"),
        Err(Error::Purge { .. })
    ));
    assert!(matches!(purge("."), Err(Error::Purge { .. })));
    purge("link").unwrap();
    assert!(!data.join("link").exists());
    assert_eq!(text(host.outside("secret/file")), "secret");
}
