//! Does the power cut cut? Careless code must be caught by it, or it proves nothing.
//!
//! Each test runs itself again as a child process, in which the fault strikes.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use super::point;
use crate::exec::Exec;
use crate::fs::Dir;

/// Runs an ignored test of this module as a child, with a fault; returns what it left behind.
fn cut(test: &str, root: &Path, fault: &str) {
    let exec = Exec::new(std::env::current_exe().unwrap(), Duration::from_secs(60))
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            &format!("fault::tests::{test}"),
        ])
        .env("LOCKSTEP_TEST_ROOT", root)
        .env("LOCKSTEP_FAULT", fault);
    let finished = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(exec.run())
        .unwrap();
    assert_eq!(
        finished.status.signal(),
        Some(9),
        "{fault}: {}",
        finished.output
    );
}

fn child_root() -> Dir {
    let root = std::env::var_os("LOCKSTEP_TEST_ROOT").expect("it is run by another test");
    Dir::open(Path::new(&root)).unwrap()
}

fn old_file() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    crate::fs::write_durable(&root.path().join("file"), b"old", crate::fs::Mode::Public).unwrap();
    root
}

fn text(root: &tempfile::TempDir, name: &str) -> Option<String> {
    std::fs::read_to_string(root.path().join(name)).ok()
}

/// Writes a file without syncing its contents, and syncs the directory only if `SYNC_DIR` is set.
fn write_carelessly(sync_dir: bool) {
    let root = child_root();
    let (temporary, name) = (OsStr::new("temporary"), OsStr::new("file"));
    let mut file = root.create_file(temporary, 0o644).unwrap();
    file.write_all(b"new").unwrap();
    root.rename(temporary, &root, name).unwrap();
    if sync_dir {
        root.sync().unwrap();
    }
    point("returned");
}

#[test]
#[ignore = "it is the child of another test"]
fn child_without_sync_of_contents() {
    write_carelessly(true);
}

#[test]
#[ignore = "it is the child of another test"]
fn child_without_any_sync() {
    write_carelessly(false);
}

#[test]
#[ignore = "it is the child of another test"]
fn child_that_removes_a_tree() {
    let root = child_root();
    crate::fs::remove_entry(&root, OsStr::new("tree")).unwrap();
    root.remove_file(OsStr::new("file")).unwrap();
    point("returned");
    root.sync().unwrap();
    point("synced");
}

#[test]
#[ignore = "it is the child of another test"]
fn child_that_builds_a_tree_and_renames_it() {
    let root = child_root();
    let (building, built) = (OsStr::new("building"), OsStr::new("built"));
    let tree = root.create_dir(building, 0o755).unwrap();
    let mut file = tree.create_file(OsStr::new("one"), 0o644).unwrap();
    file.write_all(b"1").unwrap();
    file.sync().unwrap();
    // The name of the file is not synced, and the tree moves on.
    root.rename(building, &root, built).unwrap();
    root.sync().unwrap();
    point("returned");
}

#[test]
fn without_a_power_cut_everything_stays() {
    let root = old_file();
    cut("child_without_any_sync", root.path(), "agent:returned:1");
    assert_eq!(text(&root, "file").unwrap(), "new");
}

#[test]
fn contents_that_were_not_synced_are_lost_under_their_durable_name() {
    let root = old_file();
    cut(
        "child_without_sync_of_contents",
        root.path(),
        "agent:returned:1:powercut",
    );
    assert_eq!(
        text(&root, "file").unwrap(),
        "",
        "neither old nor new: this is what the tool is for"
    );
}

#[test]
fn names_that_were_not_synced_are_as_they_were() {
    let root = old_file();
    cut(
        "child_without_any_sync",
        root.path(),
        "agent:returned:1:powercut",
    );
    assert_eq!(
        text(&root, "file").unwrap(),
        "old",
        "it returned, and was not durable"
    );
    assert_eq!(text(&root, "temporary"), None);
    cut(
        "child_without_any_sync",
        root.path(),
        "agent:fs.create-file:1:powercut",
    );
    assert_eq!(text(&root, "temporary"), None);
}

#[test]
fn what_was_removed_comes_back_with_everything_in_it() {
    use crate::fs::{Mode, write_durable};
    let root = old_file();
    for name in ["tree/one", "tree/a/two"] {
        write_durable(&root.path().join(name), name.as_bytes(), Mode::Private).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", root.path().join("tree/a/link")).unwrap();
    cut(
        "child_that_removes_a_tree",
        root.path(),
        "agent:returned:1:powercut",
    );
    assert_eq!(text(&root, "file").unwrap(), "old");
    for name in ["tree/one", "tree/a/two"] {
        assert_eq!(text(&root, name).unwrap(), name);
    }
    let link = std::fs::read_link(root.path().join("tree/a/link")).unwrap();
    assert_eq!(link, Path::new("nowhere"));
    cut(
        "child_that_removes_a_tree",
        root.path(),
        "agent:synced:1:powercut",
    );
    assert!(!root.path().join("tree").exists() && !root.path().join("file").exists());
}

#[test]
fn effects_follow_a_directory_that_is_renamed() {
    let root = tempfile::tempdir().unwrap();
    let child = "child_that_builds_a_tree_and_renames_it";
    cut(child, root.path(), "agent:returned:1:powercut");
    assert!(
        root.path().join("built").exists(),
        "its own name was synced"
    );
    assert_eq!(text(&root, "built/one"), None, "the name in it was not");
    std::fs::remove_dir(root.path().join("built")).unwrap();
    cut(child, root.path(), "agent:fs.rename:1:powercut");
    assert_eq!(Dir::open(root.path()).unwrap().names().unwrap(), [""; 0]);
}

#[test]
fn seeds_draw_different_parts() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let root = old_file();
        let fault = format!("agent:returned:1:powercut-{seed}");
        cut("child_without_any_sync", root.path(), &fault);
        seen.insert(text(&root, "file").unwrap().into_bytes());
    }
    assert!(seen.len() > 2, "{seen:?}");
    assert!(
        seen.contains(&b"old"[..]) && seen.contains(&b"new"[..]),
        "{seen:?}"
    );
}
