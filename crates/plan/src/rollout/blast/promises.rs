//! What must hold, in other words than those of the code that keeps it.

use std::collections::{BTreeMap, BTreeSet};

use super::agent::asker;
use super::*;
use lockstep_model::{HostName, Late, WaveState};

#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Hosts of each wave as it was drawn, and those who joined it later.
    sizes: Vec<usize>,
    /// Hosts that were ordered by the answer to their last report to begin: they may be at it, whatever was said since.
    told: BTreeSet<HostName>,
    /// Who had been let go when it stopped.
    at_stop: Option<BTreeSet<HostName>>,
}

/// How a host that was let go stands, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Failed,
    Silent,
    Proven,
    Kept,
    Skipped,
    None,
}

/// A host that was told to begin may have done so, until it says itself that it has not.
fn end(host: &HostFacts, rollout: &Rollout, told: &BTreeSet<HostName>) -> End {
    let new = &rollout.version;
    let is_skipped = rollout.skipped.contains_key(&host.name) && !told.contains(&host.name);
    let runs_it = host.version.as_ref() == Some(new);
    match host {
        it if it.failed => End::Failed,
        it if is_skipped && !it.running && !runs_it => End::Skipped,
        it if it.health.silent => End::Silent,
        it if it.running => End::None,
        it if runs_it && it.proven => End::Proven,
        _ if runs_it => End::None,
        it if it.kept => End::Kept,
        _ => End::None,
    }
}

fn is_in_flight(host: &HostFacts, rollout: &Rollout, told: &BTreeSet<HostName>) -> bool {
    let new = &rollout.version;
    let runs_it = host.version.as_ref() == Some(new);
    match end(host, rollout, told) {
        End::None => true,
        End::Silent => !(runs_it && host.proven),
        End::Failed => host.running || runs_it,
        End::Proven | End::Kept | End::Skipped => false,
    }
}

fn is_fit(host: &HostFacts) -> bool {
    !host.health.silent && host.health.ailing.is_empty()
}

fn let_go(rollout: &Rollout) -> BTreeSet<HostName> {
    let hosts = rollout.waves.iter().flat_map(|wave| wave.split().0);
    hosts.cloned().collect()
}

fn is_open(rollout: &Rollout, wave: usize) -> bool {
    rollout
        .waves
        .get(wave)
        .is_some_and(|it| it.state != WaveState::Waiting)
}

impl Promises {
    /// What one host is ordered by the answer to its report.
    pub(super) fn order(
        &mut self,
        agent: &Agent,
        rollouts: &[Ordered],
        order: Option<&Target>,
        round: usize,
        now: Timestamp,
    ) {
        self.told.remove(&agent.name);
        let Some(order) = order else { return };
        assert!(
            order.generation >= agent.seen,
            "{} is given an older order than it has seen",
            agent.name
        );
        let rollout = &rollouts[0].rollout;
        let host = agent.facts(round, rollout, None);
        if order.version != rollout.version {
            return;
        }
        assert!(!host.failed, "{} is ordered what it failed", agent.name);
        let how = end(&host, rollout, &self.told);
        assert_ne!(
            how,
            End::Skipped,
            "{} begins although it is left out",
            agent.name
        );
        let has_proven = how == End::Proven;
        let gone = let_go(rollout).contains(&agent.name);
        match rollout.state {
            RolloutState::Done => {
                assert!(has_proven || host.running || !rollouts[0].suspect || host.proven)
            }
            RolloutState::Running | RolloutState::Holding => {
                assert!(gone, "{} is ordered it before it is let go", agent.name);
                let has_begun = host.running || host.version.as_ref() == Some(&rollout.version);
                let open = rollout.strategy.windows.is_open(now);
                assert!(
                    has_begun || open,
                    "{} begins outside of the hours",
                    agent.name
                );
            }
            RolloutState::Halted => {
                assert!(gone && host.proven && host.version.as_ref() == Some(&rollout.version))
            }
            state => panic!("{} is ordered it although it is {state}", agent.name),
        }
        if how == End::None && !agent.runs(&rollout.version) {
            self.told.insert(agent.name.clone());
        }
    }

    /// A host that may have been killed by the release is not talked away.
    pub(super) fn left_out(&self, known: &HostFacts) {
        assert!(
            !(known.health.silent && self.told.contains(&known.name)),
            "{} was told to begin and is not heard of, and is left out",
            known.name
        );
    }

    /// What a person said lets nobody go by itself.
    pub(super) fn command(&mut self, before: &Rollout, step: &Step) {
        assert_eq!(let_go(before), let_go(&step.rollout));
        assert!(!step.rollout.why.is_empty());
        self.stopped(&step.rollout);
    }

    /// A step that is stored.
    pub(super) fn step(
        &mut self,
        before: &Rollout,
        step: &Step,
        facts: &[HostFacts],
        (agents, round): (&[Agent], usize),
        now: Timestamp,
    ) {
        let after = &step.rollout;
        assert_eq!(step.decisions.len(), step.reasons.len());
        assert!(!after.why.is_empty());
        assert!(!before.state.is_over(), "a rollout that was over moved");
        assert!(
            before.state != RolloutState::Halted,
            "a rollout that was halted moved"
        );
        self.waves(before, step);
        let known: BTreeMap<&HostName, &HostFacts> =
            facts.iter().map(|it| (&it.name, it)).collect();
        gates(before, after, &known, &self.told, now);
        letting_go(before, after, &known, &self.told, now);
        really_in_flight(before, after, agents, round);
        self.stopped(after);
    }

    /// Nobody is let go once it has stopped.
    fn stopped(&mut self, rollout: &Rollout) {
        if matches!(
            rollout.state,
            RolloutState::Halted | RolloutState::RollingBack | RolloutState::Cancelled
        ) {
            let at_stop = self.at_stop.get_or_insert_with(|| let_go(rollout));
            assert_eq!(
                &let_go(rollout),
                at_stop,
                "somebody was let go after the halt"
            );
        }
    }

    /// Nobody falls out of the waves, nobody is in two, each has as many as it should, and they open in their order.
    fn waves(&mut self, before: &Rollout, step: &Step) {
        let waves = &step.rollout.waves;
        let hosts: Vec<&HostName> = waves.iter().flat_map(|wave| &wave.hosts).collect();
        let all: BTreeSet<&HostName> = hosts.iter().copied().collect();
        assert_eq!(all.len(), hosts.len(), "a host is in two waves");
        if before.waves.is_empty() {
            self.sizes = step.rollout.strategy.sizes(hosts.len());
        } else {
            assert!(
                before
                    .waves
                    .iter()
                    .flat_map(|wave| &wave.hosts)
                    .all(|it| all.contains(it))
            );
        }
        for reason in &step.reasons {
            if let Decision::Joined { wave, hosts } = reason {
                assert_ne!(step.rollout.strategy.late, Late::After);
                self.sizes[wave.number - 1] += hosts.count;
            }
        }
        let sizes: Vec<usize> = waves.iter().map(|wave| wave.hosts.len()).collect();
        assert_eq!(sizes, self.sizes);
        let first_waiting = waves.iter().position(|it| it.state == WaveState::Waiting);
        let waiting = first_waiting.unwrap_or(waves.len());
        assert!(
            waves[waiting..]
                .iter()
                .all(|it| it.state == WaveState::Waiting)
        );
    }

    /// Never more hosts are ordered the version, or run it unproven, than there are in the waves that were opened; and
    /// before the first wave has proven it, never more than the strategy's first wave has.
    pub(super) fn radius(
        &self,
        rollout: &Rollout,
        agents: &[Agent],
        older: &[Ordered],
        round: usize,
        now: Timestamp,
    ) {
        if rollout.state == RolloutState::Done {
            return;
        }
        let mut rollouts = vec![Ordered::new(rollout.clone(), false)];
        rollouts.extend(older.iter().cloned());
        let exposed = agents
            .iter()
            .filter(|it| it.is_member(round) && !it.was_away(round))
            .filter(|it| {
                let facts = it.facts(round, rollout, None);
                let order = desired_version(&asker(&facts), &rollouts, now);
                order.is_some_and(|it| it.version == rollout.version)
                    || it.runs_unproven(&rollout.version)
            });
        let exposed = exposed.count();
        let opened = (0..rollout.waves.len()).filter(|&wave| is_open(rollout, wave));
        let allowed: usize = opened.map(|wave| self.sizes[wave]).sum();
        assert!(
            exposed <= allowed,
            "{exposed} hosts are exposed, {allowed} may be"
        );
    }
}

/// A wave that opens, and the end, have a gate before them.
fn gates(
    before: &Rollout,
    after: &Rollout,
    known: &BTreeMap<&HostName, &HostFacts>,
    told: &BTreeSet<HostName>,
    now: Timestamp,
) {
    let strategy = &after.strategy;
    let mut passed: Vec<usize> = (0..after.waves.len())
        .filter(|&wave| !is_open(before, wave) && is_open(after, wave))
        .collect();
    if passed.iter().any(|&wave| is_open(after, wave)) {
        assert!(
            strategy.windows.is_open(now),
            "a wave opened outside of the hours"
        );
    }
    if after.state == RolloutState::Done && !after.waves.is_empty() {
        passed.push(after.waves.len());
    }
    for wave in passed {
        assert!(
            before.paused_by.is_none(),
            "it went on although it was paused"
        );
        let Some(last) = wave.checked_sub(1) else {
            continue;
        };
        let counted = after.waves[..wave]
            .iter()
            .filter(|it| it.skipped_by.is_none());
        let mut ends: Vec<End> = Vec::new();
        let (mut gone, mut worse) = (0, 0);
        for it in counted {
            let (first, _) = it.split();
            for name in &it.hosts {
                let Some(host) = known.get(name) else {
                    continue;
                };
                let how = end(host, after, told);
                ends.push(how);
                let was_let_go = first.contains(name);
                gone += usize::from(was_let_go);
                let counts = !matches!(how, End::Failed | End::Silent | End::Skipped);
                let counts = was_let_go && counts;
                let before = host.before.as_ref();
                worse +=
                    usize::from(counts && before.is_some_and(|it| host.health.is_worse_than(it)));
            }
        }
        let count = |how: End| ends.iter().filter(|it| **it == how).count();
        let failed = count(End::Failed);
        let gone = gone.max(failed);
        assert!(
            failed <= strategy.failed.limit.of(gone),
            "{failed} of {gone} failed"
        );
        assert!(
            worse <= strategy.worse.limit.of(gone),
            "{worse} of {gone} are worse"
        );
        let silent = count(End::Silent);
        assert!(
            silent <= strategy.silent.limit.of(ends.len()),
            "{silent} of {} are silent",
            ends.len()
        );
        // Of the newest one all; of those before it, which were proven once, whoever was let go late is waited for too.
        if after.waves[last].skipped_by.is_none() {
            assert_eq!(count(End::None), 0, "wave {} opened early", wave + 1);
            if wave < after.waves.len() {
                let proven_at = after.waves[last].proven_at.unwrap();
                let until = proven_at.checked_add(strategy.bake.duration()).unwrap();
                assert!(now >= until, "wave {wave} was not watched");
            }
        }
    }
}

/// Who is let go now may be, and what the strategy demands still holds with it.
fn letting_go(
    before: &Rollout,
    after: &Rollout,
    known: &BTreeMap<&HostName, &HostFacts>,
    told: &BTreeSet<HostName>,
    now: Timestamp,
) {
    let strategy = &after.strategy;
    let (earlier, gone) = (let_go(before), let_go(after));
    let newly: Vec<&HostFacts> = gone
        .iter()
        .filter(|name| !earlier.contains(*name))
        .map(|name| {
            *known
                .get(name)
                .expect("a host that is not in the fleet is let go")
        })
        .collect();
    if newly.is_empty() {
        return;
    }
    assert!(before.paused_by.is_none());
    assert!(
        strategy.windows.is_open(now),
        "somebody is let go outside of the hours"
    );
    let costs: Vec<&HostFacts> = newly
        .iter()
        .copied()
        .filter(|host| end(host, after, told) != End::Proven)
        .collect();
    for host in &costs {
        assert_eq!(
            end(host, after, told),
            End::None,
            "{} can show nothing",
            host.name
        );
        let wave = after
            .waves
            .iter()
            .find(|it| it.hosts.contains(&host.name))
            .unwrap();
        let moment = moment(
            strategy,
            wave.opened_at.unwrap(),
            turn(after.id, &host.name),
        );
        assert!(moment <= now, "{} is let go before its moment", host.name);
    }
    let hosts: Vec<&HostFacts> = after
        .waves
        .iter()
        .flat_map(|wave| &wave.hosts)
        .filter_map(|name| known.get(name).copied())
        .collect();
    let (flying, resting): (Vec<&HostFacts>, Vec<&HostFacts>) = hosts
        .iter()
        .partition(|host| gone.contains(&host.name) && is_in_flight(host, after, told));
    if let Some(limit) = strategy.in_flight
        && !costs.is_empty()
    {
        let limit = limit.of(hosts.len()).max(1);
        assert!(
            flying.len() <= limit,
            "{} are in flight, {limit} may be",
            flying.len()
        );
    }
    if let Some(fit) = strategy.fit
        && costs.iter().any(|host| is_fit(host))
    {
        let left = resting.iter().filter(|host| is_fit(host)).count();
        let demanded = fit.of(hosts.len());
        assert!(
            left >= demanded,
            "{left} are fit and at rest, {demanded} must be"
        );
    }
    let Some(most) = strategy.site_bytes else {
        return;
    };
    for site in costs.iter().filter_map(|host| host.labels.get("site")) {
        let there = flying
            .iter()
            .filter(|host| host.labels.get("site") == Some(site));
        // One that fetches nothing is not in anybody's way.
        let bytes: Vec<u64> = there.map(|host| host.bytes).filter(|it| *it > 0).collect();
        let sum: u64 = bytes.iter().sum();
        assert!(
            sum <= most || bytes.len() == 1,
            "{sum} bytes to {site}, {most} may be"
        );
    }
}

/// Whatever the server knows: when somebody is let go, no more hosts are at it than may be.
fn really_in_flight(before: &Rollout, after: &Rollout, agents: &[Agent], round: usize) {
    let Some(limit) = after.strategy.in_flight else {
        return;
    };
    let (earlier, gone) = (let_go(before), let_go(after));
    // Whoever has it already costs nothing.
    let newly = |it: &&Agent| {
        let is_new = gone.contains(&it.name) && !earlier.contains(&it.name);
        is_new && !it.runs(&after.version)
    };
    let members = || agents.iter().filter(|it| it.is_member(round));
    let newly = members().filter(newly).count();
    if newly == 0 {
        return;
    }
    let at_it = members()
        .filter(|it| !it.was_away(round) && it.runs_unproven(&after.version))
        .count();
    let hosts = after.waves.iter().flat_map(|wave| &wave.hosts);
    let hosts = hosts
        .filter(|name| members().any(|it| it.name == **name))
        .count();
    let limit = limit.of(hosts).max(1);
    assert!(
        at_it + newly <= limit,
        "{at_it} are at it and {newly} are let go, {limit} may be"
    );
}
