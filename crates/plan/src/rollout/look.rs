//! What a rollout's decisions are made from: numbers. Where they come from is another matter: [`Look::of`] counts them
//! from the facts of real hosts, the simulator keeps them as it goes.

use std::collections::HashMap;
use std::ops::Range;

use lockstep_model::{HostName, Rollout, RolloutState, WaveState};

use super::facts::{HostFacts, Standing, is_worse};
use super::why::Names;

/// The hosts of one wave, by how they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Hosts of the wave that are in the fleet.
    pub hosts: usize,
    /// Of them, those that have been let go.
    pub let_go: usize,
    /// Hosts that run the version, proven.
    pub proven: usize,
    /// Hosts that tried it and failed.
    pub failed: Names,
    /// Hosts of which nothing is heard, let go or not.
    pub silent: Names,
    /// Hosts that were let go, are neither failed nor silent, and are worse than before.
    pub worse: Names,
    /// Hosts that were let go and have not come to an end.
    pub unsettled: Names,
    /// Hosts that are still to be let go.
    pub pending: Names,
    /// Hosts that keep themselves out of it.
    pub kept: usize,
    /// Hosts that people have left out of it. They are neither silent nor worse for the gates.
    pub skipped: usize,
}

/// How many hosts are worse off than they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Hosts of which it is known.
    pub hosts: usize,
    /// Of them, those that are worse, or silent.
    pub worse: usize,
}

/// All that a decision looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// One for each wave.
    pub waves: Vec<Tally>,
    /// Hosts of the newest open wave that were let go.
    pub treated: Sample,
    /// Hosts that were not let go, in the same time.
    pub control: Sample,
    /// Hosts that still run the version, or have a run in progress; looked at only while all are taken back.
    pub still: Names,
    /// What another rollout has found wanting in the version.
    pub suspect: Option<String>,
}

impl Tally {
    /// Hosts that have come to an end, whichever.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.proven + self.failed.count + self.kept + self.skipped
    }

    fn add(&mut self, other: &Self) {
        self.hosts += other.hosts;
        self.let_go += other.let_go;
        self.proven += other.proven;
        self.kept += other.kept;
        self.skipped += other.skipped;
        self.failed.add(&other.failed);
        self.silent.add(&other.silent);
        self.worse.add(&other.worse);
        self.unsettled.add(&other.unsettled);
        self.pending.add(&other.pending);
    }

    fn of(
        hosts: &[HostName],
        let_go: usize,
        facts: &HashMap<&HostName, &HostFacts>,
        rollout: &Rollout,
    ) -> Self {
        let mut tally = Self::default();
        let [
            mut failed,
            mut silent,
            mut worse,
            mut unsettled,
            mut pending,
        ] = [const { Vec::new() }; 5];
        for (place, name) in hosts.iter().enumerate() {
            let Some(host) = facts.get(name) else {
                continue;
            };
            let let_go = place < let_go;
            tally.hosts += 1;
            tally.let_go += usize::from(let_go);
            match host.standing(rollout) {
                Standing::Proven => tally.proven += 1,
                Standing::Failed => failed.push(name),
                Standing::Silent => silent.push(name),
                Standing::Kept => tally.kept += 1,
                Standing::Skipped => tally.skipped += 1,
                Standing::Ordered | Standing::Running if let_go => unsettled.push(name),
                Standing::Ordered | Standing::Running => pending.push(name),
            }
            if let_go && is_worse(rollout, host) {
                worse.push(name);
            }
        }
        tally.failed = Names::of(failed);
        tally.silent = Names::of(silent);
        tally.worse = Names::of(worse);
        tally.unsettled = Names::of(unsettled);
        tally.pending = Names::of(pending);
        tally
    }
}

impl Look {
    /// Counts what is known of the hosts of a rollout.
    #[must_use]
    pub fn of(
        rollout: &Rollout,
        facts: &HashMap<&HostName, &HostFacts>,
        suspect: Option<&str>,
    ) -> Self {
        let waves = rollout.waves.iter().map(|wave| {
            let let_go = wave.split().0.len();
            Tally::of(&wave.hosts, let_go, facts, rollout)
        });
        let (treated, control) = samples(rollout, facts);
        Self {
            waves: waves.collect(),
            treated,
            control,
            still: match rollout.state {
                RolloutState::RollingBack => still(rollout, facts),
                _ => Names::default(),
            },
            suspect: suspect.map(str::to_owned),
        }
    }

    /// The hosts of some waves together.
    #[must_use]
    pub fn sum(&self, waves: Range<usize>) -> Tally {
        let mut sum = Tally::default();
        for tally in self.waves.get(waves).unwrap_or_default() {
            sum.add(tally);
        }
        sum
    }
}

/// Hosts of the newest wave that were let go, and hosts that were not let go at all. Both were looked at when that wave was
/// opened, or later: so they have had the same time to become worse, the updated ones rather less.
fn samples(rollout: &Rollout, facts: &HashMap<&HostName, &HostFacts>) -> (Sample, Sample) {
    let (mut treated, mut control) = (Sample::default(), Sample::default());
    let newest = rollout
        .waves
        .iter()
        .rposition(|wave| wave.state != WaveState::Waiting);
    for (index, wave) in rollout.waves.iter().enumerate() {
        let (let_go, waiting) = wave.split();
        if Some(index) == newest {
            // All of them, those too that have not begun: to count the quick ones and everybody who fell silent would
            // make the silent ones look like more than they are. Those too that people have left out: who is compared was
            // drawn by lot, and nobody picks.
            for host in known(let_go, facts) {
                if !host.failed && !host.kept {
                    treated.count(host);
                }
            }
        }
        for host in known(waiting, facts) {
            if !host.failed && !host.kept && !host.has_proven(&rollout.version) {
                control.count(host);
            }
        }
    }
    (treated, control)
}

impl Sample {
    /// Counts a host whose state before is known, and that was heard of then.
    fn count(&mut self, host: &HostFacts) {
        if host.before.as_ref().is_some_and(|before| !before.silent) {
            self.hosts += 1;
            self.worse += usize::from(host.is_worse());
        }
    }
}

fn known<'a>(
    hosts: &'a [HostName],
    facts: &'a HashMap<&HostName, &HostFacts>,
) -> impl Iterator<Item = &'a HostFacts> {
    hosts.iter().filter_map(|host| facts.get(host).copied())
}

fn still(rollout: &Rollout, facts: &HashMap<&HostName, &HostFacts>) -> Names {
    let hosts = rollout.waves.iter().flat_map(|wave| &wave.hosts);
    let still = hosts.filter_map(|host| facts.get(host)).filter(|host| {
        // Nobody takes a host back that keeps itself out of it.
        host.running || (!host.kept && host.version.as_ref() == Some(&rollout.version))
    });
    Names::of(still.map(|host| &host.name))
}
