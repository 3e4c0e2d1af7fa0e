//! Conditions of locks that can never hold.
//!
//! Hosts need not be named in the file, so this can only be told of groups that have no patterns for names.

use std::collections::BTreeSet;

use lockstep_model::{AtLeast, HostName, LockRule, Need, Share};

use crate::fault::{Faults, quoted};
use crate::fleet::Fleet;
use crate::source::At;

pub(super) fn check(fleet: &Fleet, faults: &Faults) {
    for lock in fleet.declared.locks.values() {
        for (need, &at) in lock.rule.needs.iter().zip(&lock.needs_at) {
            self::need(fleet, faults, &lock.rule, need, at);
        }
    }
}

fn need(fleet: &Fleet, faults: &Faults, rule: &LockRule, need: &Need, at: At) {
    let mut is_too_large = false;
    for part in &need.0 {
        let Some(hosts) = fleet.all_of(&part.group).map(|hosts| hosts.len()) else {
            continue;
        };
        let wanted = part.share.of(hosts);
        if wanted > hosts {
            is_too_large = true;
            faults.unknown(
                at,
                format!(
                    "{} of group {} are needed, and it has {hosts}",
                    count(wanted),
                    quoted(&part.group)
                ),
                None,
            );
        }
    }
    let why: Option<Vec<String>> = need.0.iter().map(|part| never(fleet, rule, part)).collect();
    if let Some(why) = why.filter(|_| !is_too_large) {
        let note = "a smaller capacity, or fewer hosts that are needed";
        faults.unknown(
            at,
            format!("this can never hold: {}", why.join("; and ")),
            Some(note.into()),
        );
    }
}

/// Why a part of a condition cannot hold when all places but the last one are taken and a host asks for that; none if it
/// can, or if that cannot be told.
fn never(fleet: &Fleet, rule: &LockRule, part: &AtLeast) -> Option<String> {
    let group = quoted(&part.group);
    let Some(needed) = fleet.all_of(&part.group) else {
        let is_all = match part.share {
            Share::OutOf(number, of) => number == of,
            Share::Percent(percent) => percent == 100,
            Share::Number(_) => false,
        };
        return (is_all && rule.group.as_ref() == Some(&part.group)).then(|| {
            format!("it needs all hosts of group {group}, and the one that asks does not count")
        });
    };
    let lockable = fleet.all_of(rule.group.as_ref()?)?;
    let places = rule.capacity.places(lockable.len());
    let takers: BTreeSet<&HostName> = lockable
        .into_iter()
        .filter(|host| fleet.watcher_of(host).is_none())
        .collect();
    // As many as possible of those that take a place are such as nobody needs.
    let others = takers.difference(&needed).count();
    let away = places.min(takers.len()).saturating_sub(others);
    let (wanted, left) = (part.share.of(needed.len()), needed.len() - away);
    (wanted > left).then(|| {
        format!(
            "it needs {} of group {group}, and with {places} {} taken {left} of {} are left",
            count(wanted),
            if places == 1 { "place" } else { "places" },
            needed.len()
        )
    })
}

fn count(hosts: usize) -> String {
    let plural = if hosts == 1 { "host" } else { "hosts" };
    format!("{hosts} {plural}")
}

impl Fleet {
    /// All hosts of a group, if the file names them all.
    fn all_of(&self, group: &str) -> Option<BTreeSet<&HostName>> {
        let members = &self.declared.groups.get(group)?.members;
        // Labels are given in this file only, so whoever has one is named.
        let hosts = self.hosts();
        members.globs.is_empty().then(|| {
            hosts
                .filter(|host| members.has(host, self.labels_of(host)))
                .collect()
        })
    }
}
