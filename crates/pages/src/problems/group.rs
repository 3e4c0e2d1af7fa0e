//! Problems with one cause stand together: forty hosts that are sick since one release are one thing to look at.
//!
//! The causes are the ones by which messages are gathered (`plan::alert`), and in the same order: what the hosts got just
//! before, what stands between them and us, the item, the host. Beside them a page knows of another: what the hosts were
//! told to watch just before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::ProblemView;
use lockstep_model::{Change, ChangeKind, HostName, ItemName, Level};

/// So many hosts with one parent or one item in trouble, or problems of one host, are one group.
const ALIKE: usize = 3;
/// A run is thought to be the cause of what begins so long after its end,
const BLAMED_AFTER: SignedDuration = SignedDuration::from_hours(2);
/// and of what began this long before it: while it was at work.
const BLAMED_BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// What hosts are told to watch counts from the next look at the item on; what begins later has another cause.
const TOLD_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// The events of a new document come before the report that tells of it.
const TOLD_BEFORE: SignedDuration = SignedDuration::from_mins(15);

/// What the problems of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Their hosts got the same just before: `lockstep 1.4.2`.
    Release(String),
    /// Their hosts are behind this one.
    Parent(HostName),
    /// Their hosts were told to watch something else just before, or to judge it otherwise: `watches by fleet file 12`.
    Told(String),
    /// The same item.
    Item(ItemName),
    /// The same host.
    Host(HostName),
    /// Nothing: it is one problem alone.
    Alone(HostName, ItemName),
}

impl fmt::Display for Cause {
    /// As forms carry it. No two causes have the same text: neither names of hosts nor of items have control characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(release) => write!(f, "release {release}"),
            Self::Parent(host) => write!(f, "parent {host}"),
            Self::Told(what) => write!(f, "told {what}"),
            Self::Item(item) => write!(f, "item {item}"),
            Self::Host(host) => write!(f, "host {host}"),
            Self::Alone(host, item) => write!(f, "problem {host} {item}"),
        }
    }
}

/// Problems with one cause, worst and newest first; there is at least one.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// What they have in common.
    pub cause: Cause,
    /// The problems.
    pub problems: Vec<&'a ProblemView>,
}

impl Group<'_> {
    /// The worst level among them.
    #[must_use]
    pub fn level(&self) -> Level {
        let levels = self.problems.iter().map(|it| it.trouble.level);
        levels.max().unwrap_or_default()
    }

    /// Since when the newest of them is there.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.problems.iter().map(|it| it.trouble.since).max()
    }

    /// Since when the oldest of them is there.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.problems.iter().map(|it| it.trouble.since).min()
    }

    /// Their hosts.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<&HostName> {
        self.problems.iter().map(|it| &it.trouble.host).collect()
    }

    /// Their items.
    #[must_use]
    pub fn items(&self) -> BTreeSet<&ItemName> {
        self.problems.iter().map(|it| &it.trouble.item).collect()
    }
}

/// Groups the problems that nobody is on and nothing explains, worst and newest first. `parents` says which hosts stand
/// between a host and us.
#[must_use]
pub fn unhandled<'a>(
    problems: &'a [ProblemView],
    parents: impl Fn(&HostName) -> Vec<HostName>,
) -> Vec<Group<'a>> {
    let all: Vec<(&ProblemView, Vec<Cause>)> = problems
        .iter()
        .filter(|problem| problem.is_unhandled())
        .map(|problem| (problem, causes(problem, &parents)))
        .collect();
    let mut alike: BTreeMap<&Cause, BTreeSet<(&HostName, &ItemName)>> = BTreeMap::new();
    for (problem, causes) in &all {
        for cause in causes {
            let trouble = &problem.trouble;
            let known = alike.entry(cause).or_default();
            known.insert((&trouble.host, &trouble.item));
        }
    }
    let fits = |cause: &&Cause| {
        let known = alike.get(cause);
        let many = match cause {
            Cause::Release(_) | Cause::Alone(..) => return true,
            Cause::Host(_) | Cause::Told(_) => known.map_or(0, BTreeSet::len),
            Cause::Parent(_) | Cause::Item(_) => {
                let hosts = known.into_iter().flatten().map(|(host, _)| host);
                hosts.collect::<BTreeSet<_>>().len()
            }
        };
        many >= ALIKE
    };
    let mut groups: BTreeMap<&Cause, Vec<&ProblemView>> = BTreeMap::new();
    for (problem, causes) in &all {
        if let Some(cause) = causes.iter().find(fits) {
            groups.entry(cause).or_default().push(problem);
        }
    }
    let mut groups: Vec<Group<'_>> = groups
        .into_iter()
        .map(|(cause, mut problems)| {
            let place = |it: &&ProblemView| (it.trouble.level, it.trouble.since);
            problems.sort_by(|a, b| place(b).cmp(&place(a)).then_with(|| order(a, b)));
            let cause = cause.clone();
            Group { cause, problems }
        })
        .collect();
    // Those of one place stay in the order of their causes.
    groups.sort_by_key(|it| std::cmp::Reverse((it.level(), it.newest())));
    groups
}

fn order(a: &ProblemView, b: &ProblemView) -> std::cmp::Ordering {
    let (a, b) = (&a.trouble, &b.trouble);
    (&a.host, &a.item).cmp(&(&b.host, &b.item))
}

/// The causes that a problem may have, the most telling first. The last one always fits.
fn causes(problem: &ProblemView, parents: &impl Fn(&HostName) -> Vec<HostName>) -> Vec<Cause> {
    let trouble = &problem.trouble;
    let mut causes = Vec::new();
    if let Some(change) = newest(problem, is_blamed_run) {
        causes.push(Cause::Release(release(&change.what)));
    }
    // What stands between a host and us explains why it cannot be reached, and nothing else.
    if trouble.no_data || tells_reach(&trouble.host, &trouble.item) {
        causes.extend(parents(&trouble.host).into_iter().map(Cause::Parent));
    }
    if let Some(change) = newest(problem, is_blamed_work) {
        causes.push(Cause::Told(change.what.clone()));
    }
    causes.push(Cause::Item(trouble.item.clone()));
    causes.push(Cause::Host(trouble.host.clone()));
    causes.push(Cause::Alone(trouble.host.clone(), trouble.item.clone()));
    causes
}

/// True if a problem may have this cause, as [`Cause`] is written.
pub(super) fn may_have(
    problem: &ProblemView,
    cause: &str,
    parents: &impl Fn(&HostName) -> Vec<HostName>,
) -> bool {
    let mut causes = causes(problem, parents).into_iter();
    causes.any(|it| it.to_string() == cause)
}

/// The change that is thought to be the cause of a problem: a run, or else what the host was told to watch.
#[must_use]
pub fn blamed(problem: &ProblemView) -> Option<&Change> {
    newest(problem, is_blamed_run).or_else(|| newest(problem, is_blamed_work))
}

fn newest(
    problem: &ProblemView,
    is_blamed: fn(&Change, SignedDuration) -> bool,
) -> Option<&Change> {
    let since = problem.trouble.since;
    let changes = problem.changes.iter();
    let blamed = changes.filter(|it| is_blamed(it, since.duration_since(it.at)));
    blamed.max_by_key(|it| it.at)
}

fn is_blamed_run(change: &Change, after: SignedDuration) -> bool {
    change.kind == ChangeKind::Run
        // The host runs what it ran before, and nothing was touched.
        && !change.what.ends_with(", postponed")
        && (-BLAMED_BEFORE..=BLAMED_AFTER).contains(&after)
}

fn is_blamed_work(change: &Change, after: SignedDuration) -> bool {
    change.kind == ChangeKind::Work && (-TOLD_BEFORE..=TOLD_AFTER).contains(&after)
}

/// What a change brought, in words that are the same for all hosts that got the same: of `lockstep 1.4.1 → 1.4.2, failed`
/// it is `lockstep 1.4.2`.
#[must_use]
pub fn release(what: &str) -> String {
    let what = what.split_once(", ").map_or(what, |(what, _)| what);
    match what.split_once(" → ") {
        Some((from, to)) => {
            let package = from.split(' ').next().unwrap_or(from);
            format!("{package} {to}")
        }
        None => what.to_owned(),
    }
}

/// True for items that say whether a host can be reached at all, as `plan::alert` has it.
fn tells_reach(host: &HostName, item: &ItemName) -> bool {
    match (item.probe(), item.object()) {
        ("agent_silence" | "ping", None) => true,
        ("ping", Some(object)) => object == host.as_str(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::testing::{change, minutes, problem};
    use super::*;

    fn nobody(_: &HostName) -> Vec<HostName> {
        Vec::new()
    }

    fn keys(groups: &[Group<'_>]) -> Vec<(String, usize)> {
        let key = |group: &Group<'_>| (group.cause.to_string(), group.problems.len());
        groups.iter().map(key).collect()
    }

    #[test]
    fn one_release_one_row() {
        let mut problems: Vec<ProblemView> = (0..3)
            .map(|n| problem(&format!("web{n}"), "unit:nginx", 3, 5))
            .collect();
        for problem in &mut problems {
            problem.changes = vec![change("lockstep 1.4.1 → 1.4.2", 8)];
        }
        problems[2].changes = vec![change("lockstep 1.3.0 → 1.4.2, rolled back", 6)];
        let mut other = problem("db1", "cpu_load", 2, 1);
        // It ended too long before.
        other.changes = vec![change("lockstep 1.4.1 → 1.4.2", 200)];
        problems.push(other);
        assert_eq!(
            keys(&unhandled(&problems, nobody)),
            [
                ("release lockstep 1.4.2".to_owned(), 3),
                ("problem db1 cpu_load".to_owned(), 1)
            ]
        );
    }

    #[test]
    fn hosts_behind_a_parent_items_and_hosts() {
        let mut problems: Vec<ProblemView> = (0..3)
            .map(|n| problem(&format!("web{n}"), "ping", 4, 5))
            .collect();
        problems.extend((0..3).map(|n| problem(&format!("db{n}"), "disk_usage:/", 2, 5)));
        problems.extend((0..3).map(|n| problem("mail1", &format!("unit:{n}"), 2, 6)));
        problems.extend((0..2).map(|n| problem(&format!("x{n}"), "swap", 2, 7)));
        let switch = |host: &HostName| match host.as_str().starts_with("web") {
            true => vec![HostName::parse("sw1").unwrap()],
            false => Vec::new(),
        };
        assert_eq!(
            keys(&unhandled(&problems, switch)),
            [
                ("parent sw1".to_owned(), 3),
                ("item disk_usage:/".to_owned(), 3),
                ("host mail1".to_owned(), 3),
                ("problem x0 swap".to_owned(), 1),
                ("problem x1 swap".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn a_configuration_is_a_cause_of_many_and_a_release_a_better_one() {
        let told = |at: i64| Change {
            kind: ChangeKind::Work,
            ..change("watches by fleet file 12", at)
        };
        let mut problems: Vec<ProblemView> = (0..3)
            .map(|n| problem(&format!("web{n}"), &format!("unit:{n}"), 2, 5))
            .collect();
        for problem in &mut problems {
            // The report that tells of the document comes after the events that it made.
            problem.changes = vec![told(4)];
        }
        problems.push(problem("db1", "swap", 2, 5));
        problems[3].changes = vec![told(40)];
        assert_eq!(
            keys(&unhandled(&problems, nobody)),
            [
                ("told watches by fleet file 12".to_owned(), 3),
                ("problem db1 swap".to_owned(), 1)
            ]
        );
        problems[0]
            .changes
            .push(change("lockstep 1.4.1 → 1.4.2", 8));
        assert_eq!(blamed(&problems[0]).unwrap().kind, ChangeKind::Run);
        assert_eq!(blamed(&problems[1]).unwrap().kind, ChangeKind::Work);
        let keys = keys(&unhandled(&problems, nobody));
        assert_eq!(keys[0], ("release lockstep 1.4.2".to_owned(), 1));
        assert_eq!(keys[1].1, 2);
    }

    #[test]
    fn a_release_is_named_by_what_came() {
        assert_eq!(
            release("lockstep 1.4.1 → 1.4.2, rolled back"),
            "lockstep 1.4.2"
        );
        assert_eq!(release("driveclient → 1.20"), "driveclient 1.20");
        assert_eq!(release("os, failed"), "os");
    }

    prop_compose! {
        fn any_problem()(
            host in 0..5_u8, item in 0..4_u8, level in 0..5_u8, since in 0..300_i64,
            changed in proptest::option::of((0..3_u8, 0..300_i64)), told in proptest::option::of(0..60_i64),
            no_data: bool, silenced: bool,
        ) -> ProblemView {
            let item = ["ping", "cpu_load", "disk_usage:/", "unit:x"][usize::from(item)];
            let mut problem = problem(&format!("h{host}"), item, level, since);
            problem.trouble.no_data = no_data;
            problem.silence = silenced.then(|| "x".to_owned());
            problem.changes = changed
                .map(|(to, at)| change(&format!("lockstep 1.0.0 → 1.0.{to}"), at))
                .into_iter()
                .chain(told.map(|at| Change { kind: ChangeKind::Work, ..change("watches by fleet file 2", at) }))
                .collect();
            problem
        }
    }

    proptest! {
        #[test]
        fn each_unhandled_problem_is_in_one_group(problems in prop::collection::vec(any_problem(), 0..60)) {
            let parents = |host: &HostName| vec![HostName::parse(if host.as_str() < "h3" { "sw1" } else { "sw2" }).unwrap()];
            let groups = unhandled(&problems, parents);
            let grouped: Vec<*const ProblemView> =
                groups.iter().flat_map(|it| &it.problems).map(|it| std::ptr::from_ref(*it)).collect();
            let unhandled_ones = problems.iter().filter(|it| it.is_unhandled()).count();
            prop_assert_eq!(grouped.len(), unhandled_ones);
            prop_assert_eq!(grouped.iter().collect::<BTreeSet<_>>().len(), unhandled_ones);
            let keys: BTreeSet<String> = groups.iter().map(|it| it.cause.to_string()).collect();
            prop_assert_eq!(keys.len(), groups.len());
            prop_assert!(groups.iter().all(|it| !it.problems.is_empty()));
            prop_assert!(groups.windows(2).all(|it| it[0].level() >= it[1].level()));
            for group in &groups {
                let together = match &group.cause {
                    Cause::Item(item) => group.problems.iter().all(|it| it.trouble.item == *item),
                    Cause::Host(host) => group.problems.iter().all(|it| it.trouble.host == *host),
                    Cause::Parent(parent) => group.problems.iter().all(|it| parents(&it.trouble.host).contains(parent)),
                    Cause::Release(name) => group.problems.iter().all(|it| blamed(it).is_some_and(|it| release(&it.what) == *name)),
                    Cause::Told(what) => group.problems.iter().all(|it| newest(it, is_blamed_work).is_some_and(|it| it.what == *what)),
                    Cause::Alone(host, item) => group.problems.iter().all(|it| (&it.trouble.host, &it.trouble.item) == (host, item)),
                };
                prop_assert!(together, "{:?}", group.cause);
            }
        }

        #[test]
        fn groups_do_not_hang_on_the_order(mut problems in prop::collection::vec(any_problem(), 0..30)) {
            // The same item of the same host twice is no fleet.
            let mut seen = BTreeSet::new();
            problems.retain(|it| seen.insert((it.trouble.host.clone(), it.trouble.item.clone())));
            let there = keys(&unhandled(&problems, nobody));
            problems.reverse();
            prop_assert_eq!(there, keys(&unhandled(&problems, nobody)));
        }
    }

    #[test]
    fn minutes_lie_before_noon() {
        assert_eq!(minutes(1).to_string(), "2026-11-22T11:59:00Z");
    }
}
