//! How many go at once: spread, hosts in flight, hosts that must stay fit, and bytes to one site.

use super::*;
use lockstep_model::{Spread, WaveState};

/// One wave of these hosts.
fn one_wave(names: &[&str], change: impl FnOnce(&mut Strategy)) -> Rollout {
    let mut rollout = by(&[names], change);
    // As they are drawn: by their turns.
    rollout.waves[0]
        .hosts
        .sort_by_key(|name| turn(RolloutId(7), name));
    rollout
}

fn all(names: &[&str]) -> Vec<HostFacts> {
    names.iter().map(|name| old(name)).collect()
}

#[test]
fn everybody_has_a_moment_and_nobody_goes_before_it() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let spread: Spread = "1h:50%, 2h:100%".parse().unwrap();
    let mut rollout = one_wave(&names, |it| it.spread = spread);
    let facts = all(&names);
    let moments: Vec<(Timestamp, String)> = {
        let mut all: Vec<_> = names
            .iter()
            .map(|name| {
                let turn = turn(RolloutId(7), &host(name));
                (
                    moment(&rollout.strategy, at(1000), turn),
                    (*name).to_owned(),
                )
            })
            .collect();
        all.sort();
        all
    };
    assert!(moments.iter().all(|(moment, _)| *moment < at(1000 + 7200)));
    // The moments are not all the same, and some are in the first hour.
    assert!(moments[0].0 < at(1000 + 3600) && moments[5].0 > at(1000 + 3600));
    for second in (1000..9000).step_by(7) {
        if let Some(step) = step(&rollout, &facts, second) {
            rollout = step.rollout;
        }
        let mut due: Vec<String> = moments
            .iter()
            .filter(|(moment, _)| *moment <= at(second))
            .map(|(_, name)| name.clone())
            .collect();
        due.sort();
        assert_eq!(let_go(&rollout), due, "at {second}");
        if let Some((next, _)) = moments.iter().find(|(moment, _)| *moment > at(second)) {
            let left = names.len() - due.len();
            let told =
                format!("; {left} are still to be let go: the next one's moment is {next:.0}");
            assert!(rollout.why.ends_with(&told), "{}", rollout.why);
        }
    }
}

#[test]
fn moments_count_from_the_opening_of_each_wave() {
    let rollout = by(&[&["a"], &["b"]], |it| {
        it.spread = "1h:100%".parse().unwrap();
    });
    let moment_of = |name: &str, opened| {
        let turn = turn(RolloutId(7), &host(name));
        moment(&rollout.strategy, at(opened), turn).as_second() + 1
    };
    let (first, _) = after(
        rollout.clone(),
        &[
            (0, &[old("a"), old("b")]),
            (moment_of("a", 0), &[old("a"), old("b")]),
            (4000, &[proven("a"), old("b")]),
            (4060, &[proven("a"), old("b")]),
        ],
    );
    assert_eq!(first.waves[1].opened_at, Some(at(4060)));
    assert_eq!(let_go(&first), ["a"]);
    let moment = moment_of("b", 4060);
    let (second, _) = after(first, &[(moment, &[proven("a"), old("b")])]);
    assert_eq!(let_go(&second), ["a", "b"]);
}

#[test]
fn who_has_the_version_already_needs_no_moment() {
    let rollout = one_wave(&["a", "b"], |it| it.spread = "1h:100%".parse().unwrap());
    let (rollout, _) = after(rollout, &[(0, &[proven("a"), old("b")])]);
    assert_eq!(let_go(&rollout), ["a"]);
}

#[test]
fn no_more_are_in_flight_than_may_be() {
    let names = ["a", "b", "c", "d", "e"];
    let rollout = one_wave(&names, |it| it.in_flight = Some(Limit::count(2)));
    let order: Vec<String> = rollout.waves[0]
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut facts = all(&names);
    let (first, _) = after(rollout, &[(10, &facts)]);
    assert_eq!(first.waves[0].split().0, &first.waves[0].hosts[..2]);
    assert!(
        first
            .why
            .ends_with("3 are still to be let go: at most 2 are in flight at once"),
        "{}",
        first.why
    );
    // One proves it, and the next in turn goes. The other one is on its way, and then it reports a run.
    let is = |facts: &mut Vec<HostFacts>, name: &str, new: HostFacts| {
        let found = facts.iter_mut().find(|it| it.name.as_str() == name);
        *found.unwrap() = new;
    };
    is(&mut facts, &order[0], proven(&order[0]));
    is(&mut facts, &order[1], on_probation(&order[1]));
    let (second, _) = after(first, &[(20, &facts)]);
    let mut expected = order[..3].to_vec();
    expected.sort();
    assert_eq!(let_go(&second), expected);
}

#[test]
fn a_host_that_fell_silent_on_its_way_is_still_in_flight() {
    let rollout = one_wave(&["a", "b", "c"], |it| {
        it.in_flight = Some(Limit::count(1));
        it.silent = gate(3, Then::Hold);
    });
    let names: Vec<String> = rollout.waves[0]
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    let [first, second, third] = [&names[0], &names[1], &names[2]];
    let (begun, _) = after(rollout, &[(10, &[old(first), old(second), old(third)])]);
    let gone = [silent(old(first)), old(second), old(third)];
    let (waits, _) = after(begun, &[(20, &gone)]);
    assert_eq!(let_go(&waits), std::slice::from_ref(first));
    // With the version proven it is on its way no more, silent or not.
    let back = [silent(proven(first)), old(second), old(third)];
    let (goes, _) = after(waits, &[(30, &back)]);
    assert_eq!(let_go(&goes).len(), 2);
}

#[test]
fn a_share_that_comes_to_nobody_still_lets_one_go() {
    let rollout = one_wave(&["a", "b"], |it| it.in_flight = Some(Limit::share(1)));
    let (rollout, _) = after(rollout, &[(10, &all(&["a", "b"]))]);
    assert_eq!(let_go(&rollout).len(), 1);
}

#[test]
fn enough_hosts_stay_fit() {
    let names = ["a", "b", "c", "d"];
    let three_of_four = || one_wave(&names, |it| it.fit = Some(WaveSize::share(75)));
    let (one, _) = after(three_of_four(), &[(10, &all(&names))]);
    assert_eq!(let_go(&one).len(), 1);
    assert!(
        one.why
            .ends_with("3 are still to be let go: 3 of 4 hosts must stay fit and at rest"),
        "{}",
        one.why
    );
    // With one sick, no fit one can be spared; but the sick one itself can go.
    let ill = |name: &str| sick(old(name));
    let facts = [ill("a"), old("b"), old("c"), old("d")];
    let (only_a, _) = after(three_of_four(), &[(10, &facts)]);
    assert_eq!(let_go(&only_a), ["a"]);
    let facts = [ill("a"), silent(old("b")), old("c"), old("d")];
    let tolerant = {
        let mut rollout = three_of_four();
        rollout.strategy.silent = gate(4, Then::Hold);
        rollout
    };
    let (only_a, _) = after(tolerant, &[(10, &facts)]);
    assert_eq!(let_go(&only_a), ["a"]);
}

#[test]
fn who_proved_it_and_is_fit_counts_again() {
    let names = ["a", "b", "c"];
    let rollout = one_wave(&names, |it| it.fit = Some(WaveSize::Count(2)));
    let first = rollout.waves[0].hosts[0].to_string();
    let (one, _) = after(rollout, &[(10, &all(&names))]);
    assert_eq!(let_go(&one), std::slice::from_ref(&first));
    let facts: Vec<HostFacts> = names
        .iter()
        .map(|name| {
            if *name == first {
                proven(name)
            } else {
                old(name)
            }
        })
        .collect();
    let (two, _) = after(one.clone(), &[(20, &facts)]);
    assert_eq!(let_go(&two).len(), 2);
    // If it came out sick, it does not count.
    let facts: Vec<HostFacts> = facts
        .into_iter()
        .map(|it| {
            if it.name.as_str() == first {
                sick(it)
            } else {
                it
            }
        })
        .collect();
    let (still_one, _) = after(one, &[(20, &facts)]);
    assert_eq!(let_go(&still_one).len(), 1);
}

#[test]
fn a_demand_that_nobody_can_be_spared_for_is_said() {
    let rollout = one_wave(&["a"], |it| it.fit = Some(WaveSize::ALL));
    let (stuck, _) = after(rollout, &[(10, &all(&["a"]))]);
    assert_eq!(
        stuck.why,
        "wave 1 of 1: 0 of 1 hosts have proven it; 1 are still to be let go: 1 of 1 hosts must stay fit and at rest"
    );
    assert_eq!(stuck.state, RolloutState::Running);
}

fn at_site(name: &str, site: &str, bytes: u64) -> HostFacts {
    HostFacts {
        bytes,
        ..labelled(old(name), &[("site", site)])
    }
}

#[test]
fn bytes_to_one_site_are_limited() {
    let names = ["a", "b", "c", "x", "y"];
    let rollout = one_wave(&names, |it| {
        it.site = Some("site".into());
        it.site_bytes = Some(100);
    });
    let facts = [
        at_site("a", "north", 50),
        at_site("b", "north", 50),
        at_site("c", "north", 50),
        at_site("x", "south", 5000),
        // It has no site: nothing limits it.
        HostFacts {
            bytes: 5000,
            ..old("y")
        },
    ];
    let (rollout, _) = after(rollout, &[(10, &facts)]);
    let gone = let_go(&rollout);
    let to_north = gone.iter().filter(|name| name.as_str() < "x").count();
    assert_eq!((gone.len(), to_north), (4, 2), "{gone:?}");
    assert!(
        rollout
            .why
            .ends_with("1 are still to be let go: at most 100 bytes are under way to one site"),
        "{}",
        rollout.why
    );
    // One arrives, and the last one goes.
    let facts: Vec<HostFacts> = facts
        .into_iter()
        .map(|it| {
            let arrived = gone.iter().any(|name| name == it.name.as_str()) && it.bytes == 50;
            HostFacts {
                version: Some(version(if arrived { "2.0.0" } else { "1.0.0" })),
                ..it
            }
        })
        .collect();
    let (rollout, _) = after(rollout, &[(20, &facts)]);
    assert_eq!(let_go(&rollout).len(), 5);
}

#[test]
fn one_host_of_a_site_may_always_go() {
    let mut budget = Budget::new(
        &Strategy {
            site: Some("site".into()),
            site_bytes: Some(100),
            ..Strategy::default()
        },
        Strength::default(),
        std::collections::HashMap::new(),
    );
    let candidate = |bytes| Candidate {
        fit: true,
        site: Some("north"),
        bytes,
    };
    assert_eq!(budget.take(candidate(5000)), Ok(()));
    assert_eq!(budget.take(candidate(1)), Err(Short::Sites { bytes: 100 }));
}

#[test]
fn what_is_short_takes_nothing() {
    let strategy = Strategy {
        in_flight: Some(Limit::count(2)),
        fit: Some(WaveSize::Count(8)),
        ..Strategy::default()
    };
    let strength = Strength {
        hosts: 10,
        in_flight: 0,
        fit: 9,
    };
    let mut budget = Budget::<&str>::new(&strategy, strength, std::collections::HashMap::new());
    let candidate = |fit| Candidate {
        fit,
        site: None,
        bytes: 0,
    };
    assert_eq!(budget.take(candidate(true)), Ok(()));
    let short = Short::Fit {
        demanded: 8,
        hosts: 10,
    };
    assert_eq!(budget.take(candidate(true)), Err(short));
    assert_eq!(budget.take(candidate(false)), Ok(()));
    assert_eq!(
        budget.take(candidate(false)),
        Err(Short::InFlight { limit: 2 })
    );
}

#[test]
fn a_limit_is_told_rather_than_a_moment() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut rollout = one_wave(&names, |it| {
        it.spread = "1h:100%".parse().unwrap();
        it.in_flight = Some(Limit::count(1));
    });
    rollout.waves[0].state = WaveState::Open;
    rollout.waves[0].opened_at = Some(at(0));
    rollout.state = RolloutState::Running;
    let (rollout, _) = after(rollout, &[(3000, &all(&names))]);
    assert_eq!(let_go(&rollout).len(), 1);
    assert!(
        rollout.why.ends_with("at most 1 are in flight at once"),
        "{}",
        rollout.why
    );
}

#[test]
fn while_a_gate_or_a_person_says_wait_nobody_else_is_let_go() {
    let names = ["a", "b", "c"];
    let rollout = one_wave(&names, |it| it.in_flight = Some(Limit::count(1)));
    let (open, _) = after(rollout, &[(10, &all(&names))]);
    let first = let_go(&open);
    let facts = |ill: bool| -> Vec<HostFacts> {
        let host = |name: &&str| {
            let host = was_well(if first[0] == **name {
                proven(name)
            } else {
                old(name)
            });
            if ill && first[0] == **name {
                sick(host)
            } else {
                host
            }
        };
        names.iter().map(host).collect()
    };
    // There is room for another one, but the first one is worse than it was.
    let (held, _) = after(open.clone(), &[(20, &facts(true))]);
    assert_eq!(
        (held.state, let_go(&held)),
        (RolloutState::Holding, first.clone())
    );
    let (goes, _) = after(held, &[(30, &facts(false))]);
    assert_eq!(let_go(&goes).len(), 2);
    let paused = pause(&open, "ann").unwrap().rollout;
    let (paused, _) = after(paused, &[(20, &facts(false))]);
    assert_eq!(let_go(&paused), first);
}
