//! Packages of others, with real processes: installed, updated, taken back when they do not prove themselves, and killed
//! at every step.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use serde_json::Value;

use crate::world::{World, eventually};

pub(crate) mod stage;

use stage::{PIGEON, Pigeon, Stage, publish, script};

/// A host on which version 1.0.0 is in force and proven.
fn with_one<'a>(world: &'a World, name: &str) -> Stage<'a> {
    let stage = Stage::set(world, name);
    stage.wants("1.0.0", 1);
    let said = stage.run();
    assert_eq!(said, "done\n");
    assert_eq!(stage.running().as_deref(), Some("1.0.0"));
    stage.forget_what_was_said();
    stage
}

/// A world in which the package is published: a good first version, and others.
fn world(others: &[(&str, Pigeon)]) -> World {
    let world = World::start();
    publish(&world, "1.0.0", Pigeon::Good);
    for (version, pigeon) in others {
        publish(&world, version, *pigeon);
    }
    world
}

fn is_skipped(stage: &Stage<'_>, version: &str) -> bool {
    let skipped = stage.book()["memory"]["skipped"].clone();
    let mut skipped = skipped.as_array().into_iter().flatten();
    skipped.any(|it| it["version"] == version)
}

#[test]
fn a_package_is_installed_updated_and_taken_back_by_hand() {
    let world = world(&[("2.0.0", Pigeon::Good)]);
    let stage = Stage::set(&world, "web1");
    // Nothing is wanted yet.
    assert_eq!(stage.run(), "nothing to do\n");
    stage.wants("1.0.0", 1);
    assert_eq!(stage.run(), "done\n");
    assert_eq!(stage.active().as_deref(), Some("1.0.0"));
    assert_eq!(stage.running().as_deref(), Some("1.0.0"));
    assert_eq!(stage.book()["proven"], "1.0.0");
    assert_eq!(stage.said(), ["start 1.0.0"]);
    assert_eq!(stage.run(), "nothing to do\n");

    stage.wants("2.0.0", 2);
    assert_eq!(stage.run(), "done\n");
    assert_eq!(stage.running().as_deref(), Some("2.0.0"));
    assert_eq!(stage.said(), ["start 1.0.0", "stop 1.0.0", "start 2.0.0"]);
    let book = stage.book();
    assert_eq!(
        (&book["proven"], &book["before"]),
        (&"2.0.0".into(), &"1.0.0".into())
    );

    // Both slots are there, and one of them is in force.
    let output = stage.agent(&["level", "--json"]);
    let level: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_pigeon = level
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["package"] == PIGEON);
    let places: Vec<_> = of_pigeon
        .map(|it| (it["version"].as_str(), it["place"].as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (Some("1.0.0"), Some("kept")),
            (Some("2.0.0"), Some("current"))
        ]
    );
    // The server knows the runs, and the bytes that they brought.
    let runs = world.json(&["run", "list", "--json"]);
    let runs: Vec<_> = runs
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["package"] == PIGEON)
        .collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    for run in runs {
        assert_eq!(
            (&run["kind"], &run["outcome"]),
            (&"bundle".into(), &"done".into()),
            "{run}"
        );
        assert!(
            run["hash"].is_string() && run["generation"].as_u64() > Some(0),
            "{run}"
        );
    }

    // An order to the older version fetches nothing: its slot is here still.
    stage.wants("1.0.0", 3);
    assert_eq!(stage.run(), "done\n");
    assert_eq!(stage.running().as_deref(), Some("1.0.0"));

    // The way back by hand needs no server.
    stage.host.connect_to("https://127.0.0.1:1");
    let back = stage_back(&stage);
    assert!(back.contains("done"), "{back}");
    assert_eq!(stage.running().as_deref(), Some("2.0.0"));
    assert!(is_skipped(&stage, "1.0.0"));
    assert_eq!(stage.book()["memory"]["held"]["version"], "2.0.0");
    let again = stage_back(&stage);
    assert!(again.contains("was left itself"), "{again}");
}

fn stage_back(stage: &Stage<'_>) -> String {
    let output = stage.agent(&["rollback", "--package", PIGEON]);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn what_does_not_prove_itself_goes_back_and_is_not_tried_again() {
    let world = world(&[
        ("2.0.0", Pigeon::Dies),
        ("2.1.0", Pigeon::DoesNotStart),
        ("2.2.0", Pigeon::FailsLater),
    ]);
    let stage = with_one(&world, "web1");
    let cases = [
        ("2.0.0", "service-down"),
        ("2.1.0", "service-failed"),
        ("2.2.0", "preflight-failed"),
    ];
    for (number, (version, code)) in (2..).zip(cases) {
        stage.wants(version, number);
        let said = stage.run();
        assert!(said.starts_with("rolled-back: "), "{version}: {said}");
        let (outcome, reason) = stage.end();
        assert_eq!(
            (outcome.as_str(), reason.as_str()),
            ("rolled-back", code),
            "{version}"
        );
        assert_eq!(stage.active().as_deref(), Some("1.0.0"), "{version}");
        assert_eq!(stage.running().as_deref(), Some("1.0.0"), "{version}");
        assert!(is_skipped(&stage, version), "{version}");
        assert_eq!(stage.book()["proven"], "1.0.0", "{version}");
    }
    let runs = world.json(&["run", "list", "--json"]);
    let back = runs
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["outcome"] == "rolled-back");
    assert_eq!(back.count(), 3, "{runs}");
}

#[test]
fn a_first_version_that_does_not_prove_itself_is_taken_away() {
    let world = world(&[("2.0.0", Pigeon::Dies)]);
    let stage = Stage::set(&world, "web1");
    stage.wants("2.0.0", 1);
    let said = stage.run();
    assert!(said.starts_with("rolled-back: "), "{said}");
    assert_eq!((stage.active(), stage.running()), (None, None));
    assert_eq!(stage.book()["proven"], Value::Null);
}

#[test]
fn a_version_whose_check_fails_is_never_in_force() {
    let world = world(&[("2.0.0", Pigeon::FailsItsCheck)]);
    let stage = with_one(&world, "web1");
    stage.wants("2.0.0", 2);
    let said = stage.run();
    assert!(
        said.starts_with("failed: ") && said.contains("cannot fly"),
        "{said}"
    );
    assert_eq!(stage.end(), ("failed".into(), "preflight-failed".into()));
    assert_eq!(stage.active().as_deref(), Some("1.0.0"));
    assert_eq!(stage.said(), [""; 0], "the service was not disturbed");
    assert!(is_skipped(&stage, "2.0.0"));
}

#[test]
fn a_service_that_did_not_run_is_not_started() {
    let world = world(&[("2.0.0", Pigeon::Good)]);
    let stage = with_one(&world, "web1");
    let stopped =
        std::process::Command::new(stage.root.join("opt/lockstep/packages/pigeon/bin/pigeon"))
            .arg("stop")
            .env("LOCKSTEP_ROOT", &stage.root)
            .status();
    assert!(stopped.unwrap().success());
    stage.forget_what_was_said();
    stage.wants("2.0.0", 2);
    assert_eq!(stage.run(), "done\n");
    assert_eq!(stage.active().as_deref(), Some("2.0.0"));
    assert_eq!(stage.said(), [""; 0]);
}

#[test]
fn the_host_is_asked_and_the_lock_is_held_and_an_order_may_change_meanwhile() {
    let world = world(&[("2.0.0", Pigeon::Shy), ("3.0.0", Pigeon::Good)]);
    let stage = with_one(&world, "web1");
    let file = stage.root.join("etc/lockstep/packages/pigeon.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "lock = \"nest\"\n").unwrap();
    let scripts = stage.root.join("etc/lockstep/packages/pigeon");
    let feeding = stage.root.join("feeding");
    let log = stage.root.join("pigeon.log");
    let busy = format!("[ ! -e {feeding:?} ]");
    script(&scripts.join("busy.d/10-feeding"), &busy);
    let say = format!("echo \"pre $LOCKSTEP_FROM $LOCKSTEP_TO\" >> {log:?}");
    script(&scripts.join("pre_update.d/10-say"), &say);
    std::fs::write(&feeding, "").unwrap();

    // The bundle is in its slot before the host is asked. While it is busy the order is taken back.
    stage.wants("2.0.0", 2);
    let run = stage.start(None);
    stage.waits_in("idle", "busy");
    let slot = stage.root.join("opt/lockstep/slots/pigeon/2.0.0/slot.json");
    assert!(slot.is_file(), "it was fetched before");
    stage.wants_nothing();
    let said = run.says();
    assert!(said.contains("the order was taken back"), "{said}");
    assert_eq!(stage.end(), ("postponed".into(), "order-changed".into()));
    assert!(!is_skipped(&stage, "2.0.0"));

    // Another one takes its place.
    stage.wants("2.0.0", 3);
    let run = stage.start(None);
    stage.waits_in("idle", "busy");
    stage.wants("3.0.0", 4);
    let said = run.says();
    assert!(said.contains("version 3.0.0 is wanted by now"), "{said}");
    stage.wants("2.0.0", 5);
    let run = stage.start(None);
    stage.waits_in("idle", "busy");
    std::fs::remove_file(&feeding).unwrap();
    assert_eq!(run.says(), "done\n");
    assert_eq!(
        stage.said(),
        ["pre 1.0.0 2.0.0", "stop 1.0.0", "start 2.0.0"]
    );
    let lock = world.json(&["lock", "show", "nest", "--json"]);
    assert_eq!(lock["state"]["fence"], 1, "{lock}");
    assert_eq!(lock["state"]["holders"], Value::Array(vec![]), "{lock}");

    // Version 2.0.0 names a file by which it says that it must not be disturbed.
    let busy = stage.root.join("pigeon.busy");
    std::fs::write(&busy, "brooding").unwrap();
    stage.wants("3.0.0", 6);
    let run = stage.start(None);
    stage.waits_in("idle", "busy");
    let why = stage.journal()["waiting"]["why"]["why"].clone();
    assert!(why.as_str().unwrap().contains("brooding"), "{why}");
    std::fs::remove_file(&busy).unwrap();
    assert_eq!(run.says(), "done\n");
    assert!(!busy.exists(), "what was held is let go");
    assert_eq!(stage.running().as_deref(), Some("3.0.0"));
}

/// So many kills, drawn from all that are possible; `LOCKSTEP_ALL_CUTS=1` tries each.
const MOST: usize = 14;

/// Kills runs of a version at points of their way, and has the next call go on.
fn survives_kills(world: &World, version: &str, outcome: &str, needed: &[&str]) {
    let stage = with_one(world, &format!("web-{version}").replace('.', "-"));
    let trace = world.path(&format!("points-{version}"));
    let mut generation = 1;
    let mut next = || {
        generation += 1;
        generation
    };
    stage.wants(version, next());
    let run = stage.start(Some(("LOCKSTEP_FAULT_TRACE", trace.to_str().unwrap())));
    let said = run.says();
    assert!(said.starts_with(outcome), "{said}");
    let text = std::fs::read_to_string(&trace).unwrap();
    let is_ours = |line: &&str| needed.iter().any(|it| line.contains(it));
    let points: BTreeSet<String> = text
        .lines()
        .filter(is_ours)
        .map(|line| line.replace(' ', ":"))
        .collect();
    for name in needed {
        assert!(
            points.iter().any(|it| it.contains(name)),
            "no {name} in {points:?}"
        );
    }
    let mut faults: Vec<String> = points.iter().cloned().collect();
    faults.extend(
        points
            .iter()
            .filter(|it| it.contains("bundle-"))
            .map(|it| format!("{it}:powercut")),
    );
    let seed = fastrand::u64(..);
    eprintln!("{} points, seed {seed}", faults.len());
    if std::env::var_os("LOCKSTEP_ALL_CUTS").is_none() {
        fastrand::Rng::with_seed(seed).shuffle(&mut faults);
        faults.truncate(MOST);
    }
    let ends_at = if outcome == "done" { version } else { "1.0.0" };
    let mut fell = 0;
    for fault in &faults {
        // From where the update began, by the shortest way.
        if stage.active().as_deref() != Some("1.0.0") {
            stage.wants("1.0.0", next());
            assert_eq!(stage.run(), "done\n", "{fault}");
        }
        stage.wants(version, next());
        let status = stage.start(Some(("LOCKSTEP_FAULT", fault))).ends();
        fell += usize::from(status.signal() == Some(9));
        let active = stage.active();
        assert!(
            active.as_deref() == Some("1.0.0") || active.as_deref() == Some(version),
            "{fault}: {active:?}"
        );
        // Whoever comes next goes on with it, once or after its end finds nothing to do.
        if stage.journal()["step"]["step"] != "over" {
            let said = stage.run();
            assert!(said.starts_with(outcome), "{fault}: {said}");
        }
        assert_eq!(stage.end().0, outcome, "{fault}");
        assert_eq!(stage.active().as_deref(), Some(ends_at), "{fault}");
        assert_eq!(stage.running().as_deref(), Some(ends_at), "{fault}");
        assert_eq!(stage.book()["proven"], ends_at, "{fault}");
        assert_eq!(is_skipped(&stage, version), outcome != "done", "{fault}");
    }
    eprintln!("{} kills, {fell} of them fell", faults.len());
    assert!(
        fell * 10 >= faults.len() * 7,
        "only {fell} of {} fell",
        faults.len()
    );
}

#[test]
fn an_update_survives_a_kill_at_every_step() {
    let world = world(&[("2.0.0", Pigeon::Good)]);
    let needed = [
        "bundle-stopped",
        "bundle-linked",
        "bundle-started",
        "bundle-commit",
        "bundle-committed",
        "run-journaled",
    ];
    survives_kills(&world, "2.0.0", "done", &needed);
}

#[test]
fn the_way_back_survives_a_kill_at_every_step() {
    let world = world(&[("2.0.0", Pigeon::DoesNotStart)]);
    let needed = [
        "bundle-linked",
        "bundle-back-stopped",
        "bundle-back-linked",
        "bundle-remembered",
        "run-journaled",
    ];
    survives_kills(&world, "2.0.0", "rolled-back", &needed);
}

#[test]
fn a_server_that_is_away_while_a_bundle_is_fetched_is_waited_for() {
    let mut world = world(&[]);
    {
        let stage = Stage::set(&world, "web1");
        stage.wants("1.0.0", 1);
        std::mem::forget(stage);
    }
    world.kill_server();
    let root = world.path("web1");
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args(["agent", "bundle-run", PIGEON])
        .env("LOCKSTEP_ROOT", &root)
        .spawn()
        .unwrap();
    let journal = || -> Value {
        let path = root.join("var/lib/lockstep/runs/pigeon.json");
        serde_json::from_slice(&std::fs::read(path).unwrap_or_default()).unwrap_or_default()
    };
    eventually("the run waits for the server", || {
        journal()["step"]["step"] == "fetch" && journal()["waiting"]["why"]["wait"] == "again"
    });
    world.start_server();
    assert!(run.wait().unwrap().success());
    assert_eq!(journal()["step"]["outcome"], "done");
    let pid = std::fs::read_to_string(root.join("pigeon.pid")).unwrap();
    let pid = pid
        .trim()
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL).unwrap();
}
