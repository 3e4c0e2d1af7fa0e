//! A host that cannot write: nothing is begun, and what was begun goes on when there is room.

use std::path::Path;
use std::process::Command;

use super::stage::{ALL, Stage, said};

/// A host that is not enrolled, in a directory of its own.
fn stage(dir: &Path) -> Stage {
    let root = dir.join("web1");
    std::fs::create_dir_all(root.join("etc/lockstep")).unwrap();
    std::fs::create_dir_all(root.join("var/lib/lockstep/runs")).unwrap();
    Stage::set("web1", &root, "")
}

/// Runs a shell in a mount namespace of its own. In it `update` is `lockstep update`, `spoil` lays a disk that is full or
/// read-only over the directory of journals, and `mend` takes it away.
fn shell(stage: &Stage, script: &str) -> String {
    let (root, program) = (stage.root.display(), env!("CARGO_BIN_EXE_lockstep"));
    let script = format!(
        "spoil() {{ mount -t tmpfs -o $1 small {root}/var/lib/lockstep/runs || exit 99; }}\n\
         mend() {{ umount {root}/var/lib/lockstep/runs || exit 99; }}\n\
         update() {{ {program} update --root {root}; echo \"code $?\"; }}\n{script}"
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .env_remove("LOCKSTEP_OPERATOR")
        .output()
        .expect("util-linux has unshare");
    assert_eq!(
        output.status.code(),
        Some(0),
        "no disk is to be had here: {output:?}"
    );
    said(&output)
}

/// A disk without room for one file.
const FULL: &str = "nr_inodes=1";

#[test]
fn a_host_that_cannot_write_begins_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let web1 = stage(dir.path());
    for (options, why) in [
        ("ro", "Read-only file system"),
        (FULL, "No space left on device"),
    ] {
        let words = shell(&web1, &format!("spoil {options}; update"));
        assert!(words.contains("code 1"), "{words}");
        assert!(words.contains(why) && words.contains("os.pid"), "{words}");
    }
    assert!(web1.called().is_empty());
}

#[test]
fn a_disk_that_is_full_in_the_middle_interrupts_the_run_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let web1 = stage(dir.path());
    let runs = web1.root.join("var/lib/lockstep/runs");
    web1.does(
        "apply",
        &format!("mount -t tmpfs -o {FULL} small {}", runs.display()),
    );
    let words = shell(&web1, "update; mend");
    assert!(words.contains("code 1"), "{words}");
    assert!(
        words.contains("No space left on device") && words.contains("os.json"),
        "{words}"
    );
    // Nobody could write down how the phase ended, so it is entered again, and nothing behind it before.
    assert_eq!(web1.step(), "apply");
    assert_eq!(web1.called(), ["check", "pre", "apply"]);
    web1.does("apply", "");
    assert_eq!(web1.update(&[], 0), "done\n");
    assert_eq!(
        web1.called(),
        ["check", "pre", "apply", "apply", "reboot", "post"]
    );
}

#[test]
fn without_a_server_there_is_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let web1 = stage(dir.path());
    assert_eq!(web1.update(&[], 0), "done\n");
    assert_eq!(web1.called(), ALL);
    web1.forget_calls();
    web1.configure("reboot = [", "lock = \"os\"\nreboot = [");
    let words = web1.update(&[], 1);
    assert!(
        words.contains("postponed: the lock os could not be acquired: this host is not enrolled"),
        "{words}"
    );
    assert_eq!(web1.called(), ["check"]);
}
