//! From what is declared to what one host is told.
//!
//! For each key (`every`, `timeout`, `fitness`, each option) the most particular one that says anything counts: the
//! host's `[item.X]`, then its groups', then the fleet's, then `[fitness.PROBE]` and `[defaults]`, then what is built
//! in. Side by side, a plain name beats a pattern, and a pattern that pins down more beats one that pins down less.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_model::{
    ContentHash, Glob, HostName, Interval, Setting, Snmp, WatchedHost, Work, WorkItem,
};

use crate::declared::{Host, ItemRule, Judgement};
use crate::fleet::{Fleet, Kin};
use crate::pattern::{self, covers};
use crate::probes;
use crate::read::Set;
use crate::source::At;

/// What is watched, by whose word; none for what is built in.
pub(crate) type Watched = BTreeMap<Glob, Option<At>>;

/// What counts for one entry of a work document. What is none is left to the agent.
#[derive(Debug, Default)]
pub(crate) struct Resolved<'a> {
    pub(crate) every: Option<&'a Set<Interval>>,
    pub(crate) timeout: Option<&'a Set<Interval>>,
    pub(crate) fitness: Option<&'a Set<Arc<Judgement>>>,
    pub(crate) options: BTreeMap<&'a str, &'a Set<Setting>>,
}

/// The hash by which a work document is known: SHA-256 of its JSON.
#[must_use]
pub fn hash_of(work: &Work) -> ContentHash {
    // Fields have a fixed order and maps a sorted one, so equal documents have equal JSON.
    let json =
        serde_json::to_vec(work).expect("texts, numbers and maps with text keys become JSON");
    ContentHash::of(&json)
}

impl Fleet {
    /// What a host is told to watch, whether the file names it or not.
    #[must_use]
    pub fn work_for(&self, host: &HostName) -> Work {
        let kin = self.kin(host);
        let mut work = self.work(&kin);
        let watched = self.watched_by(host).iter();
        work.watched = watched.filter_map(|name| self.watched_host(name)).collect();
        work.packages = self.packages_of(host);
        work
    }

    /// What a host is told that neither the file nor a group's pattern names.
    pub(crate) fn work_for_others(&self) -> Work {
        let mut work = self.work(&Kin::default());
        work.packages = self.packages_of_others();
        work
    }

    fn work(&self, kin: &Kin<'_>) -> Work {
        let built_in = Work::default();
        let defaults = &self.declared.defaults;
        let sample = kin.sample().or(defaults.sample.as_ref());
        let report = kin.report().or(defaults.report.as_ref());
        Work {
            levels: self.declared.levels.clone(),
            sample: sample.map_or(built_in.sample, |set| set.value),
            report: report.map_or(built_in.report, |set| set.value),
            items: self.items(kin),
            watched: Vec::new(),
            history: self.history.clone(),
            packages: Vec::new(),
        }
    }

    fn watched_host(&self, name: &HostName) -> Option<WatchedHost> {
        let kin = self.kin(name);
        let host = kin.host?;
        let dumb = host.dumb.as_ref()?;
        let address = host.address.as_ref();
        let snmp = dumb.snmp.as_ref().map(|snmp| Snmp {
            version: snmp.value.version,
            port: snmp.value.port,
            secret: snmp.value.secret.clone(),
        });
        Some(WatchedHost {
            host: name.clone(),
            address: address.map_or_else(|| name.to_string(), |address| address.value.clone()),
            items: self.items(&kin),
            snmp,
        })
    }

    fn items(&self, kin: &Kin<'_>) -> Vec<WorkItem> {
        let rules = self.rules(kin);
        let asked_for = self.asked_for(kin);
        let watched = self.watched(kin, &rules);
        let items = watched.into_keys().map(|name| {
            let resolved = self.resolve(kin, &rules, &name);
            // A disk that only some hosts have is judged where it is found, and missed nowhere. What is looked at in
            // another way must be looked at by itself.
            let is_looked_at_otherwise = rules.iter().any(|rule| {
                rule.pattern == name && (rule.every.is_some() || rule.timeout.is_some())
            }) || !resolved.options.is_empty();
            WorkItem {
                is_rule: !asked_for.contains_key(&name) && !is_looked_at_otherwise,
                every: resolved.every.map(|set| set.value),
                timeout: resolved.timeout.map(|set| set.value),
                fitness: resolved.fitness.map(|set| set.value.fitness.clone()),
                options: resolved
                    .options
                    .into_iter()
                    .map(|(key, set)| (key.to_owned(), set.value.clone()))
                    .collect(),
                name,
            }
        });
        items.collect()
    }

    /// The rules for items of a host, the one that counts more later.
    pub(crate) fn rules<'a>(&'a self, kin: &Kin<'a>) -> Vec<&'a ItemRule> {
        let mut rules: Vec<&ItemRule> = self.declared.rules.iter().collect();
        for equals in kin
            .groups
            .chunk_by(|one, other| one.1.priority == other.1.priority)
        {
            let begin = rules.len();
            rules.extend(equals.iter().flat_map(|(_, group)| &group.scope.rules));
            rules[begin..].sort_by(|one, other| one.strength().cmp(&other.strength()));
        }
        rules.extend(kin.host.iter().flat_map(|host| &host.scope.rules));
        rules
    }

    /// The entries of a host's work document.
    pub(crate) fn watched(&self, kin: &Kin<'_>, rules: &[&ItemRule]) -> Watched {
        let mut watched = self.asked_for(kin);
        self.add_particular(&mut watched, rules);
        watched
    }

    /// What a host is asked to watch by name or pattern.
    fn asked_for(&self, kin: &Kin<'_>) -> Watched {
        let mut watched = self.inherited(kin);
        if let Some(host) = kin.host {
            take_away(&mut watched, &host.scope.without);
            add(&mut watched, &host.scope.items);
        }
        watched
    }

    /// What a host watches by the word of others.
    pub(crate) fn inherited(&self, kin: &Kin<'_>) -> Watched {
        let mut watched = Watched::new();
        match &self.declared.defaults.items {
            Some(items) => add(&mut watched, items),
            None => watched.extend(
                Work::default()
                    .items
                    .into_iter()
                    .map(|item| (item.name, None)),
            ),
        }
        for equals in kin
            .groups
            .chunk_by(|one, other| one.1.priority == other.1.priority)
        {
            for (_, group) in equals {
                take_away(&mut watched, &group.scope.without);
            }
            for (_, group) in equals {
                add(&mut watched, &group.scope.items);
            }
        }
        if kin.is_dumb() {
            watched.retain(|name, _| is_remote(name));
        }
        watched
    }

    /// A rule for a part of what a pattern finds needs an entry of its own.
    fn add_particular(&self, watched: &mut Watched, rules: &[&ItemRule]) {
        let patterns: Vec<Glob> = watched
            .keys()
            .filter(|name| !name.is_plain())
            .cloned()
            .collect();
        for rule in rules {
            for wide in &patterns {
                let Some(narrow) = part(wide, &rule.pattern) else {
                    continue;
                };
                watched.entry(narrow).or_insert(Some(rule.at));
            }
        }
    }

    /// What counts for an entry.
    pub(crate) fn resolve<'a>(
        &'a self,
        kin: &Kin<'a>,
        rules: &[&'a ItemRule],
        name: &Glob,
    ) -> Resolved<'a> {
        let probe_name = pattern::probe(name);
        let probe = probes::probe(probe_name);
        let mut resolved = Resolved {
            timeout: self.declared.defaults.timeout.as_ref(),
            fitness: self.declared.fitness.get(probe_name),
            // An agent's own sampling is the rule in its work document; a watched host has none of its own there.
            every: kin.is_dumb().then(|| kin.sample()).flatten(),
            options: BTreeMap::new(),
        };
        for rule in rules {
            let other = pattern::probe(&rule.pattern);
            let rejected = other != probe_name && !other.contains(['*', '?']);
            if rejected || !covers(&rule.pattern, name) {
                continue;
            }
            resolved.every = rule.every.as_ref().or(resolved.every);
            resolved.timeout = rule.timeout.as_ref().or(resolved.timeout);
            resolved.fitness = rule.fitness.as_ref().or(resolved.fitness);
            // A rule for several probes may have options that only some of them know.
            let known = rule
                .options
                .iter()
                .filter(|(key, _)| probe.is_some_and(|probe| probe.option(key).is_some()));
            resolved
                .options
                .extend(known.map(|(key, set)| (key.as_str(), set)));
        }
        resolved
    }
}

impl<'a> Kin<'a> {
    pub(crate) fn is_dumb(&self) -> bool {
        self.host.is_some_and(Host::is_dumb)
    }

    /// The time between two samples, if the host or a group says it.
    pub(crate) fn sample(&self) -> Option<&'a Set<Interval>> {
        let own = self.host.and_then(|host| host.scope.sample.as_ref());
        own.or_else(|| {
            self.groups
                .iter()
                .rev()
                .find_map(|(_, group)| group.scope.sample.as_ref())
        })
    }

    /// The time between two reports, if the host or a group says it.
    pub(crate) fn report(&self) -> Option<&'a Set<Interval>> {
        let own = self.host.and_then(|host| host.scope.report.as_ref());
        own.or_else(|| {
            self.groups
                .iter()
                .rev()
                .find_map(|(_, group)| group.scope.report.as_ref())
        })
    }
}

impl Host {
    pub(crate) fn is_dumb(&self) -> bool {
        self.dumb.is_some()
    }
}

/// True if the probe of an item can look at a host without an agent.
pub(crate) fn is_remote(item: &Glob) -> bool {
    probes::probe(pattern::probe(item)).is_some_and(|probe| probe.remote)
}

fn take_away(watched: &mut Watched, without: &[Set<Glob>]) {
    watched.retain(|name, _| !without.iter().any(|without| covers(&without.value, name)));
}

fn add(watched: &mut Watched, items: &[Set<Glob>]) {
    for item in items {
        watched.entry(item.value.clone()).or_insert(Some(item.at));
    }
}

/// The part of what `wide` finds that a rule's pattern is about, if it is a true part.
fn part(wide: &Glob, rule: &Glob) -> Option<Glob> {
    let probe = pattern::probe(wide);
    let other = pattern::probe(rule);
    let narrow = if other == probe {
        rule.clone()
    } else if other.contains(['*', '?']) && Glob::parse(other).ok()?.matches(probe) {
        Glob::parse(&format!("{probe}:{}", pattern::object(rule)?)).ok()?
    } else {
        return None;
    };
    (narrow != *wide && covers(wide, &narrow) && !covers(&narrow, wide)).then_some(narrow)
}
