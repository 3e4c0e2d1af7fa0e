//! Updated hosts and others, in the same time.

use super::*;
use lockstep_model::{Baseline, Compare, Percent};

const HOSTS: usize = 200;

fn names() -> Vec<String> {
    (0..HOSTS).map(|n| format!("h{n:03}")).collect()
}

/// Two waves: a hundred hosts, and a hundred others. Nobody is stopped for being worse than before.
fn halves(then: Then) -> Rollout {
    let names = names();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    by(&[&all[..HOSTS / 2], &all[HOSTS / 2..]], |it| {
        it.worse.limit = Limit::share(100);
        it.compare = Some(Compare {
            chance: Percent::new(1).unwrap(),
            then,
        });
    })
}

/// So many of the updated and of the others are worse than before; the first `updated` have proven it.
fn facts(updated: usize, worse: usize, others_worse: usize) -> Vec<HostFacts> {
    let host = |(n, name): (usize, &String)| {
        let has_it = n < updated;
        let facts = was_well(if has_it { proven(name) } else { old(name) });
        let other = n.checked_sub(HOSTS / 2);
        let is_worse = match other {
            None => n < worse,
            Some(n) => n < others_worse,
        };
        if is_worse { sick(facts) } else { facts }
    };
    names().iter().enumerate().map(host).collect()
}

fn open(then: Then) -> Rollout {
    after(halves(then), &[(10, &facts(0, 0, 0))]).0
}

#[test]
fn worse_than_others_stops_it() {
    let (halted, _) = after(open(Then::Halt), &[(20, &facts(100, 12, 0))]);
    assert_eq!(halted.state, RolloutState::Halted);
    assert_eq!(
        halted.why,
        "wave 1 of 2: updated hosts are worse off: 12 of 100 of them, 0 of 100 others became worse in the same time \
         (chance 0.017 %, limit 0.25 %)"
    );
}

#[test]
fn as_bad_as_others_does_not() {
    let (goes_on, decisions) = after(
        open(Then::Halt),
        &[(20, &facts(100, 12, 10)), (80, &facts(100, 12, 10))],
    );
    assert_eq!(let_go(&goes_on).len(), HOSTS);
    assert!(
        decisions.contains(
            &"wave 1 of 2 compared: 12 of 100 updated hosts are worse than before, 10 of 100 others \
              (chance 41 %, stops below 0.25 %)"
                .to_owned()
        ),
        "{decisions:?}"
    );
}

#[test]
fn others_that_are_worse_off_speak_for_the_release() {
    let (goes_on, _) = after(open(Then::Halt), &[(80, &facts(100, 0, 40))]);
    assert_eq!(goes_on.state, RolloutState::Running);
}

#[test]
fn a_hold_ends_when_the_comparison_agrees() {
    let (held, decisions) = after(open(Then::Hold), &[(20, &facts(100, 12, 0))]);
    assert_eq!(held.state, RolloutState::Holding);
    assert!(
        decisions
            .last()
            .unwrap()
            .contains("updated hosts are worse off")
    );
    let looks = held.waves[0].looks;
    let (held, _) = after(held, &[(900, &facts(100, 13, 0))]);
    assert_eq!(
        (held.state, held.waves[0].looks),
        (RolloutState::Holding, looks),
        "it is not over with one look"
    );
    let (goes_on, _) = after(held, &[(901, &facts(100, 2, 1)), (962, &facts(100, 2, 1))]);
    assert_eq!(goes_on.state, RolloutState::Running);
    assert_eq!(let_go(&goes_on).len(), HOSTS);
}

#[test]
fn each_look_counts_once() {
    let looks = |rollout: &Rollout| rollout.waves[0].looks;
    let quiet = |updated| facts(updated, 0, 0);
    let (rollout, _) = after(open(Then::Halt), &[(20, &quiet(49))]);
    assert_eq!(looks(&rollout), 0, "half of them have not come to an end");
    let (rollout, _) = after(
        rollout,
        &[(30, &quiet(50)), (31, &quiet(60)), (32, &quiet(99))],
    );
    assert_eq!(looks(&rollout), 1);
    // Between two looks nobody looks: so the number of looks is known, and with it the chance.
    let (rollout, _) = after(rollout, &[(33, &facts(99, 40, 0))]);
    assert_eq!((looks(&rollout), rollout.state), (1, RolloutState::Running));
    let (rollout, _) = after(rollout, &[(40, &quiet(100))]);
    assert_eq!(looks(&rollout), 2);
    let (rollout, _) = after(rollout, &[(69, &quiet(100)), (70, &quiet(100))]);
    assert_eq!(looks(&rollout), 3);
    let (rollout, _) = after(rollout, &[(99, &quiet(100)), (100, &quiet(100))]);
    assert_eq!(looks(&rollout), LOOKS);
    assert_eq!(let_go(&rollout).len(), HOSTS);
}

#[test]
fn the_last_look_is_before_the_next_wave() {
    // Nobody looked in the meantime, and all is bad at the end of the watch.
    let (proved, _) = after(open(Then::Halt), &[(20, &facts(100, 0, 0))]);
    let (halted, _) = after(proved, &[(10_000, &facts(100, 12, 0))]);
    assert_eq!(halted.state, RolloutState::Halted);
    assert_eq!(let_go(&halted).len(), HOSTS / 2);
}

#[test]
fn the_last_wave_has_nobody_to_be_compared_with() {
    let (last, _) = after(
        open(Then::Halt),
        &[
            (20, &facts(100, 0, 0)),
            (80, &facts(100, 0, 0)),
            (90, &facts(200, 0, 60)),
        ],
    );
    assert_eq!((last.state, last.waves[1].looks), (RolloutState::Done, 0));
}

#[test]
fn too_few_hosts_show_nothing() {
    let rollout = by(&[&["a"], &["b"]], |it| {
        it.compare = Strategy::default().compare;
        it.worse.limit = Limit::share(100);
    });
    let facts: &[HostFacts] = &[sick(was_well(proven("a"))), was_well(old("b"))];
    let (goes_on, decisions) = after(rollout, &[(10, facts), (70, facts)]);
    assert_eq!(let_go(&goes_on), ["a", "b"]);
    assert!(
        decisions.contains(
            &"wave 1 of 2 compared: not enough data to compare: 1 updated hosts and 1 others can show nothing at a \
              chance of 0.25 %"
                .to_owned()
        ),
        "{decisions:?}"
    );
}

#[test]
fn the_chance_is_shared_by_all_comparisons() {
    let chance = |waves| {
        let asked = Compare {
            chance: Percent::new(1).unwrap(),
            then: Then::Halt,
        };
        let sample = |worse| Sample { hosts: 500, worse };
        match compare(asked, waves, sample(3), sample(3)) {
            Verdict::NoWorse { threshold, .. } => threshold,
            other => panic!("{other:?}"),
        }
    };
    // Four for each wave but the last.
    assert!((chance(5) - 0.01 / 16.0).abs() < 1e-12);
    assert!((chance(2) - 0.01 / 4.0).abs() < 1e-12);
    assert!((chance(1) - 0.01 / 4.0).abs() < 1e-12);
}

#[test]
fn silent_hosts_are_worse_off_and_those_that_were_silent_before_are_not_counted() {
    let mut rollout = halves(Then::Halt);
    rollout.strategy.silent.limit = Limit::share(100);
    let (open, _) = after(rollout, &[(10, &facts(0, 0, 0))]);
    let dead: Vec<HostFacts> = facts(100, 0, 0)
        .into_iter()
        .enumerate()
        .map(|(n, it)| if n < 12 { silent(it) } else { it })
        .collect();
    assert_eq!(
        after(open.clone(), &[(20, &dead)]).0.state,
        RolloutState::Halted
    );
    let were_dead: Vec<HostFacts> = dead
        .into_iter()
        .map(|it| HostFacts {
            before: Some(it.health.clone()),
            ..it
        })
        .collect();
    assert_eq!(
        after(open, &[(20, &were_dead)]).0.state,
        RolloutState::Running
    );
}

#[test]
fn it_is_written_down_how_hosts_stood() {
    let ill = ailing("disk", Level::SICK);
    let begun = step(
        &rollout(&[&["a"], &["b", "c"]]),
        &[sick(old("a")), old("b"), sick(old("c"))],
        10,
    )
    .unwrap();
    assert_eq!(
        begun.baselines,
        [
            Baseline {
                opening: true,
                hosts: vec![(host("a"), ill.clone()), (host("c"), ill.clone())],
            },
            Baseline {
                opening: false,
                hosts: vec![(host("a"), ill.clone())],
            },
        ]
    );
    let known = before(&begun.baselines, &begun.rollout);
    assert_eq!(known[&host("a")], ill);
    assert_eq!(known[&host("b")], Health::default());
    assert_eq!(known[&host("c")], ill);

    // Later `a` is well again, and `b` is ill: what counts for `a` is how it was when it was let go, for the others
    // how they are when the next wave is opened.
    let facts: &[HostFacts] = &[proven("a"), sick(old("b")), old("c")];
    let mut kept_so_far = begun.baselines;
    let mut rollout = begun.rollout;
    for second in [20, 80] {
        let step = step(&rollout, facts, second).unwrap();
        kept_so_far.extend(step.baselines);
        rollout = step.rollout;
    }
    let known = before(&kept_so_far, &rollout);
    assert_eq!(known[&host("a")], ill);
    assert_eq!(known[&host("b")], ill);
    assert_eq!(known[&host("c")], Health::default());
}
