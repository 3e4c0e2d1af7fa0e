//! A restart of the machine that an operator wishes: never twice, never without a permit, never without the lock, never after
//! the end.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::nobody_has;
use super::stage::{Stage, lock, said, stage, those};
use crate::world::{World, eventually};

/// So many cuts, drawn from all that are possible; `LOCKSTEP_ALL_CUTS=1` tries each.
const MOST: usize = 24;

/// A restart of the machine gives it another boot id.
fn restarts(host: &Stage) {
    let boot = host.root.join("proc/sys/kernel/random/boot_id");
    host.does("restart", &format!("date +boot-%s%N > {}", boot.display()));
}

fn boot_id(host: &Stage) -> String {
    let boot = host.root.join("proc/sys/kernel/random/boot_id");
    std::fs::read_to_string(boot).unwrap().trim().to_owned()
}

/// The host's own word on restarts.
fn permit(host: &Stage, reboot: bool) {
    let path = host.root.join("etc/lockstep/agent.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let before = text.split("[wishes]").next().unwrap();
    std::fs::write(&path, format!("{before}[wishes]\nreboot = {reboot}\n")).unwrap();
}

/// The run of a restart as its journal has it.
fn journal(host: &Stage) -> Value {
    let path = host.root.join("var/lib/lockstep/runs/reboot.json");
    serde_json::from_slice(&std::fs::read(path).unwrap_or_default()).unwrap_or_default()
}

fn restarts_of(host: &Stage) -> usize {
    let called = host.called();
    called.iter().filter(|script| *script == "restart").count()
}

/// What the worker writes down when it is told of a wish.
fn told(host: &Stage, number: u64) {
    let now = jiff::Timestamp::now();
    let (at, until) = (
        now.to_string(),
        (now + jiff::SignedDuration::from_hours(1)).to_string(),
    );
    let boot_id = boot_id(host);
    let book = json!({
        "reboot": {
            "wish": {"verb": "reboot", "number": number, "boot_id": boot_id, "by": "ann", "why": "a new kernel",
                "at": at, "until": until},
            "here": {"number": number, "boot_id": boot_id, "from": at, "until": until},
        },
        "restart_agent": null,
        "restarted": 0,
    });
    let path = host.root.join("var/lib/lockstep/wishes.json");
    std::fs::write(path, book.to_string()).unwrap();
}

fn reboot_run(host: &Stage, more: &[&str], variable: Option<(&str, &str)>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args(["agent", "reboot-run", "--root"])
        .arg(&host.root)
        .args(more)
        .env_remove("LOCKSTEP_OPERATOR")
        .envs(variable)
        .output()
        .unwrap()
}

fn becomes(world: &World, state: &str) {
    eventually(&format!("the restart is {state}"), || {
        let shown = world.must(&["host", "show", "web1"]);
        let mut lines = shown.lines();
        let of_it = |line: &&str| line.starts_with("wish ") && line.contains(" reboot wished by ");
        lines.any(|line| of_it(&line) && line.contains(&format!("; {state}")))
    });
}

/// The silences that runs have by themselves.
fn leases(world: &World) -> Vec<String> {
    let silences = world.json(&["silence", "list", "--json"]);
    let all = silences.as_array().unwrap().iter();
    all.filter_map(|it| it["run"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_restart_that_is_wished_comes_once_in_time_under_its_lock_and_with_a_permit() {
    let world = World::start();
    let mut host = world.provision("web1");
    let web1 = Stage::set("web1", &host.root, "lock = \"os\"");
    restarts(&web1);
    // Before it has reported nobody knows which boot is to end.
    let early = world.run(&["host", "reboot", "web1", "--why", "a new kernel"]);
    assert_eq!(early.status.code(), Some(3), "{}", said(&early));
    host.start();
    let reported =
        |world: &World| world.json(&["host", "show", "web1", "--json"])["last_seen"].clone();
    eventually("the host has reported", || reported(&world).is_string());

    // Without a permit it says so, and does nothing.
    world.must(&["host", "reboot", "web1", "--why", "a new kernel"]);
    becomes(&world, "not-permitted: agent.toml of this host");
    let refused = reboot_run(&web1, &[], None);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(web1.called().is_empty());

    // With one and a mistake in its other file it says where that is.
    web1.configure("lock = \"os\"", "lok = \"os\"");
    permit(&web1, true);
    host.agent(&world, &["reload"]);
    let wrong = web1.root.join("etc/lockstep/update.toml");
    becomes(&world, &format!("waits: {}: ", wrong.display()));
    assert!(web1.called().is_empty());
    permit(&web1, false);
    host.agent(&world, &["reload"]);
    becomes(&world, "not-permitted: agent.toml of this host");
    web1.configure("lok = \"os\"", "lock = \"os\"");

    // With one it waits for the lock, and can be taken back.
    let web2 = stage(&world, "web2");
    web2.holds("apply");
    let other = web2.start(&[]);
    web2.inside();
    permit(&web1, true);
    host.agent(&world, &["reload"]);
    becomes(&world, "waits: lock os");
    assert_eq!(those(&lock(&world, "os"), "waiters"), ["web1"]);
    world.must(&["host", "reboot", "web1", "--cancel"]);
    becomes(&world, "taken back by ");
    eventually("the run is given up", || {
        journal(&web1)["step"]["step"] == "over"
    });
    assert_eq!(journal(&web1)["step"]["reason"]["code"], "wish-taken-back");
    web2.go();
    assert_eq!(other.ends_with(0), "done\n");
    web1.forget_calls();

    // Wished anew it is done.
    web1.holds("pre");
    world.must(&["host", "reboot", "web1", "--why", "a newer kernel"]);
    web1.inside();
    // Meanwhile it can neither be taken back nor be wished anew, and what is expected of the host is not told.
    becomes(&world, "begun");
    for more in [&["--cancel"][..], &["--why", "the newest kernel"]] {
        let refused = world.run(&[&["host", "reboot", "web1"][..], more].concat());
        assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    }
    let run = journal(&web1)["id"].as_str().unwrap().to_owned();
    eventually("the run has its lease", || leases(&world).contains(&run));
    web1.go();
    becomes(&world, "done");
    eventually("the lease ends with the run", || leases(&world).is_empty());
    assert_eq!(web1.called(), ["pre", "restart", "post"]);
    assert_eq!(journal(&web1)["id"], run.as_str());
    let record = super::stage::record(&world, &run);
    assert_eq!(record["outcome"], "done", "{record}");
    assert_eq!(record["kind"], "reboot", "{record}");
    let by = record["by"].as_str().unwrap();
    assert!(by.ends_with(": a newer kernel"), "{record}");
    nobody_has(&world, "os");
    // The machine has restarted, and its agent with it. Nothing is done again, whoever calls.
    let last = reported(&world);
    host.kill();
    host.start();
    eventually("it has reported once more", || reported(&world) != last);
    becomes(&world, "done");
    assert_eq!(said(&reboot_run(&web1, &[], None)), "nothing to do\n");
    assert_eq!(web1.called(), ["pre", "restart", "post"]);

    // What was not permitted in its time is not done afterwards.
    permit(&web1, false);
    host.agent(&world, &["reload"]);
    world.must(&["host", "reboot", "web1", "--why", "late", "--for", "1s"]);
    becomes(&world, "void");
    permit(&web1, true);
    host.agent(&world, &["reload"]);

    // Nor is it made up for once it is permitted.
    let last = reported(&world);
    eventually("it has reported once more", || reported(&world) != last);
    becomes(&world, "void");
    assert_eq!(web1.called(), ["pre", "restart", "post"]);
    let audit = world.must(&["audit", "list"]);
    assert!(audit.contains("wished the reboot of web1"), "{audit}");
}

/// Has a wish obeyed by a process that is cut at a point, and by whoever comes after it. True if it was cut.
fn cut(host: &Stage, fault: &str, number: u64) -> bool {
    host.forget_calls();
    told(host, number);
    let first = reboot_run(host, &[], Some(("LOCKSTEP_FAULT", fault)));
    let was_cut = first.status.signal() == Some(9);
    assert!(
        was_cut || first.status.success(),
        "{fault}: {}",
        said(&first)
    );
    let so_far = restarts_of(host);
    let lost_power = was_cut && fault.contains(":powercut");
    if lost_power {
        // The machine comes up again.
        host.boot(&format!("boot-after-{number}"));
    }
    // The agent goes on with what is under way, and begins what is wished, as often as it likes.
    for more in [&["--resume"][..], &[], &["--resume"], &[]] {
        let next = reboot_run(host, more, None);
        assert!(next.status.success(), "{fault}: {}", said(&next));
    }
    let expected = match lost_power {
        true => so_far,
        false => 1,
    };
    assert_eq!(restarts_of(host), expected, "{fault}: {:?}", host.called());
    assert!(so_far <= 1, "{fault}");
    let journal = journal(host);
    let ended = &journal["step"];
    let is_done = ended["step"] == "over" && ended["outcome"] == "done";
    let was_never_begun = lost_power && journal["job"]["wish"]["number"] != number;
    assert!(
        is_done || was_never_begun || ended["step"] == "nothing",
        "{fault}: {ended}"
    );
    was_cut
}

#[test]
fn a_restart_that_is_wished_comes_once_whatever_is_cut() {
    let world = World::start();
    let web1 = stage(&world, "web1");
    restarts(&web1);
    permit(&web1, true);
    told(&web1, 1);
    let trace = world.path("points");
    let traced = reboot_run(
        &web1,
        &[],
        Some(("LOCKSTEP_FAULT_TRACE", trace.to_str().unwrap())),
    );
    assert_eq!(said(&traced), "done\n");
    assert_eq!(web1.called(), ["pre", "restart", "post"]);
    let text = std::fs::read_to_string(&trace).unwrap();
    let points: BTreeSet<String> = text.lines().map(|line| line.replace(' ', ":")).collect();
    for needed in [
        "agent:run-journaled:",
        "agent:run-reboot:",
        "agent:run-rebooted:",
    ] {
        assert!(points.iter().any(|it| it.starts_with(needed)), "{points:?}");
    }
    let seed = fastrand::u64(..);
    println!("{} points, seed {seed}", points.len());
    let mut faults: Vec<String> = points
        .iter()
        .flat_map(|point| [point.clone(), format!("{point}:powercut")])
        .collect();
    if std::env::var_os("LOCKSTEP_ALL_CUTS").is_none() {
        let (must, mut others): (Vec<String>, Vec<String>) = faults
            .into_iter()
            .partition(|it| it.contains(":run-reboot"));
        fastrand::Rng::with_seed(seed).shuffle(&mut others);
        others.truncate(MOST);
        faults = must.into_iter().chain(others).collect();
    }
    let mut fell = 0;
    for (fault, number) in faults.iter().zip(2..) {
        fell += usize::from(cut(&web1, fault, number));
    }
    println!("{} cuts, {fell} of them fell", faults.len());
    assert!(
        fell * 10 >= faults.len() * 8,
        "only {fell} of {} cuts fell",
        faults.len()
    );
    nobody_has(&world, "os");

    // A permit that is withdrawn while the host is drained is minded, and the host serves again.
    web1.forget_calls();
    let config = web1.root.join("etc/lockstep/agent.toml");
    let withdraw = format!(
        "sed -i 's/reboot = true/reboot = false/' {}",
        config.display()
    );
    web1.does("pre", &withdraw);
    told(&web1, 1_000);
    let ended = said(&reboot_run(&web1, &[], None));
    assert_eq!(web1.called(), ["pre", "post"], "{ended}");
    let over = &journal(&web1)["step"];
    assert_eq!(over["outcome"], "postponed", "{over}");
    assert_eq!(over["reason"]["code"], "not-permitted", "{over}");
    nobody_has(&world, "os");
}
