//! A host as it really is, with an agent that does what agents do, and what the server knows of it.

use std::sync::Arc;

use super::*;
use lockstep_model::{Health, HostName, ItemName, Level};

/// What becomes of the host when it gets another version.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Proves,
    Fails,
    /// It proves the version, and it fails later on.
    FailsLater,
    /// It proves the version, and an item becomes sick.
    Sickens,
    /// It never begins.
    Idle,
}

#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) name: HostName,
    labels: Arc<Labels>,
    bytes: u64,
    fate: Fate,
    /// Rounds that a run takes.
    pub(super) slowness: usize,
    joins: usize,
    /// It is not in the fleet from one round to another one.
    away: (usize, usize),
    /// It cannot be heard from one round to another one.
    silence: (usize, usize),
    /// A person keeps it as it is from one round to another one.
    kept: (usize, usize),
    /// It reports in one of so many rounds.
    lazy: u64,
    is: State,
    /// As it last said itself, and when.
    said: (State, usize),
    /// When the server heard of it last. What it begins by the answer the server hears with the next report.
    last_seen: Option<Timestamp>,
    pub(super) seen: u64,
}

#[derive(Debug, Clone)]
struct State {
    version: Option<Version>,
    proven: bool,
    /// Versions that it failed, by the generation of the order.
    failed: Option<u64>,
    /// The version it came from, and rounds that are left.
    run: Option<(Option<Version>, usize)>,
    generation: u64,
    sick: [bool; 2],
    kept: bool,
}

impl Agent {
    pub(super) fn new(index: usize, dice: &mut Dice) -> Self {
        let fate = *dice.pick(&[
            Fate::Proves,
            Fate::Proves,
            Fate::Proves,
            Fate::Proves,
            Fate::Proves,
            Fate::Proves,
            Fate::Fails,
            Fate::FailsLater,
            Fate::Sickens,
            Fate::Idle,
        ]);
        let mut labels = Labels::new();
        for (key, values) in [
            ("rack", ["r1", "r2", "r3"]),
            ("site", ["north", "south", "west"]),
        ] {
            if !dice.one_in(5) {
                labels.insert(key.into(), (*dice.pick(&values)).into());
            }
        }
        let now_and_then = |dice: &mut Dice, times| {
            let from = usize::try_from(dice.below(50)).unwrap();
            let rounds = 1 + usize::try_from(dice.below(30)).unwrap();
            if dice.one_in(times) {
                (from, from + rounds)
            } else {
                (usize::MAX, usize::MAX)
            }
        };
        let state = State {
            version: (!dice.one_in(20)).then(|| version("1.0.0")),
            proven: true,
            failed: None,
            run: None,
            generation: 0,
            sick: [dice.one_in(10), false],
            kept: false,
        };
        Self {
            name: HostName::parse(&format!("host{index}")).unwrap(),
            labels: Arc::new(labels),
            bytes: dice.below(200),
            fate,
            slowness: usize::try_from(dice.below(4)).unwrap(),
            joins: if dice.one_in(8) {
                usize::try_from(dice.below(40)).unwrap()
            } else {
                0
            },
            away: now_and_then(dice, 10),
            silence: now_and_then(dice, 8),
            kept: now_and_then(dice, 12),
            lazy: *dice.pick(&[1, 1, 1, 2, 3]),
            said: (state.clone(), 0),
            last_seen: None,
            is: state,
            seen: 0,
        }
    }

    /// All is well with it, and it reports in each round.
    pub(super) fn heal(&mut self) {
        let never = (usize::MAX, usize::MAX);
        (self.fate, self.joins, self.lazy) = (Fate::Proves, 0, 1);
        (self.away, self.silence, self.kept) = (never, never, never);
        self.is.sick = [false; 2];
        self.said.0 = self.is.clone();
    }

    pub(super) fn is_member(&self, round: usize) -> bool {
        round >= self.joins && !(self.away.0..self.away.1).contains(&round)
    }

    /// It has been away: what it does it may have been ordered by a place that it has lost since.
    pub(super) fn was_away(&self, round: usize) -> bool {
        round >= self.away.0
    }

    pub(super) fn runs(&self, version: &Version) -> bool {
        self.is.version.as_ref() == Some(version)
    }

    /// It has begun, and not proven it.
    pub(super) fn runs_unproven(&self, version: &Version) -> bool {
        self.runs(version) && (!self.is.proven || self.is.run.is_some())
    }

    /// What happens on a host, whoever looks.
    pub(super) fn live(&mut self, round: usize, dice: &mut Dice) {
        self.is.kept = (self.kept.0..self.kept.1).contains(&round);
        if self.fate != Fate::Proves && dice.one_in(50) {
            self.is.sick[0] = !self.is.sick[0];
        }
        let Some((from, left)) = self.is.run.clone() else {
            let is_new = self.is.version != Some(version("1.0.0")) && self.is.proven;
            if is_new && self.fate == Fate::FailsLater && dice.one_in(6) {
                self.is.failed = Some(self.is.generation);
                self.is.version = Some(version("1.0.0"));
            }
            return;
        };
        if self.fate != Fate::Proves && dice.one_in(20) {
            // It was started anew, and the run begins again.
            self.is.run = Some((from, self.slowness));
        } else if left > 0 {
            self.is.run = Some((from, left - 1));
        } else {
            self.is.run = None;
            self.is.proven = true;
            if self.fate == Fate::Fails {
                self.is.failed = Some(self.is.generation);
                self.is.version = from;
            }
            self.is.sick[1] |= self.fate == Fate::Sickens;
        }
    }

    pub(super) fn reports(&self, round: usize, dice: &mut Dice) -> bool {
        let heard = !(self.silence.0..self.silence.1).contains(&round);
        self.is_member(round) && heard && dice.one_in(self.lazy)
    }

    /// Reports, and asks what to run.
    pub(super) fn ask(
        &mut self,
        round: usize,
        rollouts: &[Ordered],
        now: Timestamp,
    ) -> Option<Target> {
        self.said = (self.is.clone(), round);
        self.last_seen = Some(now);
        let facts = self.facts(round, &rollouts[0].rollout, None);
        desired_version(&asker(&facts), rollouts, now)
    }

    pub(super) fn obey(&mut self, order: &Target, dice: &mut Dice) {
        self.seen = order.generation;
        if self.is.kept || self.is.run.is_some() || self.fate == Fate::Idle {
            return;
        }
        if self.is.version.as_ref() == Some(&order.version) {
            return;
        }
        // The answer may be lost.
        if self.fate != Fate::Proves && dice.one_in(10) {
            return;
        }
        let from = self.is.version.replace(order.version.clone());
        self.is.generation = order.generation;
        if order.version != version("1.0.0") {
            self.is.run = Some((from, self.slowness));
            self.is.proven = false;
        } else {
            // The way back is known.
            self.is.proven = true;
            self.is.sick[1] = false;
        }
    }

    /// What the server makes of its last report.
    pub(super) fn facts(
        &self,
        round: usize,
        rollout: &Rollout,
        before: Option<Health>,
    ) -> HostFacts {
        let (said, when) = &self.said;
        let items = ["disk", "load"].iter().zip(said.sick);
        let ailing = items.filter(|(_, sick)| *sick);
        HostFacts {
            name: self.name.clone(),
            version: said.version.clone(),
            proven: said.proven,
            failed: said.failed == Some(rollout.id.0),
            running: said.run.is_some(),
            kept: said.kept,
            last_seen: self.last_seen,
            health: Health {
                silent: round - (*when).max(self.joins).min(round) > 3,
                ailing: ailing
                    .map(|(item, _)| (ItemName::parse(item).unwrap(), Level::SICK))
                    .collect(),
            },
            before,
            labels: Arc::clone(&self.labels),
            bytes: self.bytes,
        }
    }
}

pub(super) fn asker(facts: &HostFacts) -> Asker<'_> {
    Asker {
        name: &facts.name,
        version: facts.version.as_ref(),
        proven: facts.proven,
        failed: facts.failed,
        running: facts.running,
    }
}
