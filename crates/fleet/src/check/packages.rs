//! Packages of hosts that do not exist, of hosts that cannot have them, and packages of which two tables speak.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::{Glob, HostName, PackageName};

use super::hosts::check_known;
use crate::declared::Package;
use crate::fault::{Faults, quoted};
use crate::fleet::Fleet;
use crate::pattern::overlap;
use crate::source::{At, Sources};

/// Most tables of one package: each is compared with each.
const MOST_TABLES: usize = 50;

pub(super) fn check(fleet: &Fleet, sources: &Sources, faults: &Faults) {
    let mut tables: Vec<&Package> = fleet.declared.packages.values().collect();
    tables.sort_by_key(|table| table.at);
    let mut found = Found {
        sources,
        faults,
        told: BTreeSet::new(),
    };
    for table in &tables {
        names(fleet, faults, table);
    }
    // Those that are named only here may be known by a group's pattern.
    let named = tables.iter().flat_map(|table| &table.members.names);
    let hosts: BTreeSet<&HostName> = fleet.hosts().chain(named).collect();
    for host in hosts {
        let mut spoken: BTreeMap<&PackageName, &Package> = BTreeMap::new();
        for &table in &tables {
            if !fleet.concerns(table, host) {
                continue;
            }
            lock(fleet, &mut found, table, host);
            match spoken.get(&table.rule.name) {
                Some(first) => found.twice(first, table, host.as_str()),
                None => drop(spoken.insert(&table.rule.name, table)),
            }
        }
    }
    others(fleet, &mut found, &tables);
}

/// Faults, each table with one of a kind.
#[derive(Debug)]
struct Found<'a> {
    sources: &'a Sources,
    faults: &'a Faults,
    told: BTreeSet<At>,
}

impl Found<'_> {
    fn twice(&mut self, first: &Package, second: &Package, hosts: &str) {
        if self.told.insert(second.at) {
            let place = self.sources.place(first.at);
            let name = quoted(second.rule.name.as_str());
            self.faults.add(
                second.at,
                format!("two tables speak of package {name} on {hosts}; the other is at {place}"),
            );
        }
    }
}

fn names(fleet: &Fleet, faults: &Faults, table: &Package) {
    for name in &table.names {
        if fleet.watcher_of(&name.value).is_none() {
            check_known(fleet, faults, name);
            continue;
        }
        let host = quoted(name.value.as_str());
        faults.add(
            name.at,
            format!("{host} has no agent, which would see to it"),
        );
    }
}

/// A lock that is for the hosts of a group refuses all others, for ever.
fn lock(fleet: &Fleet, found: &mut Found<'_>, table: &Package, host: &HostName) {
    let (Some(name), Some(at)) = (&table.rule.lock, table.lock_at) else {
        return;
    };
    let lock = fleet.declared.locks.get(name);
    let Some(group) = lock.and_then(|lock| lock.rule.group.as_ref()) else {
        return;
    };
    let Some(members) = fleet.declared.groups.get(group).map(|it| &it.members) else {
        return;
    };
    if !members.has(host, fleet.labels_of(host)) && found.told.insert(at) {
        let (lock, group) = (quoted(name.as_str()), quoted(group));
        found.faults.unknown(
            at,
            format!("lock {lock} is for the hosts of group {group}, and {host} is none of them"),
            None,
        );
    }
}

/// Hosts that the file does not name are meant by patterns.
fn others(fleet: &Fleet, found: &mut Found<'_>, tables: &[&Package]) {
    let mut by_name: BTreeMap<&PackageName, Vec<(&Package, Vec<&Glob>)>> = BTreeMap::new();
    for &table in tables {
        let earlier = by_name.entry(&table.rule.name).or_default();
        if earlier.len() >= MOST_TABLES {
            let name = quoted(table.rule.name.as_str());
            let message = format!("package {name} has at most {MOST_TABLES} tables");
            found.faults.add(table.at, message);
            continue;
        }
        let globs = globs(fleet, table);
        for (first, theirs) in earlier.iter() {
            if let Some(hosts) = common(theirs, &globs) {
                found.twice(first, table, &hosts);
                break;
            }
        }
        earlier.push((table, globs));
    }
}

fn common(theirs: &[&Glob], ours: &[&Glob]) -> Option<String> {
    let mut pairs = theirs.iter().flat_map(|a| ours.iter().map(move |b| (a, b)));
    let (a, b) = pairs.find(|(a, b)| overlap(a, b))?;
    Some(if a == b {
        format!("hosts that match \"{a}\"")
    } else {
        format!("hosts that match both \"{a}\" and \"{b}\"")
    })
}

fn globs<'a>(fleet: &'a Fleet, table: &'a Package) -> Vec<&'a Glob> {
    let groups = table.groups.iter();
    let groups = groups.filter_map(|group| fleet.declared.groups.get(group));
    let of_groups = groups.flat_map(|group| &group.members.globs);
    table.members.globs.iter().chain(of_groups).collect()
}
