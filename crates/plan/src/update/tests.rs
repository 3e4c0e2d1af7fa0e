use super::*;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn desired(text: &str, generation: u64) -> Desired {
    Desired {
        package: PackageName::lockstep(),
        version: version(text),
        target: format!("lockstep/{text}/x.tar.zst"),
        hash: ContentHash::from_digest([text.len() as u8; 32]),
        length: 1,
        not_before: at(100),
        generation,
        channel: None,
    }
}

fn situation<'a>(current: &'a Version, memory: &'a Memory) -> Situation<'a> {
    Situation {
        current: Some(current),
        memory,
        run: None,
        other: None,
        enabled_here: true,
        updates: Updates::On,
        retry_at: None,
    }
}

fn journal(step: Step) -> Journal {
    let (current, memory) = (version("1.0.0"), Memory::default());
    let order = consider(&desired("2.0.0", 1), &situation(&current, &memory), at(200)).unwrap();
    let id = RunId::new(at(200), [1; 10]);
    Journal::begin(id, order, Some(current), at(200)).at(step, at(201))
}

fn failed() -> RunReason {
    RunReason::Hung { silent_s: 31.0 }
}

#[test]
fn a_newer_and_an_older_version_both_begin_a_run() {
    let (current, memory) = (version("1.5.0"), Memory::default());
    for wanted in ["2.0.0", "1.0.0"] {
        let order = consider(&desired(wanted, 1), &situation(&current, &memory), at(200)).unwrap();
        assert_eq!((order.version, order.by), (version(wanted), By::Server));
    }
}

#[test]
fn each_hold_has_its_reason() {
    let current = version("1.0.0");
    let mut memory = Memory::default();
    let hold = |memory: &Memory, change: &dyn Fn(&mut Situation<'_>), now| {
        let mut situation = situation(&current, memory);
        change(&mut situation);
        consider(&desired("2.0.0", 5), &situation, at(now))
            .unwrap_err()
            .to_string()
    };
    let nothing: &dyn Fn(&mut Situation<'_>) = &|_| {};
    assert_eq!(
        hold(&memory, nothing, 99),
        "not before 1970-01-01T00:01:40Z"
    );
    assert!(hold(&memory, &|s| s.enabled_here = false, 200).contains("agent.toml"));
    assert!(hold(&memory, &|s| s.updates = Updates::Off, 200).contains("on the server"));
    assert!(hold(&memory, &|s| s.retry_at = Some(at(300)), 200).contains("tried again"));
    memory.generation = 6;
    assert_eq!(
        hold(&memory, nothing, 200),
        "the order has generation 5, this host has seen 6"
    );
    memory.generation = 5;
    memory.held = Some(Held {
        version: version("0.9.0"),
        generation: 5,
    });
    assert!(hold(&memory, nothing, 200).contains("held at 0.9.0"));
}

#[test]
fn orders_are_older_only_by_the_way_by_which_they_come() {
    let current = version("1.0.0");
    let by = |channel: Option<&str>, generation| Desired {
        channel: channel.map(|name| ChannelName::parse(name).unwrap()),
        ..desired("2.0.0", generation)
    };
    let mut memory = Memory::default();
    let takes = |memory: &mut Memory, wanted: &Desired| {
        let verdict = consider(wanted, &situation(&current, memory), at(200));
        memory.saw(wanted);
        verdict.is_ok()
    };
    assert!(takes(&mut memory, &by(Some("beta"), 7)));
    assert!(!takes(&mut memory, &by(Some("beta"), 6)));
    assert_eq!(memory.generation, 7);
    // Another channel, then held at a version, then let go again.
    for other in [Some("stable"), None, Some("stable")] {
        assert!(takes(&mut memory, &by(other, 5)), "{other:?}");
        assert!(!takes(&mut memory, &by(other, 4)), "{other:?}");
        assert!(!memory.saw(&by(other, 4)));
    }
}

#[test]
fn a_release_that_failed_waits_for_a_newer_order() {
    let current = version("1.0.0");
    let mut memory = Memory {
        generation: 5,
        ..Memory::default()
    };
    let wanted = desired("2.0.0", 5);
    memory.skip(Skipped {
        hash: wanted.hash,
        version: wanted.version.clone(),
        generation: 5,
        reason: failed(),
        at: at(150),
    });
    let held = consider(&wanted, &situation(&current, &memory), at(200)).unwrap_err();
    assert!(matches!(held, Hold::FailedBefore { .. }));
    let renewed = Desired {
        generation: 6,
        ..wanted.clone()
    };
    assert!(consider(&renewed, &situation(&current, &memory), at(200)).is_ok());
    memory.forgive(&wanted.hash);
    assert!(consider(&wanted, &situation(&current, &memory), at(200)).is_ok());
}

#[test]
fn the_list_of_failed_releases_is_bounded() {
    let mut memory = Memory::default();
    for n in 0..200u8 {
        let hash = ContentHash::from_digest([n; 32]);
        memory.skip(Skipped {
            hash,
            version: version("1.0.0"),
            generation: 1,
            reason: failed(),
            at: at(0),
        });
    }
    assert_eq!(memory.skipped.len(), Memory::MAX_SKIPPED);
    assert_eq!(
        memory.skipped.last().unwrap().hash,
        ContentHash::from_digest([199; 32])
    );
}

#[test]
fn a_trial_that_is_cut_off_is_made_once_more_and_then_counts_against_the_release() {
    let cut_off = journal(Step::Trial);
    let Recovery::TryAgain(again) = recover(Some(&cut_off), at(300)) else {
        panic!()
    };
    assert_eq!((&again.step, again.interruptions), (&Step::Preflight, 1));
    let Recovery::FinishReturn(back) = recover(Some(&again.at(Step::Trial, at(301))), at(302))
    else {
        panic!()
    };
    assert!(matches!(
        back.step,
        Step::Return {
            outcome: Outcome::RolledBack,
            reason: RunReason::Interrupted { times: 2 }
        }
    ));
}

#[test]
fn recovery_of_every_step() {
    let over = Step::Over {
        outcome: Outcome::Done,
        reason: None,
    };
    for step in [
        Step::Fetch,
        Step::Unpack,
        Step::Preflight,
        Step::Offered,
        over,
    ] {
        assert_eq!(
            recover(Some(&journal(step)), at(300)),
            Recovery::StartCurrent
        );
    }
    assert_eq!(recover(None, at(300)), Recovery::StartCurrent);
    assert!(matches!(
        recover(Some(&journal(Step::Commit)), at(300)),
        Recovery::FinishCommit(_)
    ));
    let back = Step::Return {
        outcome: Outcome::RolledBack,
        reason: failed(),
    };
    assert!(matches!(
        recover(Some(&journal(back)), at(300)),
        Recovery::FinishReturn(_)
    ));
}

#[test]
fn the_journal_is_read_back_as_it_was_written() {
    let back = Step::Return {
        outcome: Outcome::RolledBack,
        reason: failed(),
    };
    for step in [Step::Fetch, Step::Trial, back] {
        let journal = journal(step);
        let text = serde_json::to_string(&journal).unwrap();
        assert_eq!(serde_json::from_str::<Journal>(&text).unwrap(), journal);
    }
}

/// The first format ever written must be readable for as long as agents with it are in the field.
#[test]
fn a_journal_of_the_first_format_is_read() {
    let text = include_str!("journal-format-1.json");
    let journal: Journal = serde_json::from_str(text).unwrap();
    assert_eq!(journal.format, 1);
    assert!(matches!(
        journal.step,
        Step::Return {
            outcome: Outcome::RolledBack,
            ..
        }
    ));
}

proptest! {
    #[test]
    fn no_order_older_than_one_seen_begins_a_run(generation in 0u64..10, seen in 0u64..10) {
        let current = version("1.0.0");
        let memory = Memory { generation: seen, ..Memory::default() };
        let verdict = consider(&desired("2.0.0", generation), &situation(&current, &memory), at(200));
        prop_assert_eq!(verdict.is_ok(), generation >= seen);
    }
}

#[test]
fn a_package_that_is_not_there_is_wanted_whatever_its_version() {
    let (current, memory) = (version("2.0.0"), Memory::default());
    let mut situation = situation(&current, &memory);
    let wanted = desired("2.0.0", 1);
    assert_eq!(consider(&wanted, &situation, at(200)), Err(Hold::UpToDate));
    situation.current = None;
    assert!(consider(&wanted, &situation, at(200)).is_ok());
}

#[test]
fn what_keeps_a_host_is_said_by_a_code_and_in_bounded_words() {
    let package = PackageName::parse("driveclient").unwrap();
    let kept = |hold: Hold| hold.kept(&package, &version("2.0.0"));
    assert_eq!(kept(Hold::UpToDate), None);
    let said = kept(Hold::NotYet { until: at(900) }).unwrap();
    assert_eq!((said.code.as_str(), said.until), ("not-yet", Some(at(900))));
    let why = "ü".repeat(2_000);
    let said = kept(Hold::NotPermitted { why }).unwrap();
    assert!(said.words.len() <= Kept::LONGEST_WORDS && !said.words.is_empty());
    // The code is the word by which the hold is written anyway.
    for hold in [
        Hold::OffHere,
        Hold::OffThere,
        Hold::Retry { until: at(1) },
        Hold::HeldByHand {
            version: version("1.0.0"),
        },
        Hold::OlderOrder {
            generation: 1,
            seen: 2,
        },
        Hold::FailedBefore {
            reason: failed(),
            at: at(1),
        },
        Hold::RunInProgress {
            run: RunId::new(at(1), [1; 10]),
        },
        Hold::NotPermitted { why: "-".into() },
        Hold::NotYet { until: at(1) },
        Hold::UpToDate,
    ] {
        assert_eq!(serde_json::to_value(&hold).unwrap()["hold"], hold.code());
    }
}
