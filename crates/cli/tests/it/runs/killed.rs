//! `kill -9` in every phase: the next call goes on there, alone, and under the same grant.

use rustix::process::kill_process;

use super::stage::{ALL, Line, lives, lock, stage, those};
use super::{nobody_has, whole};
use crate::world::{World, eventually};

#[test]
fn a_run_that_is_killed_goes_on_in_its_phase_without_the_script_it_left_behind() {
    let world = World::start();
    let web1 = stage(&world, "web1");
    let mut grants = 0;
    for (at, script) in ALL.into_iter().enumerate() {
        web1.forget_calls();
        web1.holds(script);
        let run = web1.start(&[]);
        let leftover = web1.inside();
        let (step, id, fence) = (web1.step(), web1.journal()["id"].clone(), web1.fence());
        run.kill();
        assert!(lives(leftover), "a script outlives who called it");
        if script != "check" {
            let expected = if script == "reboot" {
                "needs-reboot"
            } else {
                script
            };
            assert_eq!(step, expected);
            let view = lock(&world, "os");
            assert_eq!(those(&view, "holders"), ["web1"]);
            assert_eq!(view["state"]["holders"][0]["fence"].as_u64(), fence);
        }

        // Whoever comes next must be alone.
        let beside = world.path("beside");
        let pid = leftover.as_raw_nonzero();
        let ends = if script == "check" { "exit 1" } else { "" };
        let look = format!(
            "case $(cat /proc/{pid}/status 2>/dev/null) in ''|*zombie*) ;; *) : > {} ;; esac\n{ends}",
            beside.display()
        );
        web1.does(script, &look);
        assert_eq!(web1.update(&[], 0), "done\n");
        eventually("the leftover is gone", || !lives(leftover));
        assert!(!beside.exists(), "{script} ran beside its leftover");

        // No phase is skipped, none but this one is entered twice, and the leftover never came to its end.
        let mut expected = ALL.to_vec();
        expected.insert(at, script);
        assert_eq!(web1.called(), expected);
        let lines = web1.lines();
        let ended = |line: &&Line| line.script == script && line.verb == "end";
        let times = if script == "check" { 0 } else { 1 };
        assert_eq!(lines.iter().filter(ended).count(), times, "{lines:?}");
        if script != "check" {
            assert_eq!(web1.journal()["id"], id, "it is the same run");
        }
        grants += 1;
        assert_eq!(
            lock(&world, "os")["state"]["fence"],
            grants,
            "under the same grant"
        );
        nobody_has(&world, "os");
    }
    whole(&world, &[&web1]);
}

#[test]
fn a_run_whose_script_ended_after_it_was_killed_enters_the_phase_again() {
    let world = World::start();
    let web1 = stage(&world, "web1");
    web1.holds("apply");
    let run = web1.start(&[]);
    let leftover = web1.inside();
    run.kill();
    web1.go();
    eventually("the script has ended", || !lives(leftover));
    // Nobody heard how it ended.
    assert_eq!(web1.step(), "apply");
    web1.does("apply", "");
    assert_eq!(web1.update(&["--resume"], 0), "done\n");
    assert_eq!(
        web1.called(),
        ["check", "pre", "apply", "apply", "reboot", "post"]
    );
    // A process that has the number of a leftover, and is none, lives on.
    web1.holds("pre");
    let run = web1.start(&[]);
    let leftover = web1.inside();
    run.kill();
    let note = web1.root.join("var/lib/lockstep/runs/os.log.running");
    let text = std::fs::read_to_string(&note).unwrap();
    let mut who: serde_json::Value = serde_json::from_str(&text).unwrap();
    who["started"] = 1.into();
    std::fs::write(&note, who.to_string()).unwrap();
    web1.does("pre", "");
    assert_eq!(web1.update(&[], 0), "done\n");
    assert!(lives(leftover));
    kill_process(leftover, rustix::process::Signal::KILL).unwrap();
    nobody_has(&world, "os");
    whole(&world, &[&web1]);
}
