//! Each host has exactly one gate, and the gate agrees with what the host is ordered.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::{Kept, Updates};
use lockstep_model::{
    ChannelName, Follow, Health, HostName, Hours, Interval, ItemName, Late, Level, Limit,
    PackageName, Percent, Phase, Platform, Rollout, RolloutId, RolloutState, Spread,
    Strategy as Plan, Version, WaveSize, WaveState, Windows,
};
use proptest::prelude::*;

use super::*;
use crate::rollout::{
    halt, next_hop, pause, resume, rollback, skip_host, skip_wave, take_back, tick,
};

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn host(host: &str) -> HostFacts {
    HostFacts {
        name: name(host),
        version: Some(version("1.0.0")),
        proven: true,
        failed: false,
        running: false,
        kept: false,
        last_seen: None,
        health: Health::default(),
        before: None,
        labels: Arc::default(),
        bytes: 1_000,
    }
}

fn proven(text: &str) -> HostFacts {
    HostFacts {
        version: Some(version("2.0.0")),
        ..host(text)
    }
}

fn planned(strategy: Plan) -> Rollout {
    Rollout {
        id: RolloutId(7),
        package: PackageName::lockstep(),
        version: version("2.0.0"),
        from: Some(version("1.0.0")),
        channel: ChannelName::stable(),
        strategy,
        urgent: false,
        state: RolloutState::Planned,
        why: "planned".into(),
        paused_by: None,
        skipped: std::collections::BTreeMap::new(),
        waves: Vec::new(),
        created_at: at(0),
    }
}

/// One host first, then two, then all; watched for a minute.
fn plan() -> Plan {
    Plan {
        waves: vec![WaveSize::Count(1), WaveSize::Count(3), WaveSize::ALL],
        bake: Interval::from_secs(60),
        compare: None,
        ..Plan::default()
    }
}

fn ticked(rollout: Rollout, facts: &[HostFacts], now: i64) -> Rollout {
    let step = tick(&rollout, facts, None, at(now));
    step.map_or(rollout, |step| step.rollout)
}

/// Everything that is asked with, in one place that can be changed.
struct World {
    follow: Option<Follow>,
    updates: Updates,
    listed: Vec<(Version, bool)>,
    rollouts: Vec<Ordered>,
    fleet: Vec<HostFacts>,
    run: Option<Underway>,
    kept: Option<Kept>,
    now: Timestamp,
}

impl World {
    fn new(rollout: Rollout, fleet: Vec<HostFacts>, now: i64) -> Self {
        Self {
            follow: Some(Follow::agent()),
            updates: Updates::On,
            listed: vec![(version("1.0.0"), true), (version("2.0.0"), true)],
            rollouts: vec![Ordered::new(rollout, false)],
            fleet,
            run: None,
            kept: None,
            now: at(now),
        }
    }

    fn ask(&self, host: &HostName) -> Explanation {
        let host = self.fleet.iter().find(|it| it.name == *host).unwrap();
        let platform = Platform::parse("linux-x86_64").unwrap();
        let listed: Vec<Listed<'_>> = self
            .listed
            .iter()
            .map(|(version, runs_here)| Listed {
                version,
                runs_here: *runs_here,
            })
            .collect();
        let target = self
            .follow
            .as_ref()
            .and_then(|follow| wanted(follow, &self.rollouts, host, self.now));
        explain(&Asked {
            follow: self.follow.as_ref(),
            updates: self.updates,
            listed: &listed,
            rollouts: &self.rollouts,
            suspect: Some("rollout 6: 3 of 4 hosts failed"),
            host,
            fleet: &self.fleet,
            platform: Some(&platform),
            failure: Some("no-check-in"),
            run: self.run.clone(),
            kept: self.kept.as_ref(),
            last_seen: Some(at(5)),
            next_report: Some(at(305)),
            hop: target.map(|target| next_hop(host.version.as_ref(), &target, &[])),
            now: self.now,
        })
    }

    #[track_caller]
    fn says(&self, host: &str, code: &str, words: &str) {
        let said = self.ask(&name(host));
        assert_eq!(
            (said.gate.code(), said.gate.to_string().as_str()),
            (code, words)
        );
    }
}

/// Four hosts in three waves, of which the first has just been opened; the waves' hosts in their order.
fn begun(strategy: Plan) -> (Rollout, Vec<HostFacts>, Vec<String>) {
    let fleet: Vec<HostFacts> = ["a", "b", "c", "d"].map(host).to_vec();
    let rollout = ticked(planned(strategy), &fleet, 10);
    let order = rollout.waves.iter().flat_map(|wave| &wave.hosts);
    let order = order.map(ToString::to_string).collect();
    (rollout, fleet, order)
}

#[test]
fn what_the_fleet_file_and_the_list_say_goes_first() {
    let (rollout, fleet, hosts) = begun(plan());
    let mut world = World::new(rollout, fleet, 10);
    let first = hosts[0].as_str();
    world.says(
        first,
        "told",
        "it is let go and told 2.0.0 with its next report, by 1970-01-01T00:05:05Z",
    );
    world.updates = Updates::Off;
    world.says(
        first,
        "updates-off",
        "updates are switched off on the server",
    );
    world.listed[1].1 = false;
    world.says(first, "no-release", "there is no 2.0.0 for linux-x86_64");
    world.listed.truncate(1);
    world.says(first, "withdrawn", "2.0.0 was withdrawn");
    world.follow.as_mut().unwrap().pin = Some(version("1.0.0"));
    world.says(first, "pinned", "it is held at 1.0.0 by the fleet file");
    world.follow.as_mut().unwrap().pin = None;
    world.rollouts.clear();
    world.says(first, "nothing-promoted", "nothing is promoted to stable");
    world.follow = None;
    world.says(
        first,
        "not-followed",
        "it follows no channel of the package",
    );
}

#[test]
fn a_host_that_is_held_elsewhere_goes_there_and_stays() {
    let (rollout, fleet, hosts) = begun(plan());
    let mut world = World::new(rollout, fleet, 10);
    let last = hosts[3].as_str();
    world.follow.as_mut().unwrap().pin = Some(version("2.0.0"));
    let said = world.ask(&name(last));
    assert_eq!(
        (said.wanted, said.gate.code()),
        (Some(version("2.0.0")), "told")
    );
    world.fleet = world
        .fleet
        .iter()
        .map(|it| proven(it.name.as_str()))
        .collect();
    world.says(last, "none", "it runs 2.0.0, proven");
}

#[test]
fn waves_come_one_after_the_other() {
    let (rollout, fleet, hosts) = begun(plan());
    let [first, second, .., last] = &hosts[..] else {
        panic!("four hosts");
    };
    let world = World::new(rollout.clone(), fleet.clone(), 10);
    let waits =
        "it is in wave 2 of 3, and wave 1 of 3 comes first: 0 of its 1 hosts have proven it";
    world.says(second, "wave", waits);

    let mut fleet = fleet;
    for host in &mut fleet {
        if host.name == name(first) {
            *host = proven(first);
        }
    }
    let rollout = ticked(rollout, &fleet, 20);
    let world = World::new(rollout.clone(), fleet.clone(), 20);
    let baked = "and wave 1 of 3 is proven and watched until 1970-01-01T00:01:20Z";
    world.says(second, "wave", &format!("it is in wave 2 of 3, {baked}"));
    assert_eq!(world.ask(&name(second)).opens, Some(at(80)));
    world.says(last, "wave", &format!("it is in wave 3 of 3, {baked}"));
    assert_eq!(world.ask(&name(last)).opens, None, "it is not the next one");
    world.says(first, "none", "it runs 2.0.0, proven");

    let world = World::new(rollout.clone(), fleet.clone(), 90);
    let next = "it is in wave 2 of 3, which opens at the server's next look";
    world.says(second, "wave", next);
    let waits =
        "it is in wave 3 of 3, and wave 2 of 3 comes first: 0 of its 2 hosts have proven it";
    world.says(last, "wave", waits);

    let mut held = rollout.clone();
    held.strategy.windows = Windows {
        hours: Some(Hours::parse("02:00-05:00", "UTC").unwrap()),
        ..Windows::default()
    };
    let world = World::new(held, fleet, 90);
    let shut =
        "it is in wave 2 of 3, which waits for its hours: the window opens at 1970-01-01T02:00:00Z";
    world.says(second, "wave", shut);
}

#[test]
fn within_a_wave_hosts_wait_for_their_moment_and_for_limits() {
    let all_at_once = Plan {
        waves: vec![WaveSize::ALL],
        in_flight: Some(Limit::count(2)),
        ..plan()
    };
    let (rollout, fleet, _) = begun(all_at_once.clone());
    let waits = rollout.waves[0].split().1[0].to_string();
    let world = World::new(rollout, fleet.clone(), 10);
    let words = "it is in wave 1 of 1, which is open, and has not been let go: at most 2 are in flight at once";
    world.says(&waits, "in-flight", words);

    let spread = Plan {
        spread: Spread::Points(vec![(Interval::from_secs(3_600), 100)]),
        in_flight: None,
        ..all_at_once.clone()
    };
    let (rollout, fleet, _) = begun(spread);
    let waits = rollout.waves[0].split().1[0].clone();
    let world = World::new(rollout, fleet, 10);
    let said = world.ask(&waits);
    assert_eq!(said.gate.code(), "moment");
    assert!(
        said.opens
            .is_some_and(|opens| opens > at(10) && opens < at(3_700))
    );

    let fit = Plan {
        fit: Some(WaveSize::Count(3)),
        in_flight: None,
        ..all_at_once
    };
    let (rollout, fleet, _) = begun(fit);
    let waits = rollout.waves[0].split().1[0].to_string();
    let world = World::new(rollout, fleet, 10);
    let words = "it is in wave 1 of 1, which is open, and has not been let go: 3 of 4 hosts must stay fit and at rest";
    world.says(&waits, "fit", words);
}

#[test]
fn what_people_and_gates_say_holds_those_that_wait() {
    let (rollout, fleet, hosts) = begun(plan());
    let (first, last) = (hosts[0].as_str(), hosts[3].as_str());
    let paused = pause(&rollout, "ann").unwrap().rollout;
    let mut world = World::new(paused, fleet, 10);
    world.says(last, "paused", "rollout 7 is paused by ann");
    assert_eq!(
        world.ask(&name(first)).gate.code(),
        "told",
        "it was let go before"
    );

    let halted = halt(&rollout, "ann").unwrap().rollout;
    world.rollouts = vec![Ordered::new(halted, false)];
    world.says(first, "halted", "rollout 7 was halted: halted by ann");
    world.says(last, "halted", "rollout 7 was halted: halted by ann");

    let mut back = rollout.clone();
    back.state = RolloutState::RollingBack;
    back.why = "ann ordered all hosts back to 1.0.0".into();
    world.rollouts = vec![Ordered::new(back, false)];
    world.says(last, "none", "it runs 1.0.0, proven");
    for host in &mut world.fleet {
        *host = proven(host.name.as_str());
    }
    let words = "rollout 7 sends it back to 1.0.0: ann ordered all hosts back to 1.0.0";
    world.says(first, "rolling-back", words);
}

#[test]
fn what_the_host_says_is_told_in_its_words() {
    let (rollout, fleet, hosts) = begun(plan());
    let first = hosts[0].as_str();
    let mut world = World::new(rollout, fleet, 10);
    let place = world
        .fleet
        .iter()
        .position(|it| it.name == name(first))
        .unwrap();

    world.kept = Some(Kept {
        package: PackageName::lockstep(),
        version: version("2.0.0"),
        code: "downloads".into(),
        words: "the server has no place for a download".into(),
        until: Some(at(60)),
    });
    let words = "the host keeps it as it is: the server has no place for a download; it looks again at 1970-01-01T00:01:00Z";
    world.says(first, "kept", words);
    world.kept.as_mut().unwrap().version = version("1.5.0");
    assert_eq!(
        world.ask(&name(first)).gate.code(),
        "told",
        "it spoke of another order"
    );

    world.fleet[place].kept = true;
    let words = "the host keeps it as it is: updates are switched off there";
    world.says(first, "kept", words);
    world.fleet[place].kept = false;

    world.fleet[place].running = true;
    world.run = Some(Underway {
        to: Some((&version("2.0.0")).into()),
        phase: Phase::Apply,
        waits: None,
        since: Some(at(7)),
    });
    let words = "it is on its way to 2.0.0: phase apply since 1970-01-01T00:00:07Z";
    world.says(first, "on-its-way", words);

    world.fleet[place].health.silent = true;
    let words = "nothing has been heard of it since 1970-01-01T00:00:05Z";
    world.says(first, "silent", words);

    world.fleet[place].failed = true;
    let words = "it failed here by rollout 7: no-check-in; it is tried again by a new order";
    world.says(first, "failed", words);
}

#[test]
fn those_who_came_later_are_told_the_rule() {
    let (rollout, mut fleet, _) = begun(plan());
    fleet.push(host("e"));
    let mut world = World::new(rollout.clone(), fleet, 10);
    let words = "it joined while rollout 7 was under way, and gets the version when that is done (late = \"after\")";
    world.says("e", "late-joiner", words);
    let done = Rollout {
        state: RolloutState::Done,
        ..rollout
    };
    world.rollouts = vec![Ordered::new(done.clone(), false)];
    assert_eq!(world.ask(&name("e")).gate.code(), "told");
    world.rollouts = vec![Ordered::new(done, true)];
    let words = "the version is suspect: rollout 6: 3 of 4 hosts failed";
    world.says("e", "suspect", words);
}

#[test]
fn a_host_that_is_left_out_says_by_whom_and_why() {
    let (rollout, fleet, hosts) = begun(plan());
    let first = hosts[0].as_str();
    let known = fleet.iter().find(|it| it.name == name(first));
    let step = skip_host(&rollout, &name(first), known, "ann", "its disk", at(9)).unwrap();
    let mut world = World::new(step.rollout.clone(), fleet.clone(), 10);
    world.says(first, "skipped", "ann left it out of rollout 7: its disk");
    // Once it is done as well.
    let done = Rollout {
        state: RolloutState::Done,
        ..step.rollout
    };
    world.rollouts = vec![Ordered::new(done, false)];
    world.says(first, "skipped", "ann left it out of rollout 7: its disk");
    // What it has begun it finishes.
    let place = fleet.iter().position(|it| it.name == name(first)).unwrap();
    world.fleet[place].running = true;
    assert_eq!(world.ask(&name(first)).gate.code(), "on-its-way");
}

/// What a host does, anew in each round.
fn facts(index: usize) -> impl Strategy<Value = HostFacts> {
    let state = 0u8..10;
    (
        state,
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
    )
        .prop_map(move |(state, silent, kept, ill)| {
            let mut facts = host(&format!("host{index}"));
            match state {
                0..3 => {}
                3 => facts.failed = true,
                4 => facts.running = true,
                5 => facts.version = None,
                6 => {
                    facts.version = Some(version("2.0.0"));
                    facts.proven = false;
                }
                _ => facts.version = Some(version("2.0.0")),
            }
            facts.kept = kept;
            facts.health.silent = silent;
            if ill {
                let item = ItemName::parse("load").unwrap();
                facts.health.ailing.push((item, Level::SICK));
            }
            facts
        })
}

fn strategies() -> impl Strategy<Value = Plan> {
    let late = prop_oneof![Just(Late::After), Just(Late::Join), Just(Late::AtOnce)];
    let hours = proptest::option::weighted(0.3, Just("00:00-00:20, 00:40-01:00"));
    (
        1u32..4,
        0u64..200,
        late,
        hours,
        proptest::option::of(1u32..4),
        proptest::option::of(1u32..6),
        proptest::option::of(1u64..600),
        0u32..3,
    )
        .prop_map(
            |(canaries, bake, late, hours, in_flight, fit, spread, failed)| Plan {
                waves: vec![
                    WaveSize::Count(canaries),
                    WaveSize::share(50),
                    WaveSize::ALL,
                ],
                bake: Interval::from_secs(bake),
                late,
                windows: Windows {
                    hours: hours.map(|hours| Hours::parse(hours, "UTC").unwrap()),
                    ..Windows::default()
                },
                in_flight: in_flight.map(Limit::count),
                fit: fit.map(WaveSize::Count),
                spread: spread.map_or(Spread::None, |secs| {
                    Spread::Points(vec![(Interval::from_secs(secs), 100)])
                }),
                failed: lockstep_model::Gate {
                    limit: Limit {
                        count: failed,
                        percent: Percent::new(50),
                    },
                    ..Plan::default().failed
                },
                ..Plan::default()
            },
        )
}

/// Commands of people, mostly none.
fn command(rollout: &Rollout, which: u8, fleet: &[HostFacts], now: Timestamp) -> Option<Rollout> {
    let step = match which {
        0 => pause(rollout, "ann"),
        1 => resume(rollout, "ann"),
        2 => skip_wave(rollout, "ann"),
        3 => halt(rollout, "ann"),
        4 => rollback(rollout, "ann"),
        5..13 => {
            let known = fleet.get(usize::from(which) - 5)?;
            match rollout.skipped.contains_key(&known.name) {
                true => take_back(rollout, &known.name, "ann", rollout.id),
                false => skip_host(rollout, &known.name, Some(known), "ann", "its disk", now),
            }
        }
        _ => return None,
    };
    step.ok().map(|step| step.rollout)
}

proptest! {
    #[test]
    fn each_host_has_exactly_one_gate(
        strategy in strategies(),
        rounds in proptest::collection::vec(
            (1i64..400, 0u8..40, proptest::array::uniform8(0usize..8).prop_flat_map(|seats| {
                let all: Vec<_> = seats.iter().enumerate().map(|(index, _)| facts(index)).collect();
                all
            })),
            1..15,
        ),
        joined in 4usize..8,
        pin in proptest::option::weighted(0.1, Just("1.0.0")),
        suspect in proptest::bool::weighted(0.1),
    ) {
        let mut rollout = planned(strategy);
        let mut now = at(0);
        for (round, (seconds, said, fleet)) in rounds.into_iter().enumerate() {
            now += SignedDuration::from_secs(seconds);
            let mut fleet = fleet;
            for host in fleet.iter_mut().filter(|it| !it.health.silent) {
                host.last_seen = Some(now);
            }
            if round == 0 {
                fleet.truncate(joined);
            }
            if let Some(next) = command(&rollout, said, &fleet, now) {
                rollout = next;
            }
            let wrong = suspect.then_some("it was found wanting");
            if let Some(step) = tick(&rollout, &fleet, wrong, now) {
                rollout = step.rollout;
            }
            let mut world = World::new(rollout.clone(), fleet, now.as_second());
            world.rollouts = vec![Ordered::new(rollout.clone(), suspect)];
            world.follow.as_mut().unwrap().pin = pin.map(version);
            for host in &world.fleet {
                check(&world, host)?;
            }
        }
    }
}

/// What must hold of one host, and that the machinery orders what the gate says.
fn check(world: &World, host: &HostFacts) -> Result<(), TestCaseError> {
    let said = world.ask(&host.name);
    let words = said.gate.to_string();
    let context = format!("{}: {words} ({:?})", host.name, said.gate);
    prop_assert!(
        !words.trim().is_empty() && !said.gate.code().is_empty(),
        "{}",
        context
    );
    let runs_it = said.wanted.as_ref().is_some_and(|it| host.has_proven(it));
    prop_assert_eq!(said.gate.is_none(), runs_it, "{}", &context);
    let code = said.gate.code();
    if matches!(code, "wave" | "moment" | "window" | "planned") {
        prop_assert!(
            said.opens.is_none_or(|opens| opens > world.now),
            "{}",
            context
        );
    }
    let pinned = world
        .follow
        .as_ref()
        .is_some_and(|follow| follow.pin.is_some());
    if pinned {
        return Ok(());
    }
    prop_assert!(
        code != "next-look",
        "the server has just looked: {}",
        context
    );
    let asker = Asker {
        name: &host.name,
        version: host.version.as_ref(),
        proven: host.proven,
        failed: host.failed,
        running: host.running,
    };
    let ordered = desired_version(&asker, &world.rollouts, world.now).map(|it| it.version);
    match code {
        "told" | "on-its-way" | "hop" | "rolling-back" => {
            prop_assert_eq!(ordered, said.wanted, "{}", context);
        }
        "wave" | "moment" | "window" | "in-flight" | "fit" | "site" | "planned" | "paused"
        | "holding" | "halted" | "late-joiner" | "failed" | "suspect" | "skipped" => {
            prop_assert_ne!(ordered, said.wanted, "{}", context);
        }
        _ => {}
    }
    let waits = world.rollouts[0].rollout.waves.iter();
    let waits = waits.filter(|wave| wave.state == WaveState::Waiting);
    if waits
        .flat_map(|wave| &wave.hosts)
        .any(|it| *it == host.name)
    {
        prop_assert!(
            !matches!(code, "told" | "in-flight" | "fit" | "moment"),
            "{}",
            context
        );
    }
    Ok(())
}
