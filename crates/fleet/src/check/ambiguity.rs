//! Groups that say different things of one host, and of which none has the greater priority.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::{Glob, HostName};

use crate::declared::{Group, ItemRule, Scope};
use crate::fault::{Faults, quoted};
use crate::fleet::Fleet;
use crate::pattern::{covers, overlap};
use crate::source::{At, Sources};

/// One thing that a group says.
#[derive(Debug)]
struct Said<'a> {
    group: &'a str,
    /// For which items; none for the host as a whole.
    pattern: Option<&'a Glob>,
    value: String,
    at: At,
}

pub(super) fn check(fleet: &Fleet, sources: &Sources, faults: &Faults) {
    let groups = &fleet.declared.groups;
    // By priority and by what is said.
    let mut said: BTreeMap<(i64, String), Vec<Said<'_>>> = BTreeMap::new();
    for (name, group) in groups {
        for (key, thing) in all_said(name, &group.scope) {
            said.entry((group.priority, key)).or_default().push(thing);
        }
    }
    let members = Lazy::new(fleet);
    for ((_, key), things) in &said {
        // What says the same is never at odds, and most of it does.
        let mut by_value: BTreeMap<&str, Vec<&Said<'_>>> = BTreeMap::new();
        for thing in things {
            by_value.entry(&thing.value).or_default().push(thing);
        }
        let values: Vec<&Vec<&Said<'_>>> = by_value.values().collect();
        for (index, ones) in values.iter().enumerate() {
            let others = values[index + 1..].iter().flat_map(|others| others.iter());
            for (one, other) in others.flat_map(|other| ones.iter().map(move |one| (one, other))) {
                if one.group == other.group || !meet(one, other) {
                    continue;
                }
                let Some(example) = members.common(groups, one.group, other.group) else {
                    continue;
                };
                let (first, second) = if one.at <= other.at {
                    (one, other)
                } else {
                    (other, one)
                };
                let what = match second.pattern {
                    Some(pattern) => format!("{key} of \"{pattern}\""),
                    None => key.clone(),
                };
                faults.add_with(
                    second.at,
                    format!(
                        "groups {} and {} say different things of {example}: {what} is {} here, and {} at {}",
                        quoted(second.group),
                        quoted(first.group),
                        second.value,
                        first.value,
                        sources.place(first.at)
                    ),
                    Some("give one of the groups a greater priority, as in priority = 10".into()),
                );
            }
        }
    }
}

/// True if neither of the two is the more particular one, and there may be an item that both are about.
fn meet(one: &Said<'_>, other: &Said<'_>) -> bool {
    match (one.pattern, other.pattern) {
        (None, None) => true,
        (Some(a), Some(b)) if one.value == WATCHED || other.value == WATCHED => {
            // What is watched is named as it stands in the lists.
            let (item, without) = if one.value == WATCHED { (a, b) } else { (b, a) };
            covers(without, item)
        }
        (Some(a), Some(b)) => {
            a.is_plain() == b.is_plain() && a.weight() == b.weight() && overlap(a, b)
        }
        _ => false,
    }
}

const WATCHED: &str = "watched";

fn all_said<'a>(group: &'a str, scope: &'a Scope) -> Vec<(String, Said<'a>)> {
    let mut all = Vec::new();
    let mut say = |key: &str, pattern, value: String, at| {
        let said = Said {
            group,
            pattern,
            value,
            at,
        };
        all.push((key.to_owned(), said));
    };
    for (key, set) in [("sample", &scope.sample), ("report", &scope.report)] {
        if let Some(set) = set {
            say(key, None, format!("\"{}\"", set.value), set.at);
        }
    }
    for item in &scope.items {
        say("watching", Some(&item.value), WATCHED.into(), item.at);
    }
    for item in &scope.without {
        say("watching", Some(&item.value), "taken away".into(), item.at);
    }
    for rule in &scope.rules {
        for (key, value, at) in settings(rule) {
            say(&key, Some(&rule.pattern), value, at);
        }
    }
    all
}

fn settings(rule: &ItemRule) -> Vec<(String, String, At)> {
    let mut all = Vec::new();
    for (key, set) in [("every", &rule.every), ("timeout", &rule.timeout)] {
        if let Some(set) = set {
            all.push((key.to_owned(), format!("\"{}\"", set.value), set.at));
        }
    }
    if let Some(set) = &rule.fitness {
        let rules = set.value.fitness.rules.iter();
        let mut words: Vec<String> = rules
            .map(|rule| format!("{} {}", rule.level, rule.when))
            .collect();
        words.extend(set.value.fitness.mean.map(|mean| format!("mean {mean}")));
        all.push((
            "fitness".into(),
            format!("\"{}\"", words.join(", ")),
            set.at,
        ));
    }
    for (key, set) in &rule.options {
        let value = serde_json::to_string(&set.value).unwrap_or_default();
        all.push((key.clone(), value, set.at));
    }
    all
}

/// Which of the hosts that the file names are in which group; made when the first two groups disagree.
#[derive(Debug)]
struct Lazy<'a> {
    fleet: &'a Fleet,
    members: std::cell::OnceCell<BTreeMap<&'a str, BTreeSet<&'a HostName>>>,
}

impl<'a> Lazy<'a> {
    fn new(fleet: &'a Fleet) -> Self {
        Self {
            fleet,
            members: std::cell::OnceCell::new(),
        }
    }

    /// In words, a host that is in both groups, if there can be one.
    fn common(&self, groups: &BTreeMap<String, Group>, one: &str, other: &str) -> Option<String> {
        let members = self.members.get_or_init(|| {
            let mut members: BTreeMap<&str, BTreeSet<&HostName>> = BTreeMap::new();
            for host in self.fleet.hosts() {
                for group in self.fleet.groups_of(host) {
                    members.entry(group).or_default().insert(host);
                }
            }
            members
        });
        if let (Some(a), Some(b)) = (members.get(one), members.get(other)) {
            let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
            if let Some(host) = few.iter().find(|host| many.contains(*host)) {
                return Some(host.to_string());
            }
        }
        // Hosts that the file does not name are in groups by their patterns.
        let (one, other) = (groups.get(one)?, groups.get(other)?);
        let pairs = one.members.globs.iter().flat_map(|a| {
            let both = other.members.globs.iter().map(move |b| (a, b));
            both.filter(|(a, b)| overlap(a, b))
        });
        let (a, b) = { pairs }.next()?;
        Some(if a == b {
            format!("hosts that match \"{a}\"")
        } else {
            format!("hosts that match both \"{a}\" and \"{b}\"")
        })
    }
}
