//! What a person may say.

use super::*;
use lockstep_model::WaveState;

#[test]
fn a_pause_waits_for_its_person() {
    let fleet: &[HostFacts] = &[proven("a"), old("b")];
    let (running, _) = after(rollout(&[&["a"], &["b"]]), &[(10, fleet)]);
    let paused = pause(&running, "ann").unwrap();
    assert_eq!(paused.decisions, ["paused by ann"]);
    let (paused, _) = after(
        paused.rollout,
        &[
            (999, fleet),
            (1999, &[silent(proven("a")), old("b")]),
            (2999, fleet),
        ],
    );
    assert_eq!(
        (paused.state, paused.why.as_str()),
        (RolloutState::Holding, "paused by ann")
    );
    assert_eq!(paused.waves[1].state, WaveState::Waiting);
    assert_eq!(
        wants(&old("b"), std::slice::from_ref(&paused)).unwrap(),
        "1.0.0"
    );
    assert_eq!(
        pause(&paused, "bob").unwrap_err().to_string(),
        "rollout 7 is paused already, by ann"
    );
    let resumed = resume(&paused, "bob").unwrap();
    assert_eq!(resumed.rollout.why, "resumed by bob");
    let (running, decisions) = after(resumed.rollout, &[(3000, fleet)]);
    assert_eq!(
        (running.state, decisions.as_slice()),
        (
            RolloutState::Running,
            &["wave 2 of 2 opened: b".to_owned()][..]
        )
    );
}

#[test]
fn a_pause_before_the_beginning_and_one_at_the_end() {
    let fleet: &[HostFacts] = &[proven("a")];
    for waves in [&[][..], &[&["a"][..]][..]] {
        let paused = pause(&rollout(waves), "ann").unwrap().rollout;
        let (paused, decisions) = after(paused, &[(10, fleet)]);
        assert_eq!((paused.state, decisions.len()), (RolloutState::Holding, 0));
        let (done, _) = after(resume(&paused, "ann").unwrap().rollout, &[(20, fleet)]);
        assert_eq!(done.state, RolloutState::Done);
    }
    let (open, _) = after(rollout(&[&["a"]]), &[(10, &[old("a")])]);
    let (paused, _) = after(pause(&open, "ann").unwrap().rollout, &[(20, fleet)]);
    assert_eq!(
        paused.state,
        RolloutState::Holding,
        "a rollout was done although it was paused"
    );
}

#[test]
fn failures_halt_a_paused_rollout() {
    let (open, _) = after(rollout(&[&["a"], &["b"]]), &[(10, &[old("a"), old("b")])]);
    let (halted, _) = after(
        pause(&open, "ann").unwrap().rollout,
        &[(20, &[failed("a"), old("b")])],
    );
    assert_eq!(
        (halted.state, halted.paused_by),
        (RolloutState::Halted, None)
    );
}

#[test]
fn a_rollback_takes_everybody_back() {
    let (running, _) = after(
        rollout(&[&["a"], &["b"]]),
        &[(10, &[proven("a"), old("b")])],
    );
    let back = rollback(&running, "ann").unwrap();
    assert_eq!(back.decisions, ["ann ordered all hosts back to 1.0.0"]);
    assert_eq!(
        wants(&proven("a"), std::slice::from_ref(&back.rollout)).unwrap(),
        "1.0.0"
    );
    let (under_way, _) = after(back.rollout, &[(20, &[proven("a"), old("b")])]);
    assert_eq!(under_way.why, "1 of 2 hosts are still to leave 2.0.0: a");
    let (over, decisions) = after(under_way, &[(30, &[old("a"), old("b")])]);
    assert_eq!(over.state, RolloutState::Cancelled);
    assert_eq!(decisions, ["rolled back: no host runs 2.0.0 any more"]);
    assert_eq!(
        wants(&proven("b"), &[over]).unwrap(),
        "1.0.0",
        "who comes back late is taken back too"
    );
}

#[test]
fn illegal_commands_say_what_to_do() {
    let mut rollout = rollout(&[&["a"]]);
    let words = |result: Result<Step, Refused>| result.unwrap_err().to_string();
    assert_eq!(
        words(resume(&rollout, "ann")),
        "cannot resume rollout 7: it is planned"
    );
    rollout.state = RolloutState::Halted;
    for (result, command) in [
        (pause(&rollout, "ann"), "pause"),
        (resume(&rollout, "ann"), "resume"),
        (halt(&rollout, "ann"), "halt"),
    ] {
        assert_eq!(
            words(result),
            format!("cannot {command} rollout 7: it is halted; roll it back, or promote again")
        );
    }
    rollout.state = RolloutState::Holding;
    rollout.why = "wave 1 holds".into();
    assert!(
        words(resume(&rollout, "ann"))
            .ends_with("when its gate agrees, or with skip-wave; wave 1 holds")
    );
    for state in [RolloutState::Done, RolloutState::Cancelled] {
        rollout.state = state;
        assert!(words(rollback(&rollout, "ann")).contains("promote the version"));
    }
    rollout.state = RolloutState::Running;
    rollout.from = None;
    assert!(words(rollback(&rollout, "ann")).contains("no version to go back to"));
}

/// Three waves of which the first one has been let go.
fn first_is_open() -> Rollout {
    let facts = ["a", "b", "c"].map(old);
    after(rollout(&[&["a"], &["b"], &["c"]]), &[(10, &facts)]).0
}

#[test]
fn skip_wave_lets_the_next_one_go_at_once() {
    let skipped = skip_wave(&first_is_open(), "ann").unwrap();
    assert_eq!(
        skipped.decisions,
        ["wave 1 of 3: ann lets the next one go without waiting for it"]
    );
    let (goes, _) = after(skipped.rollout, &[(11, &["a", "b", "c"].map(old))]);
    assert_eq!(let_go(&goes), ["a", "b"]);
    // Whom nobody waits for may still prove it, and the next wave is waited for.
    assert_eq!(
        wants(&old("a"), std::slice::from_ref(&goes)).unwrap(),
        "2.0.0"
    );
    assert_eq!(
        goes.why,
        "wave 2 of 3: 0 of 1 hosts have proven it, waits for b"
    );
}

#[test]
fn skip_wave_cuts_the_watch_short() {
    let facts: &[HostFacts] = &[proven("a"), old("b"), old("c")];
    let (baking, _) = after(first_is_open(), &[(20, facts)]);
    assert!(baking.why.contains("watched"), "{}", baking.why);
    let (goes, _) = after(skip_wave(&baking, "ann").unwrap().rollout, &[(21, facts)]);
    assert_eq!(let_go(&goes), ["a", "b"]);
    // The next one is watched as it should be.
    let facts: &[HostFacts] = &[proven("a"), proven("b"), old("c")];
    let (goes, _) = after(goes, &[(30, facts), (89, facts)]);
    assert_eq!(let_go(&goes), ["a", "b"]);
    let (goes, _) = after(goes, &[(90, facts)]);
    assert_eq!(let_go(&goes), ["a", "b", "c"]);
}

#[test]
fn skip_wave_ends_a_hold_of_the_gate() {
    let facts: &[HostFacts] = &[silent(old("a")), old("b"), old("c")];
    let (held, _) = after(first_is_open(), &[(20, facts)]);
    assert_eq!(held.state, RolloutState::Holding);
    assert_eq!(
        resume(&held, "ann").unwrap_err(),
        Refused::HeldByGate {
            id: RolloutId(7),
            why: held.why.clone()
        }
    );
    let (goes, _) = after(skip_wave(&held, "ann").unwrap().rollout, &[(21, facts)]);
    assert_eq!(goes.state, RolloutState::Running);
    assert_eq!(let_go(&goes), ["a", "b"]);
}

#[test]
fn skip_wave_ends_the_last_wave() {
    let (open, _) = after(rollout(&[&["a", "b"]]), &[(10, &[proven("a"), old("b")])]);
    let (done, _) = after(
        skip_wave(&open, "ann").unwrap().rollout,
        &[(20, &[proven("a"), old("b")])],
    );
    assert_eq!(
        (done.state, done.why.as_str()),
        (RolloutState::Done, "done: 1 of 2 hosts have proven 2.0.0")
    );
}

#[test]
fn skip_wave_waits_for_the_window_and_is_not_said_twice() {
    let mut open = first_is_open();
    open.strategy.windows.blackouts = vec!["1970-01-02".parse().unwrap()];
    let skipped = skip_wave(&open, "ann").unwrap().rollout;
    let (waits, _) = after(skipped, &[(90_000, &["a", "b", "c"].map(old))]);
    assert_eq!(let_go(&waits), ["a"]);
    assert_eq!(
        skip_wave(&waits, "bob").unwrap_err().to_string(),
        "the newest wave of rollout 7 is let pass already; the next one opens as soon as a window is open"
    );
}

#[test]
fn skip_wave_is_refused_where_it_makes_no_sense() {
    let words = |rollout: &Rollout| skip_wave(rollout, "bob").unwrap_err().to_string();
    assert_eq!(
        words(&rollout(&[&["a"]])),
        "cannot skip a wave of rollout 7: it is planned"
    );
    let open = first_is_open();
    let paused = pause(&open, "ann").unwrap().rollout;
    assert_eq!(
        words(&paused),
        "rollout 7 is paused by ann; resume it first"
    );
    let halted = halt(&open, "ann").unwrap().rollout;
    assert_eq!(
        words(&halted),
        "cannot skip a wave of rollout 7: it is halted; roll it back, or promote again"
    );
    let back = rollback(&open, "ann").unwrap().rollout;
    assert_eq!(
        words(&back),
        "cannot skip a wave of rollout 7: it is rolling-back"
    );
}

#[test]
fn what_fails_in_a_skipped_wave_still_ends_the_rollout() {
    let skipped = skip_wave(&first_is_open(), "ann").unwrap().rollout;
    let facts = ["a", "b", "c"].map(old);
    let (goes, _) = after(skipped, &[(11, &facts)]);
    assert_eq!(goes.waves[1].state, WaveState::Open);
    let canary = goes.waves[0].hosts[0].clone();
    let facts = facts.map(|host| HostFacts {
        failed: host.name == canary,
        ..host
    });
    let (halted, _) = after(goes, &[(12, &facts)]);
    assert_eq!(halted.state, RolloutState::Halted, "{}", halted.why);
}
