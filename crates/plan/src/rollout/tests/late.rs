//! Hosts that join while it is under way, and hosts that keep themselves out of it.

use super::*;
use lockstep_model::{Late, WaveState};

fn late(waves: &[&[&str]], late: Late) -> Rollout {
    by(waves, |it| it.late = late)
}

#[test]
fn newcomers_wait_for_the_end() {
    let (rollout, decisions) = after(
        late(&[&["a"], &["b"]], Late::After),
        &[
            (10, &[old("a"), old("b")]),
            (20, &[proven("a"), old("b"), old("new")]),
            (80, &[proven("a"), old("b"), old("new")]),
        ],
    );
    assert_eq!(let_go(&rollout), ["a", "b"]);
    assert!(decisions.iter().all(|it| !it.contains("new")));
    assert_eq!(
        wants(&old("new"), std::slice::from_ref(&rollout)).unwrap(),
        "1.0.0"
    );
    let (done, _) = after(rollout, &[(90, &[proven("a"), proven("b"), old("new")])]);
    assert_eq!(done.state, RolloutState::Done);
    assert_eq!(wants(&old("new"), &[done]).unwrap(), "2.0.0");
}

#[test]
fn newcomers_join_the_last_wave() {
    let waves: &[&[&str]] = &[&["a"], &["b"], &["c"]];
    let (rollout, decisions) = after(
        late(waves, Late::Join),
        &[
            (10, &[old("a"), old("b"), old("c")]),
            (20, &[old("a"), old("b"), old("c"), old("new")]),
        ],
    );
    assert_eq!(decisions.last().unwrap(), "wave 3 of 3: new joined it");
    assert_eq!(rollout.waves[2].hosts.len(), 2);
    assert_eq!(let_go(&rollout), ["a"]);
    let facts: &[HostFacts] = &[proven("a"), proven("b"), old("c"), old("new")];
    let (last, _) = after(rollout, &[(80, facts), (140, facts), (200, facts)]);
    assert_eq!(let_go(&last), ["a", "b", "c", "new"]);
    // That one is open now: who comes later waits for the end.
    let facts: &[HostFacts] = &[proven("a"), proven("b"), old("c"), old("new"), old("x")];
    let (last, decisions) = after(last, &[(210, facts)]);
    assert_eq!((let_go(&last).len(), decisions), (4, vec![]));
}

#[test]
fn newcomers_get_a_proven_version_at_once() {
    let waves: &[&[&str]] = &[&["a"], &["b"], &["c"]];
    // Nobody has proven it yet, so `new` waits, and it is in no wave that would come later.
    let (first, _) = after(
        late(waves, Late::AtOnce),
        &[
            (10, &[old("a"), old("b"), old("c")]),
            (20, &[old("a"), old("b"), old("c"), old("new")]),
        ],
    );
    assert_eq!(let_go(&first), ["a"]);
    let facts: &[HostFacts] = &[proven("a"), old("b"), old("c"), old("new")];
    let (proved, decisions) = after(first, &[(30, facts)]);
    assert_eq!(
        decisions,
        [
            "wave 1 of 3 proven: 1 of 1 hosts",
            "wave 1 of 3: new joined it"
        ]
    );
    assert_eq!(let_go(&proved), ["a", "new"]);
    // The wave must prove itself again, with the newcomer.
    assert_eq!(
        (proved.waves[0].state, proved.waves[0].proven_at),
        (WaveState::Open, None)
    );
    let facts: &[HostFacts] = &[proven("a"), old("b"), old("c"), failed("new")];
    let (halted, _) = after(proved, &[(40, facts)]);
    assert_eq!(
        halted.why,
        "wave 1 of 3: 1 of 2 hosts failed (limit 0): new"
    );
}

#[test]
fn newcomers_keep_their_moment_and_the_limits() {
    let mut rollout = late(&[&["a"], &["b"]], Late::AtOnce);
    rollout.strategy.in_flight = Some(Limit::count(1));
    let facts: &[HostFacts] = &[proven("a"), old("b"), old("x"), old("y")];
    let (rollout, _) = after(rollout, &[(10, &[old("a"), old("b")]), (20, facts)]);
    assert_eq!(let_go(&rollout).len(), 2, "{:?}", rollout.waves);
}

#[test]
fn nobody_joins_what_is_halted_or_over() {
    for state in [
        RolloutState::Halted,
        RolloutState::RollingBack,
        RolloutState::Done,
        RolloutState::Cancelled,
    ] {
        for rule in [Late::After, Late::Join, Late::AtOnce] {
            let (mut rollout, _) = after(
                late(&[&["a"], &["b"]], rule),
                &[(10, &[proven("a"), old("b")])],
            );
            rollout.state = state;
            let facts = [proven("a"), old("b"), old("new")];
            let step = tick(&rollout, &facts, None, at(20));
            let waves = step.map_or(rollout.waves.clone(), |step| step.rollout.waves);
            assert_eq!(waves, rollout.waves, "{state} {rule:?}");
        }
    }
}

#[test]
fn who_keeps_itself_out_neither_blocks_nor_counts() {
    let (done, _) = after(
        rollout(&[&["a"], &["b", "c"]]),
        &[
            (10, &[old("a"), old("b"), kept(old("c"))]),
            (20, &[proven("a"), old("b"), kept(old("c"))]),
            (80, &[proven("a"), old("b"), kept(old("c"))]),
            (90, &[proven("a"), proven("b"), kept(old("c"))]),
        ],
    );
    assert_eq!(let_go(&done), ["a", "b"]);
    assert_eq!(
        done.why,
        "done: 2 of 3 hosts have proven 2.0.0, 1 kept as they are on the host"
    );
}

#[test]
fn who_keeps_itself_out_is_no_canary() {
    let (begun, decisions) = after(
        rollout(&[&["a"], &["b"]]),
        &[(10, &[kept(old("a")), old("b")])],
    );
    assert_eq!(let_go(&begun), ["b"]);
    assert_eq!(
        decisions[1],
        "wave 1 of 2: b in place of a, silent, kept, skipped or gone from the fleet"
    );
}

#[test]
fn a_canary_that_a_person_holds_back_proves_nothing() {
    let waves: &[&[&str]] = &[&["a"], &["b"], &["c", "d"]];
    let others = || vec![old("b"), old("c"), old("d")];
    let with = |first: HostFacts| [vec![first], others()].concat();
    let (begun, _) = after(rollout(waves), &[(10, &with(old("a")))]);
    assert_eq!(let_go(&begun), ["a"]);
    let (anew, decisions) = after(begun, &[(20, &with(kept(old("a"))))]);
    // Another one goes first instead: a wave that nobody has proven would say nothing of the release.
    assert_eq!(anew.waves[0].state, WaveState::Open);
    assert_eq!(let_go(&anew).len(), 1);
    assert_ne!(let_go(&anew), ["a"]);
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    // Where all keep themselves out of it, there is nobody to wait for.
    let all = ["a", "b", "c", "d"].map(|name| kept(old(name)));
    let (done, _) = after(
        rollout(waves),
        &[(10, &all), (70, &all), (130, &all), (190, &all)],
    );
    assert_eq!(
        done.why,
        "done: 0 of 4 hosts have proven 2.0.0, 4 kept as they are on the host"
    );
}

#[test]
fn a_rollback_does_not_wait_for_hosts_that_are_kept() {
    let (running, _) = after(
        rollout(&[&["a"], &["b"]]),
        &[(10, &[proven("a"), kept(proven("b"))])],
    );
    let back = rollback(&running, "ann").unwrap().rollout;
    let (back, _) = after(back, &[(20, &[proven("a"), kept(proven("b"))])]);
    assert_eq!(back.why, "1 of 2 hosts are still to leave 2.0.0: a");
    let (over, _) = after(back, &[(30, &[old("a"), kept(proven("b"))])]);
    assert_eq!(over.state, RolloutState::Cancelled);
}
