//! Hosts that are left out.

use super::*;
use lockstep_model::WaveState;

fn skip(rollout: &Rollout, known: &HostFacts) -> Rollout {
    let step = skip_host(rollout, &known.name, Some(known), "ann", "its disk", at(9)).unwrap();
    assert_eq!(
        step.decisions,
        [format!("ann left {} out of it: its disk", known.name)]
    );
    assert_eq!(step.rollout.state, rollout.state, "the next look says that");
    step.rollout
}

fn states(rollout: &Rollout, facts: &[HostFacts]) -> Vec<&'static str> {
    let state = |wave: &Wave| -> Vec<&'static str> {
        let (gone, _) = wave.split();
        let known = |name: &HostName| facts.iter().find(|it| it.name == *name);
        let hosts = wave.hosts.iter().filter_map(known);
        hosts
            .map(|it| host_state(rollout, wave, gone.contains(&it.name), it))
            .collect()
    };
    rollout.waves.iter().flat_map(state).collect()
}

#[test]
fn a_host_that_does_not_come_is_not_waited_for() {
    let facts: &[HostFacts] = &[proven("a"), proven("b"), silent(old("c"))];
    let (held, _) = after(
        rollout(&[&["a"], &["b", "c"]]),
        &[
            (10, &[old("a"), old("b"), old("c")]),
            (20, facts),
            (80, facts),
            (90, facts),
        ],
    );
    assert_eq!(held.state, RolloutState::Holding, "{}", held.why);
    assert!(held.why.ends_with("(limit 0): c"), "{}", held.why);
    let (done, decisions) = after(skip(&held, &facts[2]), &[(100, facts)]);
    assert_eq!(
        decisions,
        [
            "wave 2 of 2 goes on: the gate agrees again",
            "wave 2 of 2 proven: 2 of 2 hosts",
            "done: 2 of 3 hosts have proven 2.0.0, 1 skipped",
        ]
        .map(|it| it.replace("2 of 2 hosts", "1 of 2 hosts"))
    );
    assert_eq!(states(&done, facts), ["proven", "proven", "skipped"]);
    // When it is heard again, it is not told the version, though everybody else is.
    assert_eq!(
        wants(&old("c"), std::slice::from_ref(&done)).unwrap(),
        "1.0.0"
    );
    assert_eq!(
        wants(&old("d"), std::slice::from_ref(&done)).unwrap(),
        "2.0.0"
    );
    let again = take_back(&done, &host("c"), "bob", done.id).unwrap();
    assert_eq!(again.decisions, ["bob took c in again"]);
    assert_eq!(wants(&old("c"), &[again.rollout]).unwrap(), "2.0.0");
}

#[test]
fn another_one_goes_in_its_place() {
    let fleet = ["a", "b", "c"].map(old);
    // Before the wave opens, and while it is open and the host has not begun.
    for seconds in [None, Some(10)] {
        let begun = match seconds {
            None => rollout(&[&["a"], &["b", "c"]]),
            Some(second) => after(rollout(&[&["a"], &["b", "c"]]), &[(second, &fleet)]).0,
        };
        let (next, decisions) = after(skip(&begun, &fleet[0]), &[(20, &fleet)]);
        let first = let_go(&next);
        assert_eq!(first.len(), 1, "{first:?}");
        assert_ne!(first, ["a"], "{decisions:?}");
        let words = format!(
            "wave 1 of 2: {} in place of a, silent, kept, skipped",
            first[0]
        );
        assert!(
            decisions.iter().any(|it| it.starts_with(&words)),
            "{decisions:?}"
        );
        assert_eq!(wants(&old("a"), &[next]).unwrap(), "1.0.0");
    }
}

#[test]
fn what_has_begun_is_finished_and_counts() {
    let fleet = [old("a"), old("b")];
    let (begun, _) = after(rollout(&[&["a", "b"]]), &[(10, &fleet)]);
    let refused = |known: &HostFacts| {
        skip_host(&begun, &known.name, Some(known), "ann", "its disk", at(9))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&on_probation("a")).starts_with("a has begun with 2.0.0, and what has begun"));
    assert!(refused(&proven("a")).starts_with("a has begun"));
    assert!(refused(&failed("a")).starts_with("a failed 2.0.0 by rollout 7"));
    // It was left out, and had begun unseen.
    let left = skip(&begun, &fleet[0]);
    let (waits, _) = after(left.clone(), &[(20, &[on_probation("a"), proven("b")])]);
    assert!(waits.why.ends_with("waits for a"), "{}", waits.why);
    assert_eq!(
        wants(&on_probation("a"), std::slice::from_ref(&waits)).unwrap(),
        "2.0.0"
    );
    let (halted, _) = after(left, &[(20, &[failed("a"), proven("b")])]);
    assert_eq!(halted.state, RolloutState::Halted);
    assert_eq!(halted.waves[0].state, WaveState::Stopped);
}

#[test]
fn who_is_lost_after_it_was_told_to_begin_is_silent_and_not_left_out() {
    let heard = |facts: HostFacts, second| HostFacts {
        last_seen: Some(at(second)),
        ..facts
    };
    let fleet = [heard(old("a"), 5), heard(old("b"), 5)];
    let (begun, _) = after(rollout(&[&["a", "b"]]), &[(10, &fleet)]);
    assert_eq!(let_go(&begun), ["a", "b"]);
    let said = |known: &HostFacts| {
        skip_host(&begun, &known.name, Some(known), "ann", "its disk", at(15))
            .map(|step| step.rollout)
    };
    // It reported, was told to begin, and was not heard of again: nobody talks that away.
    let refused = said(&silent(heard(old("a"), 12))).unwrap_err().to_string();
    assert!(
        refused.starts_with("nothing is heard of a since it was told to run 2.0.0"),
        "{refused}"
    );
    // Before it was let go it knew nothing of the version.
    let away = silent(heard(old("a"), 5));
    let left = said(&away).unwrap();
    let facts = [away, proven("b")];
    let (next, _) = after(left, &[(20, &facts)]);
    assert_eq!(next.state, RolloutState::Done, "{}", next.why);
    assert_eq!(states(&next, &facts), ["skipped", "proven"]);

    // Left out while it was well, and lost before it could hear of it.
    let left = said(&heard(old("a"), 12)).unwrap();
    let facts = [silent(heard(old("a"), 12)), proven("b")];
    let (held, _) = after(left.clone(), &[(20, &facts)]);
    assert_eq!(held.state, RolloutState::Holding, "{}", held.why);
    assert!(held.why.ends_with("(limit 0): a"), "{}", held.why);
    assert_eq!(states(&held, &facts), ["silent", "proven"]);
    // Another server may not have known of it when the host reported.
    let facts = [silent(heard(old("a"), 25)), proven("b")];
    let (held, _) = after(left.clone(), &[(30, &facts)]);
    assert_eq!(states(&held, &facts), ["silent", "proven"]);
    // It had heard of it and had not begun: what came later is not the release's.
    let facts = [silent(heard(old("a"), 26)), proven("b")];
    let (next, _) = after(left, &[(30, &facts)]);
    assert_eq!(next.state, RolloutState::Done, "{}", next.why);
    assert_eq!(states(&next, &facts), ["skipped", "proven"]);

    // The server had read what it knew of the host, which then reported and was told to begin, and only then was the word
    // stored.
    let left = said(&heard(old("a"), 5)).unwrap();
    let facts = [silent(heard(old("a"), 14)), proven("b")];
    let (held, _) = after(left, &[(20, &facts)]);
    assert_eq!(states(&held, &facts), ["silent", "proven"]);
}

#[test]
fn a_host_that_was_told_to_begin_keeps_its_place_until_it_reports() {
    let heard = |facts: HostFacts, second| HostFacts {
        last_seen: Some(at(second)),
        ..facts
    };
    let names = ["a", "b"];
    let one = by(&[&names], |strategy| {
        strategy.in_flight = Some(Limit::count(1));
    });
    let (begun, _) = after(one, &[(10, &names.map(|it| heard(old(it), 5)))]);
    let first = let_go(&begun).remove(0);
    let seen =
        |first_seen: i64| names.map(|it| heard(old(it), if it == first { first_seen } else { 12 }));
    // It reported and was told to begin, and may be at it unseen.
    let fleet = seen(12);
    let left = fleet.iter().find(|it| it.name.as_str() == first).unwrap();
    let left = skip_host(&begun, &left.name, Some(left), "ann", "its disk", at(15)).unwrap();
    let (waits, _) = after(left.rollout, &[(16, &fleet), (17, &fleet)]);
    assert_eq!(let_go(&waits), [first.as_str()], "nobody else goes yet");
    assert!(
        waits.why.contains(&format!("waits for {first}")),
        "{}",
        waits.why
    );
    assert_eq!(
        wants(&old(&first), std::slice::from_ref(&waits)).unwrap(),
        "1.0.0"
    );
    // It reports that it has not begun, and is told not to.
    let fleet = seen(26);
    let (next, _) = after(waits.clone(), &[(30, &fleet)]);
    assert_eq!(let_go(&next).len(), 2, "{}", next.why);
    // It reports that it has.
    let fleet = fleet.map(|it| match it.name.as_str() == first {
        true => heard(on_probation(&first), 26),
        false => it,
    });
    let (next, _) = after(waits, &[(30, &fleet)]);
    assert_eq!(let_go(&next), [first.as_str()], "{}", next.why);
}

#[test]
fn its_place_in_flight_is_free() {
    let fleet = ["a", "b"].map(old);
    let one = by(&[&["a", "b"]], |strategy| {
        strategy.in_flight = Some(Limit::count(1));
    });
    let (begun, _) = after(one, &[(10, &fleet)]);
    let first = let_go(&begun);
    assert_eq!(first.len(), 1);
    let left = fleet
        .iter()
        .find(|it| it.name.as_str() == first[0])
        .unwrap();
    let (next, _) = after(skip(&begun, left), &[(20, &fleet)]);
    assert_eq!(let_go(&next), ["a", "b"], "the other one goes");
    assert_eq!(
        states(&next, &fleet)
            .iter()
            .filter(|it| **it == "ordered")
            .count(),
        1
    );
}

#[test]
fn words_are_refused_with_a_reason() {
    let fleet = [old("a"), old("b")];
    let (begun, _) = after(rollout(&[&["a"], &["b"]]), &[(10, &fleet)]);
    let left = skip(&begun, &fleet[1]);
    let said = |rollout: &Rollout, name: &str, known: Option<&HostFacts>| {
        skip_host(rollout, &host(name), known, "bob", "", at(9))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(&left, "b", Some(&fleet[1])),
        "b is left out of rollout 7 already, by ann"
    );
    assert!(said(&left, "z", None).starts_with("z is none of the hosts of rollout 7"));
    let halted = halt(&left, "ann").unwrap().rollout;
    assert!(said(&halted, "a", None).starts_with("cannot skip a host of rollout 7: it is halted"));
    let back = |rollout: &Rollout, name| take_back(rollout, &host(name), "bob", rollout.id);
    assert!(
        back(&halted, "b")
            .unwrap_err()
            .to_string()
            .contains("it is halted")
    );
    assert!(
        back(&left, "a")
            .unwrap_err()
            .to_string()
            .starts_with("a is not left out")
    );
    let replaced = take_back(&left, &host("b"), "bob", RolloutId(8));
    assert!(
        replaced.unwrap_err().to_string().starts_with(
            "b cannot be taken into rollout 7 again: rollout 8 is the channel's newest"
        )
    );
    let mut full = begun;
    full.skipped = (0..Rollout::MOST_SKIPPED)
        .map(|n| (host(&format!("h{n}")), left.skipped[&host("b")].clone()))
        .collect();
    assert!(said(&full, "b", Some(&fleet[1])).starts_with("500 hosts are left out"));
    // One that has left the fleet is among them too, and who joined is.
    assert!(skip_host(&left, &host("a"), None, "bob", "", at(9)).is_ok());
    assert!(skip_host(&left, &host("z"), Some(&old("z")), "bob", "", at(9)).is_ok());
}
