//! The power is cut at every point of every change, in every way, and what is left must be the old state or the new
//! one, complete; and the change, repeated, must come to its end.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_host::slots::Slots;
use lockstep_model::{PackageName, Version};

use super::bundles::Bundle;
use super::overlays;
use super::trials::{self, put};

/// How the power is cut. The seeds were not chosen: what they draw differs from point to point anyway.
const CUTS: [&str; 6] = [
    "",
    ":powercut",
    ":powercut-1",
    ":powercut-2",
    ":powercut-3",
    ":powercut-4",
];

/// One change and what must be true around it. The checks panic if it is not.
struct Story {
    name: &'static str,
    /// Makes the old state.
    prepare: fn(&Path),
    /// The old state or the new one, and nothing else.
    check: fn(&Path),
    /// The new state.
    done: fn(&Path),
}

impl Story {
    /// Cuts the power at every point; returns at how many.
    fn survives(&self) -> usize {
        let trace = trials::directory();
        let passages = self.trace(trace.path());
        assert!(passages.len() > 2, "{passages:?}");
        for (name, nth) in &passages {
            for cut in CUTS {
                self.survives_cut(name, &format!("agent:{name}:{nth}{cut}"));
            }
        }
        passages.len()
    }

    fn survives_cut(&self, point: &str, fault: &str) {
        let directory = trials::directory();
        let root = directory.path();
        (self.prepare)(root);
        let finished = self.run(root, &[("LOCKSTEP_FAULT", fault)]);
        assert_eq!(
            finished.signal(),
            Some(9),
            "{} was not cut at {fault}",
            self.name
        );
        let checked = std::panic::catch_unwind(|| {
            (self.check)(root);
            if point == "done" {
                // The change said that it is durable.
                (self.done)(root);
            }
            let again = self.run(root, &[]);
            assert!(again.success(), "repeating it: {again}");
            (self.done)(root);
        });
        assert!(checked.is_ok(), "{} does not survive {fault}", self.name);
    }

    fn trace(&self, root: &Path) -> Vec<(String, String)> {
        (self.prepare)(root);
        let trace = root.join("trace");
        let status = self.run(root, &[("LOCKSTEP_FAULT_TRACE", trace.to_str().unwrap())]);
        assert!(status.success(), "{}: {status}", self.name);
        (self.done)(root);
        let trace = std::fs::read_to_string(trace).unwrap();
        let passage = |line: &str| {
            let (role, line) = line.split_once(' ').unwrap();
            let (name, nth) = line.rsplit_once(' ').unwrap();
            assert_eq!(role, "agent");
            (name.to_owned(), nth.to_owned())
        };
        trace.lines().map(passage).collect()
    }

    fn run(&self, root: &Path, env: &[(&str, &str)]) -> std::process::ExitStatus {
        trials::run(&["story", self.name, root.to_str().unwrap()], env).status
    }
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[test]
fn a_file_is_the_old_or_the_new_one() {
    Story {
        name: "write",
        prepare: |root| put(root.join("dir/file"), "old"),
        check: |root| {
            let now = text(root.join("dir/file")).unwrap();
            assert!(
                now == "old" || now == "n".repeat(100_000),
                "{} bytes",
                now.len()
            );
        },
        done: |root| {
            assert_eq!(text(root.join("dir/file")).unwrap().len(), 100_000);
            let mode = std::fs::metadata(root.join("dir/file"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        },
    }
    .survives();
}

#[test]
fn a_first_file_is_there_whole_or_not_at_all() {
    Story {
        name: "write",
        prepare: |_| {},
        check: |root| {
            if let Some(now) = text(root.join("dir/file")) {
                assert_eq!(now.len(), 100_000);
            }
        },
        done: |root| assert_eq!(text(root.join("dir/file")).unwrap().len(), 100_000),
    }
    .survives();
}

#[test]
fn a_link_points_at_the_old_or_the_new_target() {
    Story {
        name: "link",
        prepare: |root| symlink("old", root.join("link")).unwrap(),
        check: |root| {
            let target = std::fs::read_link(root.join("link")).unwrap();
            assert!(
                target == Path::new("old") || target == Path::new("new"),
                "{target:?}"
            );
        },
        done: |root| {
            assert_eq!(
                std::fs::read_link(root.join("link")).unwrap(),
                Path::new("new")
            )
        },
    }
    .survives();
}

#[test]
fn a_moved_file_is_never_lost() {
    Story {
        name: "rename",
        prepare: |root| {
            put(root.join("a/file"), "moved");
            put(root.join("b/file"), "replaced");
        },
        check: |root| match (
            text(root.join("a/file")).as_deref(),
            text(root.join("b/file")).as_deref(),
        ) {
            (Some("moved"), Some("replaced")) | (None, Some("moved")) => {}
            neither => panic!("{neither:?}"),
        },
        done: |root| {
            assert_eq!(text(root.join("a/file")), None);
            assert_eq!(text(root.join("b/file")).unwrap(), "moved");
        },
    }
    .survives();
}

#[test]
fn a_removed_file_is_whole_or_gone() {
    Story {
        name: "remove",
        prepare: |root| put(root.join("file"), "whole"),
        check: |root| {
            assert!(matches!(
                text(root.join("file")).as_deref(),
                None | Some("whole")
            ))
        },
        done: |root| assert_eq!(text(root.join("file")), None),
    }
    .survives();
}

#[test]
fn a_removed_tree_is_gone_when_its_removal_returns() {
    Story {
        name: "remove-tree",
        prepare: |root| {
            put(root.join("tree/a/one"), "1");
            put(root.join("tree/a/b/two"), "2");
            symlink("nowhere", root.join("tree/link")).unwrap();
        },
        check: |root| {
            // Part of it may be left, but nothing that was not there.
            for (name, whole) in [("tree/a/one", "1"), ("tree/a/b/two", "2")] {
                let now = text(root.join(name));
                assert!(now.is_none() || now.as_deref() == Some(whole), "{now:?}");
            }
        },
        done: |root| assert!(!root.join("tree").exists()),
    }
    .survives();
}

#[test]
fn a_tree_can_be_synced_again() {
    Story {
        name: "sync-tree",
        prepare: |root| put(root.join("tree/a/one"), "1"),
        check: |root| assert_eq!(text(root.join("tree/a/one")).unwrap(), "1"),
        done: |root| assert_eq!(text(root.join("tree/a/one")).unwrap(), "1"),
    }
    .survives();
}

#[test]
fn what_was_unpacked_is_durable() {
    fn whole(root: &Path) {
        let unpacked = root.join("unpacked");
        assert_eq!(
            text(unpacked.join("bin/lockstep")).unwrap(),
            "program 1.0.0"
        );
        assert_eq!(
            text(unpacked.join("lib/lockstep")).unwrap(),
            "program 1.0.0"
        );
        assert_eq!(
            text(unpacked.join("etc/agent.env")).unwrap(),
            "env of 1.0.0"
        );
        assert!(unpacked.join("bundle.toml").exists());
    }
    Story {
        name: "unpack",
        prepare: |root| put(root.join("bundle"), Bundle::agent("1.0.0").bytes()),
        check: |root| {
            if root.join("unpacked").exists() {
                whole(root);
            }
        },
        done: whole,
    }
    .survives();
}

/// The names in the directory of the idle lock, but for the other program's own file.
fn idle_locks(root: &Path) -> Vec<String> {
    let names = std::fs::read_dir(root.join("cache")).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "other")
        .collect();
    names.sort();
    names
}

/// An idle lock says whose it is, or is not there.
fn idle_lock_is_whole(root: &Path) {
    if let Some(now) = text(root.join("cache/lock")) {
        assert!(now.starts_with("pid ") && now.ends_with('\n'), "{now:?}");
    }
}

#[test]
fn an_idle_lock_is_its_runs_or_not_there() {
    Story {
        name: "idle-hold",
        prepare: |root| put(root.join("cache/other"), ""),
        check: idle_lock_is_whole,
        done: |root| assert_eq!(idle_locks(root), ["lock"]),
    }
    .survives();
}

#[test]
fn a_released_idle_lock_stays_released() {
    Story {
        name: "idle-release",
        prepare: |root| {
            put(root.join("cache/other"), "");
            let status = trials::run(&["story", "idle-hold", root.to_str().unwrap()], &[]).status;
            assert!(status.success(), "{status}");
        },
        check: idle_lock_is_whole,
        done: |root| assert_eq!(idle_locks(root), [""; 0]),
    }
    .survives();
}

fn slots(root: &Path) -> Slots {
    Slots::new(Layout::below(root))
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// Installs a version of the agent, and removes the bundle.
fn install(root: &Path, wanted: &str) {
    let bundle = root.join("old-bundle");
    let release = Bundle::agent(wanted).publish(&bundle, wanted);
    slots(root)
        .install(&bundle, &release, None, Timestamp::UNIX_EPOCH)
        .unwrap();
    std::fs::remove_file(bundle).unwrap();
}

fn make_current(root: &Path, wanted: &str) {
    let slot = slots(root)
        .get(&PackageName::lockstep(), &version(wanted))
        .unwrap()
        .unwrap();
    slots(root).make_current(&slot).unwrap();
}

/// A slot is complete, or its name is free. Says which.
fn whole_or_absent(root: &Path, wanted: &str) -> bool {
    let dir = Layout::below(root).slot(&PackageName::lockstep(), &version(wanted));
    let slot = slots(root)
        .get(&PackageName::lockstep(), &version(wanted))
        .unwrap();
    let Some(slot) = slot else {
        assert!(!dir.exists());
        return false;
    };
    assert_eq!(slot.dir, dir);
    assert_eq!(text(slot.program()).unwrap(), format!("program {wanted}"));
    assert_eq!(
        text(dir.join("lib/lockstep")).unwrap(),
        format!("program {wanted}")
    );
    assert_eq!(
        text(dir.join("etc/other.conf")).unwrap(),
        format!("conf of {wanted}")
    );
    let env = text(dir.join("etc/agent.env")).unwrap();
    assert!(env.starts_with("env of "), "{env:?}");
    let mode = std::fs::metadata(slot.program())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
    true
}

fn current(root: &Path) -> String {
    let slot = slots(root)
        .current()
        .unwrap()
        .expect("there always is a current version");
    slot.version().to_string()
}

#[test]
fn a_slot_is_complete_or_not_there() {
    let points = Story {
        name: "install",
        prepare: |root| {
            install(root, "1.0.0");
            make_current(root, "1.0.0");
            let old = Layout::below(root).current();
            put(old.join("etc/agent.env"), "env of this host");
            put(old.join("plugins/mine/plugin"), "plugin");
            let release = Bundle::agent("1.1.0").publish(&root.join("bundle"), "1.1.0");
            put(
                root.join("release.json"),
                serde_json::to_vec(&release).unwrap(),
            );
        },
        check: |root| {
            assert_eq!(current(root), "1.0.0");
            assert!(whole_or_absent(root, "1.0.0"));
            if whole_or_absent(root, "1.1.0") {
                preserved(root);
            }
        },
        done: |root| {
            assert!(whole_or_absent(root, "1.1.0"));
            preserved(root);
            let left = std::fs::read_dir(root.join("opt/lockstep/slots/lockstep"))
                .unwrap()
                .count();
            assert_eq!(left, 2, "only the two slots are left");
        },
    }
    .survives();
    assert!(points > 30, "{points}");
}

fn preserved(root: &Path) {
    let new = Layout::below(root).slot(&PackageName::lockstep(), &version("1.1.0"));
    assert_eq!(text(new.join("etc/agent.env")).unwrap(), "env of this host");
    assert_eq!(text(new.join("plugins/mine/plugin")).unwrap(), "plugin");
}

#[test]
fn other_bytes_of_a_version_take_its_place_whole() {
    Story {
        name: "install",
        prepare: |root| {
            install(root, "1.0.0");
            make_current(root, "1.0.0");
            let bundle = root.join("old-bundle");
            let release = Bundle::agent("1.1.0")
                .file("old", "old")
                .publish(&bundle, "1.1.0");
            slots(root)
                .install(&bundle, &release, None, Timestamp::UNIX_EPOCH)
                .unwrap();
            let release = Bundle::agent("1.1.0").publish(&root.join("bundle"), "1.1.0");
            put(
                root.join("release.json"),
                serde_json::to_vec(&release).unwrap(),
            );
        },
        check: |root| {
            assert_eq!(current(root), "1.0.0");
            whole_or_absent(root, "1.1.0");
        },
        done: |root| {
            assert!(whole_or_absent(root, "1.1.0"));
            let new = Layout::below(root).slot(&PackageName::lockstep(), &version("1.1.0"));
            assert!(!new.join("old").exists());
        },
    }
    .survives();
}

#[test]
fn current_is_the_old_or_the_new_version() {
    Story {
        name: "make-current",
        prepare: |root| {
            for wanted in ["0.9.0", "1.0.0", "1.1.0"] {
                install(root, wanted);
            }
            make_current(root, "0.9.0");
            make_current(root, "1.0.0");
        },
        check: |root| {
            let previous = slots(root)
                .previous()
                .unwrap()
                .unwrap()
                .version()
                .to_string();
            match (current(root).as_str(), previous.as_str()) {
                ("1.0.0", "0.9.0" | "1.0.0") | ("1.1.0", "1.0.0") => {}
                other => panic!("{other:?}"),
            }
        },
        done: |root| {
            assert_eq!(current(root), "1.1.0");
            let previous = slots(root).previous().unwrap().unwrap();
            assert_eq!(*previous.version(), version("1.0.0"));
        },
    }
    .survives();
}

#[test]
fn a_first_slot_is_made_from_a_program() {
    Story {
        name: "adopt",
        prepare: |root| put(root.join("program"), "bare program"),
        check: |root| {
            if let Some(slot) = slots(root).current().unwrap() {
                adopted(&slot.program());
            }
            let slot = slots(root)
                .get(&PackageName::lockstep(), &version("1.0.0"))
                .unwrap();
            if let Some(slot) = slot {
                adopted(&slot.program());
            }
        },
        done: |root| {
            assert_eq!(current(root), "1.0.0");
            adopted(&slots(root).current().unwrap().unwrap().program());
        },
    }
    .survives();
}

fn adopted(program: &PathBuf) {
    assert_eq!(text(program).unwrap(), "bare program");
    let mode = std::fs::metadata(program).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn slots_are_collected_whole() {
    Story {
        name: "collect",
        prepare: |root| {
            for wanted in ["0.7.0", "0.8.0", "0.9.0", "1.0.0", "1.1.0"] {
                install(root, wanted);
            }
            make_current(root, "1.0.0");
            make_current(root, "1.1.0");
            let package = Layout::below(root).package_dir(&PackageName::lockstep());
            put(package.join(".unpack-1.2.0/bin/lockstep"), "half");
            put(package.join(".remove-0.6.0/bin/lockstep"), "half");
        },
        check: |root| {
            for gone in ["0.7.0", "0.8.0"] {
                whole_or_absent(root, gone);
            }
            for kept in ["0.9.0", "1.0.0", "1.1.0"] {
                assert!(whole_or_absent(root, kept));
            }
            assert_eq!(current(root), "1.1.0");
        },
        done: |root| {
            let package = Layout::below(root).package_dir(&PackageName::lockstep());
            let mut left: Vec<_> = std::fs::read_dir(package)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            left.sort();
            assert_eq!(left, ["0.9.0", "1.0.0", "1.1.0"]);
        },
    }
    .survives();
}

#[test]
fn what_is_purged_stays_purged() {
    fn data(root: &Path) -> PathBuf {
        Layout::below(root).data_dir(&PackageName::lockstep())
    }
    Story {
        name: "purge",
        prepare: |root| {
            for name in ["a/file", "a/kept", "tree/one", "tree/two/three"] {
                put(data(root).join(name), "x");
            }
        },
        check: |root| assert_eq!(text(data(root).join("a/kept")).unwrap(), "x"),
        done: |root| {
            assert!(!data(root).join("a/file").exists());
            assert!(!data(root).join("tree").exists());
            assert_eq!(text(data(root).join("a/kept")).unwrap(), "x");
        },
    }
    .survives();
}

/// Installs a version of a package of others, and removes the bundle.
fn install_other(root: &Path, wanted: &str) {
    let bundle = root.join("old-bundle");
    let mut release = Bundle::other("driveclient", wanted, "").publish(&bundle, wanted);
    release.details.package = driveclient();
    slots(root)
        .install(&bundle, &release, None, Timestamp::UNIX_EPOCH)
        .unwrap();
    std::fs::remove_file(bundle).unwrap();
}

fn driveclient() -> PackageName {
    PackageName::parse("driveclient").unwrap()
}

/// The version in force, and complete; none if the package is not on the host.
fn active(root: &Path) -> Option<String> {
    let slot = slots(root).active(&driveclient()).unwrap()?;
    let version = slot.version().to_string();
    let daemon = Layout::below(root)
        .package_link(&driveclient())
        .join("bin/daemon");
    assert_eq!(text(daemon).unwrap(), format!("daemon {version}"));
    Some(version)
}

#[test]
fn a_package_is_at_its_old_or_its_new_slot() {
    let points = Story {
        name: "activate",
        prepare: |root| {
            install_other(root, "1.0.0");
            install_other(root, "1.1.0");
            let old = slots(root).get(&driveclient(), &version("1.0.0")).unwrap();
            slots(root).activate(&old.unwrap()).unwrap();
        },
        check: |root| {
            let now = active(root);
            let now = now.as_deref();
            assert!(now == Some("1.0.0") || now == Some("1.1.0"), "{now:?}");
        },
        done: |root| assert_eq!(active(root).as_deref(), Some("1.1.0")),
    }
    .survives();
    assert!(points > 5, "{points}");
}

#[test]
fn a_first_package_is_there_or_not() {
    Story {
        name: "activate",
        prepare: |root| install_other(root, "1.1.0"),
        check: |root| {
            let now = active(root);
            assert!(now.is_none() || now.as_deref() == Some("1.1.0"), "{now:?}");
        },
        done: |root| assert_eq!(active(root).as_deref(), Some("1.1.0")),
    }
    .survives();
}

#[test]
fn a_package_that_is_taken_away_leaves_its_slot() {
    Story {
        name: "deactivate",
        prepare: |root| {
            install_other(root, "1.0.0");
            let slot = slots(root).get(&driveclient(), &version("1.0.0")).unwrap();
            slots(root).activate(&slot.unwrap()).unwrap();
        },
        check: |root| {
            let now = active(root);
            assert!(now.is_none() || now.as_deref() == Some("1.0.0"), "{now:?}");
        },
        done: |root| {
            assert_eq!(active(root), None);
            assert_eq!(slots(root).list().unwrap().len(), 1);
        },
    }
    .survives();
}

/// The directory as it is before an archive comes on top, left by `prepare` for `check`.
fn overlay_is_old_or_new(root: &Path) -> bool {
    let kept = trials::directory();
    overlays::old_home(kept.path());
    overlays::old_or_new(root, &overlays::state(kept.path()))
}

#[test]
fn an_overlaid_directory_is_the_old_or_the_new_one() {
    let points = Story {
        name: "overlay",
        prepare: |root| {
            overlays::old_home(root);
            put(root.join("archive"), overlays::new_archive());
        },
        check: |root| {
            overlay_is_old_or_new(root);
        },
        done: |root| {
            assert!(overlay_is_old_or_new(root));
            assert!(root.join("home.old/bin/run").exists());
            assert!(!root.join(".home.next").exists() && !root.join(".home.build").exists());
        },
    }
    .survives();
    assert!(points > 30, "{points}");
}
