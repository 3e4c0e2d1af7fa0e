//! Hosts that depend on each other in a circle: then nobody could say whose fault it is.

use std::collections::BTreeMap;

use lockstep_model::HostName;

use crate::fault::Faults;
use crate::fleet::Fleet;
use crate::source::At;

/// How far the search through a host has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// On the way that is being followed.
    Open,
    /// Everything behind it has been seen.
    Done,
}

pub(super) fn check(fleet: &Fleet, faults: &Faults) {
    let parents: BTreeMap<&HostName, Vec<&HostName>> = fleet
        .hosts()
        .map(|host| (host, fleet.parents_of(host).into_iter().collect()))
        .collect();
    let mut marks: BTreeMap<&HostName, Mark> = BTreeMap::new();
    for &start in parents.keys() {
        if marks.contains_key(start) {
            continue;
        }
        // The way from the start, each host with the number of its parents that have been looked at. A chain may be as
        // long as the fleet is large, so this is no recursion.
        let mut way: Vec<(&HostName, usize)> = vec![(start, 0)];
        marks.insert(start, Mark::Open);
        while let Some((host, next)) = way.last_mut() {
            let parent = parents.get(*host).and_then(|all| all.get(*next));
            *next += 1;
            match parent {
                None => {
                    marks.insert(host, Mark::Done);
                    way.pop();
                }
                Some(parent) => match marks.get(parent) {
                    None => {
                        marks.insert(parent, Mark::Open);
                        way.push((parent, 0));
                    }
                    Some(Mark::Open) => report(fleet, faults, &way, parent),
                    Some(Mark::Done) => {}
                },
            }
        }
    }
}

/// Most hosts of a circle that are named.
const MOST_NAMED: usize = 10;

fn report(fleet: &Fleet, faults: &Faults, way: &[(&HostName, usize)], back_to: &HostName) {
    let begin = way
        .iter()
        .position(|(host, _)| *host == back_to)
        .unwrap_or_default();
    let circle: Vec<&HostName> = way[begin..].iter().map(|(host, _)| *host).collect();
    let mut names: Vec<&str> = circle
        .iter()
        .take(MOST_NAMED)
        .map(|host| host.as_str())
        .collect();
    if circle.len() > MOST_NAMED {
        names.push("…");
    }
    names.push(back_to.as_str());
    let (Some(last), Some(first)) = (circle.last(), circle.first()) else {
        return;
    };
    if let Some(at) = said_at(fleet, last, first) {
        let watched = circle.iter().any(|host| fleet.watcher_of(host).is_some());
        faults.add_with(
            at,
            format!(
                "these hosts depend on each other in a circle: {}",
                names.join(" -> ")
            ),
            watched.then(|| "a host with via depends on the one that watches it".into()),
        );
    }
}

/// Where it is said that a host depends on another.
fn said_at(fleet: &Fleet, host: &HostName, parent: &HostName) -> Option<At> {
    let kin = fleet.kin(host);
    let scopes = kin.host.iter().map(|host| &host.scope);
    let scopes = scopes.chain(kin.groups.iter().map(|(_, group)| &group.scope));
    let mut depends = scopes.flat_map(|scope| &scope.depends);
    let via = kin
        .host
        .and_then(|host| host.dumb.as_ref())
        .map(|dumb| &dumb.via);
    let said = depends.find(|it| it.value == *parent).or(via);
    said.map(|set| set.at)
}
