//! Runs and the agent: it tells of them, begins them, goes on with them, and keeps its own updates apart from them.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::stage::{ALL, Stage, lives, lock, record, stage, those};
use super::{nobody_has, whole};
use crate::candidate::Candidate;
use crate::world::{AGENT, Host, World, eventually};

/// The level of the item `run`, as the host's agent sees it.
fn level(world: &World, host: &Host) -> Option<u64> {
    let status = host.status(world)?;
    let items = status["worker"]["items"].as_array()?;
    let item = items.iter().find(|state| state["item"] == "run")?;
    item["level"].as_u64()
}

/// The problem that the server knows of the item `run`.
fn problem(world: &World) -> Option<Value> {
    let problems = world.json(&["problems", "--json"]);
    let mut problems = problems.as_array().unwrap().iter();
    problems.find(|it| it["item"] == "run").cloned()
}

/// The process that is at the host's upgrade.
fn process(stage: &Stage) -> Pid {
    let path = stage.root.join("var/lib/lockstep/runs/os.pid");
    let text = std::fs::read_to_string(path).unwrap();
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

#[test]
fn a_run_that_has_stopped_is_told_and_gone_on_with_by_the_agent() {
    let world = World::start();
    let mut host = world.provision("web1");
    let web1 = Stage::set("web1", &host.root, "lock = \"os\"");
    web1.configure("for = \"0s\"", "for = \"3s\"");
    let fleet =
        "[defaults]\nsample = \"1s\"\nreport = \"1s\"\n[lock.calm]\ncounts = [\"running\"]\n";
    std::fs::write(world.path("server/fleet.toml"), fleet).unwrap();
    world.must(&["fleet", "reload"]);
    host.start();
    eventually("nothing has stopped", || level(&world, &host) == Some(0));

    web1.does("pre", "exit 1");
    web1.update(&[], 1);
    eventually("the item is critical", || level(&world, &host) == Some(3));
    eventually("the server knows the problem", || problem(&world).is_some());
    let told = problem(&world).unwrap();
    assert_eq!(told["host"], "web1", "{told}");
    let words = told.to_string();
    assert!(
        words.contains("os has stopped in phase pre") && words.contains("keeps the lock os"),
        "{told}"
    );
    let events = world.json(&["event", "list", "--host", "web1", "--item", "run", "--json"]);
    assert!(!events.as_array().unwrap().is_empty(), "{events}");

    // A word of the operator, and the agent goes on with it.
    web1.holds("pre");
    world.must(&["run", "retry", &web1.run(), "--why", "mended"]);
    web1.inside();
    // Its reports say that it is in a run: it counts as one place of a lock that asks for that.
    eventually("the report shows the run", || {
        lock(&world, "calm")["taken"][0]["counted"] == "running"
    });
    eventually("the problem is over", || problem(&world).is_none());

    // The run outlives its agent. Killed itself, it is gone on with by the next one.
    let first = process(&web1);
    host.kill();
    assert!(lives(first));
    kill_process(first, Signal::KILL).unwrap();
    eventually("the run is gone", || !lives(first));
    web1.holds("pre");
    host.start();
    web1.inside();
    assert_ne!(process(&web1), first);
    assert_eq!(web1.called(), ["check", "pre", "pre", "pre"]);
    web1.go();
    // And killed while the host's health is looked at.
    // Before the server knows of it a kill could fall between the chain and the outbox: that is what the cuts look at.
    eventually("the host is being verified", || {
        web1.step() == "verify" && record(&world, &web1.run())["phase"] == "verify"
    });
    let second = process(&web1);
    kill_process(second, Signal::KILL).unwrap();
    eventually("the run is gone", || !lives(second));
    assert_eq!(web1.step(), "verify");
    assert_eq!(web1.update(&["--resume"], 0), "done\n");
    assert_eq!(web1.called()[3..], ALL[1..]);
    eventually("the item is fine", || level(&world, &host) == Some(0));
    nobody_has(&world, "os");
    whole(&world, &[&web1]);
}

#[test]
fn the_agent_begins_runs_by_itself_and_keeps_its_own_updates_apart() {
    let world = World::start();
    let mut host = world.provision("web1");
    let agent = AGENT.replace("window = \"2s\"", "window = \"8s\"");
    assert_ne!(agent, AGENT);
    let config = host.root.join("etc/lockstep/agent.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("window = \"2s\"", "window = \"8s\"")).unwrap();
    let web1 = Stage::set("web1", &host.root, "lock = \"os\"\nevery = \"1s\"");
    host.start();
    eventually("the agent has upgraded the host", || {
        web1.step() == "over" && record(&world, &web1.run())["outcome"] == "done"
    });
    let scheduled = record(&world, &web1.run());
    assert_eq!(scheduled["by"], "the schedule of this host", "{scheduled}");
    assert_eq!(web1.called(), ALL);
    web1.configure("every = \"1s\"", "every = \"1d\"");

    // While an upgrade is at work the agent does not change itself.
    web1.forget_calls();
    web1.holds("apply");
    let run = web1.start(&[]);
    web1.inside();
    let id = web1.run();
    world.publish("1.1.0", Candidate::Good);
    world.promote("1.1.0");
    eventually("the agent waits for the run", || {
        let hold = host.status(&world).unwrap_or_default()["worker"]["hold"].clone();
        hold["hold"] == "run-in-progress" && hold["run"] == id
    });
    assert_eq!(world.run_to("web1", "1.1.0"), None);
    web1.does("apply", "");
    web1.go();
    assert_eq!(run.ends_with(0), "done\n");

    // While the agent tries a version the upgrade waits.
    web1.forget_calls();
    eventually("the candidate is tried", || {
        host.journal()["step"]["step"] == "trial"
    });
    let run = web1.start(&[]);
    eventually("the upgrade has its lock", || web1.fence() == Some(3));
    assert_eq!(host.journal()["step"]["step"], "trial");
    assert_eq!(web1.called(), ["check"]);
    let update = world.finished_run("web1", "1.1.0");
    assert_eq!(update["outcome"], "done", "{update}");
    assert_eq!(run.ends_with(0), "done\n");
    assert_eq!(web1.called(), ALL);
    let proven: jiff::Timestamp = update["at"].as_str().unwrap().parse().unwrap();
    let lines = web1.lines();
    let pre = lines.iter().find(|line| line.script == "pre").unwrap();
    assert!(
        pre.nanoseconds > proven.as_nanosecond(),
        "{update} {lines:?}"
    );
    nobody_has(&world, "os");
    whole(&world, &[&web1]);
}

#[test]
fn a_host_that_waits_is_called_by_the_server_when_a_place_is_free() {
    let world = World::start();
    let web1 = stage(&world, "web1");
    let mut host = world.provision("web2");
    // It would ask again by itself after an hour.
    let web2 = Stage::set("web2", &host.root, "lock = \"os\"");
    web2.configure("lock_again = \"200ms\"", "lock_again = \"1h\"");
    host.start();
    eventually("web2 has an agent", || host.status(&world).is_some());
    web1.holds("apply");
    let first = web1.start(&[]);
    web1.inside();
    let second = web2.start(&[]);
    eventually("web2 stands in the queue", || {
        those(&lock(&world, "os"), "waiters") == ["web2"]
    });
    let began = std::time::Instant::now();
    web1.go();
    assert_eq!(first.ends_with(0), "done\n");
    assert_eq!(second.ends_with(0), "done\n");
    assert!(
        began.elapsed() < std::time::Duration::from_secs(50),
        "{:?}",
        began.elapsed()
    );
    nobody_has(&world, "os");
}
