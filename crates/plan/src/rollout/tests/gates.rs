//! What stops a rollout, and what happens then.

use super::*;
use lockstep_model::WaveState;

#[test]
fn a_failed_canary_halts_and_nobody_else_is_let_go() {
    let (halted, decisions) = after(
        rollout(&[&["web1"], &["web2"]]),
        &[
            (10, &[old("web1"), old("web2")]),
            (20, &[failed("web1"), old("web2")]),
            (999, &[proven("web1"), old("web2")]),
        ],
    );
    assert_eq!(halted.state, RolloutState::Halted);
    assert_eq!(
        halted.why,
        "wave 1 of 2: 1 of 1 hosts failed (limit 0): web1"
    );
    assert_eq!(decisions.last(), Some(&halted.why));
    assert_eq!(halted.waves[0].state, WaveState::Stopped);
    let rollouts = [halted];
    assert_eq!(wants(&failed("web1"), &rollouts).unwrap(), "1.0.0");
    assert_eq!(wants(&old("web2"), &rollouts).unwrap(), "1.0.0");
    // It may have proven the version after all, before it heard of the halt.
    assert_eq!(wants(&proven("web1"), &rollouts).unwrap(), "2.0.0");
    assert_eq!(wants(&on_probation("web1"), &rollouts).unwrap(), "1.0.0");
}

#[test]
fn a_proven_canary_that_fails_while_it_is_watched_halts_too() {
    let (halted, _) = after(
        rollout(&[&["web1"], &["web2"]]),
        &[
            (10, &[proven("web1"), old("web2")]),
            (40, &[failed("web1"), old("web2")]),
        ],
    );
    assert_eq!(halted.state, RolloutState::Halted);
    assert_eq!(halted.waves[1].state, WaveState::Waiting);
}

#[test]
fn silence_holds_until_it_ends() {
    let (rollout, decisions) = after(
        rollout(&[&["web1"], &["web2"]]),
        &[
            (10, &[proven("web1"), old("web2")]),
            (40, &[silent(proven("web1")), old("web2")]),
            (900, &[silent(proven("web1")), old("web2")]),
            (990, &[proven("web1"), old("web2")]),
        ],
    );
    assert_eq!(
        decisions[3..],
        [
            "wave 1 of 2 holds: 1 of 1 hosts silent (limit 0): web1",
            "wave 1 of 2 goes on: the gate agrees again",
            "wave 2 of 2 opened: web2",
        ]
    );
    assert_eq!(rollout.state, RolloutState::Running);
}

#[test]
fn limits_allow_what_they_say_and_no_more() {
    let tolerant = |failed, silent| {
        let mut rollout = rollout(&[&["a", "b", "c", "d"]]);
        rollout.strategy.failed = gate(failed, Then::Halt);
        rollout.strategy.silent = gate(silent, Then::Hold);
        rollout
    };
    let facts: &[HostFacts] = &[proven("a"), proven("b"), failed("c"), silent(old("d"))];
    let (done, _) = after(tolerant(1, 1), &[(10, facts)]);
    assert_eq!(
        done.why,
        "done: 2 of 4 hosts have proven 2.0.0, 1 failed, 1 silent"
    );
    assert_eq!(
        wants(&failed("c"), std::slice::from_ref(&done)).unwrap(),
        "1.0.0"
    );
    assert_eq!(wants(&silent(old("d")), &[done]).unwrap(), "2.0.0");
    assert_eq!(
        after(tolerant(0, 1), &[(10, facts)]).0.state,
        RolloutState::Halted
    );
    assert_eq!(
        after(tolerant(1, 0), &[(10, facts)]).0.state,
        RolloutState::Holding
    );
}

#[test]
fn a_hold_ends_in_a_halt_when_hosts_fail() {
    let (halted, _) = after(
        rollout(&[&["a", "b"]]),
        &[
            (10, &[silent(old("a")), old("b")]),
            (20, &[silent(old("a")), failed("b")]),
        ],
    );
    assert_eq!(halted.why, "wave 1 of 1: 1 of 1 hosts failed (limit 0): b");
}

/// Two waves of two, the first of them let go.
fn opened(change: impl FnOnce(&mut Strategy)) -> Rollout {
    let rollout = by(&[&["a", "b"], &["c", "d"]], change);
    let facts = ["a", "b", "c", "d"].map(old);
    after(rollout, &[(10, &facts)]).0
}

/// That `a` is so, `b` has proven it, and the others wait.
fn with(first: HostFacts) -> Vec<HostFacts> {
    vec![first, proven("b"), old("c"), old("d")]
}

#[test]
fn each_gate_does_what_is_to_be_done_then() {
    type Change = fn(&mut Strategy, Then);
    let gates: [(Change, HostFacts, &str); 3] = [
        (
            |it, then| it.failed.then = then,
            failed("a"),
            "wave 1 of 2: 1 of 2 hosts failed (limit 0): a",
        ),
        (
            |it, then| it.silent.then = then,
            silent(proven("a")),
            "wave 1 of 2 holds: 1 of 2 hosts silent (limit 0): a",
        ),
        (
            |it, then| it.worse.then = then,
            sick(was_well(proven("a"))),
            "wave 1 of 2: 1 of 2 hosts are worse than before (limit 0): a",
        ),
    ];
    for (change, first, words) in gates {
        for (then, state, wave, order) in [
            (Then::Hold, RolloutState::Holding, WaveState::Open, "2.0.0"),
            (
                Then::Halt,
                RolloutState::Halted,
                WaveState::Stopped,
                "2.0.0",
            ),
            (
                Then::RollBackWave,
                RolloutState::Halted,
                WaveState::TakenBack,
                "1.0.0",
            ),
            (
                Then::RollBack,
                RolloutState::RollingBack,
                WaveState::Stopped,
                "1.0.0",
            ),
        ] {
            let (rollout, decisions) =
                after(opened(|it| change(it, then)), &[(20, &with(first.clone()))]);
            assert_eq!(
                (rollout.state, rollout.waves[0].state),
                (state, wave),
                "{then}"
            );
            let back = then == Then::RollBack;
            let said = if back {
                // The decision says what stopped it, and from then on it is told who is waited for.
                assert!(
                    rollout.why.contains(" are still to leave 2.0.0: "),
                    "{}",
                    rollout.why
                );
                format!("{words}; all hosts go back to 1.0.0")
            } else {
                assert_eq!(rollout.why, words);
                words.to_owned()
            };
            assert_eq!(decisions.last(), Some(&said), "{then}");
            assert_eq!(let_go(&rollout), ["a", "b"]);
            // What becomes of `b`, which has proven it.
            assert_eq!(
                wants(&proven("b"), std::slice::from_ref(&rollout)).unwrap(),
                order,
                "{then}"
            );
        }
    }
}

#[test]
fn a_wave_is_taken_back_and_the_ones_before_it_stay() {
    let rollout = by(&[&["a"], &["b", "c"], &["d"]], |it| {
        it.failed.then = Then::RollBackWave
    });
    let (rollout, _) = after(
        rollout,
        &[
            (10, &[proven("a"), old("b"), old("c"), old("d")]),
            (70, &[proven("a"), old("b"), old("c"), old("d")]),
            (80, &[proven("a"), proven("b"), failed("c"), old("d")]),
        ],
    );
    let states: Vec<WaveState> = rollout.waves.iter().map(|wave| wave.state).collect();
    assert_eq!(
        states,
        [WaveState::Proven, WaveState::TakenBack, WaveState::Waiting]
    );
    let rollouts = [rollout];
    assert_eq!(wants(&proven("a"), &rollouts).unwrap(), "2.0.0");
    assert_eq!(wants(&proven("b"), &rollouts).unwrap(), "1.0.0");
    assert_eq!(wants(&on_probation("b"), &rollouts).unwrap(), "1.0.0");
    assert_eq!(wants(&old("d"), &rollouts).unwrap(), "1.0.0");
}

#[test]
fn without_a_version_before_a_roll_back_is_a_halt() {
    for then in [Then::RollBack, Then::RollBackWave] {
        let mut open = opened(|it| it.failed.then = then);
        open.from = None;
        let (halted, _) = after(open, &[(20, &with(failed("a")))]);
        assert_eq!(
            (halted.state, halted.waves[0].state, halted.why.as_str()),
            (
                RolloutState::Halted,
                WaveState::Stopped,
                "wave 1 of 2: 1 of 2 hosts failed (limit 0): a"
            )
        );
        // Nobody goes back, as there is nowhere to go; who has proven it keeps it.
        assert_eq!(
            wants(&proven("b"), std::slice::from_ref(&halted)).unwrap(),
            "2.0.0"
        );
        assert_eq!(target(&old("c"), &[halted]), None);
    }
}

#[test]
fn a_roll_back_by_a_gate_ends_when_all_are_back() {
    let (back, _) = after(
        opened(|it| it.failed.then = Then::RollBack),
        &[(20, &with(failed("a")))],
    );
    let (over, decisions) = after(
        back,
        &[
            (30, &with(failed("a"))),
            (40, &["a", "b", "c", "d"].map(old)),
        ],
    );
    assert_eq!(over.state, RolloutState::Cancelled);
    assert_eq!(decisions, ["rolled back: no host runs 2.0.0 any more"]);
}

#[test]
fn failures_hold_until_a_person_lets_them_pass() {
    let (held, _) = after(
        opened(|it| it.failed.then = Then::Hold),
        &[(20, &with(failed("a"))), (900, &with(failed("a")))],
    );
    assert_eq!(held.state, RolloutState::Holding);
    let passed = skip_wave(&held, "ann").unwrap().rollout;
    let (goes, _) = after(passed, &[(901, &with(failed("a")))]);
    assert_eq!(let_go(&goes), ["a", "b", "c", "d"]);
}

#[test]
fn limits_are_shares_of_what_they_count() {
    // Failures and hosts that are worse count among those that were let go, silence among all of the open waves.
    let names: Vec<String> = (0..100).map(|n| format!("h{n:02}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let rollout = by(&[&all], |it| {
        it.in_flight = Some(Limit::count(50));
        it.failed.limit = "2%".parse().unwrap();
        it.silent.limit = "2%".parse().unwrap();
    });
    let facts: Vec<HostFacts> = all.iter().map(|name| old(name)).collect();
    let (open, _) = after(rollout, &[(10, &facts)]);
    assert_eq!(let_go(&open).len(), 50);
    let change = |count: usize, with: fn(HostFacts) -> HostFacts| -> Vec<HostFacts> {
        let gone = let_go(&open);
        let mut facts = facts.clone();
        let those = facts
            .iter_mut()
            .filter(|it| gone.iter().any(|name| name == it.name.as_str()));
        for host in those.take(count) {
            *host = with(host.clone());
        }
        facts
    };
    let fails = |it| HostFacts { failed: true, ..it };
    let state = |facts: Vec<HostFacts>| after(open.clone(), &[(20, &facts)]).0.state;
    assert_eq!(state(change(1, fails)), RolloutState::Running);
    assert_eq!(state(change(2, fails)), RolloutState::Halted);
    assert_eq!(state(change(2, silent)), RolloutState::Running);
    assert_eq!(state(change(3, silent)), RolloutState::Holding);
}

#[test]
fn each_host_is_compared_with_itself() {
    let state = |first: HostFacts| after(opened(|_| {}), &[(20, &with(first))]).0.state;
    let was = |before: Health, now: Health| HostFacts {
        before: Some(before),
        health: now,
        ..proven("a")
    };
    let ill = |level| ailing("disk", level);
    for (before, now, worse) in [
        (Health::default(), ill(Level::SICK), true),
        (ill(Level::SICK), ill(Level::SICK), false),
        (ill(Level::SICK), ill(Level::CRITICAL), true),
        (ill(Level::CRITICAL), ill(Level::SICK), false),
        (ill(Level::SICK), ailing("load", Level::SICK), true),
        (ill(Level::SICK), Health::default(), false),
    ] {
        let expected = if worse {
            RolloutState::Holding
        } else {
            RolloutState::Running
        };
        assert_eq!(
            state(was(before.clone(), now.clone())),
            expected,
            "{before:?} {now:?}"
        );
    }
    // Nothing was written down: nothing can be said.
    assert_eq!(state(sick(proven("a"))), RolloutState::Running);
    // Hosts that were not let go do not count, and those that failed or are silent do elsewhere.
    let facts = [proven("a"), proven("b"), sick(was_well(old("c"))), old("d")];
    assert_eq!(
        after(opened(|_| {}), &[(20, &facts)]).0.state,
        RolloutState::Running
    );
    let (halted, _) = after(
        opened(|it| it.worse.then = Then::RollBack),
        &[(20, &with(sick(was_well(failed("a")))))],
    );
    assert_eq!(halted.state, RolloutState::Halted);
}

#[test]
fn a_hold_for_worse_hosts_ends_when_they_are_well() {
    let (rollout, decisions) = after(
        opened(|_| {}),
        &[
            (20, &with(sick(was_well(proven("a"))))),
            (30, &with(was_well(proven("a")))),
        ],
    );
    assert_eq!(rollout.state, RolloutState::Running);
    assert!(
        decisions.contains(&"wave 1 of 2 goes on: the gate agrees again".to_owned()),
        "{decisions:?}"
    );
}

#[test]
fn what_stops_it_names_what_the_hosts_have_in_common() {
    let names: Vec<String> = (0..40).map(|n| format!("h{n:02}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let rollout = by(&[&all], |it| it.failed.limit = "10%".parse().unwrap());
    let rack = |n: usize| if n < 8 { "one" } else { "two" };
    let facts = |fails: bool| -> Vec<HostFacts> {
        let host = |(n, name): (usize, &&str)| HostFacts {
            failed: fails && n < 8,
            ..labelled(old(name), &[("rack", rack(n))])
        };
        all.iter().enumerate().map(host).collect()
    };
    let (open, _) = after(rollout, &[(10, &facts(false))]);
    let stopped = step(&open, &facts(true), 20).unwrap();
    let words = "wave 1 of 1: 8 of 40 hosts failed (limit 4): h00, h01, h02, h03, h04 and 3 more; \
                 all 8 that failed have rack=one, none of 32 others";
    assert_eq!(stopped.rollout.why, words);
    assert_eq!(stopped.suspect, Some(format!("rollout 7: {words}")));
}
