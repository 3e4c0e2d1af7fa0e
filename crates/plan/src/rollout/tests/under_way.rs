//! From the first canary to the end, and who stands in for whom.

use super::*;
use lockstep_model::WaveState;

#[test]
fn a_healthy_rollout_from_beginning_to_end() {
    let (done, decisions) = after(
        rollout(&[&["web1"], &["db1", "web2"]]),
        &[
            (10, &[old("web1"), old("web2"), old("db1")]),
            (20, &[on_probation("web1"), old("web2"), old("db1")]),
            (30, &[proven("web1"), old("web2"), old("db1")]),
            (89, &[proven("web1"), old("web2"), old("db1")]),
            (90, &[proven("web1"), old("web2"), old("db1")]),
            (95, &[proven("web1"), proven("web2"), old("db1")]),
            (99, &[proven("web1"), proven("web2"), proven("db1")]),
        ],
    );
    assert_eq!(
        decisions,
        [
            "begun: hosts 3, waves 2",
            "wave 1 of 2 opened: web1",
            "wave 1 of 2 proven: 1 of 1 hosts",
            "wave 2 of 2 opened: db1, web2",
            "wave 2 of 2 proven: 2 of 2 hosts",
            "done: 3 of 3 hosts have proven 2.0.0",
        ]
    );
    assert_eq!(
        (done.state, done.waves[1].opened_at),
        (RolloutState::Done, Some(at(90)))
    );
}

#[test]
fn each_wait_has_its_figures() {
    let fleet = || rollout(&[&["web1"], &["db1", "web2"]]);
    let why = |ticks: &[(i64, &[HostFacts])]| after(fleet(), ticks).0.why;
    let begun: &[HostFacts] = &[old("web1"), old("web2"), old("db1")];
    assert_eq!(
        why(&[(10, begun)]),
        "wave 1 of 2: 0 of 1 hosts have proven it, waits for web1"
    );
    let one: &[HostFacts] = &[proven("web1"), old("web2"), old("db1")];
    assert_eq!(
        why(&[(10, one)]),
        "wave 1 of 2 is proven and watched; the next one opens at 1970-01-01T00:01:10Z if it stays well"
    );
    let two: &[HostFacts] = &[proven("web1"), proven("web2"), old("db1")];
    assert_eq!(
        why(&[(10, one), (70, two)]),
        "wave 2 of 2: 1 of 2 hosts have proven it, waits for db1"
    );
}

#[test]
fn hosts_that_leave_the_fleet_are_not_waited_for() {
    let (done, _) = after(
        rollout(&[&["a"], &["b", "c"]]),
        &[
            (10, &[proven("a"), old("b"), old("c")]),
            (70, &[proven("a"), old("b"), old("c")]),
            (80, &[proven("a"), proven("b")]),
        ],
    );
    assert_eq!(done.why, "done: 2 of 2 hosts have proven 2.0.0");
}

#[test]
fn a_canary_that_left_the_fleet_is_replaced() {
    let (rollout, decisions) = after(
        rollout(&[&["a"], &["b", "c"]]),
        &[
            (10, &[old("a"), old("b"), old("c")]),
            (20, &[old("b"), old("c")]),
        ],
    );
    let canary = rollout.waves[0].hosts[0].clone();
    assert_ne!(canary, host("a"));
    assert_eq!(
        decisions[2],
        format!(
            "wave 1 of 2: {canary} in place of a, silent, kept, skipped or gone from the fleet"
        )
    );
    assert_eq!(rollout.waves[0].hosts.len(), 1);
    assert!(rollout.waves[1].hosts.contains(&host("a")));
    assert_eq!(
        rollout.why,
        format!("wave 1 of 2: 0 of 1 hosts have proven it, waits for {canary}")
    );
}

#[test]
fn a_host_that_is_silent_already_is_no_canary() {
    let facts: &[HostFacts] = &[silent(old("a")), silent(old("b")), old("c")];
    let (rollout, _) = after(rollout(&[&["a"], &["b", "c"]]), &[(10, facts)]);
    assert_eq!(rollout.waves[0].hosts, [host("c")]);
    assert_eq!(rollout.waves[1].hosts, [host("a"), host("b")]);
    assert_eq!(rollout.state, RolloutState::Running);
}

#[test]
fn a_silent_host_stands_in_for_nobody_but_the_gone() {
    let waves: &[&[&str]] = &[&["a"], &["b"]];
    let both_silent: &[HostFacts] = &[silent(old("a")), silent(old("b"))];
    let (held, decisions) = after(rollout(waves), &[(10, both_silent)]);
    assert_eq!(held.waves[0].hosts, [host("a")]);
    assert_eq!(decisions.len(), 3, "{decisions:?}");
    assert_eq!(let_go(&held), [""; 0], "who is silent is not let go");
    // Without a canary the wave would pass by itself, so the silent host it is, and the rollout holds.
    let (held, _) = after(rollout(waves), &[(10, &[silent(old("b"))])]);
    assert_eq!(held.waves[0].hosts, [host("b")]);
    assert_eq!(held.state, RolloutState::Holding);
}

#[test]
fn a_fleet_of_one_silent_host_holds() {
    let (rollout, _) = after(rollout(&[&["a"]]), &[(10, &[silent(old("a"))])]);
    assert_eq!(
        rollout.why,
        "wave 1 of 1 holds: 1 of 1 hosts silent (limit 0): a"
    );
}

#[test]
fn an_empty_fleet_does_not_prove_anything() {
    let (rollout, _) = after(
        rollout(&[&["a"], &["b"]]),
        &[(10, &[old("a"), old("b")]), (999, &[]), (1999, &[])],
    );
    assert_eq!(rollout.state, RolloutState::Holding);
    assert_eq!(
        rollout.why,
        "holds: none of its hosts is left in the fleet; promote again to begin anew"
    );
    assert_eq!(wants(&old("late"), &[rollout]).unwrap(), "1.0.0");
}

#[test]
fn a_rollout_without_waves_draws_them_at_its_first_tick() {
    let (begun, decisions) = after(rollout(&[]), &[(10, &[old("a"), old("b"), old("c")])]);
    assert_eq!(begun.waves, {
        let candidates = ["a", "b", "c"].map(|name| (host(name), ""));
        let mut waves = start(&begun.strategy, &candidates, begun.id);
        waves[0].state = WaveState::Open;
        waves[0].opened_at = Some(at(10));
        waves[0].let_go = 1;
        waves
    });
    assert_eq!(decisions[0], "begun: hosts 3, waves 2");
    let (done, _) = after(rollout(&[]), &[(10, &[])]);
    assert_eq!(
        done.why,
        "done: there was no host to move; 2.0.0 is for those that come"
    );
}
