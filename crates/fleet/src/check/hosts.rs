//! Hosts that refer to others, hosts without an agent, and items that are taken away from where they are not.

use lockstep_model::{Glob, HostName};

use crate::compile::is_remote;
use crate::declared::{Host, Scope};
use crate::distance::question;
use crate::fault::{Faults, quoted};
use crate::fleet::{Fleet, Kin};
use crate::pattern::{covers, overlap};
use crate::read::Set;

pub(super) fn check(fleet: &Fleet, faults: &Faults) {
    for (name, host) in &fleet.declared.hosts {
        let kin = fleet.kin(name);
        depends(fleet, faults, Some(name), &host.scope);
        if host.is_dumb() {
            dumb(fleet, faults, name, host, &kin);
        }
        let inherited: Vec<Glob> = fleet.inherited(&kin).into_keys().collect();
        without(faults, &host.scope, &inherited);
    }
    let everywhere = fleet.inherited(&Kin::default()).into_keys();
    let groups = fleet.declared.groups.values();
    let mut anywhere: Vec<Glob> = groups
        .flat_map(|group| group.scope.items.iter().map(|item| item.value.clone()))
        .collect();
    anywhere.extend(everywhere);
    anywhere.sort();
    anywhere.dedup();
    for group in fleet.declared.groups.values() {
        depends(fleet, faults, None, &group.scope);
        without(faults, &group.scope, &anywhere);
    }
}

fn depends(fleet: &Fleet, faults: &Faults, own: Option<&HostName>, scope: &Scope) {
    for parent in &scope.depends {
        if Some(&parent.value) == own {
            faults.add(parent.at, "a host cannot depend on itself");
        } else {
            check_known(fleet, faults, parent);
        }
    }
}

/// Hosts need not be named in the file; but one that others rely on must be, or match the pattern of a group, or a
/// slip of the finger would go unseen.
pub(super) fn check_known(fleet: &Fleet, faults: &Faults, host: &Set<HostName>) {
    let name = host.value.as_str();
    let globs = fleet
        .declared
        .groups
        .values()
        .flat_map(|group| &group.members.globs);
    let mut globs = globs.filter(|glob| glob.weight() > 0);
    if fleet.knows(&host.value) || globs.any(|glob| glob.matches(name)) {
        return;
    }
    let known = fleet.hosts().map(HostName::as_str);
    let question = question(name, known.filter(|_| faults.may_be_shown()));
    let message = format!("there is no host {}{question}", quoted(name));
    let note = format!(
        "a host is made known by [host.\"{name}\"], or by naming it in the hosts of a group"
    );
    faults.unknown(host.at, message, Some(note));
}

fn dumb(fleet: &Fleet, faults: &Faults, name: &HostName, host: &Host, kin: &Kin<'_>) {
    let Some(dumb) = &host.dumb else { return };
    if dumb.via.value == *name {
        faults.add(dumb.via.at, "a host without an agent cannot watch itself");
    } else if fleet.watcher_of(&dumb.via.value).is_some() {
        faults.add(
            dumb.via.at,
            format!(
                "{} has no agent itself, it is watched by another host",
                quoted(dumb.via.value.as_str())
            ),
        );
    } else {
        check_known(fleet, faults, &dumb.via);
    }
    for item in host
        .scope
        .items
        .iter()
        .filter(|item| !is_remote(&item.value))
    {
        faults.add(
            item.at,
            format!(
                "{} can only be read on the host itself, and this one has no agent",
                quoted(item.value.as_str())
            ),
        );
    }
    if let Some(report) = &host.scope.report {
        faults.add(report.at, "a host without an agent sends no reports");
    }
    if fleet.watched(kin, &[]).is_empty() {
        faults.add(
            host.scope.at,
            "nothing is watched here: give it items that can be seen from outside, such as \"ping\"",
        );
    }
}

/// What is taken away must be there, and whole.
fn without(faults: &Faults, scope: &Scope, inherited: &[Glob]) {
    for pattern in &scope.without {
        if inherited.iter().any(|item| covers(&pattern.value, item)) {
            continue;
        }
        let message = match inherited.iter().find(|item| overlap(item, &pattern.value)) {
            Some(item) => format!(
                "{} is watched as a whole, and a part of it cannot be taken away: take away \"{item}\", and name in items what is to stay",
                quoted(item.as_str())
            ),
            None => format!(
                "{} takes nothing away: no such item is inherited",
                quoted(pattern.value.as_str())
            ),
        };
        faults.unknown(pattern.at, message, None);
    }
}
