//! How far a bad release can get: ten thousand random rollouts over fleets that do whatever fleets do, decided by
//! deciders that crash, sleep, repeat themselves and come too late, with persons who meddle.
//!
//! Each world comes from a number, which is printed when one breaks a promise; [`ONE`] runs it alone.

use std::collections::BTreeMap;

use lockstep_model::{
    Baseline, ChannelName, PackageName, Rollout, RolloutId, RolloutState, Version,
};

use self::agent::Agent;
use self::dice::Dice;
use self::promises::Promises;
use super::*;
use jiff::{SignedDuration, Timestamp};

mod agent;
mod dice;
mod promises;

/// So many worlds.
const WORLDS: u64 = 10_000;

/// The environment variable that names one world by its number, to look at it alone.
const ONE: &str = "LOCKSTEP_WORLD";

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn planned(
    id: u64,
    new: &str,
    from: Option<Version>,
    strategy: lockstep_model::Strategy,
) -> Rollout {
    Rollout {
        id: RolloutId(id),
        package: PackageName::lockstep(),
        version: version(new),
        from,
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

/// What the server has stored.
struct Store {
    rollout: Rollout,
    baselines: Vec<Baseline>,
    /// Counts what was stored. Who decides from an older one is refused.
    revision: u64,
}

impl Store {
    fn put(&mut self, rollout: Rollout, more: Vec<Baseline>) {
        self.rollout = rollout;
        self.baselines.extend(more);
        self.revision += 1;
    }

    /// The server starts anew, and knows what it wrote down.
    fn restart(&mut self) {
        let rollout = serde_json::to_string(&self.rollout).unwrap();
        let baselines = serde_json::to_string(&self.baselines).unwrap();
        let read: Rollout = serde_json::from_str(&rollout).unwrap();
        assert_eq!(read, self.rollout, "it is read as it was written");
        self.rollout = read;
        self.baselines = serde_json::from_str(&baselines).unwrap();
    }
}

/// What a decider read some time ago.
struct Stale {
    rollout: Rollout,
    facts: Vec<HostFacts>,
    revision: u64,
}

/// That a host shall be left out, decided from what was read when the person asked for it.
struct Word {
    known: HostFacts,
    rollout: Rollout,
    revision: u64,
}

struct World {
    dice: Dice,
    agents: Vec<Agent>,
    store: Store,
    older: Vec<Ordered>,
    now: Timestamp,
    round: usize,
    stale: Option<Stale>,
    /// A host that a person leaves out, from the request on until it is stored.
    word: Option<Word>,
    /// Seconds of a round, about.
    pace: u64,
    promises: Promises,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = dice.fleet();
        let pace = *dice.pick(&[5, 60, 3600]);
        let strategy = dice.strategy(pace, count);
        let from = (!dice.one_in(10)).then(|| version("1.0.0"));
        let agents = (0..count).map(|n| Agent::new(n, &mut dice)).collect();
        let store = Store {
            rollout: planned(3, "2.0.0", from, strategy),
            baselines: Vec::new(),
            revision: 0,
        };
        Self {
            dice,
            agents,
            store,
            older: Vec::new(),
            now: at(0),
            round: 0,
            stale: None,
            word: None,
            pace,
            promises: Promises::default(),
        }
    }

    /// What the server knows, by the last report of each host.
    fn facts(&self) -> Vec<HostFacts> {
        let Store {
            rollout, baselines, ..
        } = &self.store;
        let before = before(baselines, rollout);
        let members = self.agents.iter().filter(|it| it.is_member(self.round));
        let facts = members.map(|it| it.facts(self.round, rollout, before.get(&it.name).cloned()));
        facts.collect()
    }

    fn play(&mut self, rounds: usize) {
        for round in 0..rounds {
            self.round = round;
            let seconds = 1 + self.dice.below(2 * self.pace);
            self.now = self
                .now
                .checked_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap()))
                .unwrap();
            self.agents_act();
            self.person_speaks();
            self.decide();
            if self.dice.one_in(80) {
                self.supersede();
            }
            if self.dice.one_in(20) {
                self.store.restart();
            }
            let rollout = &self.store.rollout;
            self.promises
                .radius(rollout, &self.agents, &self.older, round, self.now);
        }
    }

    fn agents_act(&mut self) {
        let suspect = self.dice.one_in(40);
        let rollout = self.store.rollout.clone();
        let mut rollouts = vec![Ordered::new(rollout, suspect)];
        rollouts.extend(self.older.iter().cloned());
        for agent in &mut self.agents {
            agent.live(self.round, &mut self.dice);
            if agent.reports(self.round, &mut self.dice) {
                let order = agent.ask(self.round, &rollouts, self.now);
                self.promises
                    .order(agent, &rollouts, order.as_ref(), self.round, self.now);
                if let Some(order) = order {
                    agent.obey(&order, &mut self.dice);
                }
            }
        }
    }

    fn person_speaks(&mut self) {
        self.word_arrives();
        if !self.dice.one_in(25) {
            return;
        }
        let rollout = self.store.rollout.clone();
        let said = match self.dice.below(11) {
            0 => halt(&rollout, "ann"),
            1 => rollback(&rollout, "ann"),
            2 | 3 => skip_wave(&rollout, "ann"),
            4 | 5 => pause(&rollout, "ann"),
            6..9 => match self.skip_or_take_back(&rollout) {
                Some(said) => said,
                None => return,
            },
            _ => resume(&rollout, "ann"),
        };
        if let Ok(step) = said {
            self.promises.command(&rollout, &step);
            self.store.put(step.rollout, step.baselines);
        }
    }

    /// Leaves some host out, or takes it in again if it is left out. None if it takes time until that is stored.
    fn skip_or_take_back(&mut self, rollout: &Rollout) -> Option<Result<Step, Refused>> {
        let host = self.dice.pick(&self.agents).name.clone();
        if rollout.skipped.contains_key(&host) {
            return Some(take_back(rollout, &host, "ann", rollout.id));
        }
        let facts = self.facts();
        let known = facts.iter().find(|it| it.name == host);
        if let Some(known) = known
            && self.dice.one_in(3)
        {
            // Hosts report before it is stored.
            self.word = Some(Word {
                known: known.clone(),
                rollout: rollout.clone(),
                revision: self.store.revision,
            });
            return None;
        }
        let said = skip_host(rollout, &host, known, "ann", "its disk", self.now);
        if let (Some(known), true) = (known, said.is_ok()) {
            self.promises.left_out(known);
        }
        Some(said)
    }

    /// What a person asked for is stored, if nothing else was stored meanwhile.
    fn word_arrives(&mut self) {
        let Some(word) = self.word.take() else { return };
        if word.revision != self.store.revision {
            return;
        }
        let known = Some(&word.known);
        let said = skip_host(
            &word.rollout,
            &word.known.name,
            known,
            "ann",
            "its disk",
            self.now,
        );
        if let Ok(step) = said {
            self.promises.command(&word.rollout, &step);
            self.store.put(step.rollout, step.baselines);
        }
    }

    fn decide(&mut self) {
        let facts = self.facts();
        let rollout = self.store.rollout.clone();
        let suspect = self.dice.one_in(15).then_some("another one says so");
        let decider = self.dice.below(12);
        if decider == 0 {
            // Asleep.
            return;
        }
        if decider == 1 {
            // It reads, and goes to sleep with what it has read.
            self.stale = Some(Stale {
                rollout,
                facts,
                revision: self.store.revision,
            });
            return;
        }
        if decider == 2 {
            // The one that slept wakes up, decides, and its step is refused if anything was stored since.
            let Some(stale) = self.stale.take() else {
                return;
            };
            let step = tick(&stale.rollout, &stale.facts, None, self.now);
            if let Some(step) = step
                && stale.revision == self.store.revision
            {
                let agents = (&self.agents[..], self.round);
                self.promises
                    .step(&stale.rollout, &step, &stale.facts, agents, self.now);
                self.store.put(step.rollout, step.baselines);
            }
            return;
        }
        let Some(step) = tick(&rollout, &facts, suspect, self.now) else {
            return;
        };
        if decider == 3 {
            // It crashes before anything is stored.
            return;
        }
        let agents = (&self.agents[..], self.round);
        self.promises
            .step(&rollout, &step, &facts, agents, self.now);
        self.store.put(step.rollout, step.baselines);
        assert_eq!(
            tick(&self.store.rollout, &self.facts(), suspect, self.now),
            None,
            "the same facts changed something twice"
        );
    }

    /// Another version is promoted: what is under way is cut short.
    fn supersede(&mut self) {
        let mut last = self.store.rollout.clone();
        if !self.older.is_empty() {
            return;
        }
        let from = match last.state {
            RolloutState::Done => Some(last.version.clone()),
            _ => last.from.clone(),
        };
        if !last.state.is_over() {
            last.state = RolloutState::Cancelled;
        }
        let count = self.agents.len();
        let strategy = self.dice.strategy(self.pace, count);
        let newer = planned(last.id.0 + 1, "3.0.0", from, strategy);
        self.older = vec![Ordered::new(last, false)];
        self.store.baselines.clear();
        self.store.put(newer, Vec::new());
        self.promises = Promises::default();
    }
}

/// Runs each world, in two threads, and names the one that breaks a promise. Returns how many ended in which way.
fn each_world<T: Ord + Send>(worlds: u64, run: fn(u64) -> T) -> BTreeMap<T, u64> {
    if let Ok(one) = std::env::var(ONE) {
        run(one.parse().unwrap());
        return BTreeMap::new();
    }
    let half = |rest: u64| {
        let mut ends = BTreeMap::new();
        for seed in (0..worlds).filter(|seed| seed % 2 == rest) {
            let Ok(end) = std::panic::catch_unwind(|| run(seed)) else {
                panic!("world {seed} breaks a promise; {ONE}={seed} runs it alone");
            };
            *ends.entry(end).or_default() += 1;
        }
        ends
    };
    std::thread::scope(|scope| {
        let both = [0, 1].map(|rest| scope.spawn(move || half(rest)));
        let [mut ends, others] = both.map(|thread| thread.join().expect("see above"));
        for (end, count) in others {
            *ends.entry(end).or_default() += count;
        }
        ends
    })
}

#[test]
fn no_release_gets_further_than_it_may() {
    let ends = each_world(WORLDS, |seed| {
        let mut world = World::new(seed);
        let rounds = 10 + usize::try_from(world.dice.below(60)).unwrap();
        world.play(rounds);
        world.store.rollout.state.as_str()
    });
    // They are worth their name only if all that can happen does.
    for state in [
        "running",
        "holding",
        "halted",
        "rolling-back",
        "done",
        "cancelled",
    ] {
        let seen = ends.get(state).copied().unwrap_or_default();
        assert!(ends.is_empty() || seen >= WORLDS / 100, "{ends:?}");
    }
}

/// A fleet in which all is well, at one round a minute; how many rounds it may take at most comes from the strategy.
#[test]
fn a_healthy_fleet_is_done_in_time() {
    each_world(1000, |seed| {
        let mut world = World::new(seed);
        let mut rollout = world.store.rollout.clone();
        let pace = world.pace;
        let dice = &mut world.dice;
        let count = world.agents.len();
        rollout.strategy = dice.feasible(pace, count);
        for agent in &mut world.agents {
            agent.heal();
        }
        let bound = bound(&rollout, &world.agents, pace);
        let mut round = 0;
        while rollout.state != RolloutState::Done {
            assert!(
                round < bound,
                "not done after {bound} rounds: {}",
                rollout.why
            );
            world.round = round;
            world.now = at(i64::try_from(pace).unwrap() * i64::try_from(round).unwrap());
            let ordered = [Ordered::new(rollout.clone(), false)];
            for agent in &mut world.agents {
                agent.live(round, &mut world.dice);
                if let Some(order) = agent.ask(round, &ordered, world.now) {
                    agent.obey(&order, &mut world.dice);
                }
            }
            let facts: Vec<HostFacts> = world
                .agents
                .iter()
                .map(|it| it.facts(round, &rollout, None))
                .collect();
            if let Some(step) = tick(&rollout, &facts, None, world.now) {
                rollout = step.rollout;
            }
            round += 1;
        }
        assert!(world.agents.iter().all(|it| it.runs(&rollout.version)));
    });
}

/// Rounds that a rollout in a healthy fleet takes at most: for each wave its moments, its hosts one after the other,
/// and its bake time. Where the hours are half of the day, all but the watching may take twice as long, and each
/// beginning may wait for the next opening.
fn bound(rollout: &Rollout, agents: &[Agent], pace: u64) -> usize {
    let strategy = &rollout.strategy;
    let slowest = agents.iter().map(|it| it.slowness).max().unwrap_or(0);
    let rounds = |seconds: u64| usize::try_from(seconds.div_ceil(pace)).unwrap() + 1;
    let moments = match &strategy.spread {
        lockstep_model::Spread::Points(points) => points.last().unwrap().0.duration().as_secs(),
        _ => 0,
    };
    let bake = rounds(strategy.bake.duration().as_secs());
    let waves = strategy.sizes(agents.len());
    let one = |hosts: usize| rounds(moments) + hosts * (slowest + 4) + 4;
    let busy: usize = waves.iter().map(|&hosts| one(hosts)).sum();
    let watching = bake * waves.len();
    if strategy.windows.hours.is_none() {
        return busy + watching + 4;
    }
    2 * busy + watching + (waves.len() + 1) * rounds(dice::SHUT) + 4
}
