#![expect(
    clippy::disallowed_methods,
    reason = "a test's file need not be durable"
)]

use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use lockstep_host::slots::Slots;
use lockstep_model::{ContentHash, PackageName, Phase, RunId, RunKind, RunReason, Version};
use lockstep_plan::run::{Job, Rules, Step};
use lockstep_plan::update::{By, Journal, Memory, Order};

use super::*;
use crate::fetch::{self, Place, Unready};
use crate::preflight;

/// A host whose version before is this script.
struct Host {
    layout: Layout,
    slot: Slot,
    _dir: tempfile::TempDir,
}

impl Host {
    fn with(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path().join("root"));
        for dir in [layout.identity_dir(), layout.tuf_dir(), layout.runs_dir()] {
            std::fs::create_dir_all(dir).unwrap();
        }
        std::fs::create_dir_all(layout.config().parent().unwrap()).unwrap();
        std::fs::write(layout.config(), "# of this host\n").unwrap();
        std::fs::write(layout.identity_dir().join("key.pem"), "key").unwrap();
        std::fs::write(layout.tuf_dir().join("root.json"), "{}").unwrap();
        let memory = Memory {
            generation: 7,
            ..Memory::default()
        };
        State::new(&layout).write_memory(&memory).unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let version = Version::parse("0.9.0").unwrap();
        let slot = Slots::new(layout.clone())
            .adopt_program(&program, &version, Timestamp::UNIX_EPOCH)
            .unwrap();
        Self {
            layout,
            slot,
            _dir: dir,
        }
    }

    async fn rehearses(&self, asker: Asker) -> Result<(), String> {
        let check = preflight::command();
        let most = Duration::from_secs(20);
        let rehearsed = rehearse(&self.slot, &check, &self.layout, most, asker).await;
        // Whatever it did, the host is as it was, and nothing of the stand-in is left.
        assert_eq!(State::new(&self.layout).memory().unwrap().generation, 7);
        assert_eq!(names(&self.layout.state_dir().join("rehearsal")), [""; 0]);
        assert!(!names(&self.layout.state_dir()).contains(&"memory.json.damaged".into()));
        rehearsed.unwrap()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A run that stands at a step.
fn run(kind: RunKind, package: &str, step: Step) -> RunJournal {
    let now = Timestamp::UNIX_EPOCH;
    let job = Job {
        kind,
        package: PackageName::parse(package).unwrap(),
        from: None,
        to: None,
        by: "ann".into(),
        lock: None,
        holds: false,
        order: None,
        wish: None,
        rules: Rules::default(),
    };
    RunJournal {
        step,
        ..RunJournal::begin(RunId::new(now, [1; 10]), job, now)
    }
}

#[tokio::test]
async fn a_version_that_moves_the_memory_aside_is_unfit_and_the_memory_stays() {
    let host = Host::with(
        "cd \"$LOCKSTEP_ROOT/var/lib/lockstep\"; mv memory.json memory.json.damaged; echo would run here",
    );
    let refused = host.rehearses(Asker::Person).await.unwrap_err();
    let memory = host.layout.memory().display().to_string();
    assert!(
        refused.starts_with(&format!("it cannot read {memory}, which")),
        "{refused}"
    );
    // Nor is there a way for the guard or the worker: without its memory it would take the newest version again.
    assert!(host.rehearses(Asker::BootGuard).await.is_err());
    assert!(host.rehearses(Asker::Worker).await.is_err());
}

#[tokio::test]
async fn a_version_finds_what_a_start_reads() {
    let host = Host::with(
        "cd \"$LOCKSTEP_ROOT\"; grep -q 'of this host' etc/lockstep/agent.toml; cd var/lib/lockstep\n\
         grep -q key identity/key.pem; grep -q '{}' tuf/root.json; grep -q 7 memory.json",
    );
    assert_eq!(host.rehearses(Asker::Worker).await, Ok(()));
    // A rehearsal that was cut off has left its stand-in, in any state.
    let left = host.layout.state_dir().join(Asker::Person.dir());
    std::fs::create_dir_all(left.join("var/lib/lockstep/memory.json")).unwrap();
    std::fs::create_dir_all(left.join("etc")).unwrap();
    symlink(
        host.layout.config().parent().unwrap(),
        left.join("etc/lockstep"),
    )
    .unwrap();
    assert_eq!(host.rehearses(Asker::Person).await, Ok(()));
    assert!(
        host.layout.config().exists(),
        "links are removed, not followed"
    );
}

#[tokio::test]
async fn a_refusal_names_files_where_they_are() {
    let host = Host::with("echo \"$LOCKSTEP_ROOT/etc/lockstep/agent.toml: no\" >&2; exit 78");
    let config = host.layout.config().display().to_string();
    assert_eq!(
        host.rehearses(Asker::Person).await,
        Err(format!("exit status: 78: {config}: no"))
    );
}

#[tokio::test]
async fn the_boot_guard_asks_for_no_runs_and_others_for_those_that_are_not_over() {
    let host = Host::with(
        "cd \"$LOCKSTEP_ROOT/var/lib/lockstep/runs\"; [ -z \"$(ls)\" ] || { ls >&2; exit 1; }",
    );
    let journals = Journals::new(&host.layout);
    let over = run(RunKind::Package, "curl", Step::Nothing);
    journals.write(&over).unwrap();
    assert_eq!(host.rehearses(Asker::Person).await, Ok(()));
    let at_work = run(RunKind::Package, "nginx", Step::Pre);
    journals.write(&at_work).unwrap();
    assert_eq!(
        host.rehearses(Asker::Person).await,
        Err("exit status: 1: nginx.json".into())
    );
    assert_eq!(host.rehearses(Asker::BootGuard).await, Ok(()));
    assert_eq!(host.rehearses(Asker::WorkerButRuns).await, Ok(()));
}

#[tokio::test]
async fn an_order_waits_for_a_run_that_is_in_its_way_and_fails_for_all_else() {
    let host = Host::with(
        "[ ! -e \"$LOCKSTEP_ROOT/etc/lockstep/bad\" ] || { echo bad; exit 1; }\n\
         cd \"$LOCKSTEP_ROOT/var/lib/lockstep/runs\"; [ ! -e nginx.json ] || { echo a run; exit 1; }",
    );
    let newer = Version::parse("1.0.0").unwrap();
    let current = Slots::new(host.layout.clone())
        .adopt_program(
            &host.slot.dir.join(Slot::PROGRAM),
            &newer,
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
    let place = Place {
        layout: host.layout.clone(),
        current: Some(current.clone()),
        clock: lockstep_net::Clock::system(),
        retry: Duration::from_secs(60),
        mirror: None,
    };
    let journals = Journals::new(&host.layout);
    assert!(fetch::check(&host.slot, &place).await.is_ok());
    journals
        .write(&run(RunKind::Package, "nginx", Step::Pre))
        .unwrap();
    let waits = fetch::check(&host.slot, &place).await;
    assert!(
        matches!(&waits, Err(Unready::Again { why, .. }) if why.ends_with("a run")),
        "{waits:?}"
    );
    // A fault of its own is no less a fault while a run is under way.
    let bad = host.layout.config().with_file_name("bad");
    std::fs::write(&bad, "").unwrap();
    let failed = fetch::check(&host.slot, &place).await;
    assert!(matches!(failed, Err(Unready::Failed { .. })), "{failed:?}");
    std::fs::remove_file(bad).unwrap();
    journals
        .write(&run(RunKind::Package, "nginx", Step::Nothing))
        .unwrap();
    // A restart keeps an order from leading to an older version, and from no other.
    journals
        .write(&run(RunKind::Reboot, "reboot", Step::Pre))
        .unwrap();
    let waits = fetch::check(&host.slot, &place).await;
    assert!(matches!(waits, Err(Unready::Again { .. })), "{waits:?}");
    assert!(fetch::check(&current, &place).await.is_ok());
}

#[tokio::test]
async fn the_way_back_replaces_the_journal_and_the_way_forth_needs_it() {
    let host = Host::with("[ -e \"$LOCKSTEP_ROOT/var/lib/lockstep/run.json\" ]");
    let order = Order {
        package: PackageName::lockstep(),
        version: Version::parse("0.9.0").unwrap(),
        target: String::new(),
        hash: ContentHash::from_digest([0; 32]),
        length: 0,
        generation: 0,
        by: By::Guard,
        brought: false,
    };
    let now = Timestamp::UNIX_EPOCH;
    let journal = Journal::begin(RunId::new(now, [1; 10]), order, None, now);
    State::new(&host.layout).write_journal(&journal).unwrap();
    assert_eq!(host.rehearses(Asker::Worker).await, Ok(()));
    assert_eq!(host.rehearses(Asker::WorkerButRuns).await, Ok(()));
    assert!(host.rehearses(Asker::Person).await.is_err());
    assert!(host.rehearses(Asker::BootGuard).await.is_err());
}

#[test]
fn a_restart_is_ended_before_somebody_goes_back_by_choice() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::below(dir.path());
    let stopped = || Step::Stopped {
        phase: Phase::Pre,
        reason: RunReason::ByHand,
        boot_id: None,
    };
    let because = |kind: RunKind, step: Step| {
        let run = run(kind, "reboot", step);
        Journals::new(&layout).write(&run).unwrap();
        restart_to_end(&layout)
    };
    assert_eq!(restart_to_end(&layout), None);
    assert_eq!(because(RunKind::Reboot, Step::Check), None);
    assert_eq!(because(RunKind::Reboot, Step::Idle), None);
    let why = because(RunKind::Reboot, Step::Pre).unwrap();
    assert!(why.ends_with("wait for its end"), "{why}");
    let why = because(RunKind::Reboot, stopped()).unwrap();
    assert!(why.contains("lockstep run skip "), "{why}");
    assert_eq!(because(RunKind::System, stopped()), None);
    assert_eq!(because(RunKind::Reboot, Step::Nothing), None);
}
