use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

fn read(text: &str) -> Strategy {
    toml::from_str(text).unwrap()
}

/// What is said of a text that is no strategy.
fn refused(text: &str) -> String {
    let error = toml::from_str::<Strategy>(text).unwrap_err();
    error.message().to_owned()
}

fn survives(strategy: &Strategy) {
    let json = serde_json::to_string(strategy).unwrap();
    assert_eq!(
        &serde_json::from_str::<Strategy>(&json).unwrap(),
        strategy,
        "{json}"
    );
    let toml = toml::to_string(strategy).unwrap();
    assert_eq!(&read(&toml), strategy, "{toml}");
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(read(""), Strategy::default());
    assert_eq!(
        serde_json::from_str::<Strategy>("{}").unwrap(),
        Strategy::default()
    );
    survives(&Strategy::default());
}

#[test]
fn everything_can_be_said() {
    let all = read(
        r#"
        waves = [3, "1%", "12.5%", "100%"]
        domain = "rack"
        bake = "10m"
        urgent_bake = "1m"
        spread = "6h:50%, 14h:100%"
        hours = "Sat 02:00-05:00"
        zone = "Europe/Berlin"
        blackouts = ["12-24..01-02", "2027-03-01"]
        in_flight = "2% min 3"
        fit = "90%"
        site = "site"
        site_bytes = "500 MB"
        late = "at-once"
        failed = "1% min 1"
        on_failed = "roll-back"
        silent = 4
        on_silent = "halt"
        worse = "0%"
        on_worse = "roll-back-wave"
        compare = "0.5%"
        on_compare = "hold"
        items = ["disk*", "load"]
        "#,
    );
    let expected = Strategy {
        waves: vec![
            WaveSize::Count(3),
            WaveSize::share(1),
            WaveSize::Share(Percent::from_thousandths(12_500).unwrap()),
            WaveSize::ALL,
        ],
        domain: Some("rack".into()),
        bake: Interval::from_secs(600),
        urgent_bake: Interval::from_secs(60),
        spread: "6h:50%, 14h:100%".parse().unwrap(),
        windows: Windows {
            hours: Some(Hours::parse("Sat 02:00-05:00", "Europe/Berlin").unwrap()),
            zone: "Europe/Berlin".into(),
            blackouts: vec![
                "12-24..01-02".parse().unwrap(),
                "2027-03-01".parse().unwrap(),
            ],
        },
        in_flight: Some("2% min 3".parse().unwrap()),
        fit: Some(WaveSize::share(90)),
        site: Some("site".into()),
        site_bytes: Some(500_000_000),
        late: Late::AtOnce,
        failed: Gate {
            limit: "1% min 1".parse().unwrap(),
            then: Then::RollBack,
        },
        silent: Gate {
            limit: Limit::count(4),
            then: Then::Halt,
        },
        worse: Gate {
            limit: Limit::share(0),
            then: Then::RollBackWave,
        },
        compare: Some(Compare {
            chance: Percent::from_thousandths(500).unwrap(),
            then: Then::Hold,
        }),
        items: vec![Glob::parse("disk*").unwrap(), Glob::parse("load").unwrap()],
    };
    assert_eq!(all, expected);
    survives(&all);
}

#[test]
fn one_gate_is_changed_and_the_others_stay() {
    let default = Strategy::default();
    let strategy = read("failed = 3");
    assert_eq!(strategy.failed.limit, Limit::count(3));
    assert_eq!(strategy.failed.then, default.failed.then);
    let strategy = read("on_worse = \"halt\"");
    assert_eq!(strategy.worse.limit, default.worse.limit);
    assert_eq!(strategy.worse.then, Then::Halt);
    let strategy = read("on_compare = \"hold\"");
    assert_eq!(
        strategy.compare,
        Some(Compare {
            then: Then::Hold,
            ..default.compare.unwrap()
        })
    );
    assert_eq!(
        Strategy {
            compare: default.compare,
            ..strategy
        },
        default
    );
    assert_eq!(read("compare = \"off\"").compare, None);
    survives(&read("compare = \"off\""));
}

#[test]
fn canaries_are_short_for_two_waves() {
    let two = vec![WaveSize::Count(5), WaveSize::ALL];
    assert_eq!(read("canaries = 5").waves, two);
    assert_eq!(
        refused("canaries = 5\nwaves = [\"100%\"]"),
        "canaries is short for waves = [\"N\", \"100%\"]; only one of both can be given"
    );
    assert_eq!(
        refused("canaries = 0"),
        "canaries must be at least 1: somebody has to go first"
    );
}

#[test]
fn rollouts_of_earlier_versions_are_still_read() {
    let old = r#"{"canaries":2,"bake":"2m","max_failed":1,"max_silent":0}"#;
    let read: Strategy = serde_json::from_str(old).unwrap();
    let default = Strategy::default();
    assert_eq!(
        read,
        Strategy {
            waves: vec![WaveSize::Count(2), WaveSize::ALL],
            bake: Interval::from_secs(120),
            failed: Gate {
                limit: Limit::count(1),
                ..default.failed
            },
            silent: Gate {
                limit: Limit::count(0),
                ..default.silent
            },
            ..default
        }
    );
    // Written again, it has the new names and is the same.
    let json = serde_json::to_string(&read).unwrap();
    assert!(
        !json.contains("max_") && !json.contains("canaries"),
        "{json}"
    );
    survives(&read);
}

#[test]
fn a_rollout_of_an_earlier_version_is_read_as_it_was() {
    // Its waves had no number of hosts that were let go: whoever was in an open wave was.
    let old = r#"{"id":7,"package":"lockstep","version":"2.0.0","from":"1.0.0","channel":"stable",
        "strategy":{"canaries":1,"bake":"2m","max_failed":0,"max_silent":0},"state":"running","why":"waits",
        "waves":[{"hosts":["a"],"state":"open","opened_at":"2026-01-01T00:00:00Z","proven_at":null},
                 {"hosts":["b","c"],"state":"waiting","opened_at":null,"proven_at":null}],
        "created_at":"2026-01-01T00:00:00Z"}"#;
    let rollout: crate::Rollout = serde_json::from_str(old).unwrap();
    let seats: Vec<(usize, usize)> = rollout
        .waves
        .iter()
        .map(|wave| (wave.split().0.len(), wave.split().1.len()))
        .collect();
    assert_eq!(seats, [(1, 0), (0, 2)]);
    assert_eq!((rollout.urgent, rollout.waves[0].looks), (false, 0));
    let json = serde_json::to_string(&rollout).unwrap();
    assert_eq!(
        serde_json::from_str::<crate::Rollout>(&json).unwrap(),
        rollout
    );
}

#[test]
fn waves_must_make_sense() {
    let grow =
        "the sizes of waves count all hosts so far and must grow: numbers first, then shares";
    for (waves, words) in [
        (
            "[]",
            "waves has 1 to 32 sizes, such as [\"1\", \"10%\", \"100%\"]",
        ),
        ("[\"1\", \"50%\"]", "the last wave must be \"100%\""),
        ("[\"5\"]", "the last wave must be \"100%\""),
        ("[\"5\", \"5\", \"100%\"]", grow),
        ("[\"5\", \"3\", \"100%\"]", grow),
        ("[\"10%\", \"5%\", \"100%\"]", grow),
        ("[\"10%\", \"20\", \"100%\"]", grow),
        ("[\"100%\", \"100%\"]", grow),
    ] {
        assert_eq!(refused(&format!("waves = {waves}")), words, "{waves}");
    }
    let many: Vec<String> = (1..=32).map(|n| format!("\"{n}\"")).collect();
    let too_many = format!("waves = [{}, \"100%\"]", many.join(", "));
    assert!(refused(&too_many).starts_with("waves has 1 to 32 sizes"));
    let just_enough = format!("waves = [{}, \"100%\"]", many[..31].join(", "));
    assert_eq!(read(&just_enough).waves.len(), 32);
    assert!(refused("waves = [\"0\", \"100%\"]").contains("is not the size of a wave"));
}

#[test]
fn other_mistakes_say_what_is_expected() {
    for (text, words) in [
        ("bake = \"31d\"", "a bake time is at most 30d"),
        ("urgent_bake = \"31d\"", "a bake time is at most 30d"),
        ("domain = \"\"", "domain names a label, with 1 to 64 bytes"),
        ("site = \"\"", "site names a label, with 1 to 64 bytes"),
        (
            "site_bytes = \"5MB\"",
            "site_bytes needs site: the label that says where a host is",
        ),
        (
            "site = \"s\"\nsite_bytes = \"5s\"",
            "a number of bytes is expected, such as \"500MB\"",
        ),
        (
            "site = \"s\"\nsite_bytes = 0",
            "site_bytes must be more than 0",
        ),
        (
            "site = \"s\"\nsite_bytes = \"0.2 B\"",
            "a number of bytes is expected, such as \"500MB\"",
        ),
        (
            "compare = \"sometimes\"",
            "compare is \"off\" or a chance such as \"1%\"",
        ),
        (
            "compare = \"0%\"",
            "the chance of a false stop lies between 0.001% and 50%; \"off\" switches it off",
        ),
        ("compare = \"51%\"", "lies between 0.001% and 50%"),
        ("hours = \"Sat 2-5\"", "is not a stretch of hours"),
        ("zone = \"Mars/Olympus\"", "Mars/Olympus"),
        ("blackouts = [\"easter\"]", "is not a blackout"),
        ("spread = \"6h\"", "is not a curve"),
        ("failed = \"many\"", "is not a limit"),
        ("fit = \"0\"", "is not the size of a wave"),
        ("on_failed = \"stop\"", "unknown variant `stop`"),
        ("late = \"never\"", "unknown variant `never`"),
        ("canary = 1", "unknown field `canary`"),
        ("failed = 1\nmax_failed = 1", "duplicate field"),
    ] {
        let error = refused(text);
        assert!(error.contains(words), "{text}: {error}");
    }
    let long = "x".repeat(65);
    assert!(refused(&format!("domain = {long:?}")).contains("1 to 64 bytes"));
}

#[test]
fn then_is_written_as_it_is_read() {
    for then in Then::ALL {
        assert_eq!(read(&format!("on_failed = \"{then}\"")).failed.then, then);
    }
}

#[test]
fn health_is_worse_where_an_item_is() {
    let health = |silent, ailing: &[(&str, crate::Level)]| crate::Health {
        silent,
        ailing: ailing
            .iter()
            .map(|(item, level)| (crate::ItemName::parse(item).unwrap(), *level))
            .collect(),
    };
    let (sick, critical) = (crate::Level::SICK, crate::Level::CRITICAL);
    let well = health(false, &[]);
    assert!(well.is_fit() && !well.is_worse_than(&well));
    assert!(!health(true, &[]).is_fit());
    assert!(health(true, &[]).is_worse_than(&well));
    assert!(!health(true, &[]).is_worse_than(&health(true, &[])));
    assert!(!well.is_worse_than(&health(true, &[])));
    let disk = health(false, &[("disk", sick)]);
    assert!(!disk.is_fit() && disk.is_worse_than(&well) && !disk.is_worse_than(&disk));
    assert!(health(false, &[("disk", critical)]).is_worse_than(&disk));
    assert!(!disk.is_worse_than(&health(false, &[("disk", critical), ("load", sick)])));
    assert!(health(false, &[("disk", sick), ("load", sick)]).is_worse_than(&disk));
}

proptest! {
    #[test]
    fn sizes_come_to_all_hosts(counts in proptest::collection::btree_set(1u32..50, 0..5),
                               shares in proptest::collection::btree_set(1u32..100, 0..5),
                               hosts in 0usize..500) {
        let mut waves: Vec<WaveSize> = counts.into_iter().map(WaveSize::Count).collect();
        waves.extend(shares.into_iter().map(WaveSize::share));
        waves.push(WaveSize::ALL);
        let strategy = Strategy { waves, ..Strategy::default() };
        survives(&strategy);
        let sizes = strategy.sizes(hosts);
        prop_assert_eq!(sizes.iter().sum::<usize>(), hosts);
        prop_assert!(sizes.iter().all(|&size| size > 0));
        prop_assert!(sizes.len() <= strategy.waves.len());
        // The first ones are what the strategy says.
        if let Some(first) = sizes.first() {
            prop_assert_eq!(*first, strategy.waves[0].of(hosts));
        }
    }

    #[test]
    fn any_bytes_survive(bytes in 1u64..u64::MAX) {
        // What the command line and the store write is a bare number.
        let strategy = Strategy { site: Some("site".into()), site_bytes: Some(bytes), ..Strategy::default() };
        let json = serde_json::to_string(&strategy).unwrap();
        prop_assert_eq!(serde_json::from_str::<Strategy>(&json).unwrap(), strategy);
    }
}
