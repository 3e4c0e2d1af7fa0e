//! Restarts of the machine that were wished for: what keeps them waiting, and what takes them back.

use super::*;

const BEGAN: i64 = 1_800_000_000;

fn wished() -> Job {
    Job {
        kind: RunKind::Reboot,
        package: PackageName::reboot(),
        holds: false,
        wish: Some(Wished {
            number: 7,
            boot_id: "boot-1".into(),
            from: at(BEGAN),
            until: at(BEGAN + HOUR),
        }),
        ..job()
    }
}

fn no_permit() -> Happened {
    Happened::NotNow(RunReason::NotPermitted {
        why: "agent.toml says no".into(),
    })
}

fn taken_back() -> Happened {
    Happened::NotNow(RunReason::WishTakenBack)
}

/// Before the command to restart, with the host drained and the lock held.
fn drained() -> World {
    let mut world = World::before("pre", wished());
    for asked in [Do::Begin, Do::Work(Phase::Pre)] {
        assert_eq!(world.asks(), asked);
        world.gets(Happened::Succeeded);
    }
    assert_eq!(world.step(), "rebooting");
    assert!(world.journal.begun && world.journal.lock.is_some());
    world
}

/// What the host's chain and the server keep of a run: an entry for each of these.
fn entry(journal: &RunJournal) -> (Phase, bool, Option<RunLock>) {
    let ended = journal.has_stopped() || journal.is_over();
    (journal.step.phase(), ended, journal.lock.clone())
}

#[test]
fn a_lock_server_that_is_away_is_waited_for_to_the_end_by_one_run() {
    let mut world = World::before("lock", wished());
    let mut entries = vec![entry(&world.journal)];
    for _ in 0..1_000 {
        match world.asks() {
            Do::AcquireLock => world.gets(lock_failed()),
            Do::ReleaseLock => world.gets(no_answer()),
            Do::GoOn => world.gets(Happened::Waited),
            Do::Wait { until, .. } => {
                world.now = until.as_second();
                &mut world
            }
            other => {
                assert_eq!(other, Do::End);
                break;
            }
        };
        if world.now < BEGAN + HOUR {
            assert!(world.words().starts_with("the server does not answer"));
            assert!(!is_spent(Some(&world.journal), 8));
        }
        entries.push(entry(&world.journal));
    }
    entries.dedup();
    assert_eq!(entries.len(), 3, "{entries:?}");
    let until = at(BEGAN + HOUR);
    let why = RunReason::WishOver { until }.to_string();
    assert_eq!(world.outcome(), (Some(Outcome::Postponed), why));
    assert!(!world.journal.begun);
}

#[test]
fn a_lock_server_that_comes_back_is_asked_and_the_wish_is_obeyed() {
    let mut world = World::before("lock", wished());
    world.gets(lock_failed()).after(10 * MINUTE);
    assert_eq!(world.asks(), Do::AcquireLock);
    world.gets(Happened::LockGranted(grant(5)));
    assert_eq!(world.asks(), Do::Hold);
    // Meanwhile it can be taken back: nothing was done.
    let mut world = World::before("lock", wished());
    world.gets(lock_failed()).gets(taken_back());
    assert_eq!(world.asks(), Do::ReleaseLock);
}

#[test]
fn a_host_that_is_busy_for_long_is_waited_for_to_the_end() {
    let rules = Rules {
        busy_longest: Some(Duration::from_secs(60)),
        ..Rules::default()
    };
    let mut world = World::before("idle", Job { rules, ..wished() });
    for _ in 0..30 {
        assert_eq!(world.asks(), Do::AskWhetherIdle);
        world.gets(busy()).after(MINUTE);
    }
    assert_eq!(world.step(), "idle");
    world.after(HOUR).goes_on();
    assert_eq!(world.outcome().0, Some(Outcome::Postponed));
}

#[test]
fn a_permit_that_is_withdrawn_before_the_restart_undoes_the_draining() {
    let mut world = drained();
    assert_eq!(world.asks(), Do::Reboot);
    world.gets(no_permit());
    assert_eq!(world.asks(), Do::Work(Phase::Post));
    let mut world = drained();
    world.journal.job.rules.verify_for = Duration::ZERO;
    world.gets(no_permit()).asks();
    world.gets(Happened::Succeeded).gets(Happened::LockReleased);
    let why = "agent.toml says no".to_owned();
    assert_eq!(world.outcome(), (Some(Outcome::Postponed), why));
    assert!(is_spent(Some(&world.journal), 7));
    // So it is after the command has failed, and a person has said that it shall be tried again.
    let mut world = drained();
    world.gets(failed()).is_told(RunVerb::Retry, 1);
    assert_eq!(world.asks(), Do::Reboot);
    world.gets(no_permit());
    assert_eq!(world.step(), "post");
}

#[test]
fn what_is_taken_back_or_forbidden_before_it_began_does_nothing_also_after_a_kill() {
    for refusal in [no_permit(), taken_back()] {
        let mut world = World::before("pre", wished());
        assert_eq!(world.asks(), Do::Begin);
        world.is_killed("boot-1");
        assert!(!world.journal.begun);
        assert_eq!(world.asks(), Do::Begin);
        world.gets(refusal);
        assert_eq!(world.asks(), Do::ReleaseLock);
        world.gets(Happened::LockReleased);
        assert_eq!(world.outcome().0, Some(Outcome::Postponed));
        assert!(!is_spent(Some(&world.journal), 7));
    }
    // Once it is noted the scripts may have been called, so they are called that take it back.
    let mut world = World::before("pre", wished());
    world.gets(Happened::Succeeded).is_killed("boot-1");
    assert_eq!(world.asks(), Do::Work(Phase::Pre));
    world.gets(no_permit());
    assert_eq!(world.asks(), Do::Work(Phase::Post));
}

#[test]
fn a_lock_that_is_lost_before_anything_was_done_leaves_the_wish_as_it_was() {
    let mut world = World::before("pre", wished());
    world.gets(Happened::LockLost);
    assert_eq!(world.asks(), Do::AcquireLock);
    assert!(!world.journal.begun);
    world.gets(Happened::LockGranted(grant(6))).gets(rest());
    assert_eq!(world.asks(), Do::Begin);
}

#[test]
fn no_restart_is_ordered_in_a_boot_that_nobody_knows() {
    let mut world = drained();
    world.boot_id = "";
    let step = &world.journal.step;
    assert!(matches!(step, Step::Rebooting { boot_id, .. } if boot_id == "boot-1"));
    assert_eq!(world.asks(), Do::GoOn);
    world.gets(Happened::Waited);
    let Step::Stopped {
        phase,
        reason,
        boot_id,
    } = &world.journal.step
    else {
        panic!("{:?}", world.journal.step);
    };
    assert_eq!(*phase, Phase::Reboot);
    assert!(matches!(reason, RunReason::HostFailed { .. }), "{reason:?}");
    assert_eq!(boot_id.as_deref(), Some("boot-1"));
    // A person's word does not change that, and a boot that is known again does.
    for number in [1, 2] {
        assert_eq!(world.asks(), Do::AskPerson);
        world.is_told(RunVerb::Retry, number);
        assert_eq!(world.asks(), Do::GoOn);
        world.gets(Happened::Waited);
    }
    world.boot_id = "boot-1";
    world.is_told(RunVerb::Retry, 3);
    assert_eq!(world.asks(), Do::Reboot);
    // Nor is a host drained for one.
    let mut world = World::before("pre", wished());
    world.boot_id = "";
    world.gets(Happened::Succeeded);
    assert!(!world.journal.begun);
    assert!(world.words().contains("boot id cannot be read"));
    assert!(matches!(world.asks(), Do::Wait { .. }));
}
