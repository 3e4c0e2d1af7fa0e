//! Which receivers a route names, and of what it tells them.

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::alert::{AlertRules, LevelTest, Route, Trouble};
use lockstep_model::{HostName, ItemName, Level, Op};

use super::hold::matches_one;

/// It is a problem at these levels when a route says nothing else.
const PROBLEM: LevelTest = LevelTest {
    op: Op::AtLeast,
    level: Level::SICK,
};

/// The routes, prepared for one moment.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    routes: Vec<Way<'a>>,
    receivers: HashMap<&'a str, usize>,
    names: Vec<&'a str>,
    /// Which routes speak of an item: the same few items are on all hosts.
    items: HashMap<&'a ItemName, Vec<bool>>,
}

/// A route, with its receivers by number and its hours looked up.
#[derive(Debug)]
struct Way<'a> {
    route: &'a Route,
    level: LevelTest,
    in_hours: bool,
    to: Vec<usize>,
    escalates_to: Vec<usize>,
}

/// What the routes say of one problem to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    /// No route names the receiver for such an item of such a host.
    Nothing,
    /// A route does, and it is not at a level of which that tells.
    Left,
    /// It is, but not at this hour. The number is the route's.
    Later(usize),
    /// It is.
    Now(usize),
}

impl<'a> Scope<'a> {
    pub(super) fn of(rules: &'a AlertRules, now: Timestamp) -> Self {
        let names: Vec<&str> = rules.receivers.keys().map(String::as_str).collect();
        let receivers: HashMap<&str, usize> = names.iter().copied().zip(0..).collect();
        let numbers = |to: &'a [String]| {
            to.iter()
                .filter_map(|name| receivers.get(name.as_str()).copied())
                .collect()
        };
        let routes = rules.routes.iter().map(|route| Way {
            route,
            level: route.when.level.unwrap_or(PROBLEM),
            in_hours: route.when.hours.as_ref().is_none_or(|it| it.contain(now)),
            to: numbers(&route.to),
            escalates_to: route
                .escalate
                .iter()
                .flat_map(|it| numbers(&it.to))
                .collect(),
        });
        Self {
            routes: routes.collect(),
            receivers,
            names,
            items: HashMap::new(),
        }
    }

    pub(super) fn route(&self, number: usize) -> &'a Route {
        self.routes[number].route
    }

    pub(super) fn name(&self, receiver: usize) -> &'a str {
        self.names[receiver]
    }

    pub(super) fn receiver(&self, name: &str) -> Option<usize> {
        self.receivers.get(name).copied()
    }

    pub(super) fn to(&self, route: usize) -> &[usize] {
        &self.routes[route].to
    }

    /// True if some route waits for its hours.
    pub(super) fn waits_for_hours(&self) -> bool {
        self.routes.iter().any(|it| it.route.when.hours.is_some())
    }

    /// The routes that speak of a host, in the order of the file.
    pub(super) fn on_host(&self, host: &HostName, groups: &[String]) -> Vec<usize> {
        let speaks = |number: &usize| {
            let when = &self.routes[*number].route.when;
            matches_one(&when.hosts, host.as_str())
                && (when.groups.is_empty() || when.groups.iter().any(|it| groups.contains(it)))
        };
        (0..self.routes.len()).filter(speaks).collect()
    }

    /// Those of them that speak of an item.
    pub(super) fn on_item(&mut self, host: &[usize], item: &'a ItemName, found: &mut Vec<usize>) {
        let routes = &self.routes;
        let speaks = self.items.entry(item).or_insert_with(|| {
            let speaks = |way: &Way<'_>| matches_one(&way.route.when.items, item.as_str());
            routes.iter().map(speaks).collect()
        });
        found.clear();
        found.extend(host.iter().copied().filter(|&number| speaks[number]));
    }

    /// True if a route tells of this level.
    pub(super) fn tells(&self, route: usize, trouble: &Trouble) -> bool {
        self.routes[route].level.holds(trouble.level)
    }

    /// True if the trouble came to its level as a route asks for.
    pub(super) fn entered(&self, route: usize, trouble: &Trouble) -> bool {
        let when = &self.routes[route].route.when;
        when.from.is_none_or(|test| test.holds(trouble.from))
            && when.to.is_none_or(|test| test.holds(trouble.level))
    }

    pub(super) fn in_hours(&self, route: usize) -> bool {
        self.routes[route].in_hours
    }

    /// What `routes` say to a receiver. `by` is the route by which it has been looked at or told already: for that one
    /// it does not count any more how the trouble came. Who has been told stays so by an escalation too.
    pub(super) fn want(
        &self,
        routes: &[usize],
        trouble: Option<&Trouble>,
        receiver: usize,
        by: Option<&str>,
        told: bool,
    ) -> Want {
        let mut want = Want::Nothing;
        for &number in routes {
            let way = &self.routes[number];
            let named = way.to.contains(&receiver);
            if !named && (!told || !way.escalates_to.contains(&receiver)) {
                continue;
            }
            let here = match trouble {
                Some(trouble) if self.tells(number, trouble) => {
                    let known = by == Some(way.route.name.as_str());
                    match (known || self.entered(number, trouble), way.in_hours) {
                        (true, true) => return Want::Now(number),
                        (true, false) => Want::Later(number),
                        (false, _) => Want::Left,
                    }
                }
                _ => Want::Left,
            };
            if !matches!((want, here), (Want::Later(_), Want::Later(_))) {
                want = want.max(here);
            }
        }
        want
    }
}
