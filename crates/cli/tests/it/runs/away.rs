//! The lock server: away, back again, and with an operator who takes the lock away.

use std::process::Command;

use super::stage::{ALL, Stage, lock, record, stage, stage_with, those};
use super::{nobody_has, whole};
use crate::world::{World, eventually};

/// `lockstep lock VERB os` as this host.
fn lock_as(host: &Stage, verb: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command.args(["lock", verb, "os", "--root"]).arg(&host.root);
    let output = command.env_remove("LOCKSTEP_OPERATOR").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_lock_that_was_taken_away_is_asked_for_before_the_next_phase() {
    let world = World::start();
    let (web1, web2) = (stage(&world, "web1"), stage(&world, "web2"));
    web1.holds("pre");
    let mut run = web1.start(&[]);
    for (at, next) in ["apply", "needs-reboot"].into_iter().enumerate() {
        web1.inside();
        let fence = 2 * at as u64 + 1;
        assert_eq!(web1.fence(), Some(fence));
        world.must(&["lock", "free", "os", "--why", "in a hurry"]);
        lock_as(&web2, "acquire");
        let called = web1.called();
        web1.go();
        eventually("web1 stands in the queue", || {
            those(&lock(&world, "os"), "waiters") == ["web1"]
        });
        assert_eq!(web1.step(), "lock");
        assert_eq!(web1.journal()["step"]["then"]["step"], next);
        assert_eq!(web1.fence(), None);
        // Killed there it goes on there.
        run.kill();
        run = web1.start(&[]);
        eventually("it says what it waits for", || {
            let record = record(&world, &web1.run());
            let waits = record["waits"].as_str().unwrap_or_default();
            record["lock"].is_null() && waits.contains("web2 (holds it)")
        });
        assert_eq!(web1.called(), called);
        if next == "apply" {
            web1.holds("apply");
        }
        lock_as(&web2, "release");
    }
    assert_eq!(run.ends_with(0), "done\n");
    // Each phase once, for each was granted.
    assert_eq!(web1.called(), ALL);
    nobody_has(&world, "os");
    assert_eq!(lock(&world, "os")["state"]["fence"], 5);
    whole(&world, &[&web1]);
}

#[test]
fn a_server_that_is_away_postpones_what_is_not_begun_and_is_waited_for_otherwise() {
    let mut world = World::start();
    let host = |name: &str| stage_with(&world, name, &format!("lock = \"of-{name}\""));
    let [early, middle, late] = ["early", "middle", "late"].map(host);
    middle.holds("pre");
    late.holds("post");
    let in_the_middle = middle.start(&[]);
    let at_the_end = late.start(&[]);
    middle.inside();
    late.inside();
    let fences = [middle.fence(), late.fence()];
    world.kill_server();

    let asks = early.start(&[]);
    middle.go();
    late.go();
    for host in [&middle, &late] {
        eventually("the run waits for the server", || {
            host.journal()["waiting"]["why"]["wait"] == "lock-server"
        });
    }
    assert_eq!(middle.step(), "apply");
    assert_eq!(late.step(), "release");
    // Killed while it tries to give the lock back, it tries on.
    at_the_end.kill();
    let at_the_end = late.start(&[]);
    // Nothing was done to a host that only asked; it says so and does not wait for ever.
    let words = asks.ends_with(1);
    assert!(
        words.contains("postponed: the lock of-early could not be acquired"),
        "{words}"
    );
    assert_eq!(early.called(), ["check"]);
    assert_eq!(middle.called(), ["check", "pre"]);
    assert_eq!(late.called(), ALL);
    assert_eq!([middle.fence(), late.fence()], fences);

    world.start_server();
    assert_eq!(in_the_middle.ends_with(0), "done\n");
    assert_eq!(at_the_end.ends_with(0), "done\n");
    assert_eq!(middle.called(), ALL);
    assert_eq!(late.called(), ALL);
    assert_eq!(early.update(&[], 0), "done\n");
    for host in [&early, &middle, &late] {
        let name = format!("of-{}", host.name);
        nobody_has(&world, &name);
        assert_eq!(lock(&world, &name)["state"]["fence"], 1);
    }
    whole(&world, &[&early, &middle, &late]);
}
