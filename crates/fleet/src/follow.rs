//! Who follows what: of the rules `[follow.NAME]` the one that counts for a host.
//!
//! Servers ask for each report and for each host of a rollout, so everything is arranged beforehand: by package, the
//! greatest priority first, and patterns so that most need no more than a look at both ends of a name.
//!
//! Of two rules for one package the one with the greater `priority` counts; then the more particular one
//! ([`Reach`]); then the one whose name comes first.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lockstep_model::{Follow, HostName, PackageName};
use serde::Serialize;

use crate::declared::{Declared, FollowRule, LabelTest, Members};
use crate::fleet::Fleet;
use crate::pattern::{Quick, is_any};
use crate::source::{At, Place};

/// What a host may say of itself, by the names of the labels: [`lockstep_model::api::Facts`].
pub(crate) const SAID: [&str; 4] = ["os", "kernel", "platform", "gateway"];

/// What one host follows for one package, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// What it follows.
    #[serde(flatten)]
    pub follow: Follow,
    /// By what the rule speaks of the host: `all hosts`, `label class=web`, `group db`, `hosts web*`, or its name.
    pub by: String,
    /// Where the rule stands; none for what is built in.
    pub place: Option<Place>,
    /// Rules for the same package that speak of the host, too, and do not count.
    pub instead_of: Vec<String>,
}

/// All rules, arranged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// By package, sorted. The agent is always among them.
    packages: Vec<(PackageName, Vec<Rule>)>,
    is_empty: bool,
}

/// One rule. They are sorted: the greater priority first, then by name.
#[derive(Debug, Clone)]
struct Rule {
    at: At,
    priority: i64,
    follow: Follow,
    crowd: Crowd,
    groups: Vec<(String, Arc<Crowd>)>,
    is_for_all: bool,
}

/// Hosts by their names, by patterns, and by labels.
#[derive(Debug, Clone, Default)]
struct Crowd {
    names: HashSet<HostName>,
    /// The ones that pin down most come first.
    patterns: Vec<Quick>,
    labels: Vec<Label>,
}

/// `class=web`, where the value may be a pattern.
#[derive(Debug, Clone)]
struct Label {
    key: String,
    value: Quick,
}

/// How a rule comes to speak of a host; what is greater is more particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// It speaks of all hosts.
    All,
    /// By a label.
    Label,
    /// By a group.
    Group,
    /// By a pattern that pins down so many characters.
    Pattern(usize),
    /// By name.
    Name,
}

/// A host as rules look at it.
#[derive(Debug, Clone, Copy)]
struct Who<'a> {
    host: &'a HostName,
    labels: &'a BTreeMap<String, String>,
    said: &'a BTreeMap<String, String>,
}

const NOTHING: &BTreeMap<String, String> = &BTreeMap::new();

impl Fleet {
    /// What a host follows: one for each package, sorted by package, at most [`Follow::MOST`]. The agent itself is
    /// always among them, by [`Follow::agent`] where no rule speaks of it.
    ///
    /// `said` are labels that the host says of itself: `os`, `kernel`, `platform`. Labels of the file win over those. A
    /// host without an agent follows nothing.
    #[must_use]
    pub fn follows(&self, host: &HostName, said: &BTreeMap<String, String>) -> Vec<Follow> {
        let Some(who) = self.who(host, said) else {
            return Vec::new();
        };
        if self.follows.is_empty {
            return vec![Follow::agent()];
        }
        let packages = self.follows.packages.iter();
        let found = packages.filter_map(|(package, rules)| match winner(rules, who) {
            Some((rule, _)) => Some(rule.follow.clone()),
            None => (*package == PackageName::lockstep()).then(Follow::agent),
        });
        found.collect()
    }

    /// The same, each with the reason.
    #[must_use]
    pub fn explain_follows(
        &self,
        host: &HostName,
        said: &BTreeMap<String, String>,
    ) -> Vec<Followed> {
        let Some(who) = self.who(host, said) else {
            return Vec::new();
        };
        let packages = self.follows.packages.iter();
        let found = packages.filter_map(|(package, rules)| {
            let Some((rule, reach)) = winner(rules, who) else {
                return (*package == PackageName::lockstep()).then(by_default);
            };
            let others = rules.iter().filter(|other| other.at != rule.at);
            let others = others.filter(|other| other.reach(who).is_some());
            Some(Followed {
                follow: rule.follow.clone(),
                by: rule.in_words(reach, who),
                place: Some(self.sources.place(rule.at)),
                instead_of: others
                    .filter_map(|other| other.follow.rule.clone())
                    .collect(),
            })
        });
        found.collect()
    }

    /// False if the file has no rule about it: then each host follows [`Follow::agent`] and nothing else.
    #[must_use]
    pub fn has_follow_rules(&self) -> bool {
        !self.follows.is_empty
    }

    /// What hosts follow that neither the file nor a pattern names, and that say nothing of themselves.
    pub(crate) fn follows_of_others(&self) -> Vec<Follow> {
        let packages = self.follows.packages.iter();
        let found = packages.filter_map(|(package, rules)| {
            match rules.iter().find(|rule| rule.is_for_all) {
                Some(rule) => Some(rule.follow.clone()),
                None => (*package == PackageName::lockstep()).then(Follow::agent),
            }
        });
        found.collect()
    }

    /// None for a host without an agent: nobody would see to it there.
    fn who<'a>(
        &'a self,
        host: &'a HostName,
        said: &'a BTreeMap<String, String>,
    ) -> Option<Who<'a>> {
        let known = self.declared.hosts.get(host);
        if known.is_some_and(|it| it.dumb.is_some()) {
            return None;
        }
        Some(Who {
            host,
            labels: known.map_or(NOTHING, |it| &it.labels),
            said,
        })
    }
}

fn by_default() -> Followed {
    Followed {
        follow: Follow::agent(),
        by: "default".into(),
        place: None,
        instead_of: Vec::new(),
    }
}

/// The rule that counts. Rules are sorted, so of two that are as particular as each other it is the earlier one.
fn winner<'a>(rules: &'a [Rule], who: Who<'_>) -> Option<(&'a Rule, Reach)> {
    let mut best: Option<(&Rule, Reach)> = None;
    for rule in rules {
        if best.is_some_and(|(best, reach)| rule.priority < best.priority || reach == Reach::Name) {
            break;
        }
        let Some(reach) = rule.reach(who) else {
            continue;
        };
        if best.is_none_or(|(_, before)| reach > before) {
            best = Some((rule, reach));
        }
    }
    best
}

impl Rules {
    /// Arranges what is declared.
    pub(crate) fn of(declared: &Declared) -> Self {
        let mut crowds: BTreeMap<&str, Arc<Crowd>> = BTreeMap::new();
        let mut packages: BTreeMap<PackageName, Vec<Rule>> =
            BTreeMap::from([(PackageName::lockstep(), Vec::new())]);
        // The map is sorted by name, and sorting by priority keeps that order among equals.
        for rule in declared.follows.values() {
            let groups = rule.groups.iter().filter_map(|name| {
                let group = declared.groups.get(name)?;
                let crowd = crowds
                    .entry(name.as_str())
                    .or_insert_with(|| Arc::new(Crowd::of(&group.members)));
                Some((name.clone(), Arc::clone(crowd)))
            });
            let rule = Rule::of(rule, groups.collect());
            let package = rule.follow.package.clone();
            packages.entry(package).or_default().push(rule);
        }
        for rules in packages.values_mut() {
            rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        }
        Self {
            packages: packages.into_iter().collect(),
            is_empty: declared.follows.is_empty(),
        }
    }
}

impl Rule {
    fn of(rule: &FollowRule, groups: Vec<(String, Arc<Crowd>)>) -> Self {
        let mut crowd = Crowd::of(&rule.members);
        // Stars alone are everybody, whom groups and labels are more particular than.
        crowd.patterns.retain(|pattern| !is_any(pattern.glob()));
        Self {
            at: rule.at,
            priority: rule.priority,
            follow: rule.follow.clone(),
            is_for_all: rule.is_for_all(),
            crowd,
            groups,
        }
    }

    /// How it comes to speak of a host, by the most particular of the ways; none if it does not.
    fn reach(&self, who: Who<'_>) -> Option<Reach> {
        if self.crowd.names.contains(who.host) {
            return Some(Reach::Name);
        }
        if let Some(pattern) = self.crowd.pattern(who) {
            return Some(Reach::Pattern(pattern.weight()));
        }
        // A group is what it is for everything else in the file: what a host says of itself makes nobody a member.
        if self.group(who).is_some() {
            return Some(Reach::Group);
        }
        if self.crowd.label(who).is_some() {
            return Some(Reach::Label);
        }
        self.is_for_all.then_some(Reach::All)
    }

    fn group(&self, who: Who<'_>) -> Option<&str> {
        let who = Who {
            said: NOTHING,
            ..who
        };
        let mut groups = self.groups.iter();
        let found = groups.find(|(_, crowd)| crowd.has(who));
        found.map(|(name, _)| name.as_str())
    }

    fn in_words(&self, reach: Reach, who: Who<'_>) -> String {
        let words = match reach {
            Reach::All => None,
            Reach::Label => self
                .crowd
                .label(who)
                .map(|label| format!("label {}={}", label.key, label.value)),
            Reach::Group => self.group(who).map(|name| format!("group {name}")),
            Reach::Pattern(_) => self
                .crowd
                .pattern(who)
                .map(|pattern| format!("hosts {pattern}")),
            Reach::Name => Some(format!("host {}", who.host)),
        };
        words.unwrap_or_else(|| "all hosts".into())
    }
}

impl Crowd {
    fn of(members: &Members) -> Self {
        let mut patterns: Vec<Quick> = members.globs.iter().cloned().map(Quick::new).collect();
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.weight()));
        let labels = members.labels.iter().map(|set| {
            let LabelTest { key, value } = &set.value;
            Label {
                key: key.clone(),
                value: Quick::new(value.clone()),
            }
        });
        Self {
            names: members.names.iter().cloned().collect(),
            patterns,
            labels: labels.collect(),
        }
    }

    fn has(&self, who: Who<'_>) -> bool {
        self.names.contains(who.host) || self.pattern(who).is_some() || self.label(who).is_some()
    }

    /// The pattern that pins down most, of those that match.
    fn pattern(&self, who: Who<'_>) -> Option<&Quick> {
        let name = who.host.as_str();
        self.patterns.iter().find(|pattern| pattern.matches(name))
    }

    fn label(&self, who: Who<'_>) -> Option<&Label> {
        self.labels.iter().find(|label| {
            let value = who.labels.get(&label.key);
            let value = value.or_else(|| who.said.get(&label.key));
            value.is_some_and(|value| label.value.matches(value))
        })
    }
}
