//! Upgrades of operating systems, from the first script to the last: real hosts, a real server, and everything that can
//! go wrong in between.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::world::{World, eventually};

mod agent;
mod away;
mod cuts;
mod disk;
mod killed;
mod reboots;
mod stage;
mod stops;
mod wishes;

use stage::{ALL, Line, lock, record, stage, those};

/// The server's chain is whole, and has all that the hosts wrote down, without gaps; so is each host's own.
fn whole(world: &World, hosts: &[&stage::Stage]) {
    for host in hosts {
        // Records are sent by the run and by the agent; on a busy machine the last ones take a moment.
        eventually("the server has all records", || {
            chains(world, host).0["not_received"] == Value::Array(vec![])
        });
        let (received, own) = chains(world, host);
        assert_eq!(received["not_received"], Value::Array(vec![]), "{received}");
        assert_eq!(own["entries"], received["records"], "{own} {received}");
        assert_eq!(own["head"]["number"], received["head"], "{own} {received}");
    }
}

/// What the server has of a host's own chain, and what the host has; both are whole.
fn chains(world: &World, host: &stage::Stage) -> (Value, Value) {
    let verified = world.json(&["audit", "verify", "--json"]);
    assert_eq!(verified["whole"], true, "{verified}");
    let received = verified["chain"]["hosts"][&host.name].clone();
    assert_eq!(received["without_link"], 0, "{verified}");
    assert_eq!(received["begun_anew"], 0, "{verified}");
    let file = host.root.join("var/lib/lockstep/records.jsonl");
    let file = file.display().to_string();
    let own = world.json(&["audit", "verify", "--file", &file, "--json"]);
    assert_eq!(own["whole"], true, "{own}");
    (received, own["chain"].clone())
}

fn nobody_has(world: &World, name: &str) {
    let view = lock(world, name);
    assert!(
        those(&view, "holders").is_empty() && those(&view, "waiters").is_empty(),
        "{view}"
    );
}

#[test]
fn two_hosts_take_turns_and_everything_is_in_the_chains() {
    let world = World::start();
    let (web1, web2) = (stage(&world, "web1"), stage(&world, "web2"));
    web1.holds("apply");
    let first = web1.start(&[]);
    web1.inside();
    let second = web2.start(&[]);
    eventually("web2 stands in the queue", || {
        those(&lock(&world, "os"), "waiters") == ["web2"]
    });
    // A place in the queue outlives the process that stands there.
    second.kill();
    assert_eq!(web2.called(), ["check"]);
    let second = web2.start(&[]);
    eventually("the server knows what web2 waits for", || {
        let waits = record(&world, &web2.run())["waits"].clone();
        waits
            .as_str()
            .is_some_and(|it| it.contains("web1 (holds it); number 1"))
    });
    assert_eq!(those(&lock(&world, "os"), "holders"), ["web1"]);
    assert_eq!(lock(&world, "os")["ghosts"], Value::Array(vec![]));
    web1.go();
    assert_eq!(first.ends_with(0), "done\n");
    assert_eq!(second.ends_with(0), "done\n");

    assert_eq!(web1.called(), ALL);
    assert_eq!(web2.called(), ALL);
    // What each did under the lock, from the first begin to the last end.
    let lines = web1.lines();
    let inside = |host: &str| {
        let of = |line: &&Line| line.host == host && line.script != "check";
        let times: Vec<i128> = lines.iter().filter(of).map(|it| it.nanoseconds).collect();
        (times[0], times[times.len() - 1])
    };
    assert!(inside("web1").1 < inside("web2").0, "{lines:?}");
    // The same run from the first script to the last, and each has one of its own.
    for host in [&web1, &web2] {
        let run = host.run();
        assert!(
            lines
                .iter()
                .all(|it| (it.host == host.name) == (it.run == run)),
            "{lines:?}"
        );
        let record = record(&world, &run);
        assert_eq!(record["outcome"], "done", "{record}");
        assert_eq!(record["kind"], "system", "{record}");
        let log = record["log"].as_str().unwrap();
        assert!(
            ALL.iter().all(|it| log.contains(&format!("this is {it}"))),
            "{log}"
        );
    }
    nobody_has(&world, "os");
    assert_eq!(lock(&world, "os")["state"]["fence"], 2);
    whole(&world, &[&web1, &web2]);

    // One byte of a host's own chain, and where it is.
    let file = web1.root.join("var/lib/lockstep/records.jsonl");
    let mut bytes = std::fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let second_line = text.find('\n').unwrap() + 1;
    let digit = second_line + text[second_line..].find("cron or a script").unwrap();
    bytes[digit] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let path = file.display().to_string();
    let output = world.run(&["audit", "verify", "--file", &path]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        stage::said(&output).contains("broken at entry 2"),
        "{output:?}"
    );
}

#[test]
fn one_upgrade_of_a_host_at_a_time() {
    let world = World::start();
    let web1 = stage(&world, "web1");
    web1.holds("pre");
    let first = web1.start(&[]);
    web1.inside();
    let began = Instant::now();
    for more in [&[][..], &["--resume"], &["--after-reboot"], &["--retry"]] {
        let said = web1.update(more, 3);
        let pid = first.pid().as_raw_nonzero().to_string();
        assert!(said.contains(&pid), "{said}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(web1.called(), ["check", "pre"]);

    // Told to end it ends behind the step that is under way, and the next call goes on.
    first.signal(Signal::TERM);
    let mut first = first;
    assert!(!first.has_ended());
    web1.go();
    let said = first.ends_with(0);
    assert!(
        said.contains("in phase apply; goes on when called again"),
        "{said}"
    );
    assert_eq!(web1.called(), ["check", "pre"]);
    assert_eq!(web1.update(&["--resume"], 0), "done\n");
    assert_eq!(web1.called(), ALL);
    // There is nothing to go on with.
    for more in ["--resume", "--after-reboot"] {
        assert_eq!(web1.update(&[more], 0), "nothing to do\n");
    }
    // No update, no run: nobody hears of it.
    web1.does("check", "");
    assert_eq!(web1.update(&[], 0), "nothing to do\n");
    let runs = world.json(&["run", "list", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");
    nobody_has(&world, "os");
    whole(&world, &[&web1]);
}
