//! One problem and one receiver: is there anything to say?

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::{Ack, NoticeKind, Trouble};
use lockstep_model::{HostName, Interval, ItemName, Level};

use super::book::{Book, Hold, Key, Row};
use super::facts::Facts;
use super::hold::{Held, Holds, HostHold, tells_reach};
use super::scope::{Scope, Want};

/// A problem of a host whose parent is about to be found down waits at most this long for that: with the usual
/// five minutes between reports a host is dead after fifteen.
const DOUBT: Interval = Interval::from_secs(900);

/// What changes for one problem and one receiver.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) host: &'a HostName,
    pub(super) item: &'a ItemName,
    pub(super) receiver: &'a str,
    pub(super) trouble: Option<&'a Trouble>,
    /// The row as it will be, sent or not; none where it goes.
    pub(super) row: Option<Cow<'a, Row>>,
    /// It differs from the row in the book.
    pub(super) changed: bool,
    /// What it says now is in a message of this decision.
    pub(super) sent: bool,
    pub(super) intent: Option<Intent<'a>>,
}

/// What could be said.
#[derive(Debug)]
pub(super) struct Intent<'a> {
    pub(super) kind: NoticeKind,
    /// The level as it is now.
    pub(super) level: Level,
    /// It may open a message; without that it goes along with others at most.
    pub(super) ready: bool,
    /// It goes along before its own time.
    pub(super) joins: bool,
    /// It does not wait for the pace of its thread.
    pub(super) urgent: bool,
    /// The acknowledgement, in force for this level or not.
    pub(super) ack: Option<&'a Ack>,
    /// It says who is on it.
    pub(super) tells_ack: bool,
    /// For how long nobody has acknowledged.
    pub(super) escalated_after: Option<Interval>,
    /// Why it is cancelled, or what else there is to be said.
    pub(super) remark: &'static str,
}

/// A look at everything.
pub(super) struct Look<'a> {
    pub(super) facts: Facts<'a>,
    pub(super) scope: Scope<'a>,
    holds: Holds<'a>,
    pub(super) cases: Vec<Case<'a>>,
    pub(super) silenced: BTreeMap<String, u64>,
    pub(super) counts: Counts,
    pub(super) next: Option<Timestamp>,
}

/// How many problems are held back now, by what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// They depend on a host that is down.
    pub dependent: u64,
    /// By a silence.
    pub silenced: u64,
    /// Somebody is on it.
    pub acknowledged: u64,
}

/// A problem on its way through the look.
pub(super) struct Problem<'p, 'a> {
    pub(super) host: &'a HostName,
    pub(super) item: &'a ItemName,
    pub(super) trouble: Option<&'a Trouble>,
    pub(super) routes: &'p [usize],
    pub(super) held: Held<'a>,
    pub(super) ack: Option<&'a Ack>,
    pub(super) shaky: bool,
    pub(super) has_parents: bool,
    pub(super) rows: &'p [(&'a Key, &'a Row)],
}

impl<'a> Look<'a> {
    pub(super) fn new(facts: Facts<'a>) -> Self {
        let holds = Holds::of(&facts);
        let scope = Scope::of(facts.rules, facts.now);
        let mut look = Self {
            facts,
            scope,
            next: None,
            cases: Vec::new(),
            silenced: BTreeMap::new(),
            counts: Counts::default(),
            holds,
        };
        look.wake(look.holds.next_end());
        if look.scope.waits_for_hours() {
            // Hours begin and end with a minute.
            let second = facts.now.as_second();
            look.wake(Timestamp::from_second(second - second.rem_euclid(60) + 60).ok());
        }
        look
    }

    /// Looks at every trouble, and at every row of the book.
    pub(super) fn at_everything(&mut self, book: &'a Book) {
        let mut troubles: Vec<&Trouble> = self.facts.troubles.iter().collect();
        troubles.sort_by_key(|it| (&it.host, &it.item));
        troubles.dedup_by_key(|it| (&it.host, &it.item));
        let mut troubles = troubles.into_iter().peekable();
        let mut rows = book.rows.iter().peekable();
        let mut view: Option<(&HostName, HostHold<'a>, Vec<usize>)> = None;
        let mut of_problem = Vec::new();
        let mut routes = Vec::new();
        loop {
            let next_trouble = troubles.peek().map(|it| (&it.host, &it.item));
            let next_row = rows.peek().map(|(key, _)| (&key.host, &key.item));
            let Some((host, item)) = [next_trouble, next_row].into_iter().flatten().min() else {
                return;
            };
            let trouble = troubles.next_if(|it| (&it.host, &it.item) == (host, item));
            of_problem.clear();
            while let Some(row) = rows.next_if(|(key, _)| (&key.host, &key.item) == (host, item)) {
                of_problem.push(row);
            }
            if view.as_ref().is_none_or(|(known, ..)| *known != host) {
                let hold = self.holds.on_host(host, self.facts.fleet);
                let routes = self.scope.on_host(host, hold.groups);
                view = Some((host, hold, routes));
            }
            let Some((_, hold, on_host)) = &view else {
                return;
            };
            self.scope.on_item(on_host, item, &mut routes);
            let held = match trouble {
                Some(trouble) => self.holds.on_item(hold, trouble),
                None => Held {
                    depends_on: None,
                    silence: None,
                    ack: None,
                },
            };
            let ack = self.holds.newest_ack(host, item);
            let problem = Problem {
                host,
                item,
                trouble,
                routes: &routes,
                held,
                ack,
                shaky: hold.standing.shaky,
                has_parents: !self.facts.fleet.parents_of(host).is_empty(),
                rows: &of_problem,
            };
            self.problem(&problem);
        }
    }

    fn problem(&mut self, problem: &Problem<'_, 'a>) {
        if let Some(trouble) = problem.trouble {
            self.count(problem, trouble);
            let escalated = self.escalations(problem, trouble);
            for &(key, row) in problem.rows {
                let after = escalated.get(key.receiver.as_str());
                self.known(problem, &key.receiver, row, after.copied());
            }
            self.newcomers(problem, trouble, &escalated);
        } else {
            for &(key, row) in problem.rows {
                self.known(problem, &key.receiver, row, None);
            }
        }
    }

    fn count(&mut self, problem: &Problem<'_, 'a>, trouble: &Trouble) {
        let tells = |&route: &usize| self.scope.tells(route, trouble);
        if trouble.level < Level::SICK && !problem.routes.iter().any(tells) {
            return;
        }
        self.counts.dependent += u64::from(problem.held.depends_on.is_some());
        self.counts.acknowledged += u64::from(problem.held.ack.is_some());
        if let Some(silence) = problem.held.silence {
            self.counts.silenced += 1;
            *self.silenced.entry(silence.id.clone()).or_default() += 1;
        }
    }

    /// Who is to be told because nobody has acknowledged, and for how long that is.
    fn escalations(
        &mut self,
        problem: &Problem<'_, 'a>,
        trouble: &Trouble,
    ) -> BTreeMap<&'a str, (usize, Interval)> {
        let mut found = BTreeMap::new();
        let held = &problem.held;
        if held.depends_on.is_some() || held.silence.is_some() || held.ack.is_some() {
            return found;
        }
        for &number in problem.routes {
            let route = self.scope.route(number);
            if route.escalate.is_empty()
                || !self.scope.tells(number, trouble)
                || !self.scope.in_hours(number)
            {
                continue;
            }
            let told = problem.rows.iter().filter(|(key, row)| {
                row.told.is_some()
                    && route.to.contains(&key.receiver)
                    && (row.route == route.name || self.scope.entered(number, trouble))
            });
            let told = told.filter_map(|(_, row)| row.told.as_ref());
            let Some(alone_since) = told.map(|told| told.alone_since).min() else {
                continue;
            };
            for step in &route.escalate {
                let due = after(alone_since, step.after);
                if due > self.facts.now {
                    self.wake(Some(due));
                    continue;
                }
                for receiver in &step.to {
                    if self.scope.receiver(receiver).is_some() {
                        let it = (number, step.after);
                        found.entry(receiver.as_str()).or_insert(it);
                    }
                }
            }
        }
        found
    }

    /// Receivers who know nothing of the problem so far.
    fn newcomers(
        &mut self,
        problem: &Problem<'_, 'a>,
        trouble: &'a Trouble,
        escalated: &BTreeMap<&'a str, (usize, Interval)>,
    ) {
        let mut receivers: Vec<usize> = Vec::new();
        for &route in problem.routes {
            if self.scope.tells(route, trouble) && self.scope.entered(route, trouble) {
                receivers.extend(self.scope.to(route));
            }
        }
        receivers.sort_unstable();
        receivers.dedup();
        let is_known = |name: &str| problem.rows.iter().any(|(key, _)| key.receiver == name);
        for receiver in receivers {
            let name = self.scope.name(receiver);
            if is_known(name) || escalated.contains_key(name) {
                continue;
            }
            let want = self
                .scope
                .want(problem.routes, Some(trouble), receiver, None, false);
            let (Want::Now(route) | Want::Later(route)) = want else {
                continue;
            };
            let ready_at = after(self.facts.now, self.facts.rules.pace.wait);
            let mut row = Cow::Owned(self.new_row(trouble, route, ready_at));
            self.hold(&mut row, problem, matches!(want, Want::Later(_)));
            self.not_told(problem, trouble, name, row, true);
        }
        for (&name, &(route, step)) in escalated {
            if is_known(name) {
                continue;
            }
            let by = Some(self.scope.route(route).name.as_str());
            let want = self.scope.receiver(name).map(|number| {
                let routes = problem.routes;
                self.scope.want(routes, Some(trouble), number, by, true)
            });
            let route = match want {
                Some(Want::Now(route)) => route,
                _ => route,
            };
            let row = self.new_row(trouble, route, self.facts.now);
            self.escalate(problem, trouble, name, Cow::Owned(row), step);
        }
    }

    fn new_row(&self, trouble: &Trouble, route: usize, ready_at: Timestamp) -> Row {
        Row {
            route: self.scope.route(route).name.clone(),
            since: trouble.since,
            first_at: self.facts.now,
            ready_at,
            hold: None,
            was_held: None,
            run: None,
            over_since: None,
            told: None,
        }
    }

    /// A receiver who was told of the problem, or for whom it waits.
    fn known(
        &mut self,
        problem: &Problem<'_, 'a>,
        receiver: &'a str,
        old: &'a Row,
        escalated: Option<(usize, Interval)>,
    ) {
        let mut row = Cow::Borrowed(old);
        let want = match self.scope.receiver(receiver) {
            Some(number) => self.scope.want(
                problem.routes,
                problem.trouble,
                number,
                Some(&old.route),
                old.told.is_some(),
            ),
            None => Want::Nothing,
        };
        if let Want::Now(number) | Want::Later(number) = want {
            let name = &self.scope.route(number).name;
            if *name != row.route {
                row.to_mut().route.clone_from(name);
            }
        }
        if old.told.is_some() {
            return self.told(problem, receiver, row, want);
        }
        match (problem.trouble, want) {
            (Some(trouble), Want::Now(_) | Want::Later(_)) => {
                self.hold(&mut row, problem, matches!(want, Want::Later(_)));
                match escalated {
                    Some((_, step)) => self.escalate(problem, trouble, receiver, row, step),
                    None => {
                        let changed = matches!(row, Cow::Owned(_));
                        self.not_told(problem, trouble, receiver, row, changed);
                    }
                }
            }
            _ => self.push(problem, receiver, None, true, None),
        }
    }

    fn not_told(
        &mut self,
        problem: &Problem<'_, 'a>,
        trouble: &'a Trouble,
        receiver: &'a str,
        row: Cow<'a, Row>,
        changed: bool,
    ) {
        if row.hold.is_some() {
            return self.push(problem, receiver, Some(row), changed, None);
        }
        let doubt_ends = after(row.first_at, DOUBT);
        let in_doubt = problem.shaky
            && (tells_reach(problem.host, problem.item) || trouble.no_data)
            && self.facts.now < doubt_ends;
        let ready = self.facts.now >= row.ready_at && !in_doubt;
        if !ready {
            self.wake(Some(if in_doubt { doubt_ends } else { row.ready_at }));
        }
        let intent = Intent {
            kind: if trouble.flapping {
                NoticeKind::Flapping
            } else {
                NoticeKind::Problem
            },
            level: trouble.level,
            ready,
            // Who depends on others waits alone, and so does what has just been let go: hosts need time to report.
            joins: !problem.has_parents && row.was_held.is_none(),
            urgent: trouble.level >= Level::CRITICAL,
            ack: problem.ack,
            escalated_after: None,
            tells_ack: false,
            remark: "",
        };
        self.push(problem, receiver, Some(row), changed, Some(intent));
    }

    fn escalate(
        &mut self,
        problem: &Problem<'_, 'a>,
        trouble: &'a Trouble,
        receiver: &'a str,
        row: Cow<'a, Row>,
        step: Interval,
    ) {
        let intent = Intent {
            kind: NoticeKind::Escalated,
            level: trouble.level,
            ready: true,
            joins: true,
            urgent: true,
            ack: problem.ack,
            escalated_after: Some(step),
            tells_ack: false,
            remark: "",
        };
        // An escalation is not stored before it is told: what it rests on is in the rows of those told before.
        let changed = matches!(row, Cow::Owned(_))
            && problem.rows.iter().any(|(key, _)| key.receiver == receiver);
        self.push(problem, receiver, Some(row), changed, Some(intent));
    }

    /// Notes what holds back, and what has just ceased to.
    pub(super) fn hold(&self, row: &mut Cow<'a, Row>, problem: &Problem<'_, 'a>, outside: bool) {
        let held = &problem.held;
        let hold = if let Some(on) = &held.depends_on {
            Some(Hold::Dependent { on: on.clone() })
        } else if let Some(silence) = held.silence {
            Some(Hold::Silence {
                id: silence.id.clone(),
                reason: silence.reason.clone(),
                run: silence.run,
            })
        } else if outside {
            Some(Hold::Hours)
        } else {
            // Who was told is not kept from news by somebody's being on it.
            held.ack
                .filter(|_| row.told.is_none())
                .map(|ack| Hold::Ack { by: ack.by.clone() })
        };
        if row.hold == hold {
            return;
        }
        let now = self.facts.now;
        let pace = &self.facts.rules.pace;
        let row = row.to_mut();
        if let Some(Hold::Silence { run: Some(run), .. }) = &hold {
            row.run = Some(*run);
        }
        let before = std::mem::replace(&mut row.hold, hold);
        if let (Some(before), None) = (before, &row.hold) {
            let grace = match &before {
                // When a parent is back its hosts need the time to say that they are.
                Hold::Dependent { .. } => pace.wait.max(pace.interval),
                Hold::Silence { .. } | Hold::Ack { .. } => pace.wait,
                Hold::Hours => Interval::from_millis(0),
            };
            row.ready_at = row.ready_at.max(after(now, grace));
            row.was_held = Some((before, now));
        }
    }

    pub(super) fn push(
        &mut self,
        problem: &Problem<'_, 'a>,
        receiver: &'a str,
        row: Option<Cow<'a, Row>>,
        changed: bool,
        intent: Option<Intent<'a>>,
    ) {
        if changed || intent.is_some() {
            self.cases.push(Case {
                host: problem.host,
                item: problem.item,
                receiver,
                trouble: problem.trouble,
                row,
                changed,
                sent: false,
                intent,
            });
        }
    }

    pub(super) fn wake(&mut self, at: Option<Timestamp>) {
        self.next = [self.next, at].into_iter().flatten().min();
    }
}

/// So much later; the end of time where there is none.
pub(super) fn after(at: Timestamp, interval: Interval) -> Timestamp {
    let interval = SignedDuration::try_from(interval.duration()).unwrap_or(SignedDuration::MAX);
    at.checked_add(interval).unwrap_or(Timestamp::MAX)
}
