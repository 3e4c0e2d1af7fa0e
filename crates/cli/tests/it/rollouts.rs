//! What an operator sees of rollouts, with simulated agents and a real server.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::candidate::Candidate;
use crate::world::{World, eventually};

const HOSTS: usize = 4;

/// Four simulated agents that run 1.0.0; on none of them version 3.0.0 works.
struct Fleet {
    world: World,
    agents: Child,
}

impl Fleet {
    fn start() -> Self {
        let world = World::start();
        let token = world.json(&["token", "create", "--uses", "4", "--json"]);
        std::fs::write(world.path("token"), token["token"].as_str().unwrap()).unwrap();
        let agents = Command::new(env!("CARGO_BIN_EXE_lockstep"))
            .args(["bench", "fleet", "--agents", "4", "--state", "bench"])
            .args(["--server", &world.agents_url(), "--ramp", "100ms"])
            .args(["--apply", "200ms", "--probation", "300ms"])
            .args(["--from-version", "1.0.0", "--bad-version", "3.0.0"])
            .args(["--token-file", "token", "--for", "180s"])
            .current_dir(world.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let fleet = Self { world, agents };
        eventually("all of them report", || fleet.hosts().len() == HOSTS);
        fleet
    }

    /// Hosts that have reported.
    fn hosts(&self) -> Vec<String> {
        let hosts = self.world.json(&["host", "list", "--json"]);
        let hosts = hosts.as_array().unwrap().iter();
        hosts
            .filter(|host| !host["version"].is_null())
            .map(|host| host["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The code of what keeps a host from what it is wanted to run.
    fn gate(&self, host: &str) -> String {
        let explained = self.world.json(&["explain", host, "lockstep", "--json"]);
        explained["packages"][0]["gate"].as_str().unwrap().into()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.agents.kill();
        let _ = self.agents.wait();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_rollout_is_watched_to_its_end_and_each_host_is_explained() {
    let fleet = Fleet::start();
    let world = &fleet.world;
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    let watched = world.run(&["rollout", "watch", "1"]);
    let lines = said(&watched);
    assert_eq!(watched.status.code(), Some(0), "{lines}");
    assert!(lines.contains("wave 1 of 2 opened"), "{lines}");
    assert!(
        lines
            .trim_end()
            .ends_with("done · 4 of 4 hosts have proven 2.0.0"),
        "{lines}"
    );
    assert!(
        !lines.contains('\u{1b}'),
        "no terminal, no colours: {lines}"
    );
    for host in fleet.hosts() {
        assert_eq!(fleet.gate(&host), "none");
    }
    let shown = world.must(&["rollout", "show", "1"]);
    assert!(shown.contains("gate · failed: 0 of 4 hosts"), "{shown}");
    let all = world.must(&["explain", &fleet.hosts()[0]]);
    assert!(all.contains("it runs 2.0.0, proven"), "{all}");
    let other = world.must(&["explain", &fleet.hosts()[0], "firmware"]);
    assert!(other.contains("not-followed"), "{other}");
    assert_eq!(world.run(&["explain", "nobody"]).status.code(), Some(1));
    assert_eq!(
        world.run(&["rollout", "skip-wave", "1"]).status.code(),
        Some(3)
    );
    assert_eq!(
        world.run(&["rollout", "watch", "99"]).status.code(),
        Some(1)
    );
}

#[test]
fn a_version_that_was_found_wanting_is_refused_until_it_is_cleared() {
    let fleet = Fleet::start();
    let world = &fleet.world;
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    world.must(&["rollout", "watch", "1"]);
    world.publish("3.0.0", Candidate::Good);
    world.promote("3.0.0");
    let watched = world.run(&["rollout", "watch", "2", "--json"]);
    assert_eq!(watched.status.code(), Some(1), "{watched:?}");
    let lines = said(&watched);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["state"], "halted", "{last}");
    assert_eq!(last["waves"][0]["figures"]["failed"], 1, "{last}");

    let gates: Vec<String> = fleet.hosts().iter().map(|it| fleet.gate(it)).collect();
    let count = |code: &str| gates.iter().filter(|gate| *gate == code).count();
    assert_eq!((count("failed"), count("halted")), (1, 3), "{gates:?}");

    let again = ["release", "promote", "lockstep", "3.0.0", "--to", "stable"];
    let refused = world.run(&again);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("--even-if-suspect"), "{words}");
    let listed = world.must(&["release", "list"]);
    assert!(listed.contains("lockstep 3.0.0 is suspect"), "{listed}");

    let clear = ["release", "clear", "lockstep", "3.0.0", "--why"];
    world.must(&[&clear[..], &["the switch was to blame"]].concat());
    let trail = world.must(&["audit", "list"]);
    assert!(trail.contains("the switch was to blame"), "{trail}");
    let not_there = world.run(&[&clear[..], &["again"]].concat());
    assert_eq!(not_there.status.code(), Some(1), "{not_there:?}");
    world.must(&[&again[..], &["--urgent"]].concat());
    let shown = world.json(&["rollout", "show", "3", "--json"]);
    assert_eq!(shown["urgent"], true, "{shown}");
}
