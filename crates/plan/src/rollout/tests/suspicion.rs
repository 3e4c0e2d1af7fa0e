//! Versions that a rollout has found wanting.

use super::*;
use lockstep_model::WaveState;

#[test]
fn a_gate_makes_a_version_suspect_and_a_person_does_not() {
    let (open, _) = after(rollout(&[&["a"], &["b"]]), &[(10, &[old("a"), old("b")])]);
    let stopped = step(&open, &[failed("a"), old("b")], 20).unwrap();
    assert_eq!(
        stopped.suspect.unwrap(),
        "rollout 7: wave 1 of 2: 1 of 1 hosts failed (limit 0): a"
    );
    assert_eq!(halt(&open, "ann").unwrap().suspect, None);
    assert_eq!(rollback(&open, "ann").unwrap().suspect, None);
    assert_eq!(pause(&open, "ann").unwrap().suspect, None);
    assert_eq!(skip_wave(&open, "ann").unwrap().suspect, None);
}

#[test]
fn each_gate_that_ends_it_makes_the_version_suspect_and_one_that_holds_does_not() {
    for then in Then::ALL {
        let open = |change: fn(&mut Strategy, Then)| {
            let rollout = by(&[&["a"], &["b"]], |it| change(it, then));
            after(rollout, &[(10, &[old("a"), old("b")])]).0
        };
        let failing = open(|it, then| it.failed.then = then);
        let dying = open(|it, then| it.silent.then = then);
        let worsening = open(|it, then| it.worse.then = then);
        for (open, first) in [
            (failing, failed("a")),
            (dying, silent(old("a"))),
            (worsening, sick(was_well(proven("a")))),
        ] {
            let step = step(&open, &[first, old("b")], 20).unwrap();
            assert_eq!(step.suspect.is_some(), then != Then::Hold, "{then}");
        }
    }
}

#[test]
fn a_suspect_version_is_rolled_out_nowhere_else() {
    let facts = [old("a"), old("b")];
    let why = Some("rollout 3: 2 of 10 hosts failed");
    let held = tick(&rollout(&[&["a"], &["b"]]), &facts, why, at(10)).unwrap();
    assert_eq!(
        (held.rollout.state, held.rollout.why.as_str()),
        (
            RolloutState::Holding,
            "holds: the version is suspect: rollout 3: 2 of 10 hosts failed"
        )
    );
    assert_eq!(let_go(&held.rollout), [""; 0]);
    // Not even opened: its moments would be over when the doubt is.
    assert_eq!(held.rollout.waves[0].state, WaveState::Waiting);
    assert_eq!(held.suspect, None, "it is another one's finding");
    assert_eq!(tick(&held.rollout, &facts, why, at(20)), None);
    // The doubt ends, and so does the hold.
    let (goes, decisions) = after(held.rollout, &[(30, &facts)]);
    assert_eq!(let_go(&goes), ["a"]);
    assert!(
        decisions
            .iter()
            .any(|it| it.ends_with("goes on: the gate agrees again"))
    );
}

#[test]
fn a_rollout_under_way_holds_where_it_is() {
    let (open, _) = after(
        rollout(&[&["a", "b"], &["c"]]),
        &[(10, &[old("a"), old("b"), old("c")])],
    );
    let facts = [proven("a"), on_probation("b"), old("c")];
    let held = tick(&open, &facts, Some("why"), at(20)).unwrap().rollout;
    assert_eq!(held.state, RolloutState::Holding);
    // Who has begun finishes.
    assert_eq!(
        wants(&on_probation("b"), std::slice::from_ref(&held)).unwrap(),
        "2.0.0"
    );
    let facts = [proven("a"), proven("b"), old("c")];
    assert!(
        tick(&held, &facts, Some("why"), at(900)).is_none_or(|it| let_go(&it.rollout).len() == 2)
    );
    // Failures halt it all the same.
    let facts = [proven("a"), failed("b"), old("c")];
    let halted = tick(&held, &facts, Some("why"), at(30)).unwrap().rollout;
    assert_eq!(halted.state, RolloutState::Halted);
}

#[test]
fn a_done_rollout_of_a_suspect_version_orders_nobody_new() {
    let (done, _) = after(rollout(&[&["a"]]), &[(10, &[proven("a")])]);
    assert_eq!(done.state, RolloutState::Done);
    let order = |facts: &HostFacts, suspect| {
        let ordered = [Ordered::new(done.clone(), suspect)];
        desired_version(&asker(facts), &ordered, at(20))
            .unwrap()
            .version
            .to_string()
    };
    for (facts, well, suspect) in [
        (proven("a"), "2.0.0", "2.0.0"),
        (old("late"), "2.0.0", "1.0.0"),
        (on_probation("late"), "2.0.0", "1.0.0"),
        (failed("late"), "1.0.0", "1.0.0"),
    ] {
        assert_eq!(order(&facts, false), well);
        assert_eq!(order(&facts, true), suspect);
    }
}
