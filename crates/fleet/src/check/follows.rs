//! Who follows what: hosts that do not exist or have no agent, channels that nobody follows, strategies that no channel
//! has, labels that no host has, and packages that would be kept current in two ways.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::{ChannelName, HostName, PackageName};

use super::hosts::check_known;
use crate::distance::question;
use crate::fault::{Faults, list, quoted};
use crate::fleet::Fleet;
use crate::follow::SAID;
use crate::source::Sources;

pub(super) fn check(fleet: &Fleet, sources: &Sources, faults: &Faults) {
    for rule in fleet.declared.follows.values() {
        for name in &rule.names {
            if fleet.watcher_of(&name.value).is_none() {
                check_known(fleet, faults, name);
                continue;
            }
            let host = quoted(name.value.as_str());
            let message = format!("{host} has no agent, which would follow it");
            faults.add(name.at, message);
        }
    }
    channels(fleet, faults);
    strategies(fleet, faults);
    labels(fleet, faults);
    twice(fleet, sources, faults);
}

/// A channel that nobody follows is a slip of the finger, and its rollouts would go by another strategy than is meant.
fn channels(fleet: &Fleet, faults: &Faults) {
    let stable = ChannelName::stable();
    let rules = fleet.declared.follows.values();
    let mut followed: BTreeSet<&ChannelName> = rules.map(|rule| &rule.follow.channel).collect();
    followed.insert(&stable);
    for (name, channel) in &fleet.declared.channels {
        if followed.contains(name) {
            continue;
        }
        let known = || followed.iter().map(|channel| channel.as_str());
        let question = question(name.as_str(), known().filter(|_| faults.may_be_shown()));
        let message = format!(
            "no host follows channel {}{question}",
            quoted(name.as_str())
        );
        let note = format!(
            "followed are {}; [follow.NAME] channel = \"{name}\" says who follows this one",
            list(known())
        );
        faults.unknown(channel.at, message, Some(note));
    }
}

/// A strategy that no channel has does nothing.
fn strategies(fleet: &Fleet, faults: &Faults) {
    let channels = fleet.declared.channels.values();
    let used: BTreeSet<&str> = channels.map(|channel| channel.strategy.as_str()).collect();
    for (name, strategy) in &fleet.declared.strategies {
        if !used.contains(name.as_str()) {
            let message = format!("no channel has strategy {}", quoted(name));
            let note = format!("[channel.stable] strategy = \"{name}\" gives it to one");
            faults.unknown(strategy.at, message, Some(note));
        }
    }
}

/// Labels stand in this file, but for those that hosts say of themselves.
fn labels(fleet: &Fleet, faults: &Faults) {
    let hosts = fleet.declared.hosts.values();
    let mut known: BTreeSet<&str> = hosts
        .flat_map(|host| host.labels.keys().map(String::as_str))
        .collect();
    known.extend(SAID);
    for strategy in fleet.declared.strategies.values() {
        for (key, label) in &strategy.labels {
            let (label, at) = (label.value.as_str(), label.at);
            if known.contains(label) {
                continue;
            }
            let question = question(label, known.iter().copied());
            let message = format!(
                "{key} = {}: no host has a label of that name{question}",
                quoted(label)
            );
            let note = format!("labels are given by [host.NAME] labels = {{ {label} = \"a1\" }}");
            faults.unknown(at, message, Some(note));
        }
    }
}

/// What a host's package manager keeps current, and what it follows, would be changed by two who do not know of each
/// other.
fn twice(fleet: &Fleet, sources: &Sources, faults: &Faults) {
    let rules = fleet.declared.follows.values();
    let followed: BTreeSet<&PackageName> = rules.map(|rule| &rule.follow.package).collect();
    let kept = fleet.declared.packages.values();
    let kept: Vec<_> = kept
        .filter(|package| followed.contains(&package.rule.name))
        .collect();
    let mut told = BTreeSet::new();
    let named = kept.iter().flat_map(|package| &package.members.names);
    let hosts: BTreeSet<&HostName> = fleet.hosts().chain(named).collect();
    for host in hosts {
        if kept.is_empty() {
            return;
        }
        let follows = fleet.follows(host, &BTreeMap::new());
        for package in &kept {
            let follow = follows.iter().find(|it| it.package == package.rule.name);
            let rule = follow.and_then(|follow| follow.rule.as_ref());
            let rule = rule.and_then(|name| fleet.declared.follows.get(name));
            let Some(rule) = rule.filter(|_| fleet.concerns(package, host)) else {
                continue;
            };
            if told.insert((rule.at, package.at)) {
                let place = sources.place(package.at);
                let name = quoted(package.rule.name.as_str());
                faults.add(
                    rule.at,
                    format!(
                        "{host} follows package {name}, and its package manager keeps it current, too; see {place}"
                    ),
                );
            }
        }
    }
}
