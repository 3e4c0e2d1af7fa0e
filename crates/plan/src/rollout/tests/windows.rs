//! Windows and blackout dates, and releases that cannot wait for them.

use super::*;
use lockstep_model::{Hours, Spread, WaveState, Windows};

/// From 02:00 to 03:00 each night; time zero is a midnight.
const NIGHT: i64 = 2 * 3600;
const MORNING: i64 = 3 * 3600;
const DAY: i64 = 86_400;

fn nightly(waves: &[&[&str]]) -> Rollout {
    let hours = Hours::parse("02:00-03:00", "UTC").unwrap();
    by(waves, |it| {
        it.windows = Windows::new(Some(hours), "UTC", Vec::new()).unwrap();
    })
}

#[test]
fn no_wave_opens_outside_of_the_hours() {
    let facts: &[HostFacts] = &[old("a"), old("b")];
    let (waits, decisions) = after(nightly(&[&["a"], &["b"]]), &[(10, facts)]);
    assert_eq!(decisions, [""; 0]);
    assert_eq!(
        (waits.state, waits.why.as_str()),
        (
            RolloutState::Running,
            "wave 1 of 2 opens with the window at 1970-01-01T02:00:00Z"
        )
    );
    let (open, _) = after(waits, &[(NIGHT - 1, facts), (NIGHT, facts)]);
    assert_eq!(let_go(&open), ["a"]);
    // It proves it at the end of the window, and the next wave waits for the next night.
    let one: &[HostFacts] = &[proven("a"), old("b")];
    let (waits, _) = after(open, &[(MORNING - 10, one), (MORNING + 300, one)]);
    assert_eq!(
        waits.why,
        "wave 2 of 2 opens with the window at 1970-01-02T02:00:00Z"
    );
    let (open, _) = after(waits, &[(DAY + NIGHT, one)]);
    assert_eq!(let_go(&open), ["a", "b"]);
}

#[test]
fn nobody_is_let_go_outside_of_the_hours() {
    let mut rollout = nightly(&[&["a", "b"]]);
    rollout.strategy.in_flight = Some(Limit::count(1));
    let (open, _) = after(rollout, &[(NIGHT, &[old("a"), old("b")])]);
    let first = let_go(&open);
    assert_eq!(first.len(), 1);
    let facts: Vec<HostFacts> = ["a", "b"]
        .map(|name| {
            if first[0] == name {
                proven(name)
            } else {
                old(name)
            }
        })
        .into();
    let (waits, _) = after(open, &[(MORNING, &facts)]);
    assert_eq!(let_go(&waits), first);
    assert!(
        waits
            .why
            .ends_with("1 are still to be let go: the window opens at 1970-01-02T02:00:00Z"),
        "{}",
        waits.why
    );
    let (goes, _) = after(waits, &[(DAY + NIGHT, &facts)]);
    assert_eq!(let_go(&goes), ["a", "b"]);
}

#[test]
fn who_was_let_go_and_has_not_begun_waits_for_the_next_window() {
    let facts: &[HostFacts] = &[old("a"), old("b"), old("c")];
    let (open, _) = after(nightly(&[&["a", "b", "c"]]), &[(NIGHT, facts)]);
    let rollouts = [open];
    let wants = |facts: &HostFacts, second| {
        let target = target_at(facts, &rollouts, second).unwrap();
        target.version.to_string()
    };
    assert_eq!(wants(&old("a"), MORNING - 1), "2.0.0");
    assert_eq!(wants(&old("a"), MORNING), "1.0.0");
    assert_eq!(wants(&old("a"), DAY + NIGHT), "2.0.0");
    // Who runs it, or is at it, goes on.
    let at_it = HostFacts {
        running: true,
        ..old("b")
    };
    assert_eq!(wants(&at_it, MORNING), "2.0.0");
    assert_eq!(wants(&on_probation("b"), MORNING), "2.0.0");
    assert_eq!(wants(&proven("c"), MORNING), "2.0.0");
    // Who failed it goes back at any time.
    assert_eq!(wants(&failed("b"), NIGHT), "1.0.0");
}

#[test]
fn a_blackout_shuts_the_hours_and_a_halt_heeds_neither() {
    let mut rollout = nightly(&[&["a"], &["b"]]);
    rollout.strategy.windows.blackouts = vec!["1970-01-02..1970-01-03".parse().unwrap()];
    let facts: &[HostFacts] = &[old("a"), old("b")];
    let (waits, _) = after(rollout, &[(DAY + NIGHT, facts)]);
    assert_eq!(
        waits.why,
        "wave 1 of 2 opens with the window at 1970-01-04T02:00:00Z"
    );
    let (open, _) = after(waits, &[(3 * DAY + NIGHT, facts)]);
    assert_eq!(open.waves[0].state, WaveState::Open);
    let (halted, _) = after(open, &[(3 * DAY + MORNING, &[failed("a"), old("b")])]);
    assert_eq!(halted.state, RolloutState::Halted);
}

#[test]
fn a_blackout_without_end_is_told() {
    let rollout = by(&[&["a"]], |it| {
        it.windows.blackouts = vec!["1970-01-01..9999-12-31".parse().unwrap()];
    });
    let (waits, _) = after(rollout, &[(10, &[old("a")])]);
    assert_eq!(
        waits.why,
        "wave 1 of 1 cannot open: no window opens within a year"
    );
}

#[test]
fn an_urgent_release_waits_for_no_window() {
    let slow = Strategy {
        spread: Spread::Gamma,
        bake: Interval::from_secs(3600),
        urgent_bake: Interval::from_secs(30),
        in_flight: Some(Limit::count(3)),
        fit: Some(WaveSize::share(50)),
        ..nightly(&[]).strategy
    };
    let urgent = slow.clone().urgent();
    assert_eq!(
        urgent,
        Strategy {
            spread: Spread::None,
            bake: Interval::from_secs(30),
            windows: Windows::default(),
            ..slow.clone()
        },
        "waves, gates and limits stay"
    );
    let quick = Strategy {
        bake: Interval::from_secs(5),
        ..slow
    };
    assert_eq!(quick.urgent().bake, Interval::from_secs(5));
    let mut rollout = nightly(&[&["a"]]);
    rollout.strategy = rollout.strategy.urgent();
    let (open, _) = after(rollout, &[(10, &[old("a")])]);
    assert_eq!(let_go(&open), ["a"]);
}

#[test]
fn who_comes_when_it_is_done_waits_for_the_hours_too() {
    let mut done = nightly(&[&["a"]]);
    done.state = RolloutState::Done;
    let rollouts = [done];
    let wants = |facts: &HostFacts, second| {
        target_at(facts, &rollouts, second).map(|target| target.version.to_string())
    };
    assert_eq!(wants(&old("late"), MORNING), None);
    assert_eq!(wants(&old("late"), DAY + NIGHT).unwrap(), "2.0.0");
    assert_eq!(wants(&proven("a"), MORNING).unwrap(), "2.0.0");
}
