//! Locks from the command line: hosts and operators who take them, commands that run under them, and what is proven of
//! all that afterwards.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::candidate::Candidate;
use crate::world::{Host, World, eventually};

/// `lockstep lock VERB db` as this host, with more arguments.
fn lock(world: &World, host: &Host, verb: &str, more: &[&str]) -> Output {
    start(world, host, verb, more).wait_with_output().unwrap()
}

/// The same without waiting for its end.
fn start(world: &World, host: &Host, verb: &str, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command
        .args(["lock", verb, "db", "--root"])
        .arg(&host.root)
        .args(more)
        .current_dir(world.path(""))
        .env_remove("LOCKSTEP_OPERATOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end_with(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[track_caller]
fn assert_code(output: &Output, code: i32) -> String {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    words
}

/// Who has the lock and who waits for it.
fn standing(world: &World) -> (Vec<String>, Vec<String>) {
    let view = world.json(&["lock", "show", "db", "--json"]);
    let names = |key: &str| {
        let all = view["state"][key].as_array().unwrap();
        let holders = all.iter().map(|it| it["holder"].clone());
        holders
            .map(|it| {
                let who = it.get("host").or(it.get("operator")).unwrap();
                who.as_str().unwrap().to_owned()
            })
            .collect()
    };
    (names("holders"), names("waiters"))
}

fn nobody(world: &World) -> bool {
    standing(world) == (Vec::new(), Vec::new())
}

/// A script that says that it runs, and ends when it is told.
fn until_told(world: &World) -> String {
    let (runs, go) = (world.path("runs"), world.path("go"));
    let _ = std::fs::remove_file(&runs);
    let _ = std::fs::remove_file(&go);
    format!(
        "trap 'exit 9' TERM; touch {}; while [ ! -e {} ]; do sleep 0.05; done",
        runs.display(),
        go.display()
    )
}

fn touch(path: &Path) {
    std::fs::write(path, "").unwrap();
}

#[test]
fn two_hosts_share_one_lock() {
    let world = World::start();
    let (web1, web2) = (world.provision("web1"), world.provision("web2"));
    let before = world.json(&["audit", "verify", "--json"]);
    assert_eq!(before["whole"], true, "{before}");

    assert_code(&lock(&world, &web1, "acquire", &["--why", "new disks"]), 0);
    assert_code(&lock(&world, &web1, "acquire", &[]), 0);
    let words = assert_code(&lock(&world, &web2, "acquire", &[]), 3);
    assert!(words.contains("web1 (holds it)"), "{words}");
    let list = world.must(&["lock", "list"]);
    let row = list.lines().find(|line| line.starts_with("db")).unwrap();
    assert!(
        ["1 of 1", "full", "web1", "new disks"]
            .iter()
            .all(|word| row.contains(word)),
        "{list}"
    );
    assert!(world.must(&["lock", "show", "db"]).contains("grant 1"));

    // Refused, and nothing is run.
    let ran = world.path("ran").display().to_string();
    let words = assert_code(
        &lock(&world, &web2, "with", &["--no-wait", "--", "touch", &ran]),
        3,
    );
    assert!(words.contains("nothing was run"), "{words}");
    assert!(!world.path("ran").exists());
    // Whose lock it was before keeps it, and the command knows what it runs under.
    let script = format!("echo $LOCKSTEP_LOCK $LOCKSTEP_FENCE > {ran}; exit 7");
    let words = assert_code(
        &lock(&world, &web1, "with", &["--", "sh", "-c", &script]),
        7,
    );
    assert!(words.contains("will not be given back"), "{words}");
    assert_eq!(std::fs::read_to_string(&ran).unwrap(), "db 1\n");
    assert_eq!(standing(&world).0, ["web1"]);

    // Taken away, with a reason that stays.
    assert_eq!(world.run(&["lock", "free", "db"]).status.code(), Some(2));
    world.must(&["lock", "free", "db", "--why", "web1 was scrapped"]);
    let audit = world.must(&["audit", "list"]);
    assert!(
        audit
            .lines()
            .any(|line| line.contains("db") && line.contains("web1 was scrapped")),
        "{audit}"
    );
    assert_code(&world.run(&["lock", "free", "db", "--why", "once more"]), 3);
    assert_code(&lock(&world, &web1, "release", &[]), 4);

    // An operator takes a place like anybody else.
    world.must(&["lock", "acquire", "db", "--why", "by hand"]);
    assert_code(&lock(&world, &web1, "acquire", &[]), 3);
    world.must(&["lock", "release", "db"]);
    world.must(&["lock", "disable", "db", "--why", "the audit is on"]);
    let words = assert_code(&lock(&world, &web1, "acquire", &[]), 3);
    assert!(words.contains("the audit is on"), "{words}");
    world.must(&["lock", "enable", "db"]);
    assert_code(&lock(&world, &web1, "acquire", &[]), 0);
    assert_code(&lock(&world, &web1, "release", &[]), 0);

    // What was noted before is still there, and what was not is found out.
    let (number, hash) = noted(&before);
    let whole = world.must(&["audit", "verify", "--after", &number, "--hash", &hash]);
    assert!(
        whole.starts_with("the chain is whole") && whole.contains("as it was noted"),
        "{whole}"
    );
    let other = "0".repeat(64);
    let forged = world.run(&["audit", "verify", "--after", &number, "--hash", &other]);
    assert_code(&forged, 1);
    let words = String::from_utf8_lossy(&forged.stdout).into_owned();
    assert!(
        words.contains(&format!("broken at entry {number}")),
        "{words}"
    );
}

fn noted(verified: &Value) -> (String, String) {
    let head = &verified["chain"]["head"];
    let hash = head["hash"].as_str().unwrap();
    (head["number"].to_string(), hash.into())
}

#[test]
fn a_lock_is_given_back_however_its_command_ends() {
    let world = World::start();
    let (web1, web2) = (world.provision("web1"), world.provision("web2"));
    let with = |host: &Host, more: &[&str]| lock(&world, host, "with", more);

    assert_code(&with(&web1, &["--", "true"]), 0);
    assert!(nobody(&world));
    assert_code(&with(&web1, &["--", "sh", "-c", "exit 23"]), 23);
    assert!(nobody(&world));
    assert_code(&with(&web1, &["--", "sh", "-c", "kill -KILL $$"]), 137);
    assert!(nobody(&world));
    let words = assert_code(&with(&web1, &["--", "/nowhere/at-all"]), 1);
    assert!(words.contains("no such command"), "{words}");
    assert!(nobody(&world));

    // A signal is the command's.
    let running = start(
        &world,
        &web1,
        "with",
        &["--", "sh", "-c", &until_told(&world)],
    );
    eventually("the command runs", || world.path("runs").exists());
    assert_eq!(standing(&world).0, ["web1"]);
    end_with(&running, Signal::TERM);
    assert_code(&running.wait_with_output().unwrap(), 9);
    assert!(nobody(&world));

    // One that was taken away in the middle is said to be.
    let running = start(
        &world,
        &web1,
        "with",
        &["--", "sh", "-c", &until_told(&world)],
    );
    eventually("the command runs", || world.path("runs").exists());
    world.must(&["lock", "free", "db", "--holder", "web1", "--why", "a test"]);
    assert_code(&lock(&world, &web2, "acquire", &[]), 0);
    touch(&world.path("go"));
    let words = assert_code(&running.wait_with_output().unwrap(), 1);
    assert!(
        words.contains("lost") && words.contains("exit status: 0"),
        "{words}"
    );
    assert_eq!(standing(&world).0, ["web2"], "who came later keeps it");
}

#[test]
fn who_waits_gets_the_lock_or_leaves_the_queue() {
    let world = World::start();
    let (web1, web2) = (world.provision("web1"), world.provision("web2"));
    assert_code(&lock(&world, &web1, "acquire", &[]), 0);
    let waits = || standing(&world).1 == ["web2"];

    // A signal ends the waiting.
    let waiting = start(&world, &web2, "with", &["--", "true"]);
    eventually("web2 stands in the queue", waits);
    end_with(&waiting, Signal::INT);
    let words = assert_code(&waiting.wait_with_output().unwrap(), 130);
    assert!(words.contains("place 1 in the queue"), "{words}");
    assert_eq!(standing(&world).1, [""; 0]);
    // So does the time that was set.
    assert_code(
        &lock(&world, &web2, "with", &["--wait", "1s", "--", "true"]),
        3,
    );
    assert_eq!(standing(&world).1, [""; 0]);

    // At its end it is asked once more.
    let waiting = start(&world, &web2, "with", &["--wait", "5s", "--", "true"]);
    eventually("web2 stands in the queue", waits);
    assert_code(&lock(&world, &web1, "release", &[]), 0);
    assert_code(&waiting.wait_with_output().unwrap(), 0);
    assert!(nobody(&world));
}

#[test]
fn a_lease_is_renewed_while_the_command_runs() {
    let world = World::start();
    let web1 = world.provision("web1");
    std::fs::write(
        world.path("server/fleet.toml"),
        "[lock.db]\nlease = \"5m\"\n",
    )
    .unwrap();
    world.must(&["fleet", "reload"]);
    let running = start(
        &world,
        &web1,
        "with",
        &["--", "sh", "-c", &until_told(&world)],
    );
    eventually("the command runs", || world.path("runs").exists());
    let renewed_at = || {
        let view = world.json(&["lock", "show", "db", "--json"]);
        view["state"]["holders"][0]["renewed_at"].clone()
    };
    let first = renewed_at();
    assert!(first.is_string());
    eventually("the grant is renewed", || renewed_at() != first);
    touch(&world.path("go"));
    assert_code(&running.wait_with_output().unwrap(), 0);
    assert!(nobody(&world));
}

#[test]
fn runs_are_in_the_chain_as_well_as_deeds() {
    let world = World::start();
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    let verified = world.json(&["audit", "verify", "--json"]);
    let chain = &verified["chain"];
    assert_eq!(verified["whole"], true, "{verified}");
    assert!(
        chain["runs"].as_u64() > Some(0) && chain["deeds"].as_u64() > Some(0),
        "{chain}"
    );
    assert_eq!(chain["not_understood"], 0, "{chain}");
    assert_eq!(chain["hosts"]["web1"]["records"], chain["runs"], "{chain}");
    drop(host);
}
