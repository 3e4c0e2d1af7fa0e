//! The restart of the machine: it must have come, and is never passed over.

use rustix::process::Signal;
use serde_json::Value;

use super::stage::{Stage, lock, record, stage, those};
use super::{nobody_has, whole};
use crate::world::{World, eventually};

/// A host that must be restarted.
fn stage_to_restart(world: &World, name: &str) -> Stage {
    let stage = stage(world, name);
    stage.does("reboot", "exit 1");
    stage
}

fn is_ordered(host: &Stage) -> bool {
    host.journal()["step"]["ordered_at"].is_string()
}

#[test]
fn a_run_waits_for_the_restart_whoever_calls_it() {
    let world = World::start();
    let web1 = stage_to_restart(&world, "web1");
    // Killed before the change it is not behind it: a unit that starts at boot does nothing.
    web1.holds("pre");
    let run = web1.start(&[]);
    web1.inside();
    run.kill();
    assert_eq!(web1.update(&["--after-reboot"], 0), "nothing to do\n");
    assert_eq!(web1.update(&["--after_reboot"], 0), "nothing to do\n");
    assert_eq!(web1.called(), ["check", "pre"]);
    assert_eq!(web1.step(), "pre");

    web1.does("pre", "");
    let run = web1.start(&[]);
    eventually("the restart is ordered", || is_ordered(&web1));
    run.kill();
    let until_restart = ["check", "pre", "pre", "apply", "reboot", "restart"];
    assert_eq!(web1.called(), until_restart);
    // The same boot id: it waits on, by whatever call, under the same grant, and orders nothing again.
    let fence = web1.fence();
    for more in [&[][..], &["--after-reboot"], &["--resume"]] {
        let at = record(&world, &web1.run())["at"].clone();
        let run = web1.start(more);
        eventually("the run says that it waits", || {
            let record = record(&world, &web1.run());
            record["at"] != at && record["waits"] == "the machine restarts"
        });
        run.signal(Signal::TERM);
        let words = run.ends_with(0);
        assert!(
            words.contains("in phase reboot: the machine restarts; goes on when called again"),
            "{words}"
        );
        assert_eq!(web1.called(), until_restart);
    }
    assert_eq!(those(&lock(&world, "os"), "holders"), ["web1"]);
    assert_eq!(lock(&world, "os")["ghosts"], Value::Array(vec![]));

    web1.boot("boot-2");
    assert_eq!(web1.update(&["--after-reboot"], 0), "done\n");
    assert_eq!(web1.called()[6..], ["post"]);
    assert_eq!(lock(&world, "os")["state"]["fence"].as_u64(), fence);
    nobody_has(&world, "os");
    whole(&world, &[&web1]);
}

#[test]
fn a_restart_that_failed_or_never_came_stops_the_run() {
    let world = World::start();
    let web1 = stage_to_restart(&world, "web1");
    web1.configure("[limits]", "[limits]\nreboot = \"1s\"");
    web1.does("restart", "echo the bus is down; exit 5");
    let words = web1.update(&[], 1);
    let failed = "stopped in phase reboot: the command that restarts the machine failed: exit status: 5: the bus is down";
    assert!(words.contains(failed), "{words}");
    // The next call does not take it for done.
    web1.update(&[], 1);
    web1.update(&["--after-reboot"], 1);
    let until_restart = ["check", "pre", "apply", "reboot", "restart"];
    assert_eq!(web1.called(), until_restart);
    assert_eq!(
        record(&world, &web1.run())["reason"]["code"],
        "reboot-failed"
    );

    // Retried it is ordered, and does not come.
    web1.does("restart", "");
    let words = web1.update(&["--retry"], 1);
    assert!(
        words.contains("stopped in phase reboot: the machine was told to restart"),
        "{words}"
    );
    let stopped = record(&world, &web1.run());
    assert_eq!(stopped["reason"]["code"], "reboot-never-came", "{stopped}");
    assert_eq!(those(&lock(&world, "os"), "holders"), ["web1"]);
    web1.update(&["--after-reboot"], 1);
    assert_eq!(web1.called()[5..], ["restart"]);
    // Somebody restarts it by hand: it goes on by itself.
    web1.boot("boot-2");
    assert_eq!(web1.update(&["--after-reboot"], 0), "done\n");
    assert_eq!(web1.called()[6..], ["post"]);

    // The process was killed between the order and its being written down, and the machine has restarted.
    web1.forget_calls();
    web1.holds("restart");
    let run = web1.start(&[]);
    web1.inside();
    assert!(!is_ordered(&web1));
    run.kill();
    web1.go();
    web1.boot("boot-3");
    assert_eq!(web1.update(&["--after-reboot"], 0), "done\n");
    assert_eq!(
        web1.called(),
        ["check", "pre", "apply", "reboot", "restart", "post"]
    );
    nobody_has(&world, "os");
    whole(&world, &[&web1]);
}
