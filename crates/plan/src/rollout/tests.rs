//! Rollouts by example, one story in each file. What they share is here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use jiff::Timestamp;
use lockstep_model::{
    ChannelName, Gate, Health, HostName, Interval, ItemName, Level, Limit, PackageName, Rollout,
    RolloutId, RolloutState, Strategy, Then, Version, Wave, WaveSize,
};

mod commands;
mod comparing;
mod draws;
mod gates;
mod late;
mod limits;
mod orders;
mod skips;
mod suspicion;
mod under_way;
mod windows;
mod words;

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn wave(names: &[&str]) -> Wave {
    Wave::waiting(names.iter().map(|name| host(name)).collect())
}

/// A gate that lets so many hosts pass.
fn gate(count: u32, then: Then) -> Gate {
    Gate {
        limit: Limit::count(count),
        then,
    }
}

/// One canary and the rest, a bake time of a minute, and no tolerance; nobody is compared with anybody.
fn strict() -> Strategy {
    Strategy {
        waves: vec![WaveSize::Count(1), WaveSize::ALL],
        bake: Interval::from_secs(60),
        failed: gate(0, Then::Halt),
        silent: gate(0, Then::Hold),
        worse: gate(0, Then::Hold),
        compare: None,
        ..Strategy::default()
    }
}

/// A rollout from 1.0.0 to 2.0.0 that has not begun, with these waves. Without any, they are drawn.
fn rollout(waves: &[&[&str]]) -> Rollout {
    Rollout {
        id: RolloutId(7),
        package: PackageName::lockstep(),
        version: version("2.0.0"),
        from: Some(version("1.0.0")),
        channel: ChannelName::stable(),
        strategy: strict(),
        urgent: false,
        state: RolloutState::Planned,
        why: "planned".into(),
        paused_by: None,
        skipped: std::collections::BTreeMap::new(),
        waves: waves.iter().map(|names| wave(names)).collect(),
        created_at: at(0),
    }
}

/// The same with another strategy.
fn by(waves: &[&[&str]], change: impl FnOnce(&mut Strategy)) -> Rollout {
    let mut rollout = rollout(waves);
    change(&mut rollout.strategy);
    rollout
}

/// A host that runs the version before.
fn old(name: &str) -> HostFacts {
    HostFacts {
        name: host(name),
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
    }
}
fn proven(name: &str) -> HostFacts {
    HostFacts {
        version: Some(version("2.0.0")),
        ..old(name)
    }
}
fn on_probation(name: &str) -> HostFacts {
    HostFacts {
        proven: false,
        running: true,
        ..proven(name)
    }
}
fn failed(name: &str) -> HostFacts {
    HostFacts {
        failed: true,
        ..old(name)
    }
}
fn kept(facts: HostFacts) -> HostFacts {
    HostFacts {
        kept: true,
        ..facts
    }
}
fn silent(mut facts: HostFacts) -> HostFacts {
    facts.health.silent = true;
    facts
}
/// With an item at `sick`.
fn sick(mut facts: HostFacts) -> HostFacts {
    facts.health = ailing("disk", Level::SICK);
    facts
}
/// It was well when that was written down.
fn was_well(facts: HostFacts) -> HostFacts {
    HostFacts {
        before: Some(Health::default()),
        ..facts
    }
}
fn labelled(mut facts: HostFacts, labels: &[(&str, &str)]) -> HostFacts {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    facts.labels = Arc::new(labels.collect::<BTreeMap<_, _>>());
    facts
}

fn ailing(item: &str, level: Level) -> Health {
    Health {
        silent: false,
        ailing: vec![(ItemName::parse(item).unwrap(), level)],
    }
}

/// A tick, and what was decided. The same facts at the same time must change nothing a second time.
fn step(rollout: &Rollout, facts: &[HostFacts], second: i64) -> Option<Step> {
    let step = tick(rollout, facts, None, at(second))?;
    assert_eq!(
        tick(&step.rollout, facts, None, at(second)),
        None,
        "a second tick changed something"
    );
    Some(step)
}

/// Ticks at each second with each set of facts, and returns the rollout and all decisions.
fn after(mut rollout: Rollout, ticks: &[(i64, &[HostFacts])]) -> (Rollout, Vec<String>) {
    let mut decisions = Vec::new();
    for (second, facts) in ticks {
        if let Some(step) = step(&rollout, facts, *second) {
            decisions.extend(step.decisions);
            rollout = step.rollout;
        }
    }
    (rollout, decisions)
}

/// Who has been let go, by name.
fn let_go(rollout: &Rollout) -> Vec<String> {
    let hosts = rollout.waves.iter().flat_map(|wave| wave.split().0);
    let mut names: Vec<String> = hosts.map(ToString::to_string).collect();
    names.sort();
    names
}

fn asker(facts: &HostFacts) -> Asker<'_> {
    Asker {
        name: &facts.name,
        version: facts.version.as_ref(),
        proven: facts.proven,
        failed: facts.failed,
        running: facts.running,
    }
}

/// What a host is ordered, long after everything here.
fn target(facts: &HostFacts, rollouts: &[Rollout]) -> Option<Target> {
    target_at(facts, rollouts, 1_000_000)
}

fn target_at(facts: &HostFacts, rollouts: &[Rollout], second: i64) -> Option<Target> {
    let ordered: Vec<Ordered> = rollouts
        .iter()
        .map(|rollout| Ordered::new(rollout.clone(), false))
        .collect();
    desired_version(&asker(facts), &ordered, at(second))
}

fn wants(facts: &HostFacts, rollouts: &[Rollout]) -> Option<String> {
    let target = target(facts, rollouts)?;
    assert_eq!(target.generation, rollouts[0].id.0);
    Some(target.version.to_string())
}
