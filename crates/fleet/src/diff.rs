//! What another fleet file would change, and for whom.

mod rollouts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lockstep_model::alert::AlertRules;
use lockstep_model::{HostName, LevelNames, Work, WorkItem};
use serde::Serialize;

use self::rollouts::followed;
use crate::explain::shown;
use crate::fleet::Fleet;
use crate::words::{lock_in_words, package_in_words};

/// The difference between two fleets.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Diff {
    /// Hosts for which anything changes.
    pub hosts: BTreeMap<HostName, HostDiff>,
    /// What changes for hosts that neither the files nor a group's pattern names.
    #[serde(skip_serializing_if = "HostDiff::is_empty")]
    pub others: HostDiff,
    /// What changes in locks.
    pub locks: Vec<Changed>,
    /// What changes in strategies, in channels, and in the rules about who follows what.
    pub rollouts: Vec<Changed>,
    /// What changes in who is told of what, and in silences.
    pub alerts: Vec<Changed>,
}

/// What changes for one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct HostDiff {
    /// Items that are watched from then on, and packages that are kept current, as in `package driveclient`. Items of a
    /// watched host have its name before them.
    pub added: Vec<String>,
    /// Items and packages for which that is over.
    pub removed: Vec<String>,
    /// What is watched or done otherwise.
    pub changed: Vec<Changed>,
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Changed {
    /// What.
    pub what: String,
    /// What it was; none if it was not there.
    pub old: Option<String>,
    /// What it will be; none if it will not be there.
    pub new: Option<String>,
}

/// Things in words, by their names.
type Facts = BTreeMap<String, String>;

impl Fleet {
    /// What changes when `other` takes the place of this fleet, for these hosts. Hosts for which nothing changes are
    /// left out.
    #[must_use]
    pub fn diff<'a>(&self, other: &Self, hosts: impl IntoIterator<Item = &'a HostName>) -> Diff {
        let hosts: BTreeSet<&HostName> = hosts.into_iter().collect();
        let hosts = hosts.into_iter().filter_map(|host| {
            let mut diff = between(&self.work_for(host), &other.work_for(host));
            diff.changed
                .extend(changes(&self.standing(host), &other.standing(host)));
            (!diff.is_empty()).then(|| (host.clone(), diff))
        });
        let hosts = hosts.collect();
        let mut others = between(&self.work_for_others(), &other.work_for_others());
        others.changed.extend(changes(
            &followed(&self.follows_of_others()),
            &followed(&other.follows_of_others()),
        ));
        let mut alerts = changes(&told(self.alert_rules()), &told(other.alert_rules()));
        alerts.extend(changes(&self.silence_facts(), &other.silence_facts()));
        Diff {
            hosts,
            others,
            locks: changes(&self.lock_facts(), &other.lock_facts()),
            rollouts: changes(&self.rollout_facts(), &other.rollout_facts()),
            alerts,
        }
    }

    fn lock_facts(&self) -> Facts {
        let locks = self.lock_names().into_iter();
        let facts = locks.flat_map(|name| {
            let words = lock_in_words(&self.lock_rule(name), self.levels());
            words
                .into_iter()
                .map(move |(key, text)| (format!("lock {name} {key}"), text))
        });
        facts.collect()
    }

    /// Where a host stands in the fleet, beyond its work document.
    fn standing(&self, host: &HostName) -> Facts {
        let parents = self.parents_of(host);
        let parents: Vec<&str> = parents.into_iter().map(HostName::as_str).collect();
        let facts = [("groups", self.groups_of(host)), ("depends on", parents)];
        let facts = facts.into_iter().filter(|(_, names)| !names.is_empty());
        let facts = facts.map(|(key, names)| (key.to_owned(), names.join(", ")));
        // What the host says of itself is not known here; rules that ask for it are compared as rules.
        facts
            .chain(followed(&self.follows(host, &BTreeMap::new())))
            .collect()
    }

    fn silence_facts(&self) -> Facts {
        let silences = self.silences().iter();
        silences
            .map(|silence| (format!("silence {}", silence.name), json(silence)))
            .collect()
    }
}

fn told(rules: &AlertRules) -> Facts {
    let mut facts = Facts::new();
    for (name, receiver) in &rules.receivers {
        facts.insert(format!("receiver {name}"), json(receiver));
    }
    for route in &rules.routes {
        let name = &route.name;
        facts.insert(format!("alert {name} to"), route.to.join(", "));
        facts.insert(format!("alert {name} when"), json(&route.when));
        if !route.escalate.is_empty() {
            facts.insert(format!("alert {name} escalate"), json(&route.escalate));
        }
        if let Some(repeat) = route.repeat {
            facts.insert(format!("alert {name} repeat"), repeat.to_string());
        }
    }
    let pace = &rules.pace;
    facts.insert("alerts wait".into(), pace.wait.to_string());
    facts.insert("alerts interval".into(), pace.interval.to_string());
    facts.insert("alerts repeat".into(), pace.repeat.to_string());
    facts.insert("alerts settle".into(), pace.settle.to_string());
    facts.insert("alerts most".into(), pace.most.to_string());
    facts
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// The changes between two work documents.
fn between(old: &Work, new: &Work) -> HostDiff {
    let mut diff = HostDiff {
        changed: changes(&whole(old), &whole(new)),
        ..HostDiff::default()
    };
    let (old, new) = (items(old), items(new));
    for (name, facts) in &new {
        match old.get(name) {
            None => diff.added.push(name.clone()),
            Some(before) => {
                let changes = changes(before, facts).into_iter();
                diff.changed.extend(changes.map(|change| Changed {
                    what: format!("{name} {}", change.what),
                    ..change
                }));
            }
        }
    }
    let removed = old.into_keys().filter(|name| !new.contains_key(name));
    diff.removed = removed.collect();
    diff
}

fn changes(old: &Facts, new: &Facts) -> Vec<Changed> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key));
    changed
        .map(|key| Changed {
            what: key.clone(),
            old: old.get(key).cloned(),
            new: new.get(key).cloned(),
        })
        .collect()
}

/// What a work document says of the host as a whole.
fn whole(work: &Work) -> Facts {
    let mut facts = Facts::from([
        ("sample".into(), work.sample.to_string()),
        ("report".into(), work.report.to_string()),
        ("levels".into(), work.levels.all().join(", ")),
        ("history raw".into(), work.history.raw.to_string()),
        ("history mid".into(), work.history.mid.to_string()),
        ("history long".into(), work.history.long.to_string()),
    ]);
    for watched in &work.watched {
        let host = &watched.host;
        facts.insert(format!("{host} address"), watched.address.clone());
        if let Some(snmp) = &watched.snmp {
            facts.insert(format!("{host} snmp"), json(snmp));
        }
    }
    facts
}

/// What a work document says of each item and each package.
fn items(work: &Work) -> BTreeMap<String, Facts> {
    let own = work.items.iter().map(|item| (item.name.to_string(), item));
    let of_others = work.watched.iter().flat_map(|watched| {
        let items = watched.items.iter();
        items.map(|item| (format!("{} {}", watched.host, item.name), item))
    });
    let packages = work.packages.iter().map(|rule| {
        let words = package_in_words(rule).into_iter();
        let facts = words.map(|(key, text)| (key.to_owned(), text));
        (format!("package {}", rule.name), facts.collect())
    });
    own.chain(of_others)
        .map(|(name, item)| (name, said(item, &work.levels)))
        .chain(packages)
        .collect()
}

fn said(item: &WorkItem, levels: &LevelNames) -> Facts {
    let mut facts = Facts::new();
    let times = [("every", item.every), ("timeout", item.timeout)];
    for (key, time) in times {
        facts.extend(time.map(|time| (key.to_owned(), time.to_string())));
    }
    if let Some(fitness) = &item.fitness {
        for rule in &fitness.rules {
            let conditions = facts.entry(levels.name(rule.level).to_owned()).or_default();
            let or = if conditions.is_empty() { "" } else { ", or " };
            *conditions = format!("{conditions}{or}{}", rule.when);
        }
        facts.extend(
            fitness
                .mean
                .map(|mean| ("mean".to_owned(), mean.to_string())),
        );
    }
    let options = item.options.iter();
    facts.extend(options.map(|(key, value)| (format!("option {key}"), shown(value))));
    facts
}

impl HostDiff {
    /// True if nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Diff {
    /// True if nothing changes for anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
            && self.others.is_empty()
            && self.locks.is_empty()
            && self.rollouts.is_empty()
            && self.alerts.is_empty()
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        write!(
            f,
            "{}: {} -> {}",
            self.what,
            or_nothing(&self.old),
            or_nothing(&self.new)
        )
    }
}

impl fmt::Display for HostDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = |sign, names: &[String]| -> Vec<String> {
            names
                .iter()
                .map(|name| format!("  {sign} {name}"))
                .collect()
        };
        let mut lines = signed('+', &self.added);
        lines.extend(signed('-', &self.removed));
        lines.extend(self.changed.iter().map(|change| format!("  ~ {change}")));
        f.write_str(&lines.join("\n"))
    }
}

/// Most hosts that are named where the same changes for many.
const MOST_NAMED: usize = 5;

impl fmt::Display for Diff {
    /// Hosts for which the same changes are named together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changes");
        }
        let mut alike: BTreeMap<&HostDiff, Vec<&str>> = BTreeMap::new();
        for (host, diff) in &self.hosts {
            alike.entry(diff).or_default().push(host.as_str());
        }
        let mut parts: Vec<(Vec<&str>, &HostDiff)> = alike
            .into_iter()
            .map(|(diff, hosts)| (hosts, diff))
            .collect();
        parts.sort();
        let mut texts: Vec<String> = Vec::new();
        for (hosts, diff) in parts {
            let mut names = hosts
                .iter()
                .take(MOST_NAMED)
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
            if hosts.len() > MOST_NAMED {
                names = format!("{names} and {} more", hosts.len() - MOST_NAMED);
            }
            texts.push(format!("{names}:\n{diff}"));
        }
        if !self.others.is_empty() {
            texts.push(format!(
                "hosts that the file does not name:\n{}",
                self.others
            ));
        }
        let shared = [
            ("locks", &self.locks),
            ("rollouts", &self.rollouts),
            ("alerts", &self.alerts),
        ];
        for (what, changed) in shared {
            if !changed.is_empty() {
                let lines: Vec<String> = changed.iter().map(|it| format!("  ~ {it}")).collect();
                texts.push(format!("{what}:\n{}", lines.join("\n")));
            }
        }
        f.write_str(&texts.join("\n\n"))
    }
}
