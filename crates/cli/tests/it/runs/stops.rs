//! Runs that stop: the lock stays, and nothing goes on until a person says how.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Pid;
use serde_json::Value;

use super::stage::{ALL, Stage, lives, lock, record, said, stage, stage_with, those};
use super::{nobody_has, whole};
use crate::world::{World, eventually};

/// Everything that shows that the host's run has stopped in a phase and keeps the lock.
fn has_stopped(world: &World, host: &Stage, phase: &str) -> Value {
    let run = host.run();
    let record = record(world, &run);
    assert_eq!(record["outcome"], "stopped", "{record}");
    assert_eq!(record["phase"], phase, "{record}");
    assert_eq!(record["lock"]["fence"].as_u64(), host.fence(), "{record}");
    let stopped = world.json(&["run", "list", "--stopped", "--json"]);
    assert_eq!(stopped.as_array().unwrap().len(), 1, "{stopped}");
    assert_eq!(stopped[0]["id"], record["id"], "{stopped}");
    let view = lock(world, "os");
    assert_eq!(those(&view, "holders"), [host.name.as_str()]);
    let ghost = &view["ghosts"][0];
    assert_eq!(ghost["ghost"], "stopped", "{view}");
    assert_eq!(ghost["run"], record["id"], "{view}");
    assert_eq!(ghost["action"], "retry-or-skip", "{view}");
    // Another call changes nothing.
    let before = host.called();
    host.update(&[], 1);
    host.update(&["--resume"], 1);
    assert_eq!(host.called(), before);
    record
}

#[test]
fn a_phase_that_failed_keeps_the_lock_until_a_person_says_how_it_goes_on() {
    let world = World::start();
    let (web1, web2) = (stage(&world, "web1"), stage(&world, "web2"));

    // pre, then retried from the server.
    web1.does("pre", "echo why it failed; exit 7");
    let words = web1.update(&[], 1);
    let why = "10-pre of phase pre failed: exit status: 7";
    assert!(
        words.contains(&format!("stopped in phase pre: {why}")),
        "{words}"
    );
    assert!(words.contains("The lock is kept"), "{words}");
    let stopped = has_stopped(&world, &web1, "pre");
    assert!(
        stopped["log"]
            .as_str()
            .unwrap()
            .ends_with("why it failed\n"),
        "{stopped}"
    );
    let run = web1.run();
    let shown = world.must(&["run", "show", &run]);
    assert!(
        shown.contains(why) && shown.contains(&format!("run retry {run}")),
        "{shown}"
    );
    let list = world.must(&["run", "list", "--stopped"]);
    assert!(list.contains("! stopped in pre"), "{list}");
    assert!(world.must(&["lock", "show", "os"]).contains("has stopped"));
    let fence = web1.fence();

    // The second host waits all the while.
    let second = web2.start(&[]);
    eventually("web2 stands in the queue", || {
        those(&lock(&world, "os"), "waiters") == ["web2"]
    });

    web1.does("pre", "");
    world.must(&["run", "retry", &run, "--why", "made room"]);
    // And fails again elsewhere, under the same grant.
    web1.does("apply", "exit 8");
    let words = web1.update(&[], 1);
    assert!(
        words.contains("stopped in phase apply: 10-apply of phase apply failed: exit status: 8"),
        "{words}"
    );
    assert_eq!(web1.called(), ["check", "pre", "pre", "apply"]);
    assert_eq!((web1.run(), web1.fence()), (run.clone(), fence));
    has_stopped(&world, &web1, "apply");
    // Retried by hand, it fails in the last phase.
    web1.does("apply", "");
    web1.does("post", "kill -TERM $$");
    let words = web1.update(&["--retry"], 1);
    assert!(
        words.contains("stopped in phase post: 10-post of phase post failed: signal: 15"),
        "{words}"
    );
    has_stopped(&world, &web1, "post");
    assert_eq!(web1.called()[3..], ["apply", "apply", "reboot", "post"]);

    // Given up from the server: the host stays as it is, and the next one begins.
    assert_eq!(world.run(&["run", "skip", &run]).status.code(), Some(2));
    assert_eq!(web2.called(), ["check"]);
    world.must(&["run", "skip", &run, "--why", "done by hand"]);
    let words = web1.update(&[], 1);
    assert!(words.starts_with("failed: skipped by"), "{words}");
    assert!(words.contains("done by hand"), "{words}");
    assert_eq!(second.ends_with(0), "done\n");
    assert_eq!(web2.called(), ALL);
    assert_eq!(web1.called().len(), 7);
    let over = record(&world, &run);
    assert_eq!(over["outcome"], "failed", "{over}");
    assert_eq!(over["lock"], Value::Null, "{over}");
    nobody_has(&world, "os");
    assert_eq!(
        world.run(&["run", "retry", &run]).status.code(),
        Some(3),
        "it is over"
    );
    let audit = world.must(&["audit", "list"]);
    assert!(
        audit.contains("done by hand") && audit.contains("made room"),
        "{audit}"
    );

    // Given up by hand on the host.
    web2.does("pre", "exit 1");
    web2.update(&[], 1);
    assert!(web2.update(&["--skip"], 2).contains("--why"));
    let words = web2.update(&["--skip", "--why", "no disk"], 1);
    assert!(words.contains("no disk"), "{words}");
    nobody_has(&world, "os");
    whole(&world, &[&web1, &web2]);
}

#[test]
fn scripts_that_hang_or_put_it_off_or_could_be_changed_by_others_stop_the_run() {
    let world = World::start();
    let web1 = stage(&world, "web1");
    // Killed at its limit, with all that it started.
    web1.configure("script = \"40s\"", "script = \"1s\"");
    let child = world.path("child");
    web1.does(
        "apply",
        &format!("sleep 1000 & echo $! > {}; sleep 1000", child.display()),
    );
    let words = web1.update(&[], 1);
    assert!(
        words.contains("stopped in phase apply: 10-apply of phase apply failed: killed after 1."),
        "{words}"
    );
    let text = std::fs::read_to_string(&child).unwrap();
    let child = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
    eventually("the child of the script is gone", || !lives(child));
    web1.configure("script = \"1s\"", "script = \"40s\"");

    // Another time: twice is no harm, three times is too often.
    let count = world.path("count");
    let twice = format!(
        "echo x >> {0}; [ $(wc -l < {0}) -gt 2 ] || exit 75",
        count.display()
    );
    web1.does("apply", &twice);
    web1.does("post", "exit 75");
    web1.forget_calls();
    let words = web1.update(&["--retry"], 1);
    assert!(
        words.contains("10-post of phase post asked for another time 3 times"),
        "{words}"
    );
    assert_eq!(
        web1.called(),
        ["apply", "apply", "apply", "reboot", "post", "post", "post"]
    );
    web1.does("post", "");
    assert_eq!(web1.update(&["--retry"], 0), "done\n");

    // One that others can change is not run, and neither is the phase passed over.
    let script = web1.path_of("update.d", "apply");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o775)).unwrap();
    web1.forget_calls();
    let words = web1.update(&[], 1);
    assert!(
        words.contains("10-apply") && words.contains("can be written by its group (mode 0775)"),
        "{words}"
    );
    assert_eq!(web1.called(), ["check", "pre"]);
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(web1.update(&["--retry"], 0), "done\n");
    assert_eq!(web1.called(), ALL);

    // A retry where nothing has stopped is a mistake or comes too late, and does nothing.
    web1.forget_calls();
    assert_eq!(web1.update(&["--retry"], 0), "nothing to do\n");
    assert!(web1.called().is_empty());
    nobody_has(&world, "os");
    whole(&world, &[&web1]);
}

#[test]
fn without_scripts_the_machine_restarts_and_without_updates_nothing_happens() {
    let world = World::start();
    // This one has no lock.
    let web1 = stage_with(&world, "web1", "");
    for dir in [
        "pre_update.d",
        "update.d",
        "needs_reboot.d",
        "post_update.d",
    ] {
        std::fs::remove_dir_all(web1.root.join("etc/lockstep/update").join(dir)).unwrap();
    }
    web1.does(
        "restart",
        &format!(
            "echo boot-2 > {}/proc/sys/kernel/random/boot_id",
            web1.root.display()
        ),
    );
    assert_eq!(web1.update(&[], 0), "done\n");
    assert_eq!(web1.called(), ["check", "restart"]);
    assert_eq!(record(&world, &web1.run())["lock"], Value::Null);

    std::fs::remove_dir_all(web1.root.join("etc/lockstep/update/needs_update.d")).unwrap();
    web1.forget_calls();
    assert_eq!(web1.update(&[], 0), "nothing to do\n");
    assert!(web1.called().is_empty());
    // A mistake in the configuration is named, and nothing is begun.
    web1.configure("later_most = 3", "later_mst = 3");
    let output = world.run(&["update", "--root", &web1.root.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("later_mst"), "{output:?}");
    whole(&world, &[&web1]);
}
