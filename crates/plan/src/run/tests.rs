//! The course of runs, step by step, in small worlds.

use super::*;
use lockstep_model::{Fence, Holder, HostName, LockRefusal, Phase, RunCommand, RunVerb};

mod wishes;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const YEAR: i64 = 365 * 24 * HOUR;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn job() -> Job {
    Job {
        kind: RunKind::System,
        package: PackageName::system(),
        from: None,
        to: None,
        by: "root by hand".into(),
        lock: Some(LockName::parse("os").unwrap()),
        holds: true,
        order: None,
        wish: None,
        rules: Rules::default(),
    }
}

pub(super) fn id(n: u8) -> RunId {
    RunId::new(at(1_800_000_000), [n; 10])
}

pub(super) fn grant(fence: u64) -> RunLock {
    RunLock {
        name: LockName::parse("os").unwrap(),
        fence: Fence(fence),
        since: at(1_800_000_000),
    }
}

pub(super) fn failed() -> Happened {
    Happened::Failed(script_failed())
}

pub(super) fn script_failed() -> RunReason {
    RunReason::ScriptFailed {
        phase: Phase::Apply,
        script: "10-drain".into(),
        how: "exit status: 1".into(),
    }
}

pub(super) fn later() -> Happened {
    let script = "20-backup".into();
    Happened::Later { script }
}

pub(super) fn again() -> Happened {
    Happened::Again {
        why: "the server does not answer".into(),
        after: None,
    }
}

pub(super) fn something() -> Happened {
    Happened::SomethingToDo {
        from: None,
        to: None,
        moment: at(0),
    }
}

pub(super) fn levels(level: Level) -> Option<BTreeMap<ItemName, Level>> {
    Some(BTreeMap::from([(ItemName::parse("load").unwrap(), level)]))
}

pub(super) fn rest() -> Happened {
    let baseline = levels(Level::FINE);
    Happened::Rest { baseline }
}

pub(super) fn busy() -> Happened {
    let why = "a backup is under way".into();
    Happened::Busy { why }
}

pub(super) fn refused(retry_after: Option<Duration>) -> Happened {
    let why = LockRefusal::Turn {
        ahead: vec![Holder::Host(HostName::parse("web7").unwrap())],
    };
    Happened::LockRefused {
        why,
        position: Some(2),
        retry_after,
    }
}

pub(super) fn no_answer() -> Happened {
    let why = "connection refused".into();
    Happened::LockUnknown { why }
}

pub(super) fn lock_failed() -> Happened {
    let why = "a page of a proxy".into();
    Happened::LockFailed { why }
}

pub(super) fn worse() -> Happened {
    Happened::Worse(RunReason::ItemWorse {
        item: ItemName::parse("load").unwrap(),
        before: Level::FINE,
        now: Level::DEAD,
    })
}

/// A host with a run, and an engine that does what the run asks for.
struct World {
    journal: RunJournal,
    now: i64,
    boot_id: &'static str,
    confirmed: bool,
    hours: Option<&'static str>,
}

impl World {
    fn of(job: Job) -> Self {
        let now = 1_800_000_000;
        Self {
            journal: RunJournal::begin(id(1), job, at(now)),
            now,
            boot_id: "boot-1",
            confirmed: false,
            hours: None,
        }
    }

    /// A run that was brought to a step by its usual way.
    fn before(step: &str, job: Job) -> Self {
        let mut world = Self::of(job);
        let has_lock = world.journal.job.lock.is_some();
        let has_hold = world.journal.job.holds || has_lock;
        let way = [
            ("check", true, something()),
            ("idle", true, rest()),
            ("lock", has_lock, Happened::LockGranted(grant(5))),
            ("hold", has_hold, rest()),
            ("pre", true, Happened::Succeeded),
            ("apply", true, Happened::Succeeded),
            ("needs-reboot", true, Happened::Succeeded),
            ("post", true, Happened::Succeeded),
        ];
        for (name, is_there, happened) in way {
            if name == step {
                return world;
            }
            if is_there {
                world.gets(happened);
            }
        }
        assert_eq!(world.step(), step);
        world
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: at(self.now),
            boot_id: self.boot_id,
            lock_is_confirmed: self.confirmed,
            outside_of_hours: self.hours,
        }
    }

    /// What is to be done; the server confirms the lock when it is asked.
    fn asks(&mut self) -> Do {
        let asked = next(&self.journal, &self.facts());
        if asked != Do::ConfirmLock {
            return asked;
        }
        self.confirmed = true;
        next(&self.journal, &self.facts())
    }

    fn gets(&mut self, happened: Happened) -> &mut Self {
        let then = after(&self.journal, happened, &self.facts());
        self.writes(then)
    }

    fn goes_on(&mut self) -> &mut Self {
        assert_eq!(self.asks(), Do::GoOn);
        self.gets(Happened::Waited)
    }

    fn is_told(&mut self, verb: RunVerb, number: u64) -> &mut Self {
        let said = RunCommand {
            run: id(1),
            verb,
            number,
            by: "ada".into(),
            why: "mended by hand".into(),
        };
        let then = command(&self.journal, &said, at(self.now));
        self.writes(then)
    }

    /// The engine is killed and started again, on the same machine or on one that has restarted.
    fn is_killed(&mut self, boot_id: &'static str) -> &mut Self {
        self.boot_id = boot_id;
        let read = serde_json::to_string(&self.journal).unwrap();
        let read = serde_json::from_str(&read).unwrap();
        let then = resume(&read, &self.facts());
        self.confirmed = false;
        self.writes(then)
    }

    fn writes(&mut self, journal: RunJournal) -> &mut Self {
        self.journal = journal;
        self.confirmed = false;
        self
    }

    /// The host is held still again, as it has to be before a stopped run goes on.
    fn is_held_again(&mut self) -> &mut Self {
        assert_eq!(self.asks(), Do::Hold);
        assert!(self.journal.keeps_still() && self.journal.is_at_work());
        self.gets(Happened::Rest { baseline: None })
    }

    fn after(&mut self, seconds: i64) -> &mut Self {
        self.now += seconds;
        self
    }

    fn step(&self) -> String {
        let step = serde_json::to_value(&self.journal.step).unwrap();
        step["step"].as_str().unwrap().to_owned()
    }

    fn words(&self) -> String {
        let record = self.journal.record(at(self.now), String::new()).unwrap();
        record.waits.unwrap_or_default()
    }

    fn outcome(&self) -> (Option<Outcome>, String) {
        let record = self.journal.record(at(self.now), String::new()).unwrap();
        let why = record.reason.map(|reason| reason.to_string());
        (record.outcome, why.unwrap_or_default())
    }
}

fn without_lock() -> Job {
    Job {
        lock: None,
        ..job()
    }
}

fn alone() -> Job {
    Job {
        holds: false,
        ..without_lock()
    }
}

fn package() -> Job {
    Job {
        kind: RunKind::Package,
        package: PackageName::parse("driveclient").unwrap(),
        from: Some(PackageVersion::parse("1.19").unwrap()),
        ..job()
    }
}

// Row by row, the states of foreman_dlm_updater.

#[test]
fn needs_update_nothing_to_do_ends_without_a_word() {
    let mut world = World::of(job());
    assert_eq!(world.asks(), Do::Check);
    world.gets(Happened::NothingToDo);
    assert_eq!(world.asks(), Do::End);
    assert_eq!(world.journal.record(at(world.now), String::new()), None);
}

#[test]
fn needs_update_something_to_do_leads_to_the_lock() {
    let mut world = World::of(job());
    world.gets(something());
    assert_eq!(world.asks(), Do::AskWhetherIdle);
    world.gets(rest());
    assert_eq!(world.asks(), Do::AcquireLock);
}

#[test]
fn needs_update_that_cannot_be_found_out_is_held_against_nobody() {
    let mut world = World::of(job());
    world.gets(failed());
    assert_eq!(world.outcome().0, Some(Outcome::Postponed));
    assert_eq!(world.asks(), Do::End);
}

#[test]
fn lock_get_held_elsewhere_asks_again_in_a_minute() {
    let mut world = World::before("lock", job());
    world.gets(refused(None));
    assert_eq!(
        world.words(),
        "lock os: 1 other is first: web7; number 2 in the queue"
    );
    assert!(matches!(world.asks(), Do::Wait { until, .. } if until == at(world.now + MINUTE)));
    world.after(MINUTE);
    assert_eq!(world.asks(), Do::AcquireLock);
    world.gets(Happened::LockGranted(grant(7)));
    assert_eq!(world.journal.lock, Some(grant(7)));
}

#[test]
fn lock_get_that_fails_ends_the_run_and_gives_back_what_may_have_been_granted() {
    let mut world = World::before("lock", job());
    world.gets(lock_failed());
    assert_eq!(world.asks(), Do::ReleaseLock);
    assert!(!world.journal.is_at_work());
    world.gets(Happened::LockReleased);
    let why = "the lock os could not be acquired: a page of a proxy".to_owned();
    assert_eq!(world.outcome(), (Some(Outcome::Postponed), why));
    assert_eq!(world.asks(), Do::End);
}

#[test]
fn lock_get_that_fails_ends_the_run_even_if_the_server_stays_away() {
    let mut world = World::before("lock", job());
    world.gets(lock_failed());
    for _ in 0..3 {
        assert_eq!(world.asks(), Do::ReleaseLock);
        world.gets(no_answer()).after(15);
    }
    assert_eq!(world.asks(), Do::End);
}

#[test]
fn pre_update_all_well_leads_to_update_and_a_failure_keeps_the_lock() {
    let mut world = World::before("pre", job());
    assert_eq!(world.asks(), Do::Work(Phase::Pre));
    world.gets(Happened::Succeeded);
    assert_eq!(world.asks(), Do::Work(Phase::Apply));
    let mut world = World::before("pre", job());
    world.gets(failed());
    assert_stopped_with_lock(&mut world, Phase::Pre);
}

#[test]
fn update_all_well_leads_to_needs_reboot_and_a_failure_keeps_the_lock() {
    let mut world = World::before("apply", job());
    world.gets(Happened::Succeeded);
    assert_eq!(world.asks(), Do::AskWhetherReboot);
    let mut world = World::before("apply", job());
    world.gets(failed());
    assert_stopped_with_lock(&mut world, Phase::Apply);
}

#[test]
fn needs_reboot_no_leads_to_post_update() {
    let mut world = World::before("needs-reboot", job());
    world.gets(Happened::Succeeded);
    assert_eq!(world.asks(), Do::Work(Phase::Post));
}

#[test]
fn needs_reboot_yes_restarts_and_the_next_start_goes_on_behind_it() {
    let mut world = World::before("needs-reboot", job());
    world.gets(Happened::RebootNeeded);
    assert_eq!(world.asks(), Do::Reboot);
    world.gets(Happened::RebootOrdered);
    assert_eq!(world.words(), "the machine restarts");
    world.after(90).is_killed("boot-2");
    assert_eq!(world.asks(), Do::Work(Phase::Post));
    assert_eq!(world.journal.lock, Some(grant(5)));
}

#[test]
fn reboot_command_that_fails_is_never_passed_over() {
    let mut world = World::before("needs-reboot", job());
    world.gets(Happened::RebootNeeded).gets(failed());
    assert_stopped_with_lock(&mut world, Phase::Reboot);
    world.is_killed("boot-1");
    assert_stopped_with_lock(&mut world, Phase::Reboot);
    world.is_told(RunVerb::Retry, 1).is_held_again();
    assert_eq!(world.asks(), Do::Reboot);
}

#[test]
fn reboot_that_has_not_come_yet_is_waited_for_by_every_start() {
    let mut world = World::before("needs-reboot", job());
    world
        .gets(Happened::RebootNeeded)
        .gets(Happened::RebootOrdered);
    world.after(MINUTE).is_killed("boot-1");
    assert!(matches!(world.asks(), Do::Wait { .. }));
}

#[test]
fn reboot_that_never_comes_stops_the_run_until_it_comes_by_hand() {
    let mut world = World::before("needs-reboot", job());
    world
        .gets(Happened::RebootNeeded)
        .gets(Happened::RebootOrdered);
    world.after(15 * MINUTE).goes_on();
    assert_stopped_with_lock(&mut world, Phase::Reboot);
    let told = "the machine was told to restart 900 s ago, and has not";
    assert_eq!(world.outcome().1, told);
    world.after(HOUR).is_killed("boot-2").is_held_again();
    assert_eq!(world.asks(), Do::Work(Phase::Post));
}

#[test]
fn post_update_all_well_leads_to_release_and_a_failure_keeps_the_lock() {
    let rules = Rules {
        verify_for: Duration::ZERO,
        ..Rules::default()
    };
    let mut world = World::before("post", Job { rules, ..job() });
    world.gets(Happened::Succeeded);
    assert_eq!(world.asks(), Do::ReleaseLock);
    let mut world = World::before("post", job());
    world.gets(failed());
    assert_stopped_with_lock(&mut world, Phase::Post);
}

#[test]
fn lock_release_is_tried_until_the_server_answers() {
    let mut world = World::before("verify", job());
    world.gets(Happened::Well).after(5).gets(Happened::Well);
    for _ in 0..11 {
        world.after(5).gets(Happened::Well);
    }
    for _ in 0..100 {
        assert_eq!(world.asks(), Do::ReleaseLock);
        world.gets(no_answer());
        assert!(matches!(world.asks(), Do::Wait { .. }));
        world.after(15);
    }
    world.gets(Happened::LockReleased);
    assert_eq!(world.outcome(), (Some(Outcome::Done), String::new()));
    assert_eq!(world.journal.lock, None);
}

#[track_caller]
fn assert_stopped_with_lock(world: &mut World, at: Phase) {
    assert!(
        matches!(world.journal.step, Step::Stopped { phase, .. } if phase == at),
        "{:?}",
        world.journal.step
    );
    assert_eq!(world.asks(), Do::AskPerson);
    assert_eq!(world.journal.lock, Some(grant(5)));
    assert_eq!(world.outcome().0, Some(Outcome::Stopped));
    assert!(!world.journal.keeps_still() && !world.journal.is_at_work());
}

// What the ancestor does not know.

#[test]
fn the_lock_is_confirmed_before_each_step_that_changes_the_host() {
    for step in ["pre", "apply", "needs-reboot", "post"] {
        let world = World::before(step, job());
        assert_eq!(
            next(&world.journal, &world.facts()),
            Do::ConfirmLock,
            "{step}"
        );
    }
    let mut world = World::before("needs-reboot", job());
    world.gets(Happened::RebootNeeded);
    assert_eq!(next(&world.journal, &world.facts()), Do::ConfirmLock);
}

#[test]
fn a_lock_that_was_lost_is_asked_for_again_before_the_step_goes_on() {
    for step in ["apply", "needs-reboot", "post"] {
        let mut world = World::before(step, job());
        world.gets(Happened::LockLost);
        assert_eq!(world.journal.lock, None);
        assert!(world.journal.is_at_work());
        // In the middle of it no error ends the run.
        world.gets(lock_failed());
        assert!(matches!(world.asks(), Do::Wait { .. }), "{step}");
        world.after(15);
        assert_eq!(world.asks(), Do::AcquireLock);
        world.gets(Happened::LockGranted(grant(9)));
        assert_eq!(world.step(), step);
        assert_eq!(world.journal.lock, Some(grant(9)));
    }
}

#[test]
fn a_lock_that_was_lost_while_it_is_given_back_is_given_back() {
    let mut world = World::before("post", job());
    world.gets(failed()).is_told(RunVerb::Skip, 1);
    assert_eq!(world.asks(), Do::ReleaseLock);
    world.gets(Happened::LockLost);
    assert_eq!(world.step(), "over");
}

#[test]
fn a_lock_that_was_lost_while_the_host_is_watched_changes_nothing() {
    let mut world = World::before("verify", job());
    let before = world.journal.clone();
    world.gets(Happened::LockLost);
    assert_eq!(world.journal, before);
}

#[test]
fn a_restart_by_hand_while_the_lost_lock_is_asked_for_is_the_restart() {
    let mut world = World::before("needs-reboot", job());
    world.gets(Happened::RebootNeeded).gets(Happened::LockLost);
    world
        .is_killed("boot-2")
        .gets(Happened::LockGranted(grant(6)));
    world.goes_on();
    assert_eq!(world.asks(), Do::Work(Phase::Post));
}

#[test]
fn a_grant_that_is_lost_at_once_is_as_if_it_had_never_been() {
    let mut world = World::before("pre", job());
    world.gets(Happened::LockLost);
    assert!(!world.journal.is_at_work());
    // So the host is asked again, for it may have waited long.
    world.gets(Happened::LockGranted(grant(6)));
    assert_eq!(world.asks(), Do::Hold);
}

#[test]
fn a_run_that_was_killed_in_its_first_step_has_begun() {
    let mut world = World::before("pre", job());
    world.is_killed("boot-1").gets(Happened::LockLost);
    assert!(world.journal.is_at_work());
    world.hours = Some("Sat 02:00-05:00 UTC");
    assert_eq!(world.asks(), Do::AcquireLock);
    world.gets(Happened::LockGranted(grant(6)));
    assert_eq!(world.asks(), Do::Work(Phase::Pre));
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_before_the_next_step() {
    let mut world = World::before("apply", job());
    world.gets(no_answer());
    assert_eq!(
        world.words(),
        "the server does not answer for the lock os: connection refused"
    );
    world.after(15);
    assert_eq!(next(&world.journal, &world.facts()), Do::ConfirmLock);
    // While it works it does not say that it waits.
    assert_eq!(world.asks(), Do::Work(Phase::Apply));
    assert_eq!(world.words(), "");
}

#[test]
fn without_a_lock_nobody_is_asked_for_one() {
    for (job, hold) in [(without_lock(), true), (alone(), false)] {
        let mut world = World::before("idle", job);
        world.gets(rest());
        if hold {
            assert_eq!(world.asks(), Do::Hold);
            world.gets(rest());
        }
        let facts = world.facts();
        assert_eq!(next(&world.journal, &facts), Do::Work(Phase::Pre));
        let lost = after(&world.journal, Happened::LockLost, &facts);
        assert_eq!(lost, world.journal);
    }
}

#[test]
fn a_host_that_becomes_busy_in_the_queue_lets_others_go_first() {
    let mut world = World::before("hold", job());
    world.gets(busy());
    assert_eq!(world.asks(), Do::ReleaseLock);
    world.gets(Happened::LockReleased);
    assert_eq!(world.journal.lock, None);
    // Not at once again, or two hosts would ask for the lock as fast as they can.
    assert_eq!(world.words(), "this host is busy: a backup is under way");
    assert!(matches!(world.asks(), Do::Wait { .. }));
    world.after(MINUTE);
    assert_eq!(world.asks(), Do::AskWhetherIdle);
}

#[test]
fn a_host_that_is_busy_for_too_long_is_given_up_for_now() {
    for (job, first) in [(job(), "idle"), (job(), "hold"), (without_lock(), "hold")] {
        let rules = Rules {
            busy_longest: Some(Duration::from_secs(600)),
            ..Rules::default()
        };
        let mut world = World::before(first, Job { rules, ..job });
        let mut asked = 0;
        while !world.journal.is_over() {
            match world.asks() {
                Do::Wait { until, .. } => world.now = until.as_second(),
                Do::ReleaseLock => drop(world.gets(Happened::LockReleased)),
                Do::AcquireLock => drop(world.gets(Happened::LockGranted(grant(5)))),
                // It looks idle, and is not when it is to be held so.
                Do::AskWhetherIdle if first == "hold" => drop(world.gets(rest())),
                _ => {
                    asked += 1;
                    world.gets(busy());
                }
            }
        }
        assert_eq!(asked, 11, "{first}");
        let why = "this host was busy for 600 s: a backup is under way".to_owned();
        assert_eq!(world.outcome(), (Some(Outcome::Postponed), why));
    }
}

#[test]
fn time_in_the_queue_is_no_time_of_the_host() {
    let rules = Rules {
        busy_longest: Some(Duration::from_secs(600)),
        ..Rules::default()
    };
    let mut world = World::before("idle", Job { rules, ..job() });
    world.gets(busy()).after(MINUTE).gets(rest());
    world.gets(refused(None)).after(5 * HOUR);
    world.gets(Happened::LockGranted(grant(5))).gets(busy());
    assert_eq!(world.step(), "yield");
}

#[test]
fn the_levels_before_the_change_are_those_right_before_it() {
    let mut world = World::before("hold", job());
    let baseline = levels(Level::SICK);
    world.gets(Happened::Rest { baseline });
    assert_eq!(world.journal.baseline, levels(Level::SICK));
    let mut world = World::before("hold", job());
    world.gets(Happened::Rest { baseline: None });
    assert_eq!(world.journal.baseline, levels(Level::FINE));
}

#[test]
fn hours_that_pass_in_the_queue_are_waited_for_again_without_a_place() {
    let mut world = World::before("lock", job());
    world.gets(refused(None));
    world.hours = Some("Sat 02:00-05:00 UTC");
    world.after(MINUTE).goes_on();
    // The answer to the last question may have been lost, and may have been a grant.
    assert_eq!(world.asks(), Do::ReleaseLock);
    world.gets(Happened::LockReleased).goes_on();
    assert_eq!(world.words(), "it may begin Sat 02:00-05:00 UTC");
    world.after(24 * HOUR).goes_on();
    world.hours = None;
    world.after(MINUTE).goes_on();
    assert_eq!(world.asks(), Do::AskWhetherIdle);
}

#[test]
fn hours_that_pass_before_anything_was_done_give_the_lock_back() {
    let mut world = World::before("hold", job());
    world.hours = Some("Sat 02:00-05:00 UTC");
    world.is_killed("boot-1").goes_on();
    assert_eq!(world.asks(), Do::ReleaseLock);
    let mut world = World::before("hold", without_lock());
    world.hours = Some("Sat 02:00-05:00 UTC");
    world.goes_on();
    assert_eq!(world.words(), "it may begin Sat 02:00-05:00 UTC");
}

#[test]
fn hours_that_pass_in_the_middle_stop_nobody() {
    for step in ["pre", "apply", "needs-reboot", "post", "verify"] {
        let mut world = World::before(step, job());
        world.hours = Some("Sat 02:00-05:00 UTC");
        assert_ne!(world.asks(), Do::GoOn, "{step}");
    }
}

#[test]
fn a_script_may_ask_for_another_time_but_not_for_ever() {
    for step in ["pre", "apply", "needs-reboot", "post"] {
        let mut world = World::before(step, job());
        for time in 1..12 {
            world.gets(later());
            let words = format!("20-backup asked for another time, {time} so far");
            assert_eq!(world.words(), words);
            // A lock that is lost meanwhile begins no new count.
            world.after(5 * MINUTE).gets(Happened::LockLost);
            world.gets(Happened::LockGranted(grant(5)));
            if step == "pre" {
                assert_eq!(world.asks(), Do::Work(Phase::Pre), "it has begun");
            }
        }
        let phase = world.journal.step.phase();
        world.gets(later());
        assert_stopped_with_lock(&mut world, phase);
    }
}

#[test]
fn retry_enters_the_phase_that_failed_and_skip_leaves_it_everywhere() {
    let phases = [
        ("pre", Do::Work(Phase::Pre)),
        ("apply", Do::Work(Phase::Apply)),
        ("needs-reboot", Do::AskWhetherReboot),
        ("post", Do::Work(Phase::Post)),
    ];
    for (step, entered) in phases {
        let mut world = World::before(step, job());
        world.gets(failed()).is_told(RunVerb::Retry, 1);
        world.is_held_again();
        assert_eq!(world.asks(), entered);
        world.gets(failed()).is_told(RunVerb::Skip, 2);
        assert_eq!(world.asks(), Do::ReleaseLock);
        world.gets(Happened::LockReleased);
        let why = "skipped by ada: mended by hand".to_owned();
        assert_eq!(world.outcome(), (Some(Outcome::Failed), why));
    }
}

#[test]
fn a_host_that_is_busy_when_a_person_says_retry_is_waited_for_with_the_lock() {
    let mut world = World::before("apply", job());
    let before = world.journal.baseline.clone();
    world.gets(failed()).is_told(RunVerb::Retry, 1).gets(busy());
    assert_eq!(world.words(), "this host is busy: a backup is under way");
    assert_eq!(world.journal.lock, Some(grant(5)));
    world.hours = Some("Sat 02:00-05:00 UTC");
    world.after(MINUTE);
    assert_eq!(world.asks(), Do::Hold);
    let baseline = levels(Level::DEAD);
    world.gets(Happened::Rest { baseline });
    assert_eq!(world.asks(), Do::Work(Phase::Apply));
    // How it is in the middle is not how it was before.
    assert_eq!(world.journal.baseline, before);
}

#[test]
fn a_command_is_obeyed_once() {
    let mut world = World::before("apply", job());
    world
        .gets(failed())
        .is_told(RunVerb::Retry, 3)
        .is_held_again()
        .gets(failed());
    for number in 0..=3 {
        world.is_told(RunVerb::Retry, number);
        assert_stopped_with_lock(&mut world, Phase::Apply);
    }
    world.is_told(RunVerb::Retry, 4).is_held_again();
    assert_eq!(world.asks(), Do::Work(Phase::Apply));
    // One for a run that goes on is not kept for its next stop.
    world.is_told(RunVerb::Skip, 5);
    assert_eq!(world.journal.commanded, 4);
}

#[test]
fn a_command_for_another_run_is_for_another_run() {
    let mut world = World::before("apply", job());
    world.gets(failed());
    let said = RunCommand {
        run: id(2),
        verb: RunVerb::Skip,
        number: 1,
        by: "ada".into(),
        why: "-".into(),
    };
    assert_eq!(command(&world.journal, &said, at(world.now)), world.journal);
}

#[test]
fn a_word_on_the_host_itself_takes_no_number_from_the_server() {
    let mut world = World::before("apply", job());
    world.gets(failed());
    let now = at(world.now);
    let then = command_by_hand(&world.journal, RunVerb::Retry, "root", "disk was full", now);
    world.writes(then).is_held_again().gets(failed());
    world.is_told(RunVerb::Retry, 1).is_held_again();
    assert_eq!(world.asks(), Do::Work(Phase::Apply));
}

#[test]
fn a_change_is_proven_by_a_host_that_is_well_for_a_while() {
    let mut world = World::before("verify", job());
    world.gets(worse());
    let words = "load is dead since the update, fine before it";
    assert_eq!(world.words(), words);
    for _ in 0..12 {
        world.after(5).gets(Happened::Well);
    }
    assert_eq!(world.step(), "verify");
    world.after(5).gets(Happened::Well);
    assert_eq!(world.step(), "release");
}

#[test]
fn a_host_that_stays_worse_goes_back_or_stops() {
    for (job, step) in [(package(), "return"), (job(), "stopped")] {
        let mut world = World::before("verify", job);
        for _ in 0..180 {
            world.gets(worse()).after(5);
            assert_eq!(world.step(), "verify");
        }
        world.gets(worse());
        assert_eq!(world.step(), step);
    }
}

#[test]
fn a_return_ends_rolled_back_or_stops_with_what_was_wrong() {
    let back = |what| {
        let mut world = World::before("verify", package());
        for _ in 0..=180 {
            world.gets(worse()).after(5);
        }
        assert_eq!(world.asks(), Do::Return);
        world.gets(what);
        world
    };
    let mut world = back(Happened::Succeeded);
    assert_eq!(world.asks(), Do::ReleaseLock);
    world.gets(Happened::LockReleased);
    assert_eq!(world.outcome().0, Some(Outcome::RolledBack));
    let mut world = back(failed());
    assert_stopped_with_lock(&mut world, Phase::Verify);
    assert_eq!(
        world.outcome().1,
        "load is dead since the update, fine before it"
    );
    world.is_told(RunVerb::Retry, 1).is_held_again();
    assert_eq!(world.asks(), Do::AskHealth);
}

#[test]
fn nobody_to_ask_is_held_against_nobody_who_could_not_be_asked_before() {
    let mut world = World::before("verify", job());
    world.journal.baseline = None;
    world.gets(Happened::NobodyToAsk);
    assert_eq!(world.step(), "release");
    let mut world = World::before("verify", job());
    for _ in 0..180 {
        world.gets(Happened::NobodyToAsk).after(5);
    }
    world.gets(Happened::NobodyToAsk);
    assert_stopped_with_lock(&mut world, Phase::Verify);
    assert_eq!(
        world.outcome().1,
        "the agent of this host did not say how it is for 900 s after the change"
    );
}

#[test]
fn a_bundle_is_not_proven_because_nobody_could_be_asked() {
    let begun = RunJournal::begin(id(1), bundle(), at(0));
    let mut journal = RunJournal {
        step: Step::Verify { well_since: None },
        baseline: None,
        ..begun
    };
    let within = journal.job.rules.verify_within.as_secs() as i64;
    for now in (0..within).step_by(5) {
        journal = after(&journal, Happened::NobodyToAsk, &facts_at(now));
        assert!(matches!(journal.step, Step::Verify { .. }), "{journal:?}");
    }
    journal = after(&journal, Happened::NobodyToAsk, &facts_at(within));
    let Step::Return { reason } = &journal.step else {
        panic!("{journal:?}");
    };
    assert!(matches!(reason, RunReason::NobodyToVerify { .. }));
}

#[test]
fn two_runs_of_a_host_do_not_give_back_each_others_lock() {
    let mut stopped = World::before("apply", job());
    stopped.gets(failed());
    let words = format!("run {} of os keeps the lock os", id(1));
    assert_eq!(stopped.journal.keeps_waiting(&package()), Some(words));
    let other = Job {
        lock: None,
        ..package()
    };
    assert_eq!(stopped.journal.keeps_waiting(&other), None);
    let at_work = World::before("apply", job());
    assert!(at_work.journal.keeps_waiting(&other).is_some());
    assert_eq!(
        World::before("lock", job()).journal.keeps_waiting(&other),
        None
    );
}

// Clocks.

#[test]
fn a_clock_that_is_set_back_lets_nobody_begin_at_once_nor_in_years() {
    for back in [1, YEAR, 10 * YEAR] {
        let mut world = World::of(job());
        let moment = at(world.now + 6 * HOUR);
        world.gets(Happened::SomethingToDo {
            from: None,
            to: None,
            moment,
        });
        world.after(-back).goes_on();
        let Do::Wait { until, .. } = world.asks() else {
            panic!("{:?}", world.asks());
        };
        assert_eq!(until, at(world.now + 6 * HOUR));
        world.after(6 * HOUR).goes_on();
        assert_eq!(world.asks(), Do::AskWhetherIdle);
    }
}

#[test]
fn a_clock_that_is_set_back_is_no_restart_that_never_came() {
    let mut world = World::before("needs-reboot", job());
    world
        .gets(Happened::RebootNeeded)
        .gets(Happened::RebootOrdered);
    world.after(-10 * YEAR).goes_on();
    assert!(matches!(world.asks(), Do::Wait { until, .. } if until == at(world.now + 15 * MINUTE)));
    // It still has an end.
    world.after(15 * MINUTE).goes_on();
    assert_stopped_with_lock(&mut world, Phase::Reboot);
}

#[test]
fn a_clock_that_is_set_forward_says_it_too_soon_and_the_restart_mends_it() {
    let mut world = World::before("needs-reboot", job());
    world
        .gets(Happened::RebootNeeded)
        .gets(Happened::RebootOrdered);
    world.after(10 * YEAR).goes_on();
    assert_stopped_with_lock(&mut world, Phase::Reboot);
    world.is_killed("boot-2").is_held_again();
    assert_eq!(world.asks(), Do::Work(Phase::Post));
}

#[test]
fn time_in_which_nobody_looked_is_no_time_of_illness_nor_of_health() {
    for jump in [-10 * YEAR, -HOUR, HOUR, 10 * YEAR] {
        let mut world = World::before("verify", package());
        world.gets(worse()).after(jump).gets(worse());
        assert_eq!(world.step(), "verify", "{jump}");
        // It still has an end.
        for _ in 0..180 {
            world.after(5).gets(worse());
        }
        assert_eq!(world.step(), "return", "{jump}");

        let mut world = World::before("verify", package());
        world.gets(Happened::Well).after(jump).gets(Happened::Well);
        assert_eq!(world.step(), "verify", "{jump}");
        for _ in 0..12 {
            world.after(5).gets(Happened::Well);
        }
        assert_eq!(world.step(), "release", "{jump}");
    }
}

#[test]
fn a_clock_that_is_set_back_makes_no_host_busy_for_years() {
    let rules = Rules {
        busy_longest: Some(Duration::from_secs(600)),
        ..Rules::default()
    };
    let mut world = World::before("idle", Job { rules, ..job() });
    world.gets(busy()).after(-10 * YEAR).gets(busy());
    world.after(600).gets(busy());
    assert_eq!(world.step(), "over");
}

#[test]
fn a_server_can_have_a_lock_asked_for_sooner_and_never_later() {
    let again = |server: Duration| {
        let mut world = World::before("lock", job());
        world.gets(refused(Some(server)));
        match world.asks() {
            Do::Wait { until, .. } => until.duration_since(at(world.now)).as_secs(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(again(Duration::from_secs(u64::MAX)), 60);
    assert_eq!(again(Duration::from_secs(10)), 10);
    assert_eq!(again(Duration::ZERO), 60);
}

#[test]
fn a_boot_id_that_cannot_be_read_is_no_restart() {
    let mut world = World::before("needs-reboot", job());
    world
        .gets(Happened::RebootNeeded)
        .gets(Happened::RebootOrdered);
    world.is_killed("");
    assert!(matches!(world.asks(), Do::Wait { .. }));
    let mut world = World::before("needs-reboot", job());
    world.boot_id = "";
    world.gets(Happened::RebootNeeded);
    assert_stopped_with_lock(&mut world, Phase::Reboot);
}

fn bundle() -> Job {
    Job {
        kind: RunKind::Bundle,
        package: PackageName::parse("driveclient").unwrap(),
        from: Some(PackageVersion::parse("1.0.0").unwrap()),
        rules: Rules {
            verify_for: Duration::from_secs(60),
            ..Rules::default()
        },
        ..job()
    }
}

fn facts_at(now: i64) -> Facts<'static> {
    Facts {
        now: at(now),
        boot_id: "boot-1",
        lock_is_confirmed: true,
        outside_of_hours: None,
    }
}

/// What follows from one thing after the other, each so many seconds after the one before.
fn told(journal: RunJournal, things: &[(i64, Happened)]) -> RunJournal {
    let mut now = journal.changed_at.as_second();
    let mut journal = journal;
    for (pause, happened) in things {
        now += pause;
        journal = after(&journal, happened.clone(), &facts_at(now));
    }
    journal
}

fn on_probation(job: Job) -> RunJournal {
    let begun = RunJournal::begin(id(1), job, at(1_000));
    RunJournal {
        step: Step::Verify { well_since: None },
        begun: true,
        baseline: levels(Level::FINE),
        ..begun
    }
}

#[test]
fn a_bundle_is_fetched_before_anybody_waits_for_it() {
    let begun = RunJournal::begin(id(1), bundle(), at(1_000));
    let fetching = told(begun, &[(0, something())]);
    assert_eq!(fetching.step, Step::Fetch);
    assert!(!fetching.is_at_work() && fetching.lock.is_none());
    let waits = told(fetching.clone(), &[(0, again())]);
    assert!(matches!(&waits.waiting, Some(waiting) if matches!(waiting.why, Wait::Again { .. })));
    let bad = told(fetching.clone(), &[(0, failed())]);
    let is_blamed = |step: &Step| {
        matches!(
            step,
            Step::Over {
                outcome: Outcome::Failed,
                ..
            }
        )
    };
    assert!(is_blamed(&bad.step), "{:?}", bad.step);
    let unwanted = told(fetching.clone(), &[(0, Happened::NotNow(script_failed()))]);
    assert!(matches!(
        unwanted.step,
        Step::Over {
            outcome: Outcome::Postponed,
            ..
        }
    ));
    assert_eq!(told(fetching, &[(0, Happened::Succeeded)]).step, Step::Idle);
}

#[test]
fn a_bundle_goes_back_by_itself_and_what_the_host_could_not_do_is_not_held_against_it() {
    for step in [Step::Apply, Step::Post] {
        let journal = RunJournal {
            step,
            ..on_probation(bundle())
        };
        let back = told(journal.clone(), &[(1, failed())]);
        assert!(matches!(back.step, Step::Return { .. }), "{:?}", back.step);
        let over = told(back, &[(1, Happened::Succeeded)]);
        let Step::Over { outcome, .. } = over.step else {
            panic!("{:?}", over.step);
        };
        assert_eq!(outcome, Outcome::RolledBack);
        let full = RunReason::HostFailed {
            why: "the disk is full".into(),
        };
        let over = told(
            journal,
            &[(1, Happened::Failed(full)), (1, Happened::Succeeded)],
        );
        assert!(matches!(
            over.step,
            Step::Over {
                outcome: Outcome::Postponed,
                ..
            }
        ));
    }
}

#[test]
fn a_bundle_that_is_well_for_its_window_is_kept_and_then_the_run_is_done() {
    let looks: Vec<_> = (0..13).map(|_| (5, Happened::Well)).collect();
    let proven = told(on_probation(bundle()), &looks);
    assert_eq!(proven.step, Step::Commit);
    assert_eq!(next(&proven, &facts_at(2_000)), Do::Commit);
    let again = told(proven.clone(), &[(1, again())]);
    assert_eq!(again.step, Step::Commit);
    let over = told(proven, &[(1, Happened::Succeeded)]);
    assert!(matches!(
        over.step,
        Step::Over {
            outcome: Outcome::Done,
            ..
        }
    ));
}

#[test]
fn a_bundle_may_be_ill_for_a_while_and_not_for_longer() {
    let ill = |count: usize| vec![(5, worse()); count];
    let ill_for_25 = told(on_probation(bundle()), &ill(6));
    assert!(
        matches!(ill_for_25.step, Step::Verify { .. }),
        "{:?}",
        ill_for_25.step
    );
    let ill_for_30 = told(on_probation(bundle()), &ill(7));
    assert!(matches!(
        ill_for_30.step,
        Step::Return {
            reason: RunReason::ItemWorse { .. }
        }
    ));
    // Well in between begins the time anew.
    let mut with_a_pause = ill(6);
    with_a_pause.push((5, Happened::Well));
    with_a_pause.extend(ill(6));
    let tried = told(on_probation(bundle()), &with_a_pause);
    assert!(
        matches!(tried.step, Step::Verify { .. }),
        "{:?}",
        tried.step
    );
    assert_eq!(tried.trial.unwrap().flips, 1);
}

#[test]
fn a_bundle_that_flips_is_unsteady() {
    let flip = [(5, Happened::Well), (5, worse())];
    let flips: Vec<_> = flip.iter().cloned().cycle().take(2 * 3).collect();
    let tried = told(on_probation(bundle()), &flips);
    assert!(
        matches!(tried.step, Step::Verify { .. }),
        "{:?}",
        tried.step
    );
    let tried = told(tried, &[(20, Happened::Well), (5, worse())]);
    assert_eq!(
        tried.step,
        Step::Return {
            reason: RunReason::Unsteady { flips: 4 }
        }
    );
}

#[test]
fn time_in_which_nobody_looked_is_not_held_against_a_bundle() {
    let tried = told(
        on_probation(bundle()),
        &[(5, worse()), (3_600, worse()), (5, worse())],
    );
    assert!(
        matches!(tried.step, Step::Verify { .. }),
        "{:?}",
        tried.step
    );
}

#[test]
fn a_way_back_that_failed_is_tried_again_and_the_bundle_is_never_kept() {
    let back = Step::Return {
        reason: script_failed(),
    };
    let journal = RunJournal {
        step: back,
        ..on_probation(bundle())
    };
    let stopped = told(journal, &[(1, failed())]);
    assert!(stopped.has_stopped());
    let retried = command_by_hand(&stopped, RunVerb::Retry, "ada", "mended", at(2_000));
    let Step::Hold { then } = &retried.step else {
        panic!("{:?}", retried.step);
    };
    assert_eq!(
        **then,
        Step::Return {
            reason: script_failed()
        }
    );
}
