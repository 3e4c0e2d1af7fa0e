//! A host changes its version, or stays with the one that works.

use crate::candidate::Candidate;
use crate::world::{World, eventually};

#[test]
fn an_update_is_tried_proven_and_committed_in_place() {
    let world = World::start();
    let host = world.host("web1");
    let pid = host.pid();
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    let run = world.finished_run("web1", "2.0.0");
    assert_eq!(
        (run["outcome"].as_str(), run["from"].as_str()),
        (Some("done"), Some("1.0.0")),
        "{run}"
    );
    world.rollout_becomes("2.0.0", "done");
    eventually("the server sees it proven", || {
        world.reported_version("web1").as_deref() == Some("2.0.0")
    });
    assert_eq!(host.current(), "2.0.0");
    let status = host.status(&world).unwrap();
    assert_eq!(
        status["supervisor"]["pid"], pid,
        "the supervisor executed itself anew in place"
    );
    assert_eq!(status["supervisor"]["current"], "2.0.0");
    assert_eq!(status["supervisor"]["previous"], "1.0.0");
    let program = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(
        String::from_utf8_lossy(&program).contains("--adopt"),
        "it took over the worker that was running"
    );
}

#[test]
fn an_order_to_an_older_version_is_obeyed_too() {
    let world = World::start();
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    world.finished_run("web1", "2.0.0");
    world.rollout_becomes("2.0.0", "done");
    world.promote("1.0.0");
    assert_eq!(world.finished_run("web1", "1.0.0")["outcome"], "done");
    eventually("the server sees it proven", || {
        world.reported_version("web1").as_deref() == Some("1.0.0")
    });
    assert_eq!(host.current(), "1.0.0");
}

/// Promotes a bad version, and checks that it comes back, is not tried twice, and that the rollout halts. Returns
/// the run's record.
fn comes_back(candidate: Candidate) -> serde_json::Value {
    let world = World::start();
    let host = world.host("web1");
    let pid = host.pid();
    world.publish("2.0.0", candidate);
    world.promote("2.0.0");
    let run = world.finished_run("web1", "2.0.0");
    world.rollout_becomes("2.0.0", "halted");
    eventually("the old version reports", || {
        world.reported_version("web1").as_deref() == Some("1.0.0")
    });
    assert_eq!(host.current(), "1.0.0");
    assert_eq!(
        host.status(&world).unwrap()["supervisor"]["pid"],
        pid,
        "the supervisor never went away"
    );
    // The order still stands on the host's side: `update` without a newer order finds nothing to do.
    let check = host.agent(&world, &["update", "--check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        check.status.code() == Some(4) || said.contains("failed here"),
        "{said}"
    );
    assert_eq!(
        world
            .json(&["run", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        1,
        "it was tried once"
    );
    run
}

#[test]
fn a_worker_that_ends_at_once_comes_back_with_its_last_words() {
    let run = comes_back(Candidate::DiesAtStart);
    assert_eq!(
        (run["outcome"].as_str(), run["reason"]["code"].as_str()),
        (Some("rolled-back"), Some("worker-exited")),
        "{run}"
    );
    assert!(
        run["log"].as_str().unwrap().contains("a fault of its own"),
        "{run}"
    );
}

#[test]
fn a_worker_that_dies_in_probation_comes_back() {
    let run = comes_back(Candidate::DiesInProbation);
    assert_eq!(run["reason"]["code"], "worker-exited", "{run}");
    assert!(
        run["reason"]["status"]
            .as_str()
            .unwrap()
            .contains("SIGKILL"),
        "{run}"
    );
}

#[test]
fn a_worker_that_hangs_comes_back() {
    let run = comes_back(Candidate::Hangs);
    assert_eq!(run["reason"]["code"], "hung", "{run}");
}

#[test]
fn a_worker_that_does_not_check_in_comes_back_because_the_old_version_does() {
    let run = comes_back(Candidate::DoesNotCheckIn);
    assert_eq!(run["reason"]["code"], "no-check-in", "{run}");
}

#[test]
fn a_worker_that_makes_an_item_worse_comes_back() {
    let run = comes_back(Candidate::Bloated);
    assert_eq!(
        (
            run["reason"]["code"].as_str(),
            run["reason"]["item"].as_str()
        ),
        (Some("item-worse"), Some("agent_memory")),
        "{run}"
    );
}

#[test]
fn a_version_whose_check_fails_is_never_tried() {
    let run = comes_back(Candidate::FailsPreflight);
    assert_eq!(
        (run["outcome"].as_str(), run["reason"]["code"].as_str()),
        (Some("failed"), Some("preflight-failed")),
        "{run}"
    );
    assert!(
        run["reason"]["why"]
            .as_str()
            .unwrap()
            .contains("cannot run here"),
        "{run}"
    );
}

#[test]
fn rollback_by_hand_is_instant_and_holds_until_a_newer_order() {
    let world = World::start();
    let host = world.host("web1");
    let pid = host.pid();
    assert_eq!(
        host.agent(&world, &["rollback"]).status.code(),
        Some(3),
        "there is nothing to go back to yet"
    );
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    world.finished_run("web1", "2.0.0");
    world.rollout_becomes("2.0.0", "done");
    assert!(host.agent(&world, &["rollback"]).status.success());
    eventually("the old version reports", || {
        world.reported_version("web1").as_deref() == Some("1.0.0")
    });
    assert_eq!((host.current().as_str(), host.pid()), ("1.0.0", pid));
    eventually("the server knows why", || {
        let run = world.run_to("web1", "2.0.0").unwrap_or_default();
        run["outcome"] == "rolled-back" && run["reason"]["code"] == "by-hand"
    });
    let again = host.agent(&world, &["rollback"]);
    assert_eq!(
        again.status.code(),
        Some(3),
        "not back to what was just left: {again:?}"
    );
    eventually("the host says why it stays", || {
        let status = host.status(&world).unwrap_or_default();
        status["worker"]["hold"]["hold"] == "held-by-hand"
    });
    world.promote("2.0.0");
    eventually("a newer order is obeyed", || {
        world.reported_version("web1").as_deref() == Some("2.0.0")
    });
}

#[test]
fn an_update_by_hand_goes_where_the_person_says_and_waits_for_its_end() {
    let world = World::start();
    let host = world.host("web1");
    let nothing = host.agent(&world, &["update"]);
    assert_eq!(nothing.status.code(), Some(4), "{nothing:?}");
    world.publish("2.0.0", Candidate::Good);
    let unknown = host.agent(&world, &["update", "--to", "9.9.9"]);
    assert_eq!(unknown.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("no release 9.9.9"),
        "{unknown:?}"
    );
    let update = host.agent(&world, &["update", "--to", "2.0.0"]);
    assert!(update.status.success(), "{update:?}");
    assert_eq!(host.current(), "2.0.0");
    let level = String::from_utf8(host.agent(&world, &["level"]).stdout).unwrap();
    assert!(
        level.contains("2.0.0") && level.contains("current") && level.contains("previous"),
        "{level}"
    );
}

#[test]
fn what_a_bundle_preserves_survives_and_what_it_purges_is_gone() {
    let world = World::start();
    let tree = world.path("trees/2.0.0");
    Candidate::Good.lay_out(&tree);
    let manifest = "[preserve]\npaths = [\"etc/*.env\", \"plugins/\"]\n[purge]\npaths = [\"inventory.db\", \"cache\"]\n";
    std::fs::write(tree.join("bundle.toml"), manifest).unwrap();
    let host = world.host("web1");
    let current = host.root.join("opt/lockstep/slots/lockstep/1.0.0");
    let data = host.root.join("var/lib/lockstep/data/lockstep");
    for dir in ["etc", "plugins/deep"] {
        std::fs::create_dir_all(current.join(dir)).unwrap();
    }
    std::fs::write(current.join("etc/site.env"), "A=1\n").unwrap();
    std::fs::write(current.join("etc/other.conf"), "no\n").unwrap();
    std::fs::write(current.join("plugins/deep/p.so"), "plugin").unwrap();
    std::fs::create_dir_all(data.join("cache")).unwrap();
    std::fs::write(data.join("cache/x"), "x").unwrap();
    std::fs::write(data.join("inventory.db"), "old").unwrap();
    std::fs::write(data.join("kept.db"), "kept").unwrap();
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    let slot = host.root.join("opt/lockstep/slots/lockstep/2.0.0");
    assert_eq!(
        std::fs::read_to_string(slot.join("etc/site.env")).unwrap(),
        "A=1\n"
    );
    assert_eq!(
        std::fs::read_to_string(slot.join("plugins/deep/p.so")).unwrap(),
        "plugin"
    );
    assert!(!slot.join("etc/other.conf").exists());
    assert!(!data.join("inventory.db").exists() && !data.join("cache").exists());
    assert_eq!(
        std::fs::read_to_string(data.join("kept.db")).unwrap(),
        "kept"
    );
}
