//! What can be said becomes messages: gathered by cause, and no faster than the pace.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use lockstep_model::alert::{Notice, NoticeEntry, NoticeKind};
use lockstep_model::{HostName, Interval, ItemName, Level, RunId, Value};

use super::book::{Book, Cause, Hold, Key, Thread, Told};
use super::facts::{Facts, HostRun};
use super::hold::tells_reach;
use super::look::{Case, Intent, after};
use super::words;
use crate::schedule::stable_hash;

/// More new problems than this become one message, whatever their causes. A thread with more of them keeps to its
/// pace even for urgent news.
pub(super) const STORM: usize = 10;
/// A receiver who gets more new threads than this within [`Pace::interval`](lockstep_model::alert::Pace::interval)
/// is in a storm as well: it came more slowly.
const MOST_THREADS: usize = 5;
/// So many hosts with one parent or one item in trouble are told of together.
const ALIKE: usize = 3;
/// A problem joins a thread of the same cause that has spoken within this time.
const JOINS_WITHIN: Interval = Interval::from_secs(3_600);
/// A run is thought to be the cause of what begins so long after its end.
const RUN_IS_BLAMED: Interval = Interval::from_secs(2 * 3_600);
/// Most changes that are named for one problem.
const MOST_CHANGES: usize = 5;

/// The messages and the threads that they belong to.
#[derive(Debug, Default)]
pub(super) struct Gathered<'a> {
    pub(super) notices: Vec<Notice>,
    pub(super) threads: BTreeMap<String, Thread>,
    /// Rows that were touched.
    pub(super) rows: usize,
    /// Problems that were left for the next time because too many rows were touched.
    pub(super) put_off: usize,
    pub(super) next: Option<Timestamp>,
    /// Threads that may be forgotten.
    pub(super) silent: Vec<&'a String>,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Known(String),
    New { cause: Cause, route: String },
}

/// Gathers the messages of one decision.
pub(super) struct Gather<'c, 'a> {
    facts: &'c Facts<'a>,
    book: &'a Book,
    cases: &'c mut Vec<Case<'a>>,
    runs: HashMap<&'a HostName, Vec<&'a HostRun>>,
    releases: HashMap<RunId, &'a str>,
    /// Open problems of each thread.
    open: HashMap<&'a str, usize>,
    /// The threads of each receiver.
    threads: HashMap<&'a str, Vec<(&'a String, &'a Thread)>>,
    most_rows: usize,
    gathered: Gathered<'a>,
}

impl<'c, 'a> Gather<'c, 'a> {
    pub(super) fn new(
        facts: &'c Facts<'a>,
        book: &'a Book,
        cases: &'c mut Vec<Case<'a>>,
        most_rows: usize,
    ) -> Self {
        let mut runs: HashMap<&HostName, Vec<&HostRun>> = HashMap::new();
        for run in facts.runs {
            runs.entry(&run.host).or_default().push(run);
        }
        let releases = facts.runs.iter().map(|it| (it.run, it.release.as_str()));
        let mut open: HashMap<&str, usize> = HashMap::new();
        for told in book.rows.values().filter_map(|row| row.told.as_ref()) {
            *open.entry(&told.thread).or_default() += 1;
        }
        let mut threads: HashMap<&str, Vec<(&String, &Thread)>> = HashMap::new();
        for (id, thread) in &book.threads {
            let of_receiver = threads.entry(&thread.receiver).or_default();
            of_receiver.push((id, thread));
        }
        Self {
            facts,
            book,
            cases,
            runs,
            releases: releases.collect(),
            open,
            threads,
            most_rows,
            gathered: Gathered::default(),
        }
    }

    pub(super) fn messages(mut self) -> Gathered<'a> {
        let mut by_receiver: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, case) in self.cases.iter().enumerate() {
            if case.intent.is_some() {
                by_receiver.entry(case.receiver).or_default().push(index);
            }
        }
        for (receiver, cases) in by_receiver {
            let mut targets: BTreeMap<Target, Vec<usize>> = BTreeMap::new();
            let mut news = Vec::new();
            for index in cases {
                match self.cases[index].told() {
                    Some(told) => {
                        let target = Target::Known(told.thread.clone());
                        targets.entry(target).or_default().push(index);
                    }
                    None => news.push(index),
                }
            }
            // News that cannot go yet may go along with what can.
            let is_ready = |index: &usize| self.intent(*index).is_some_and(|it| it.ready);
            if news.iter().any(is_ready) {
                let goes =
                    |index: &usize| self.intent(*index).is_some_and(|it| it.ready || it.joins);
                news.retain(goes);
                for (index, target) in self.assign(receiver, &news) {
                    targets.entry(target).or_default().push(index);
                }
            }
            for (target, cases) in targets {
                self.message(receiver, target, cases);
            }
        }
        self.forget();
        self.gathered
    }

    fn intent(&self, index: usize) -> Option<&Intent<'a>> {
        self.cases[index].intent.as_ref()
    }

    /// Finds the thread for each new problem.
    fn assign(&self, receiver: &str, news: &[usize]) -> Vec<(usize, Target)> {
        let now = self.facts.now;
        let pace = &self.facts.rules.pace;
        let none = Vec::new();
        let threads = self.threads.get(receiver).unwrap_or(&none);
        let mut known: HashMap<(&str, &Cause), &(&String, &Thread)> = HashMap::new();
        for thread in threads {
            if after(thread.1.last_at, JOINS_WITHIN) > now {
                let key = (thread.1.route.as_str(), &thread.1.cause);
                let newest = known.entry(key).or_insert(thread);
                if newest.1.last_at < thread.1.last_at {
                    *newest = thread;
                }
            }
        }
        let alike = self.alike(news);
        let mut targets: Vec<(usize, Target)> = Vec::new();
        for &index in news {
            let case = &self.cases[index];
            let route = case.row.as_ref().map_or("", |row| row.route.as_str());
            let find = |cause: &Cause| known.get(&(route, cause)).map(|found| found.0.clone());
            let mut causes = self.causes(case);
            let last = causes.pop().unwrap_or(Cause::Storm);
            let fits = |cause: &Cause| {
                matches!(cause, Cause::Release(_))
                    || alike
                        .get(&(route, cause.clone()))
                        .is_some_and(|n| *n >= ALIKE)
                    || find(cause).is_some()
            };
            let cause = causes.into_iter().find(|it| fits(it)).unwrap_or(last);
            let target = match find(&cause) {
                Some(id) => Target::Known(id),
                None => Target::New {
                    cause,
                    route: route.to_owned(),
                },
            };
            targets.push((index, target));
        }
        let different: BTreeSet<&Target> = targets.iter().map(|(_, target)| target).collect();
        let is_new = |target: &&&Target| matches!(target, Target::New { .. });
        let opened = different.iter().filter(is_new).count();
        let just_now = |at: Timestamp| after(at, pace.interval) > now;
        let recent = threads
            .iter()
            .filter(|(_, it)| just_now(it.first_at))
            .count();
        let storm = threads
            .iter()
            .filter(|(_, it)| it.cause == Cause::Storm)
            .max_by_key(|(_, it)| it.last_at);
        let blows = storm.is_some_and(|(_, it)| just_now(it.last_at))
            || (news.len() > STORM && different.len() > 1)
            || (opened > 0 && recent + opened > MOST_THREADS);
        if !blows {
            return targets;
        }
        let target = match storm {
            Some((id, it)) if after(it.last_at, JOINS_WITHIN) > now => Target::Known((*id).clone()),
            _ => {
                let worst = news.iter().copied().min_by_key(|&it| self.cases[it].rank());
                let row = worst.and_then(|index| self.cases[index].row.as_ref());
                Target::New {
                    cause: Cause::Storm,
                    route: row.map(|row| row.route.clone()).unwrap_or_default(),
                }
            }
        };
        news.iter().map(|&index| (index, target.clone())).collect()
    }

    /// How many hosts share a cause, by route.
    fn alike(&self, news: &[usize]) -> HashMap<(&str, Cause), usize> {
        let mut hosts: HashMap<(&str, Cause), HashSet<&HostName>> = HashMap::new();
        for &index in news {
            let case = &self.cases[index];
            let route = case.row.as_ref().map_or("", |row| row.route.as_str());
            for cause in self.causes(case) {
                if matches!(cause, Cause::Parent(_) | Cause::Item(_)) {
                    hosts.entry((route, cause)).or_default().insert(case.host);
                }
            }
        }
        hosts
            .into_iter()
            .map(|(cause, hosts)| (cause, hosts.len()))
            .collect()
    }

    /// The causes that a problem may have, the most telling first. The last one always fits.
    fn causes(&self, case: &Case<'a>) -> Vec<Cause> {
        let mut causes = Vec::new();
        if let Some(run) = self.run_of(case) {
            causes.push(Cause::Release(self.release(run)));
        }
        // What stands between a host and us explains why it cannot be reached, and nothing else.
        if tells_reach(case.host, case.item) || case.trouble.is_some_and(|it| it.no_data) {
            let parents = self.facts.fleet.parents_of(case.host);
            causes.extend(parents.iter().cloned().map(Cause::Parent));
        }
        causes.push(Cause::Item(case.item.clone()));
        causes.push(Cause::Host(case.host.clone()));
        causes
    }

    /// The run that is thought to be the cause of a problem: the one whose lease held it back, or one that was in
    /// progress when it began or had ended shortly before.
    fn run_of(&self, case: &Case<'a>) -> Option<RunId> {
        let row = case.row.as_ref()?;
        if row.run.is_some() {
            return row.run;
        }
        let blamed = |run: &&&HostRun| {
            let until = run.ended_at.map(|at| after(at, RUN_IS_BLAMED));
            run.started_at <= row.since && until.is_none_or(|until| row.since <= until)
        };
        let runs = self.runs.get(case.host)?;
        let newest = runs.iter().filter(blamed).max_by_key(|it| it.started_at)?;
        Some(newest.run)
    }

    fn release(&self, run: RunId) -> String {
        match self.releases.get(&run) {
            Some(release) => (*release).to_owned(),
            None => format!("run {run}"),
        }
    }

    /// Sends what belongs to one thread, if it is time.
    fn message(&mut self, receiver: &str, target: Target, mut cases: Vec<usize>) {
        let now = self.facts.now;
        let pace = &self.facts.rules.pace;
        let ready: Vec<&Intent<'_>> = cases
            .iter()
            .filter_map(|&index| self.intent(index))
            .filter(|it| it.ready)
            .collect();
        if ready.is_empty() {
            return;
        }
        let reminds = ready.iter().any(|it| it.kind == NoticeKind::Reminder);
        if let Target::Known(id) = &target
            && let Some(thread) = self.book.threads.get(id)
        {
            let open = self.open.get(id.as_str()).copied().unwrap_or_default();
            let closes = ready.iter().filter(|it| it.kind.closes()).count();
            // The last recovery has nothing to wait for.
            let ends = closes > 0 && closes >= open;
            let urgent = open <= STORM && ready.iter().any(|it| it.urgent);
            let due = after(thread.last_at, pace.interval);
            if due > now && !ends && !urgent {
                self.wake(due);
                return;
            }
        }
        cases.retain(|&index| {
            self.intent(index)
                .is_some_and(|it| it.ready || it.kind != NoticeKind::Reminder || reminds)
        });
        cases.sort_by_cached_key(|&index| self.cases[index].rank());
        let room = self.most_rows.saturating_sub(self.gathered.rows + 1);
        if cases.len() > room {
            self.gathered.put_off += cases.len() - room;
            self.wake(now);
            cases.truncate(room);
        }
        if cases.is_empty() {
            return;
        }
        self.gathered.rows += cases.len() + 1;
        self.send(receiver, target, &cases);
    }

    fn send(&mut self, receiver: &str, target: Target, cases: &[usize]) {
        let now = self.facts.now;
        let pace = &self.facts.rules.pace;
        let (id, mut thread) = self.thread(receiver, target, cases);
        thread.last_at = now;
        thread.number += 1;
        let most = usize::try_from(pace.most.max(1)).unwrap_or(usize::MAX);
        let entries: Vec<NoticeEntry> = cases
            .iter()
            .take(most)
            .filter_map(|&index| self.entry(&self.cases[index]))
            .collect();
        let shown = words::Shown {
            hosts: cases.iter().map(|&it| self.cases[it].host).collect(),
            items: cases.iter().map(|&it| self.cases[it].item).collect(),
            run: entries.first().and_then(|it| it.run),
            over: entries.iter().all(|it| it.kind.closes()),
        };
        let notice = Notice {
            id: format!("{id}-{}", thread.number),
            receiver: receiver.to_owned(),
            route: thread.route.clone(),
            thread: id.clone(),
            at: now,
            more: u32::try_from(cases.len() - entries.len()).unwrap_or(u32::MAX),
            entries,
            cause: words::cause(&thread.cause, &shown),
            levels: self.facts.rules.levels.clone(),
            server_url: self.facts.server_url.map(str::to_owned),
        };
        self.gathered.notices.push(notice);
        for &index in cases {
            self.cases[index].sent(&id, now);
        }
        self.gathered.threads.insert(id, thread);
    }

    /// The thread of a message: the one that is there, or a new one. Its identity comes from what is stored already,
    /// so that a decision which was not stored and is made again gives its messages the same identities.
    fn thread(&self, receiver: &str, target: Target, cases: &[usize]) -> (String, Thread) {
        let now = self.facts.now;
        let (cause, route) = match target {
            Target::Known(id) => {
                let found = self.gathered.threads.get(&id);
                if let Some(thread) = found.or_else(|| self.book.threads.get(&id)) {
                    let thread = thread.clone();
                    return (id, thread);
                }
                // Its row was lost. Numbers begin where no message of it can have been.
                let row = cases.first().and_then(|&it| self.cases[it].row.as_ref());
                let host = cases.first().map(|&it| self.cases[it].host.clone());
                let thread = Thread {
                    receiver: receiver.to_owned(),
                    route: row.map(|row| row.route.clone()).unwrap_or_default(),
                    cause: host.map_or(Cause::Storm, Cause::Host),
                    first_at: now,
                    last_at: now,
                    number: u64::try_from(now.as_millisecond()).unwrap_or_default(),
                };
                return (id, thread);
            }
            Target::New { cause, route } => (cause, route),
        };
        // Of one receiver and one problem no two rows were ever made at the same time.
        let first = cases.iter().map(|&index| {
            let case = &self.cases[index];
            let first_at = case.row.as_ref().map_or(now, |row| row.first_at);
            (first_at, case.host, case.item)
        });
        let (first_at, host, item) = first.min().map_or((now, "", ""), |(at, host, item)| {
            (at, host.as_str(), item.as_str())
        });
        let hash = stable_hash(&[
            "alert",
            receiver,
            &route,
            &super::book::json(&cause),
            &first_at.as_millisecond().to_string(),
            host,
            item,
        ]);
        let thread = Thread {
            receiver: receiver.to_owned(),
            route,
            cause,
            first_at: now,
            last_at: now,
            number: 0,
        };
        (format!("{hash:016x}"), thread)
    }

    fn entry(&self, case: &Case<'a>) -> Option<NoticeEntry> {
        let (intent, row) = (case.intent.as_ref()?, case.row.as_ref()?);
        let value = || self.facts.fleet.value_of(case.host, case.item);
        let mut changes = Vec::new();
        if !intent.kind.closes() {
            changes = self.facts.fleet.changes_of(case.host);
            changes.truncate(MOST_CHANGES);
        }
        Some(NoticeEntry {
            kind: intent.kind,
            host: case.host.clone(),
            item: case.item.clone(),
            level: intent.level,
            told: row.told.as_ref().map_or(Level::FINE, |told| told.level),
            value: case
                .trouble
                .map(|it| it.value.clone())
                .or_else(value)
                .map_or_else(|| Value::None("not watched any longer".into()), short),
            why: case.trouble.map(|it| plain(&it.why)).unwrap_or_default(),
            since: row.since,
            ended: intent.kind.closes().then_some(row.over_since).flatten(),
            changes,
            run: self.run_of(case),
            note: words::note(intent, row, &self.facts.rules.levels),
            groups: self.facts.fleet.groups_of(case.host).to_vec(),
        })
    }

    /// Threads without an open problem are forgotten when their pace binds nobody any more.
    fn forget(&mut self) {
        for (id, thread) in &self.book.threads {
            if !self.open.contains_key(id.as_str())
                && !self.gathered.threads.contains_key(id)
                && after(thread.last_at, self.facts.rules.pace.interval) <= self.facts.now
            {
                self.gathered.silent.push(id);
            }
        }
    }

    fn wake(&mut self, at: Timestamp) {
        let next = &mut self.gathered.next;
        *next = Some(next.map_or(at, |next| next.min(at)));
    }
}

impl<'a> Case<'a> {
    pub(super) fn key(&self) -> Key {
        Key {
            host: self.host.clone(),
            item: self.item.clone(),
            receiver: self.receiver.to_owned(),
        }
    }

    fn told(&self) -> Option<&Told> {
        self.row.as_ref()?.told.as_ref()
    }

    /// The order in a message: what is there before what is over, the worst first, then the oldest.
    pub(super) fn rank(&self) -> (bool, Reverse<Level>, Timestamp, &'a HostName, &'a ItemName) {
        let closes = self.intent.as_ref().is_some_and(|it| it.kind.closes());
        let level = self.intent.as_ref().map_or(Level::FINE, |it| it.level);
        let told = self.told().map_or(Level::FINE, |told| told.level);
        let since = self.row.as_ref().map_or(Timestamp::MAX, |row| row.since);
        let level = if closes { told } else { level };
        (closes, Reverse(level), since, self.host, self.item)
    }

    /// Notes that the intent was told.
    fn sent(&mut self, thread: &str, now: Timestamp) {
        let (Some(intent), Some(row)) = (self.intent.take(), self.row.take()) else {
            return;
        };
        self.changed = true;
        self.sent = true;
        if intent.kind.closes() {
            return;
        }
        let mut row = row.into_owned();
        let before = row.told.take();
        let is_reminder = intent.kind == NoticeKind::Reminder && intent.remark.is_empty();
        let reminders = before.as_ref().map_or(0, |told| told.reminders);
        let acked = if intent.tells_ack {
            intent.ack.map(|ack| ack.at)
        } else {
            before.as_ref().and_then(|told| told.acked)
        };
        row.told = Some(Told {
            thread: thread.to_owned(),
            first_at: before.as_ref().map_or(now, |told| told.first_at),
            last_at: now,
            level: intent.level,
            flapping: self.trouble.is_some_and(|it| it.flapping),
            reminders: if is_reminder {
                reminders.saturating_add(1)
            } else {
                0
            },
            acked,
            alone_since: before.as_ref().map_or(now, |told| told.alone_since),
        });
        row.was_held = None;
        row.hold = row.hold.filter(|hold| !matches!(hold, Hold::Ack { .. }));
        self.row = Some(Cow::Owned(row));
    }
}

/// Longest text of an item in a message, in bytes: hosts say what they like, and two hundred of them share one.
const LONGEST_TEXT: usize = 1_000;

fn short(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(plain(&text)),
        Value::None(why) => Value::None(plain(&why)),
        number @ Value::Number { .. } => number,
    }
}

/// The beginning of a text, without anything that a terminal or a mail would take for more than text.
fn plain(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST_TEXT);
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text[..end].chars().map(printable).collect()
}
