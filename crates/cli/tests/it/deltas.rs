//! Updates by a delta: used where one leads there, and never in the way of an update.

use std::path::PathBuf;

use serde_json::Value;

use crate::candidate::Candidate;
use crate::world::{Host, World, bundle, eventually};

/// A ballast that does not compress, which both versions carry: the delta is nothing beside the bundle.
const BALLAST: usize = 2_000_000;

struct Scene {
    world: World,
    host: Host,
}

/// A host at 1.0.0, and 2.0.0 published with a delta from there, not promoted.
fn scene() -> Scene {
    let world = World::start();
    let tree = world.path("trees/1.0.0");
    Candidate::Large(BALLAST).lay_out(&tree);
    build(&world, "1.5.0");
    world.must(&["release", "publish", &bundle("1.5.0"), "--keys", "keys"]);
    let host = world.host("web1");
    world.promote("1.5.0");
    assert_eq!(world.finished_run("web1", "1.5.0")["outcome"], "done");
    eventually("the server knows what the host runs", || {
        world.reported_version("web1").as_deref() == Some("1.5.0")
    });
    std::fs::write(tree.join("news"), "what is new in 2.0.0").unwrap();
    build(&world, "2.0.0");
    let said = world.must(&["release", "publish", &bundle("2.0.0"), "--keys", "keys"]);
    assert!(said.contains("delta from 1.5.0: "), "{said}");
    assert!(said.contains(" % of the bundle, by "), "{said}");
    Scene { world, host }
}

fn build(world: &World, version: &str) {
    let file = bundle(version);
    world.must(&[
        "release",
        "build",
        "trees/1.0.0",
        "--package",
        "lockstep",
        "--version",
        version,
        "-o",
        &file,
    ]);
}

impl Scene {
    fn delta(&self) -> Value {
        let releases = self.world.json(&["release", "list", "--json"]);
        let mut releases = releases.as_array().unwrap().iter();
        let release = releases.find(|it| it["version"] == "2.0.0").unwrap();
        release["deltas"][0].clone()
    }

    /// Where the server keeps the delta.
    fn artifact(&self) -> PathBuf {
        let hash = self.delta()["hash"].as_str().unwrap().to_owned();
        self.world.path("server/artifacts").join(hash)
    }

    /// The host comes to 2.0.0.
    fn update(&self) {
        self.world.promote("2.0.0");
        let run = self.world.finished_run("web1", "2.0.0");
        assert_eq!(run["outcome"], "done", "{run}");
        assert_eq!(self.host.current(), "2.0.0");
        let slot = self.host.root.join("opt/lockstep/slots/lockstep/2.0.0");
        assert_eq!(
            std::fs::read_to_string(slot.join("news")).unwrap(),
            "what is new in 2.0.0"
        );
        assert_eq!(
            std::fs::metadata(slot.join("ballast")).unwrap().len(),
            BALLAST as u64
        );
        let downloads = std::fs::read_dir(self.host.root.join("var/lib/lockstep/downloads"));
        assert_eq!(
            downloads.unwrap().count(),
            0,
            "nothing is left of the download"
        );
        // What the next delta would lead from.
        let record = std::fs::read(slot.join("slot.json")).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["content"], self.delta()["to"]["content"]);
        let file = std::fs::File::open(slot.join(".bundle.tar.zst")).unwrap();
        let most = BALLAST as u64 * 2;
        let kept = lockstep_trust::bundle::extract(file, most, std::io::sink()).unwrap();
        assert_eq!(serde_json::to_value(kept).unwrap(), record["content"]);
    }

    /// Downloads of 2.0.0 that the server has begun: of the delta, and of the bundle.
    fn downloads(&self) -> (usize, usize) {
        let log = std::fs::read_to_string(self.world.path("server.log")).unwrap();
        let begun = log.lines().map(plain).filter(|line| {
            line.contains("a download begins")
                && line.contains("version=2.0.0")
                && line.contains("host=")
        });
        let (deltas, bundles): (Vec<_>, Vec<_>) = begun.partition(|line| line.contains("from="));
        (deltas.len(), bundles.len())
    }

    fn fell_back(&self, why: &str) {
        let log = self.host.log();
        let lines = log
            .lines()
            .filter(|line| line.contains("the delta does not help"));
        let lines: Vec<_> = lines.collect();
        assert!(
            matches!(lines[..], [line] if line.contains(why)),
            "{why}: {lines:?}"
        );
        assert_eq!(self.downloads().1, 1, "the bundle was fetched");
    }
}

/// A line without what a terminal makes of it.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(|c| *c == 'm');
        } else {
            plain.push(c);
        }
    }
    plain
}

#[test]
fn an_update_by_a_delta_fetches_no_bundle() {
    let scene = scene();
    let (delta, list) = (scene.delta(), scene.world.must(&["release", "list"]));
    assert_eq!(delta["from"]["version"], "1.5.0");
    assert!(
        delta["length"].as_u64().unwrap() < BALLAST as u64 / 100,
        "{delta}"
    );
    assert!(
        list.contains(&format!("1.5.0: {} (", delta["length"])),
        "{list}"
    );
    scene.update();
    assert_eq!(scene.downloads(), (1, 0));
    assert!(scene.host.log().contains("a delta led to the release"));
}

#[test]
fn a_delta_with_other_bytes_is_passed_over() {
    let scene = scene();
    let path = scene.artifact();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    scene.update();
    scene.fell_back("not the signed ones");
    assert_eq!(scene.downloads().0, 1);
}

#[test]
fn a_delta_that_the_server_has_lost_is_passed_over() {
    let scene = scene();
    std::fs::remove_file(scene.artifact()).unwrap();
    scene.update();
    scene.fell_back("missing on this server");
    assert_eq!(scene.downloads().0, 0);
}

#[test]
fn a_kept_bundle_that_was_damaged_leads_nowhere() {
    let scene = scene();
    let kept = scene
        .host
        .root
        .join("opt/lockstep/slots/lockstep/1.5.0/.bundle.tar.zst");
    let mut bytes = std::fs::read(&kept).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&kept, bytes).unwrap();
    scene.update();
    scene.fell_back("kept bundle of the old version");
}

#[test]
fn a_slot_without_its_bundle_needs_the_whole_one() {
    let scene = scene();
    let kept = scene
        .host
        .root
        .join("opt/lockstep/slots/lockstep/1.5.0/.bundle.tar.zst");
    std::fs::remove_file(kept).unwrap();
    scene.update();
    assert_eq!(scene.downloads(), (0, 1));
    assert!(!scene.host.log().contains("the delta does not help"));
}

#[test]
fn a_publisher_may_do_without_and_a_withdrawn_version_takes_its_deltas_along() {
    let scene = scene();
    std::fs::write(scene.world.path("trees/1.0.0/news"), "3").unwrap();
    build(&scene.world, "3.0.0");
    let publish = ["release", "publish", &bundle("3.0.0"), "--keys", "keys"];
    let said = scene.world.must(&[&publish[..], &["--no-deltas"]].concat());
    assert!(!said.contains("delta from"), "{said}");
    // Published again: now with deltas, from what runs and from the one before.
    let said = scene.world.must(&publish);
    assert!(
        said.contains("delta from 1.5.0: ") && said.contains("delta from 2.0.0: "),
        "{said}"
    );
    // And again: there is nothing left to make.
    let said = scene.world.must(&publish);
    assert!(!said.contains("delta from"), "{said}");
    scene
        .world
        .must(&["release", "withdraw", "lockstep", "2.0.0", "--keys", "keys"]);
    let releases = scene.world.json(&["release", "list", "--json"]);
    let releases = releases.as_array().unwrap();
    let deltas: Vec<&Value> = releases
        .iter()
        .flat_map(|it| it["deltas"].as_array())
        .flatten()
        .collect();
    assert!(
        matches!(deltas[..], [delta] if delta["from"]["version"] == "1.5.0"),
        "{deltas:?}"
    );
}
