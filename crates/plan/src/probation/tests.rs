use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> Rules {
    Rules {
        window: 20 * SECOND,
        silence: 5 * SECOND,
        check_in: 10 * SECOND,
        worse_for: 4 * SECOND,
        max_flips: 2,
        witness_every: 3 * SECOND,
        patience: 200 * SECOND,
    }
}

fn memory() -> ItemName {
    ItemName::parse("agent_memory").unwrap()
}

fn levels(level: Level) -> Option<BTreeMap<ItemName, Level>> {
    Some([(memory(), level)].into())
}

fn begin() -> Probation {
    Probation::begin(rules(), levels(Level::FINE).unwrap())
}

fn sign(link: Link, level: Level) -> Observation {
    Observation::Sign(Sign {
        link,
        levels: levels(level),
    })
}

/// Plays one observation a second, the witness answering as told, until a verdict falls; returns when.
fn play(each: impl FnMut(u32) -> Observation, witness: impl Fn(u32) -> Witness) -> (u32, Verdict) {
    play_on(begin(), each, witness)
}

fn play_on(
    mut probation: Probation,
    mut each: impl FnMut(u32) -> Observation,
    witness: impl Fn(u32) -> Witness,
) -> (u32, Verdict) {
    for second in 0..1000 {
        let at = second * SECOND;
        let mut verdict = probation.observe(at, each(second));
        if verdict == Verdict::AskWitness {
            verdict = probation.observe(at, Observation::Witness(witness(second)));
        }
        if !matches!(verdict, Verdict::Wait(_) | Verdict::AskWitness) {
            return (second, verdict);
        }
    }
    panic!("no verdict in 1000 s");
}

fn nobody(_: u32) -> Witness {
    panic!("the witness was not to be asked")
}

fn reason(verdict: Verdict) -> RunReason {
    match verdict {
        Verdict::Return {
            outcome: Outcome::RolledBack,
            reason,
        } => reason,
        other => panic!("expected a rollback, not {other:?}"),
    }
}

#[test]
fn a_candidate_that_is_well_for_the_window_is_proven() {
    let (second, verdict) = play(|_| sign(Link::Up, Level::FINE), nobody);
    assert_eq!((second, verdict), (20, Verdict::Proven));
}

#[test]
fn better_than_before_is_well_too() {
    let mut probation = Probation::begin(rules(), levels(Level::SICK).unwrap());
    for second in 0..20 {
        assert!(matches!(
            probation.observe(second * SECOND, sign(Link::Up, Level::FINE)),
            Verdict::Wait(_)
        ));
    }
    assert_eq!(
        probation.observe(20 * SECOND, sign(Link::Up, Level::SICK)),
        Verdict::Proven
    );
}

#[test]
fn an_exit_is_final_at_once() {
    let exited = Observation::Exited {
        status: "exit status: 1".into(),
    };
    let mut probation = begin();
    let verdict = probation.observe(SECOND, exited);
    assert!(matches!(reason(verdict), RunReason::WorkerExited { .. }));
}

#[test]
fn silence_is_a_hang() {
    let each = |second| {
        if second < 3 {
            sign(Link::Up, Level::FINE)
        } else {
            Observation::Tick
        }
    };
    let (second, verdict) = play(each, nobody);
    assert_eq!(second, 8);
    assert!(matches!(reason(verdict), RunReason::Hung { .. }));
    let (second, verdict) = play(|_| Observation::Tick, nobody);
    assert_eq!(second, 6, "also when there never was a sign");
    assert!(matches!(reason(verdict), RunReason::Hung { .. }));
}

#[test]
fn a_worker_that_hangs_shortly_before_the_end_of_the_window_is_not_proven() {
    let each = |second| {
        if second < 18 {
            sign(Link::Up, Level::FINE)
        } else {
            Observation::Tick
        }
    };
    let (second, verdict) = play(each, nobody);
    assert_eq!(second, 23);
    assert!(matches!(reason(verdict), RunReason::Hung { .. }));
}

#[test]
fn a_worse_item_returns_the_old_version_after_its_grace() {
    let (second, verdict) = play(|_| sign(Link::Up, Level::SICK), nobody);
    assert_eq!(second, 4);
    let expected = RunReason::ItemWorse {
        item: memory(),
        before: Level::FINE,
        now: Level::SICK,
    };
    assert_eq!(reason(verdict), expected);
}

#[test]
fn an_item_that_is_not_reported_any_more_is_worse() {
    let each = |_| {
        Observation::Sign(Sign {
            link: Link::Up,
            levels: Some(BTreeMap::new()),
        })
    };
    let (_, verdict) = play(each, nobody);
    assert!(matches!(
        reason(verdict),
        RunReason::ItemWorse {
            now: Level::DEAD,
            ..
        }
    ));
}

#[test]
fn changing_between_well_and_ill_is_ill() {
    let each = |second: u32| {
        sign(
            Link::Up,
            if second % 4 == 3 {
                Level::SICK
            } else {
                Level::FINE
            },
        )
    };
    let (second, verdict) = play(each, nobody);
    assert_eq!(second, 11, "ill for the third time");
    assert_eq!(reason(verdict), RunReason::Unsteady { flips: 3 });
}

#[test]
fn not_checking_in_is_its_fault_only_if_the_old_version_reaches_the_server() {
    let unreachable = |_| {
        sign(
            Link::Unreachable {
                why: "refused".into(),
            },
            Level::FINE,
        )
    };
    let (second, verdict) = play(unreachable, |_| Witness::Reached);
    assert_eq!(second, 13, "asked at 10 and at 13");
    assert!(matches!(reason(verdict), RunReason::NoCheckIn { .. }));

    let (second, verdict) = play(unreachable, |_| Witness::NotReached);
    assert_eq!(second, 200);
    assert!(
        matches!(
            verdict,
            Verdict::Return {
                outcome: Outcome::Postponed,
                reason: RunReason::SurroundingsFailed { .. }
            }
        ),
        "{verdict:?}"
    );
}

#[test]
fn a_refused_report_is_judged_like_no_answer() {
    let (_, verdict) = play(
        |_| sign(Link::Refused { status: 400 }, Level::FINE),
        |_| Witness::Reached,
    );
    assert!(reason(verdict).to_string().contains("status 400"));
}

#[test]
fn a_server_that_comes_back_finds_a_patient_candidate() {
    let down = 5..60;
    let each = |second| {
        let link = if down.contains(&second) {
            Link::Unreachable {
                why: "refused".into(),
            }
        } else {
            Link::Up
        };
        sign(link, Level::FINE)
    };
    let witness = |second| {
        if down.contains(&second) {
            Witness::NotReached
        } else {
            Witness::Reached
        }
    };
    assert_eq!(play(each, witness), (80, Verdict::Proven));
}

#[test]
fn a_busy_server_never_causes_a_rollback() {
    for status in [429, 503] {
        let each = move |second| {
            let link = if second < 100 {
                Link::Busy { status }
            } else {
                Link::Up
            };
            sign(link, Level::FINE)
        };
        assert_eq!(play(each, nobody), (120, Verdict::Proven));
        let (_, verdict) = play(move |_| sign(Link::Busy { status }, Level::FINE), nobody);
        assert!(
            matches!(
                verdict,
                Verdict::Return {
                    outcome: Outcome::Postponed,
                    ..
                }
            ),
            "{verdict:?}"
        );
    }
}

#[derive(Debug, Clone)]
enum Happening {
    Sign(u8, u8),
    Tick,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        4 => (0u8..5, 0u8..3).prop_map(|(link, level)| Happening::Sign(link, level)),
        1 => Just(Happening::Tick),
    ];
    proptest::collection::vec(one, 1..400)
}

fn observation(happening: &Happening) -> Observation {
    match happening {
        Happening::Tick => Observation::Tick,
        Happening::Sign(link, level) => {
            let link = match link {
                0 | 1 => Link::Up,
                2 => Link::Busy { status: 503 },
                3 => Link::Unreachable {
                    why: "refused".into(),
                },
                _ => Link::Unknown,
            };
            sign(
                link,
                [Level::FINE, Level::FINE, Level::SICK][usize::from(*level)],
            )
        }
    }
}

proptest! {
    /// Nothing is committed that was not well for the whole window, in a row, just before.
    #[test]
    fn proven_means_well_for_the_window(world in happenings(), reached in any::<bool>()) {
        let mut probation = begin();
        let mut well_since: Option<u32> = None;
        let mut last_sign = 0;
        for (second, happening) in (0u32..).zip(&world) {
            if let Happening::Sign(link, level) = happening {
                last_sign = second;
                let well = *link < 2 && *level < 2;
                well_since = if well { well_since.or(Some(second)) } else { None };
            }
            let mut verdict = probation.observe(second * SECOND, observation(happening));
            if verdict == Verdict::AskWitness {
                let saw = if reached { Witness::Reached } else { Witness::NotReached };
                verdict = probation.observe(second * SECOND, Observation::Witness(saw));
            }
            match verdict {
                Verdict::Proven => {
                    let since = well_since.expect("proven while ill");
                    prop_assert!(last_sign - since >= 20, "the last sign of a well worker came too early");
                    return Ok(());
                }
                Verdict::Return { .. } => return Ok(()),
                Verdict::Wait(why) => prop_assert!(!why.to_string().is_empty()),
                Verdict::AskWitness => prop_assert!(false, "asked twice for one answer"),
            }
        }
    }

    /// A release is never blamed for a server that is busy, or that the old version does not reach either.
    #[test]
    fn the_surroundings_are_never_the_candidates_fault(links in proptest::collection::vec(0u8..3, 1..400)) {
        let mut probation = begin();
        for (second, link) in (0u32..).zip(links) {
            let link = match link {
                0 => Link::Up,
                1 => Link::Busy { status: 429 },
                _ => Link::Unreachable { why: "no route".into() },
            };
            let mut verdict = probation.observe(second * SECOND, sign(link, Level::FINE));
            if verdict == Verdict::AskWitness {
                verdict = probation.observe(second * SECOND, Observation::Witness(Witness::NotReached));
            }
            match verdict {
                Verdict::Return { outcome, reason } => {
                    prop_assert_eq!(outcome, Outcome::Postponed, "{:?}", reason);
                    return Ok(());
                }
                Verdict::Proven => return Ok(()),
                _ => {}
            }
        }
    }

    /// Every probation ends: at the patience's end at the latest.
    #[test]
    fn every_probation_ends(world in happenings()) {
        let mut probation = begin();
        for (second, happening) in (0u32..=200).zip(world.iter().cycle()) {
            let mut verdict = probation.observe(second * SECOND, observation(happening));
            if verdict == Verdict::AskWitness {
                verdict = probation.observe(second * SECOND, Observation::Witness(Witness::NotReached));
            }
            if matches!(verdict, Verdict::Proven | Verdict::Return { .. }) {
                return Ok(());
            }
        }
        prop_assert!(false, "still undecided after 200 s");
    }
}

/// The same for a host that reached no server before.
fn play_alone(
    each: impl FnMut(u32) -> Observation,
    witness: impl Fn(u32) -> Witness,
) -> (u32, Verdict) {
    play_on(begin().alone(true), each, witness)
}

fn cut_off(_: u32) -> Observation {
    let why = "no route to host".into();
    sign(Link::Unreachable { why }, Level::FINE)
}

#[test]
fn a_host_without_a_network_proves_a_version_without_one() {
    // The witness is asked after ten seconds for the first time; from then on the window counts.
    let (second, verdict) = play_alone(cut_off, |_| Witness::NotReached);
    assert_eq!((second, verdict), (30, Verdict::Proven));
    // All else counts as ever.
    let worse = |second| match second {
        0..15 => cut_off(second),
        _ => sign(Link::Unknown, Level::SICK),
    };
    let (_, verdict) = play_alone(worse, |_| Witness::NotReached);
    assert!(matches!(reason(verdict), RunReason::ItemWorse { .. }));
}

#[test]
fn it_is_no_excuse_once_the_version_before_would_reach_the_server() {
    let back_at = |returns: u32| {
        move |second| match second >= returns {
            true => Witness::Reached,
            false => Witness::NotReached,
        }
    };
    for returns in [0, 12, 25] {
        let (_, verdict) = play_alone(cut_off, back_at(returns));
        let reason = reason(verdict);
        assert!(
            matches!(reason, RunReason::NoCheckIn { .. }),
            "{returns}: {reason}"
        );
    }
    // A server that is there and has too much to do is one to wait for.
    let busy = |_| sign(Link::Busy { status: 503 }, Level::FINE);
    let (_, verdict) = play_alone(busy, nobody);
    assert!(matches!(
        verdict,
        Verdict::Return {
            outcome: Outcome::Postponed,
            ..
        }
    ));
}
