//! A fleet of simulated agents against a real server.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::candidate::Candidate;
use crate::world::{World, eventually};

/// `lockstep bench fleet` for 200 agents, until all have proven `version`.
fn bench(world: &World, version: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command
        .args(["bench", "fleet", "--agents", "200", "--state", "bench"])
        .args(["--server", &world.agents_url(), "--ramp", "2s"])
        .args(["--apply", "200ms", "--probation", "500ms"])
        .args(["--until-version", version, "--for", "180s", "--json"])
        .args(more)
        .current_dir(world.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Hosts that have reported.
fn reporting(world: &World) -> usize {
    let hosts = world.json(&["host", "list", "--json"]);
    let reported = |host: &&Value| !host["version"].is_null();
    hosts.as_array().unwrap().iter().filter(reported).count()
}

#[test]
fn two_hundred_simulated_agents_enrol_report_and_follow_a_promotion_to_its_end() {
    let world = World::start();
    let token = world.json(&["token", "create", "--uses", "200", "--json"]);
    std::fs::write(world.path("token"), token["token"].as_str().unwrap()).unwrap();
    world.publish("2.0.0", Candidate::Good);
    let arguments = ["--token-file", "token", "--from-version", "1.0.0"];
    let first = bench(&world, "2.0.0", &arguments).spawn().unwrap();
    eventually("all of them report", || reporting(&world) == 200);
    world.promote("2.0.0");
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let spread = &summary["spreads"][0];
    assert_eq!(spread["version"], "2.0.0", "{summary}");
    assert_eq!(spread["outcomes"]["done"], 200, "{summary}");
    assert_eq!(summary["bundles"], 200, "{summary}");
    assert_eq!(summary["connections_lost"], 0, "{summary}");
    assert!(spread["first_s"].as_f64() < spread["last_s"].as_f64());
    // The records say it too, and a run is on record for each of them.
    world.rollout_becomes("2.0.0", "done");

    // The same agents again, without a token: they still have their names, and what they had proven.
    let output = bench(&world, "2.0.0", &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["versions"][0]["agents"], 200, "{summary}");
    assert_eq!(summary["records"], 0, "{summary}");
    assert_eq!(reporting(&world), 200, "no host is enrolled twice");
}

#[test]
fn a_bad_version_is_stopped_by_the_first_simulated_agent_that_tries_it() {
    let world = World::start();
    let token = world.json(&["token", "create", "--uses", "200", "--json"]);
    std::fs::write(world.path("token"), token["token"].as_str().unwrap()).unwrap();
    world.publish("2.0.0", Candidate::Good);
    let arguments = [
        "--token-file",
        "token",
        "--from-version",
        "1.0.0",
        "--bad-version",
        "2.0.0",
    ];
    let mut bench = bench(&world, "2.0.0", &arguments).spawn().unwrap();
    eventually("all of them report", || reporting(&world) == 200);
    world.promote("2.0.0");
    world.rollout_becomes("2.0.0", "halted");
    let runs = world.json(&["run", "list", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");
    assert_eq!(runs[0]["outcome"], "rolled-back", "{runs}");
    assert_eq!(runs[0]["reason"]["code"], "worker-exited", "{runs}");
    bench.kill().unwrap();
    bench.wait().unwrap();
}
