//! The agent on its machine: locks, signals, the local sockets, workers that die.

use std::process::Command;

use crate::candidate::Candidate;
use crate::world::{World, eventually};

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

fn worker_pid(world: &World, host: &crate::world::Host) -> Option<u64> {
    host.status(world)?["supervisor"]["worker"].as_u64()
}

#[test]
fn a_second_agent_on_the_same_root_is_refused_and_a_stale_lock_is_not_in_the_way() {
    let world = World::start();
    let mut host = world.host("web1");
    let second = host.agent(&world, &["run"]);
    assert_eq!(second.status.code(), Some(3), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        said.contains(&host.pid().to_string()),
        "it names the process that holds the lock: {said}"
    );
    assert!(
        worker_pid(&world, &host).is_some(),
        "the first one is not disturbed"
    );
    host.kill();
    assert!(
        host.root.join("var/lib/lockstep/agent.lock").exists(),
        "the file stays behind"
    );
    host.start();
    eventually("it runs again", || worker_pid(&world, &host).is_some());
}

#[test]
fn a_worker_that_is_killed_is_started_again() {
    let world = World::start();
    let host = world.host("web1");
    let first = worker_pid(&world, &host).unwrap();
    signal(u32::try_from(first).unwrap(), "KILL");
    eventually("another worker runs", || {
        worker_pid(&world, &host).is_some_and(|pid| pid != first)
    });
    let pid = host.pid();
    assert_eq!(host.status(&world).unwrap()["supervisor"]["pid"], pid);
}

#[test]
fn the_worker_ends_with_its_supervisor() {
    let world = World::start();
    let mut host = world.host("web1");
    let worker = worker_pid(&world, &host).unwrap();
    host.kill();
    eventually("the worker is gone", || {
        !std::path::Path::new(&format!("/proc/{worker}")).exists()
    });
}

#[test]
fn term_stops_in_order_and_stop_does_the_same() {
    let world = World::start();
    let mut host = world.host("web1");
    let worker = worker_pid(&world, &host).unwrap();
    signal(host.pid(), "TERM");
    host.wait_dead();
    assert!(
        !std::path::Path::new(&format!("/proc/{worker}")).exists(),
        "the worker ended first"
    );
    host.start();
    eventually("it runs again", || worker_pid(&world, &host).is_some());
    let stopped = host.agent(&world, &["stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    host.wait_dead();
    let nobody = host.agent(&world, &["status"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("no agent answers"),
        "{nobody:?}"
    );
}

#[test]
fn hup_reads_the_configuration_again_and_a_bad_one_is_refused() {
    let world = World::start();
    let host = world.host("web1");
    let path = host.root.join("etc/lockstep/agent.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}\nnonsense = 1\n")).unwrap();
    let refused = host.agent(&world, &["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("nonsense"),
        "{refused:?}"
    );
    signal(host.pid(), "HUP");
    eventually("the old one stays in force", || {
        host.log().contains("the old one stays in force")
    });
    std::fs::write(&path, good.replace("[update]", "[update]\nenabled = false")).unwrap();
    assert!(host.agent(&world, &["reload"]).status.success());
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    eventually("the host says why it stays", || {
        host.status(&world).unwrap_or_default()["worker"]["hold"]["hold"] == "off-here"
    });
    assert_eq!(host.current(), "1.0.0");
    let by_hand = host.agent(&world, &["update"]);
    assert!(
        by_hand.status.success(),
        "a person on the host may still order it: {by_hand:?}"
    );
    assert_eq!(host.current(), "2.0.0");
}

#[test]
fn usr1_executes_the_current_version_anew_in_place() {
    let world = World::start();
    let host = world.host("web1");
    let (pid, worker) = (host.pid(), worker_pid(&world, &host).unwrap());
    signal(pid, "USR1");
    eventually("a new worker runs", || {
        worker_pid(&world, &host).is_some_and(|pid| pid != worker)
    });
    assert_eq!(host.status(&world).unwrap()["supervisor"]["pid"], pid);
}

#[test]
fn a_bare_program_becomes_the_first_slot() {
    let world = World::start();
    let root = world.path("bare").display().to_string();
    let token = world.json(&["token", "create", "--json"]);
    std::fs::write(world.path("token"), token["token"].as_str().unwrap()).unwrap();
    let url = world.agents_url();
    world.must(&[
        "agent",
        "enroll",
        &url,
        "--token-file",
        "token",
        "--name",
        "bare",
        "--root",
        &root,
    ]);
    let mut agent = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    agent
        .args(["agent", "run", "--root", &root])
        .stdin(std::process::Stdio::null());
    let mut agent = agent
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let own = env!("CARGO_PKG_VERSION");
    eventually("it reports its own version", || {
        world.reported_version("bare").as_deref() == Some(own)
    });
    agent.kill().unwrap();
    agent.wait().unwrap();
    let level = world.must(&["agent", "level", "--root", &root]);
    assert!(level.contains(own) && level.contains("current"), "{level}");
}

#[test]
fn a_proven_version_that_dies_again_and_again_makes_way_for_the_one_before() {
    let world = World::start();
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::DiesWhenTold);
    world.promote("2.0.0");
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    eventually("it is proven", || {
        world.reported_version("web1").as_deref() == Some("2.0.0")
    });
    std::fs::write(host.root.join("die"), "").unwrap();
    let worker = worker_pid(&world, &host).unwrap();
    signal(u32::try_from(worker).unwrap(), "KILL");
    eventually("the version before runs", || host.current() == "1.0.0");
    eventually("it reports", || {
        world.reported_version("web1").as_deref() == Some("1.0.0")
    });
    eventually("the host says why it stays", || {
        let status = host.status(&world).unwrap_or_default();
        status["worker"]["hold"]["hold"] == "failed-before"
    });
    eventually(
        "the server knows that the run did not end well after all",
        || {
            let run = world.run_to("web1", "2.0.0").unwrap_or_default();
            run["outcome"] == "rolled-back" && run["reason"]["code"] == "crash-loop"
        },
    );
}

#[test]
fn no_way_leads_back_to_a_version_that_cannot_read_the_memory_or_the_configuration_of_now() {
    let world = World::start();
    let mut host = world.host("web1");
    world.publish("2.0.0", Candidate::DiesWhenTold);
    world.promote("2.0.0");
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    eventually("it is proven", || {
        world.reported_version("web1").as_deref() == Some("2.0.0")
    });
    let before = host.root.join("opt/lockstep/slots/lockstep/1.0.0");
    Candidate::MovesMemoryAside.lay_out(&before);
    let memory = host.root.join("var/lib/lockstep/memory.json");
    let remembered = std::fs::read(&memory).unwrap();
    let by_hand = host.agent(&world, &["rollback"]);
    let said = String::from_utf8_lossy(&by_hand.stderr).into_owned();
    assert_eq!(by_hand.status.code(), Some(3), "{said}");
    let unread = format!("it cannot read {}", memory.display());
    assert!(said.contains(&unread), "{said}");
    assert_eq!(std::fs::read(&memory).unwrap(), remembered);
    assert!(!memory.with_extension("json.damaged").exists());
    Candidate::KnowsNoWishes.lay_out(&before);
    let config = host.root.join("etc/lockstep/agent.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "\n[wishes]\nrestart_agent = true\n").unwrap();
    let by_hand = host.agent(&world, &["rollback"]);
    let said = String::from_utf8_lossy(&by_hand.stderr).into_owned();
    assert_eq!(by_hand.status.code(), Some(3), "{said}");
    assert!(
        said.contains("1.0.0, cannot begin on this host") && said.contains("unknown field wishes"),
        "{said}"
    );
    // Nor does the guard go there: the host would be dark for good.
    std::fs::write(host.root.join("die"), "").unwrap();
    let worker = worker_pid(&world, &host).unwrap();
    signal(u32::try_from(worker).unwrap(), "KILL");
    eventually("the guard has looked at the version before", || {
        host.log()
            .contains("the version before cannot begin on this host")
    });
    assert_eq!(host.current(), "2.0.0");
    host.kill();
    std::fs::remove_file(host.root.join("die")).unwrap();
    // The book of wishes cannot be read, either: the worker obeys none, and begins.
    let book = host.root.join("var/lib/lockstep/wishes.json");
    let _ = std::fs::remove_file(&book);
    std::fs::create_dir(&book).unwrap();
    let last_seen = || world.json(&["host", "show", "web1", "--json"])["last_seen"].clone();
    let before = last_seen();
    host.start();
    eventually("it reports again", || last_seen() != before);
    assert!(host.log().contains("what was wished of this host before"));
    assert_eq!(host.current(), "2.0.0");
}

#[test]
fn a_configuration_that_went_bad_is_not_held_against_the_version() {
    let world = World::start();
    let mut host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    eventually("it is proven", || {
        world.reported_version("web1").as_deref() == Some("2.0.0")
    });
    host.kill();
    let path = host.root.join("etc/lockstep/agent.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("nonsense = 1\n{good}")).unwrap();
    host.start();
    eventually("its worker was started often enough to count", || {
        host.log()
            .matches("the worker cannot begin on this host")
            .count()
            >= 5
    });
    assert_eq!(host.current(), "2.0.0");
    std::fs::write(&path, good).unwrap();
    let before = world.json(&["host", "show", "web1", "--json"])["last_seen"].clone();
    eventually("it recovers by itself", || {
        world.json(&["host", "show", "web1", "--json"])["last_seen"] != before
    });
}

#[test]
fn no_second_agent_gets_in_while_the_first_executes_itself_anew() {
    let world = World::start();
    let host = world.host("web1");
    let over = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        let intruders: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut refused = 0;
                    while !over.load(order) {
                        let second = host.agent(&world, &["run"]);
                        assert_eq!(second.status.code(), Some(3), "{second:?}");
                        refused += 1;
                    }
                    refused
                })
            })
            .collect();
        for _ in 0..8 {
            let worker = worker_pid(&world, &host);
            signal(host.pid(), "USR1");
            eventually("a new worker runs", || {
                let now = worker_pid(&world, &host);
                now.is_some() && now != worker
            });
        }
        over.store(true, order);
        let refused: u32 = intruders
            .into_iter()
            .map(|intruder| intruder.join().unwrap())
            .sum();
        assert!(refused > 20, "only {refused} tries were made");
    });
}

#[test]
fn two_orderly_stops_in_a_trial_are_no_evidence_against_the_candidate() {
    let world = World::start();
    let mut host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    for _ in 0..2 {
        eventually("the candidate is on trial", || {
            host.journal()["step"]["step"] == "trial"
        });
        signal(host.pid(), "TERM");
        host.wait_dead();
        assert_eq!(host.current(), "1.0.0");
        host.start();
    }
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    assert_eq!(host.current(), "2.0.0");
}

/// However much is asked of the supervisor, it must tell its service manager in time that it lives.
#[test]
fn a_busy_supervisor_still_feeds_the_watchdog() {
    let world = World::start();
    let mut host = world.host("web1");
    host.kill();
    let path = world.path("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(std::time::Duration::from_millis(10)))
        .unwrap();
    host.set("NOTIFY_SOCKET", path.to_str().unwrap());
    host.set("WATCHDOG_USEC", "3000000");
    host.start();
    let mut told = Vec::new();
    let mut listen = || {
        let mut buffer = [0; 4096];
        while let Ok(length) = manager.recv(&mut buffer) {
            told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        told.iter()
            .filter(|said| said.contains("WATCHDOG=1"))
            .count()
    };
    eventually("the agent answers", || worker_pid(&world, &host).is_some());
    let before = listen();
    let began = std::time::Instant::now();
    // Without a pause between two questions there is never a quiet moment.
    while began.elapsed() < std::time::Duration::from_secs(4) {
        assert!(host.status(&world).is_some());
    }
    let fed = listen() - before;
    assert!(fed >= 3, "fed {fed} times in 4 s, once a second was due");
    assert!(told.iter().any(|said| said.contains("READY=1")), "{told:?}");
}

#[test]
fn an_operator_has_the_agent_started_again_once_and_unless_the_host_forbids_it() {
    let world = World::start();
    let mut host = world.provision("web1");
    let config = host.root.join("etc/lockstep/agent.toml");
    let permitted = std::fs::read_to_string(&config).unwrap();
    let forbidden = format!("{permitted}[wishes]\nrestart_agent = false\n");
    std::fs::write(&config, forbidden).unwrap();
    host.start();
    let is = |state: &str| {
        let shown = world.must(&["host", "show", "web1"]);
        let mut lines = shown.lines();
        lines.any(|line| line.starts_with("wish ") && line.contains(&format!("; {state}")))
    };
    let last_seen = || world.json(&["host", "show", "web1", "--json"])["last_seen"].clone();
    eventually("the host has reported", || last_seen().is_string());
    let wish = |why: &str| world.must(&["host", "restart-agent", "web1", "--why", why]);
    wish("it holds a file");
    eventually("it is not permitted", || is("not-permitted: agent.toml"));
    world.must(&["host", "restart-agent", "web1", "--cancel"]);
    assert!(is("taken back by "));
    std::fs::write(&config, permitted).unwrap();
    host.agent(&world, &["reload"]);

    let supervisor = host.pid();
    let before = worker_pid(&world, &host);
    assert!(before.is_some());
    wish("it holds a file still");
    eventually("it is done", || is("done"));
    let after = worker_pid(&world, &host);
    assert!(after.is_some() && after != before, "{before:?} {after:?}");
    // What is done cannot be taken back, and is not done again: neither by reports, nor by a new start.
    let late = world.run(&["host", "restart-agent", "web1", "--cancel"]);
    assert_eq!(late.status.code(), Some(3));
    let last = last_seen();
    eventually("it has reported once more", || last_seen() != last);
    assert_eq!(worker_pid(&world, &host), after);
    assert_eq!(host.pid(), supervisor);
    let audit = world.must(&["audit", "list"]);
    assert!(
        audit.contains("wished the restart-agent of web1"),
        "{audit}"
    );
}
