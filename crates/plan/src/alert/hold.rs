//! Why nobody is told of a trouble: a host that it depends on, a silence, or somebody who is on it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use lockstep_model::alert::{Ack, Silence, Trouble};
use lockstep_model::{Glob, HostName, ItemName, Level};

use super::facts::{Facts, Fleet};

/// Most hosts that are followed upwards from one, so that a dependency on everybody costs no more than this.
const MOST_ANCESTORS: usize = 1_000;

/// What holds troubles back at one moment. Pages ask it the same question as [`super::decide`].
#[derive(Debug)]
pub struct Holds<'a> {
    now: Timestamp,
    silences: Silences<'a>,
    acks: BTreeMap<(&'a HostName, &'a ItemName), &'a Ack>,
    parents: Parents<'a>,
}

/// What holds one trouble back.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<'a> {
    /// The host that it depends on and that is down: another one, or the item's own.
    pub depends_on: Option<HostName>,
    /// The silence: a run's lease before others, then the one that lasts longest.
    pub silence: Option<&'a Silence>,
    /// Who is on it. It counts for the level at which it was given and better ones.
    pub ack: Option<&'a Ack>,
}

impl<'a> Holds<'a> {
    /// Prepares the answers.
    #[must_use]
    pub fn of(facts: &Facts<'a>) -> Self {
        let mut acks: Vec<&Ack> = facts.acks.iter().collect();
        acks.retain(|ack| !is_past(ack, facts.now));
        acks.sort_by_key(|ack| ack.at);
        let by_problem = acks.into_iter().map(|ack| ((&ack.host, &ack.item), ack));
        Self {
            now: facts.now,
            silences: Silences::of(facts.silences, facts.now),
            acks: by_problem.collect(),
            parents: Parents::of(facts),
        }
    }

    /// What holds this trouble back.
    #[must_use]
    pub fn on(&self, trouble: &'a Trouble, fleet: &'a dyn Fleet) -> Held<'a> {
        let host = self.on_host(&trouble.host, fleet);
        self.on_item(&host, trouble)
    }

    /// What all items of a host share.
    pub(super) fn on_host(&self, host: &'a HostName, fleet: &'a dyn Fleet) -> HostHold<'a> {
        let groups = fleet.groups_of(host);
        HostHold {
            groups,
            standing: self.parents.standing(host, fleet),
            is_down: self.parents.down.contains(host),
            silences: self.silences.on_host(host, groups),
        }
    }

    pub(super) fn on_item(&self, host: &HostHold<'a>, trouble: &'a Trouble) -> Held<'a> {
        let silence = host
            .silences
            .iter()
            .filter(|it| matches_one(&it.items, trouble.item.as_str()))
            .max_by_key(|it| (it.run.is_some(), it.ends_at, &it.id));
        // What a host said before it fell silent is old, and its silence is told.
        let is_old = host.is_down && !tells_reach(&trouble.host, &trouble.item);
        let itself = is_old.then(|| trouble.host.clone());
        Held {
            depends_on: host.standing.down.clone().or(itself),
            silence: silence.copied(),
            ack: self
                .newest_ack(&trouble.host, &trouble.item)
                .filter(|ack| ack.level >= trouble.level),
        }
    }

    /// An acknowledgement in force, whatever its level.
    pub(super) fn newest_ack(&self, host: &'a HostName, item: &'a ItemName) -> Option<&'a Ack> {
        self.acks.get(&(host, item)).copied()
    }

    /// When what holds back may end by the clock alone.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        let silences = self.silences.in_force.iter().map(|it| it.ends_at);
        let acks = self.acks.values().filter_map(|ack| ack.until);
        silences.chain(acks).filter(|&at| at > self.now).min()
    }
}

/// What holds back all items of a host, before the items are looked at.
#[derive(Debug)]
pub(super) struct HostHold<'a> {
    pub(super) groups: &'a [String],
    pub(super) standing: Standing,
    /// It cannot be reached itself.
    is_down: bool,
    silences: Vec<&'a Silence>,
}

/// True if an acknowledgement has run out.
pub(super) fn is_past(ack: &Ack, now: Timestamp) -> bool {
    ack.until.is_some_and(|until| until <= now)
}

/// True if one of the patterns matches, or there is none.
pub(super) fn matches_one(patterns: &[Glob], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

/// Silences by the host that they name: a rollout makes one for each of its hosts, and none of the other hosts
/// shall pay for them.
#[derive(Debug)]
struct Silences<'a> {
    in_force: Vec<&'a Silence>,
    by_host: HashMap<&'a str, Vec<&'a Silence>>,
    wide: Vec<&'a Silence>,
}

impl<'a> Silences<'a> {
    fn of(silences: &'a [Silence], now: Timestamp) -> Self {
        let in_force: Vec<&Silence> = silences.iter().filter(|it| it.is_in_force(now)).collect();
        let mut by_host: HashMap<&str, Vec<&Silence>> = HashMap::new();
        let mut wide = Vec::new();
        for &silence in &in_force {
            let plain = silence.groups.is_empty()
                && !silence.hosts.is_empty()
                && silence.hosts.iter().all(Glob::is_plain);
            if !plain {
                wide.push(silence);
                continue;
            }
            for host in &silence.hosts {
                by_host.entry(host.as_str()).or_default().push(silence);
            }
        }
        Self {
            in_force,
            by_host,
            wide,
        }
    }

    fn on_host(&self, host: &HostName, groups: &[String]) -> Vec<&'a Silence> {
        let meant = |it: &&&Silence| {
            (it.hosts.is_empty() && it.groups.is_empty())
                || it.hosts.iter().any(|glob| glob.matches(host.as_str()))
                || it.groups.iter().any(|group| groups.contains(group))
        };
        let plain = self.by_host.get(host.as_str()).into_iter().flatten();
        plain
            .chain(self.wide.iter().filter(meant))
            .copied()
            .collect()
    }
}

/// How a host stands towards those that it depends on.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// One of them is down.
    pub(super) down: Option<HostName>,
    /// One of them may be about to be found down.
    pub(super) shaky: bool,
}

/// Which hosts are down, for those that depend on them.
#[derive(Debug)]
struct Parents<'a> {
    down: HashSet<&'a HostName>,
    shaky: HashSet<&'a HostName>,
    /// Hosts below one switch have the same parents, and ask one after the other.
    known: RefCell<HashMap<Vec<HostName>, Standing>>,
}

/// True for items that say whether a host can be reached at all.
pub(super) fn tells_reach(host: &HostName, item: &ItemName) -> bool {
    match (item.probe(), item.object()) {
        ("agent_silence" | "ping", None) => true,
        // `ping:OTHER` speaks of the other.
        ("ping", Some(object)) => object == host.as_str(),
        _ => false,
    }
}

impl<'a> Parents<'a> {
    fn of(facts: &Facts<'a>) -> Self {
        let reach = || {
            facts
                .troubles
                .iter()
                .filter(|it| tells_reach(&it.host, &it.item))
        };
        let down: HashSet<&HostName> = reach()
            .filter(|it| it.level >= Level::CRITICAL)
            .map(|it| &it.host)
            .collect();
        let shaky = reach()
            .map(|it| &it.host)
            .filter(|host| !down.contains(host))
            .collect();
        Self {
            down,
            shaky,
            known: RefCell::default(),
        }
    }

    fn standing(&self, host: &HostName, fleet: &dyn Fleet) -> Standing {
        let parents = fleet.parents_of(host);
        if parents.is_empty() || (self.down.is_empty() && self.shaky.is_empty()) {
            return Standing::default();
        }
        // A host that is down itself may be in a circle, so its answer is its own.
        let in_trouble = self.down.contains(host) || self.shaky.contains(host);
        if !in_trouble && let Some(known) = self.known.borrow().get(parents) {
            return known.clone();
        }
        let above = ancestors(host, fleet);
        // Hosts that depend on each other in a circle do not explain each other, or nobody would be told of either.
        let explains = |parent: &&&HostName| {
            !in_trouble || (**parent != host && !ancestors(parent, fleet).contains(&host))
        };
        let find = |among: &HashSet<&HostName>| {
            let mut found = above.iter().filter(|parent| among.contains(*parent));
            found.find(explains).copied().cloned()
        };
        let standing = Standing {
            down: find(&self.down),
            shaky: find(&self.shaky).is_some(),
        };
        if !in_trouble {
            let mut known = self.known.borrow_mut();
            known.insert(parents.to_vec(), standing.clone());
        }
        standing
    }
}

/// Those that a host depends on, the nearest first.
fn ancestors<'f>(host: &HostName, fleet: &'f dyn Fleet) -> Vec<&'f HostName> {
    let mut seen: HashSet<&HostName> = HashSet::new();
    let mut found: Vec<&HostName> = Vec::new();
    let mut next = 0;
    let mut level = fleet.parents_of(host);
    loop {
        for parent in level {
            if found.len() < MOST_ANCESTORS && seen.insert(parent) {
                found.push(parent);
            }
        }
        let Some(parent) = found.get(next) else {
            return found;
        };
        level = fleet.parents_of(parent);
        next += 1;
    }
}
