//! What a fleet file says, as it says it: each thing with the place where it is said. What follows from it for one
//! host is in `compile`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockstep_model::{
    ChannelName, Fitness, Follow, Glob, HostName, Interval, LevelNames, LockName, LockRule,
    PackageRule, Setting, SnmpVersion, Strategy,
};

use crate::pattern::is_any;
use crate::read::Set;
use crate::source::At;

/// `[defaults]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    pub(crate) sample: Option<Set<Interval>>,
    pub(crate) report: Option<Set<Interval>>,
    pub(crate) timeout: Option<Set<Interval>>,
    pub(crate) items: Option<Vec<Set<Glob>>>,
    pub(crate) timezone: Option<Set<String>>,
}

/// What groups and hosts have in common.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Where its name stands.
    pub(crate) at: At,
    pub(crate) items: Vec<Set<Glob>>,
    pub(crate) without: Vec<Set<Glob>>,
    pub(crate) sample: Option<Set<Interval>>,
    pub(crate) report: Option<Set<Interval>>,
    pub(crate) depends: Vec<Set<HostName>>,
    /// Who cares for these hosts.
    pub(crate) owner: Option<String>,
    /// What people read about them, by what it is called.
    pub(crate) links: BTreeMap<String, String>,
    pub(crate) rules: Vec<ItemRule>,
}

/// `[group.NAME]`.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) members: Members,
    pub(crate) priority: i64,
    pub(crate) scope: Scope,
}

/// Who belongs to a group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    pub(crate) names: BTreeSet<HostName>,
    pub(crate) globs: Vec<Glob>,
    pub(crate) labels: Vec<Set<LabelTest>>,
}

/// `role=web`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LabelTest {
    pub(crate) key: String,
    pub(crate) value: Glob,
}

/// `[host.NAME]`.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) scope: Scope,
    /// Where it is on the network.
    pub(crate) address: Option<Set<String>>,
    pub(crate) dumb: Option<Dumb>,
}

/// A host without an agent.
#[derive(Debug, Clone)]
pub(crate) struct Dumb {
    pub(crate) via: Set<HostName>,
    pub(crate) snmp: Option<Set<SnmpAccess>>,
}

/// `snmp = { … }`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SnmpAccess {
    pub(crate) version: SnmpVersion,
    pub(crate) port: Option<u16>,
    pub(crate) secret: String,
}

/// `[item."X"]`, wherever it stands: what holds for the items that match.
#[derive(Debug, Clone)]
pub(crate) struct ItemRule {
    pub(crate) pattern: Glob,
    /// Where the pattern stands.
    pub(crate) at: At,
    pub(crate) every: Option<Set<Interval>>,
    pub(crate) timeout: Option<Set<Interval>>,
    pub(crate) fitness: Option<Set<Arc<Judgement>>>,
    pub(crate) options: BTreeMap<String, Set<Setting>>,
}

/// A fitness function, and where each of its parts stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) fitness: Fitness,
    /// One for each rule of the function.
    pub(crate) rules_at: Vec<At>,
    pub(crate) mean_at: Option<At>,
}

/// `[lock.NAME]`.
#[derive(Debug, Clone)]
pub(crate) struct Lock {
    pub(crate) rule: LockRule,
    /// Where the conditions of the rule stand, each one.
    pub(crate) needs_at: Vec<At>,
}

/// `[package.NAME]`.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// Where its name stands.
    pub(crate) at: At,
    pub(crate) members: Members,
    /// The hosts that it names, and where.
    pub(crate) names: Vec<Set<HostName>>,
    pub(crate) groups: Vec<String>,
    pub(crate) lock_at: Option<At>,
    pub(crate) rule: PackageRule,
}

/// `[strategy.NAME]`.
#[derive(Debug, Clone)]
pub(crate) struct NamedStrategy {
    /// Where its name stands.
    pub(crate) at: At,
    pub(crate) strategy: Strategy,
    /// Where it names labels, and the keys that do.
    pub(crate) labels: Vec<(&'static str, Set<String>)>,
}

/// `[channel.NAME]`.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// Where its name stands.
    pub(crate) at: At,
    /// The name of its strategy, which may be one that is not known.
    pub(crate) strategy: String,
}

/// `[follow.NAME]`.
#[derive(Debug, Clone)]
pub(crate) struct FollowRule {
    /// Where its name stands.
    pub(crate) at: At,
    pub(crate) members: Members,
    /// The hosts that it names, and where.
    pub(crate) names: Vec<Set<HostName>>,
    pub(crate) groups: Vec<String>,
    pub(crate) priority: i64,
    pub(crate) follow: Follow,
}

/// Everything about hosts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    pub(crate) levels: LevelNames,
    pub(crate) defaults: Defaults,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) hosts: BTreeMap<HostName, Host>,
    pub(crate) rules: Vec<ItemRule>,
    pub(crate) fitness: BTreeMap<String, Set<Arc<Judgement>>>,
    pub(crate) locks: BTreeMap<LockName, Lock>,
    /// By the names of their tables.
    pub(crate) packages: BTreeMap<String, Package>,
    pub(crate) strategies: BTreeMap<String, NamedStrategy>,
    pub(crate) channels: BTreeMap<ChannelName, Channel>,
    /// By the names of their tables.
    pub(crate) follows: BTreeMap<String, FollowRule>,
}

impl Members {
    /// True if a host belongs to them.
    pub(crate) fn has(&self, name: &HostName, labels: &BTreeMap<String, String>) -> bool {
        self.names.contains(name)
            || self.globs.iter().any(|glob| glob.matches(name.as_str()))
            || self.labels.iter().any(|test| test.value.holds(labels))
    }
}

impl FollowRule {
    /// True if it speaks of all hosts: it names none, or has a pattern of stars alone.
    pub(crate) fn is_for_all(&self) -> bool {
        let Members {
            names,
            globs,
            labels,
        } = &self.members;
        let nobody = names.is_empty() && globs.is_empty() && labels.is_empty();
        (nobody && self.groups.is_empty()) || globs.iter().any(is_any)
    }
}

impl LabelTest {
    pub(crate) fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        labels
            .get(&self.key)
            .is_some_and(|value| self.value.matches(value))
    }
}

impl ItemRule {
    /// Of two rules that stand side by side the one with the greater strength counts: a plain name, then the pattern
    /// that pins down more, and then any order as long as it is always the same.
    pub(crate) fn strength(&self) -> (bool, usize, &Glob) {
        (
            self.pattern.is_plain(),
            self.pattern.weight(),
            &self.pattern,
        )
    }
}
