//! A repository and a server that lie. Nothing of it reaches a slot.

use std::path::{Path, PathBuf};

use crate::candidate::Candidate;
use crate::world::{World, eventually};

/// The file of the newest bundle in the server's store of artifacts: the only one of its length.
fn artifact(world: &World, version: &str) -> PathBuf {
    let length = std::fs::metadata(world.path(&crate::world::bundle(version)))
        .unwrap()
        .len();
    let mut found = Vec::new();
    walk(&world.path("server/artifacts"), &mut |path, metadata| {
        if metadata.len() == length {
            found.push(path.to_owned());
        }
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn walk(dir: &Path, each: &mut impl FnMut(&Path, &std::fs::Metadata)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            walk(&entry.path(), each)
        } else {
            each(&entry.path(), &metadata)
        }
    }
}

fn spoil(path: &Path, spoil: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    spoil(&mut bytes);
    let mut permissions = std::fs::metadata(path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(path, permissions).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn slots(root: &Path) -> Vec<String> {
    let dir = std::fs::read_dir(root.join("opt/lockstep/slots/lockstep")).unwrap();
    let mut names: Vec<String> = dir
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn bytes_that_were_not_signed_are_thrown_away_before_anything_is_unpacked() {
    let world = World::start();
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::Large(100_000));
    spoil(&artifact(&world, "2.0.0"), |bytes| bytes[50_000] ^= 1);
    world.promote("2.0.0");
    let run = world.finished_run("web1", "2.0.0");
    assert_eq!(
        (run["outcome"].as_str(), run["reason"]["code"].as_str()),
        (Some("failed"), Some("not-verified")),
        "{run}"
    );
    assert_eq!(slots(&host.root), ["1.0.0"]);
    assert_eq!(
        std::fs::read_dir(host.root.join("var/lib/lockstep/downloads"))
            .unwrap()
            .count(),
        0,
        "nothing is kept"
    );
    world.rollout_becomes("2.0.0", "halted");
}

#[test]
fn a_bundle_that_is_cut_short_or_goes_on_is_never_unpacked() {
    for (what, change) in [
        (
            "short",
            (|bytes: &mut Vec<u8>| bytes.truncate(60_000)) as fn(&mut Vec<u8>),
        ),
        ("long", |bytes| bytes.resize(400_000, 0)),
    ] {
        let world = World::start();
        let host = world.host("web1");
        world.publish("2.0.0", Candidate::Large(100_000));
        spoil(&artifact(&world, "2.0.0"), change);
        world.promote("2.0.0");
        eventually(
            &format!("the host says what is wrong with a {what} bundle"),
            || {
                let waits = host.status(&world).unwrap_or_default();
                waits["worker"]["waits"].is_string()
                    || world
                        .run_to("web1", "2.0.0")
                        .is_some_and(|run| !run["outcome"].is_null())
            },
        );
        assert_eq!(slots(&host.root), ["1.0.0"], "{what}");
        assert_eq!(host.current(), "1.0.0");
    }
}

#[test]
fn a_withdrawn_release_is_not_installed_any_more() {
    let world = World::start();
    world.publish("2.0.0", Candidate::Good);
    world.must(&["release", "withdraw", "lockstep", "2.0.0", "--keys", "keys"]);
    let host = world.host("web1");
    let promoted = world.run(&["release", "promote", "lockstep", "2.0.0", "--to", "stable"]);
    assert_eq!(promoted.status.code(), Some(1), "{promoted:?}");
    let by_hand = host.agent(&world, &["update", "--to", "2.0.0"]);
    assert!(
        String::from_utf8_lossy(&by_hand.stderr).contains("no release 2.0.0"),
        "{by_hand:?}"
    );
}

#[test]
fn no_host_goes_below_the_floor() {
    let world = World::start();
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    let tree = world.path("trees/3.0.0");
    Candidate::Good.lay_out(&tree);
    let bundle = crate::world::bundle("3.0.0");
    world.must(&[
        "release",
        "build",
        "trees/3.0.0",
        "--package",
        "lockstep",
        "--version",
        "3.0.0",
        "-o",
        &bundle,
    ]);
    world.must(&[
        "release", "publish", &bundle, "--keys", "keys", "--floor", "2.0.0",
    ]);
    let back = host.agent(&world, &["update", "--to", "1.0.0"]);
    assert!(!back.status.success(), "{back:?}");
    assert!(
        String::from_utf8_lossy(&back.stderr).contains("floor"),
        "{back:?}"
    );
    assert_eq!(host.current(), "2.0.0");
}

#[test]
fn rotated_keys_are_followed_by_hosts_that_were_away() {
    let world = World::start();
    let mut host = world.host("web1");
    host.kill();
    world.must(&["keys", "rotate", "--keys", "keys", "targets"]);
    world.must(&["keys", "rotate", "--keys", "keys", "root"]);
    world.must(&["keys", "rotate", "--keys", "keys", "root"]);
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    host.start();
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    let root = std::fs::read_to_string(host.root.join("var/lib/lockstep/tuf/root.json")).unwrap();
    let root: serde_json::Value = serde_json::from_str(&root).unwrap();
    assert_eq!(
        root["signed"]["version"], 4,
        "the host followed three rotations"
    );
}

/// A server that was taken could order what the publisher has withdrawn, and the slot may still be on the host.
#[test]
fn a_slot_that_is_there_already_does_not_make_a_withdrawn_release_good() {
    let world = World::start();
    let mut host = world.host("web1");
    for version in ["2.0.0", "3.0.0"] {
        world.publish(version, Candidate::Good);
        world.promote(version);
        assert_eq!(world.finished_run("web1", version)["outcome"], "done");
    }
    assert!(
        slots(&host.root).contains(&"2.0.0".to_owned()),
        "the slot is kept for a rollback"
    );
    host.kill();
    // The order for 2.0.0 is taken, and the agent cut off before it does anything about it.
    world.promote("2.0.0");
    host.set("LOCKSTEP_FAULT", "worker:journaled:1");
    host.start();
    host.wait_dead();
    assert_eq!(host.journal()["order"]["version"], "2.0.0");
    world.must(&["release", "withdraw", "lockstep", "2.0.0", "--keys", "keys"]);
    host.unset_all();
    host.start();
    eventually("it is refused although its slot is complete", || {
        host.log().contains("the release does not verify")
    });
    eventually("the order that was taken back is given up", || {
        host.journal()["step"]["step"] == "over"
    });
    assert_eq!(host.journal()["step"]["outcome"], "postponed");
    assert_eq!(host.current(), "3.0.0");
}
