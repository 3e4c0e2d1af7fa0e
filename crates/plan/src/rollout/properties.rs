//! What holds whatever a fleet does: hosts that are slow, fail, fall silent, leave and join; a decider that crashes
//! before it could store its decision, is restarted, or looks twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use jiff::{SignedDuration, Timestamp};
use lockstep_model::{
    ChannelName, Gate, Health, HostName, Interval, Limit, PackageName, Rollout, RolloutId,
    RolloutState, Strategy as Plan, Then, Version, Wave, WaveSize, WaveState,
};
use proptest::prelude::*;

use self::gate::check_gates;

mod gate;
mod skipped;

/// What a host does with the new version.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Proves,
    Fails,
    /// It proves the version, and it fails later on.
    FailsLater,
    /// It never begins.
    Idle,
}

#[derive(Debug, Clone)]
struct Host {
    fate: Fate,
    /// Reports until a run has ended.
    slowness: u8,
    /// From this round on it is not heard of, for so many rounds.
    silence: Option<(usize, usize)>,
    joins: usize,
    leaves: usize,
}

/// What the decider does in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Decider {
    Ticks,
    TicksTwice,
    /// It decides and crashes before anything is stored.
    CrashesBeforeStoring,
    Sleeps,
}

#[derive(Debug, Clone)]
struct World {
    hosts: Vec<Host>,
    plan: Plan,
    /// For each round: who decides, how many seconds it takes, and which hosts report (bit by bit).
    rounds: Vec<(Decider, u16, u32)>,
}

fn host() -> impl Strategy<Value = Host> {
    let fate = prop_oneof![
        6 => Just(Fate::Proves), 1 => Just(Fate::Fails), 1 => Just(Fate::FailsLater), 1 => Just(Fate::Idle)
    ];
    let silence = proptest::option::weighted(0.2, (0usize..60, 1usize..30));
    let joins = prop_oneof![8 => Just(0usize), 1 => 1usize..40];
    let leaves = prop_oneof![8 => Just(usize::MAX), 1 => 1usize..60];
    (fate, 0u8..4, silence, joins, leaves).prop_map(|(fate, slowness, silence, joins, leaves)| {
        Host {
            fate,
            slowness,
            silence,
            joins,
            leaves,
        }
    })
}

fn world() -> impl Strategy<Value = World> {
    let decider = prop_oneof![
        5 => Just(Decider::Ticks), 1 => Just(Decider::TicksTwice),
        1 => Just(Decider::CrashesBeforeStoring), 1 => Just(Decider::Sleeps),
    ];
    let plan = (1u32..4, 1u64..120, 0u32..3, 0u32..3)
        .prop_map(|(canaries, bake, failed, silent)| simple(canaries, bake, failed, silent));
    let rounds = proptest::collection::vec((decider, 1u16..60, any::<u32>()), 1..100);
    (proptest::collection::vec(host(), 0..12), plan, rounds).prop_map(|(hosts, plan, rounds)| {
        World {
            hosts,
            plan,
            rounds,
        }
    })
}

/// Two waves, and limits that are numbers.
fn simple(canaries: u32, bake: u64, failed: u32, silent: u32) -> Plan {
    let gate = |count, then| Gate {
        limit: Limit::count(count),
        then,
    };
    Plan {
        waves: vec![WaveSize::Count(canaries), WaveSize::ALL],
        bake: Interval::from_secs(bake),
        failed: gate(failed, Then::Halt),
        silent: gate(silent, Then::Hold),
        compare: None,
        ..Plan::default()
    }
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn planned(plan: &Plan) -> Rollout {
    Rollout {
        id: RolloutId(3),
        package: PackageName::lockstep(),
        version: version("2.0.0"),
        from: Some(version("1.0.0")),
        channel: ChannelName::stable(),
        strategy: plan.clone(),
        urgent: false,
        state: RolloutState::Planned,
        why: "planned".into(),
        paused_by: None,
        skipped: std::collections::BTreeMap::new(),
        waves: Vec::new(),
        created_at: at(0),
    }
}

fn order(host: &HostFacts, rollout: &Rollout) -> Option<Target> {
    let asker = Asker {
        name: &host.name,
        version: host.version.as_ref(),
        proven: host.proven,
        failed: host.failed,
        running: host.running,
    };
    // No window is ever shut here.
    desired_version(&asker, &[Ordered::new(rollout.clone(), false)], at(0))
}

/// A host as it really is, and an agent that does what agents do with orders.
#[derive(Debug)]
struct Agent {
    plan: Host,
    name: HostName,
    facts: HostFacts,
    generation: u64,
    left_to_do: u8,
    /// It has been ordered to run the new version at some time.
    was_let_go: bool,
}

impl Agent {
    fn new(index: usize, plan: &Host) -> Self {
        let name = HostName::parse(&format!("host{index}")).unwrap();
        let facts = HostFacts {
            name: name.clone(),
            version: Some(version("1.0.0")),
            proven: true,
            failed: false,
            running: false,
            kept: false,
            last_seen: None,
            health: Health::default(),
            before: None,
            labels: Arc::default(),
            bytes: 0,
        };
        Self {
            plan: plan.clone(),
            name,
            facts,
            generation: 0,
            left_to_do: 0,
            was_let_go: false,
        }
    }

    fn is_member(&self, round: usize) -> bool {
        (self.plan.joins..self.plan.leaves).contains(&round)
    }

    fn is_silent(&self, round: usize) -> bool {
        self.plan
            .silence
            .is_some_and(|(from, rounds)| (from..from + rounds).contains(&round))
    }

    /// Asks what to run, and does a step of it.
    fn report(&mut self, rollout: &Rollout, now: Timestamp) {
        self.facts.last_seen = Some(now);
        let Some(order) = order(&self.facts, rollout) else {
            return;
        };
        assert!(
            order.generation >= self.generation,
            "{} is given an order older than it has seen",
            self.name
        );
        self.generation = order.generation;
        let wants_new = order.version == rollout.version;
        self.was_let_go |= wants_new;
        assert!(
            !(wants_new && self.facts.failed),
            "{} is ordered what it failed",
            self.name
        );
        if self.facts.running {
            self.left_to_do = self.left_to_do.saturating_sub(1);
            if self.left_to_do == 0 {
                self.end_run(rollout);
            }
            return;
        }
        if self.facts.version.as_ref() == Some(&order.version) {
            if self.plan.fate == Fate::FailsLater && wants_new {
                self.plan.fate = Fate::Fails;
                self.end_run(rollout);
            }
            return;
        }
        if !wants_new {
            self.facts.version = Some(order.version);
            self.facts.proven = true;
            return;
        }
        if self.plan.fate != Fate::Idle {
            self.facts.running = true;
            self.facts.version = Some(order.version);
            self.facts.proven = false;
            self.left_to_do = self.plan.slowness;
        }
    }

    fn end_run(&mut self, rollout: &Rollout) {
        self.facts.running = false;
        self.facts.proven = true;
        if self.plan.fate == Fate::Fails {
            self.facts.failed = true;
            self.facts.version.clone_from(&rollout.from);
        }
    }
}

/// Runs a world and checks, round by round, what must hold. Returns the rollout at the end.
fn run(world: &World) -> Result<Rollout, TestCaseError> {
    let mut agents: Vec<Agent> = world
        .hosts
        .iter()
        .enumerate()
        .map(|(n, host)| Agent::new(n, host))
        .collect();
    let mut rollout = planned(&world.plan);
    let mut now = at(0);
    let mut let_go_at_halt: Option<BTreeSet<HostName>> = None;
    for (round, &(decider, seconds, reports)) in world.rounds.iter().enumerate() {
        now = now
            .checked_add(SignedDuration::from_secs(i64::from(seconds)))
            .unwrap();
        for (bit, agent) in agents.iter_mut().enumerate() {
            agent.facts.health.silent = agent.is_silent(round);
            if agent.is_member(round)
                && !agent.facts.health.silent
                && reports >> (bit % 32) & 1 == 1
            {
                agent.report(&rollout, now);
            }
        }
        let facts: Vec<HostFacts> = agents
            .iter()
            .filter(|agent| agent.is_member(round))
            .map(|agent| agent.facts.clone())
            .collect();
        let before = rollout.clone();
        match decider {
            Decider::Sleeps => {}
            Decider::CrashesBeforeStoring => {
                let _ = tick(&rollout, &facts, None, now);
            }
            Decider::Ticks | Decider::TicksTwice => {
                if let Some(step) = tick(&rollout, &facts, None, now) {
                    prop_assert_eq!(step.decisions.len(), step.reasons.len());
                    // It is stored, and the next decider reads it.
                    let stored = serde_json::to_string(&step.rollout).unwrap();
                    rollout = serde_json::from_str(&stored).unwrap();
                    prop_assert_eq!(&rollout, &step.rollout);
                }
                prop_assert_eq!(
                    tick(&rollout, &facts, None, now),
                    None,
                    "the same facts changed something twice"
                );
            }
        }
        check_gates(&rollout, &before, &facts, now)?;
        check_round(world, &rollout, &before, &agents, round)?;
        if rollout.state == RolloutState::Halted {
            let let_go: BTreeSet<_> = agents
                .iter()
                .filter(|agent| agent.was_let_go)
                .map(|agent| agent.name.clone())
                .collect();
            let at_halt = let_go_at_halt.get_or_insert_with(|| let_go.clone());
            prop_assert!(
                let_go.is_subset(at_halt),
                "a host was let go after the halt"
            );
        }
    }
    Ok(rollout)
}

fn check_round(
    world: &World,
    rollout: &Rollout,
    before: &Rollout,
    agents: &[Agent],
    round: usize,
) -> Result<(), TestCaseError> {
    prop_assert!(rollout.state.is_over() || !rollout.why.is_empty());
    prop_assert!(
        !before.state.is_over() || rollout == before,
        "a rollout that was over moved"
    );

    // Who is let go by the rollout as it stands: in the fleet, and ordered to run the new version.
    let members = || agents.iter().filter(|agent| agent.is_member(round));
    let ordered = |agent: &&Agent| {
        order(&agent.facts, rollout).is_some_and(|order| order.version == rollout.version)
    };
    let canaries = world.plan.waves[0].of(world.hosts.len());
    let proven = rollout
        .waves
        .first()
        .is_some_and(|wave| wave.state == WaveState::Proven);
    if !proven && rollout.state != RolloutState::Done {
        let now = members().filter(ordered).count();
        let ever = members().filter(|agent| agent.was_let_go).count();
        prop_assert!(
            now <= canaries && ever <= canaries,
            "{now} ordered, {ever} ever, {canaries} canaries"
        );
    }

    // Waves open in their order, one at a time, and nobody is in two of them or falls out.
    let states: Vec<_> = rollout.waves.iter().map(|wave| wave.state).collect();
    let waiting = states
        .iter()
        .position(|state| *state == WaveState::Waiting)
        .unwrap_or(states.len());
    prop_assert!(
        states[waiting..]
            .iter()
            .all(|state| *state == WaveState::Waiting),
        "{states:?}"
    );
    prop_assert!(
        states[..waiting.saturating_sub(1)]
            .iter()
            .all(|state| *state == WaveState::Proven),
        "{states:?}"
    );
    let mut drawn: Vec<_> = rollout
        .waves
        .iter()
        .flat_map(|wave| wave.hosts.clone())
        .collect();
    let count = drawn.len();
    drawn.sort();
    drawn.dedup();
    prop_assert_eq!(drawn.len(), count);
    if !before.waves.is_empty() {
        let mut earlier: Vec<_> = before
            .waves
            .iter()
            .flat_map(|wave| wave.hosts.clone())
            .collect();
        earlier.sort();
        prop_assert_eq!(drawn, earlier);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_fleet_breaks_a_promise(world in world()) {
        run(&world)?;
    }

    #[test]
    fn a_healthy_fleet_ends_done(mut world in world()) {
        for host in &mut world.hosts {
            *host = Host { fate: Fate::Proves, silence: None, joins: 0, leaves: usize::MAX, ..host.clone() };
        }
        // Everybody reports and the decider looks. A wave takes a round to open, one to be ordered, as many as its
        // slowest host, one to be seen proven, and its bake time.
        let slowest = world.hosts.iter().map(|host| usize::from(host.slowness)).max().unwrap_or(0);
        let bake = usize::try_from(world.plan.bake.duration().as_secs()).unwrap();
        world.rounds = vec![(Decider::Ticks, 1, u32::MAX); 2 * (slowest + bake + 5)];
        let rollout = run(&world)?;
        prop_assert_eq!(rollout.state, RolloutState::Done, "{}", rollout.why);
    }

    #[test]
    fn any_number_of_waves_goes_one_by_one(sizes in proptest::collection::vec(1usize..4, 1..6), seed: u32) {
        let mut rollout = planned(&Plan { bake: Interval::from_secs(30), ..Plan::default() });
        let mut names = (0..).map(|n| HostName::parse(&format!("host{n}")).unwrap());
        rollout.waves = sizes.iter().map(|&size| Wave::waiting(names.by_ref().take(size).collect())).collect();
        let plan = |n: usize| Host {
            fate: Fate::Proves,
            slowness: u8::try_from((seed >> n) & 1).unwrap(),
            silence: None, joins: 0, leaves: usize::MAX,
        };
        let hosts = sizes.iter().sum();
        let mut agents: Vec<Agent> = (0..hosts).map(|n| Agent::new(n, &plan(n))).collect();
        let mut opened = Vec::new();
        for second in 0..60 * i64::try_from(sizes.len()).unwrap() {
            for agent in &mut agents {
                agent.report(&rollout, at(second));
            }
            let facts: Vec<_> = agents.iter().map(|agent| agent.facts.clone()).collect();
            let Some(step) = tick(&rollout, &facts, None, at(second)) else { continue };
            rollout = step.rollout;
            for reason in step.reasons {
                if let Decision::Opened { wave, .. } = reason {
                    opened.push((wave.number, second));
                }
            }
        }
        prop_assert_eq!(rollout.state, RolloutState::Done, "{}", rollout.why);
        let order: Vec<_> = opened.iter().map(|(wave, _)| *wave).collect();
        prop_assert_eq!(order, (1..=sizes.len()).collect::<Vec<_>>());
        prop_assert!(opened.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 30), "{:?}", opened);
    }

    #[test]
    fn a_person_cannot_let_anybody_go_after_a_halt(world in world(), commands in proptest::collection::vec(0u8..5, 1..6)) {
        let mut rollout = run(&world)?;
        if rollout.state != RolloutState::Halted {
            let Ok(step) = halt(&rollout, "ann") else { return Ok(()) };
            rollout = step.rollout;
        }
        let facts: Vec<HostFacts> = world.hosts.iter().enumerate().map(|(n, host)| Agent::new(n, host).facts).collect();
        for command in commands {
            let step = match command {
                0 => pause(&rollout, "ann"),
                1 => resume(&rollout, "ann"),
                2 => halt(&rollout, "ann"),
                3 => skip_wave(&rollout, "ann"),
                _ => rollback(&rollout, "ann"),
            };
            if let Ok(step) = step {
                rollout = step.rollout;
            }
            if let Some(step) = tick(&rollout, &facts, None, at(100_000)) {
                rollout = step.rollout;
            }
            // None of these hosts has proven the version, so none may run it.
            for host in &facts {
                let order = order(host, &rollout);
                prop_assert!(order.is_none_or(|order| order.version != rollout.version));
            }
        }
    }
}
