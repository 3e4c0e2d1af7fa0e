use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use lockstep_model::alert::{
    AlertRules, Escalation, LevelTest, Pace, Receiver, Route, Silence, Way, When,
};
use lockstep_model::{Change, Glob, Hours, Interval, RunId};

use super::*;

/// A small fleet with a driven clock. What is decided is stored as text, and each tick reads it anew.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) rules: AlertRules,
    pub(super) troubles: BTreeMap<(HostName, ItemName), Trouble>,
    pub(super) silences: Vec<Silence>,
    pub(super) acks: Vec<Ack>,
    pub(super) runs: Vec<HostRun>,
    pub(super) hosts: Hosts,
    pub(super) stored: BTreeMap<String, String>,
}

/// Who is in which group and depends on whom. An item that is not in trouble is at zero, unless it is gone.
#[derive(Default)]
pub(super) struct Hosts {
    pub(super) groups: BTreeMap<HostName, Vec<String>>,
    pub(super) parents: BTreeMap<HostName, Vec<HostName>>,
    pub(super) gone: BTreeSet<(HostName, ItemName)>,
    pub(super) changes: BTreeMap<HostName, Vec<Change>>,
}

impl Fleet for Hosts {
    fn groups_of(&self, host: &HostName) -> &[String] {
        self.groups.get(host).map_or(&[], Vec::as_slice)
    }
    fn parents_of(&self, host: &HostName) -> &[HostName] {
        self.parents.get(host).map_or(&[], Vec::as_slice)
    }
    fn value_of(&self, host: &HostName, item: &ItemName) -> Option<Value> {
        let gone = self.gone.contains(&(host.clone(), item.clone()));
        (!gone).then(|| number(0.0))
    }
    fn changes_of(&self, host: &HostName) -> Vec<Change> {
        self.changes.get(host).cloned().unwrap_or_default()
    }
}

pub(super) fn number(value: f64) -> Value {
    Value::Number {
        value,
        unit: String::new(),
    }
}
pub(super) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}
pub(super) fn item(name: &str) -> ItemName {
    ItemName::parse(name).unwrap()
}
pub(super) fn glob(text: &str) -> Glob {
    Glob::parse(text).unwrap()
}
pub(super) fn level(text: &str) -> LevelTest {
    LevelTest::parse(text, &LevelNames::default()).unwrap()
}
fn minutes(n: u64) -> Interval {
    Interval::from_secs(60 * n)
}

pub(super) fn route(name: &str, to: &[&str]) -> Route {
    Route {
        name: name.into(),
        to: to.iter().map(|&it| it.into()).collect(),
        when: When::default(),
        escalate: Vec::new(),
        repeat: None,
    }
}

/// Receivers with these names.
pub(super) fn rules(receivers: &[&str], routes: Vec<Route>) -> AlertRules {
    let receiver = |name: &&str| {
        let way = Way::Mail {
            to: format!("{name}@example.org"),
        };
        let receiver = Receiver {
            ways: vec![way],
            fallback: None,
        };
        ((*name).to_owned(), receiver)
    };
    AlertRules {
        levels: LevelNames::default(),
        receivers: receivers.iter().map(receiver).collect(),
        routes,
        pace: Pace::default(),
    }
}

impl World {
    /// A Friday, noon.
    pub(super) fn with(rules: AlertRules) -> Self {
        Self {
            now: "2026-11-20T12:00:00Z".parse().unwrap(),
            rules,
            troubles: BTreeMap::new(),
            silences: Vec::new(),
            acks: Vec::new(),
            runs: Vec::new(),
            hosts: Hosts::default(),
            stored: BTreeMap::new(),
        }
    }

    /// All that is sick goes to ann.
    fn ann() -> Self {
        Self::with(rules(&["ann"], vec![route("all", &["ann"])]))
    }

    pub(super) fn set(&mut self, name: &str, what: &str, to: Level) {
        let key = (host(name), item(what));
        let before = self.troubles.get(&key);
        if before.is_some_and(|it| it.level == to && !it.no_data && !it.flapping) {
            return;
        }
        let trouble = Trouble {
            host: key.0.clone(),
            item: key.1.clone(),
            level: to,
            from: before.map_or(Level::FINE, |it| it.level),
            value: number(f64::from(to.rank())),
            why: String::new(),
            since: self.now,
            no_data: false,
            flapping: false,
            seen_at: self.now,
        };
        if to == Level::FINE {
            self.troubles.remove(&key);
        } else {
            self.troubles.insert(key, trouble);
        }
    }

    pub(super) fn change(&mut self, name: &str, what: &str, change: impl FnOnce(&mut Trouble)) {
        if let Some(trouble) = self.troubles.get_mut(&(host(name), item(what))) {
            change(trouble);
        }
    }

    pub(super) fn decide_with(&self, book: &Book, most_rows: usize) -> Decision {
        let troubles: Vec<Trouble> = self.troubles.values().cloned().collect();
        let facts = Facts {
            now: self.now,
            rules: &self.rules,
            troubles: &troubles,
            silences: &self.silences,
            acks: &self.acks,
            runs: &self.runs,
            fleet: &self.hosts,
            server_url: None,
        };
        decide_within(book, &facts, most_rows)
    }

    pub(super) fn book(&self) -> Book {
        let (book, bad) = Book::from_rows(&self.stored);
        assert_eq!(bad, []);
        book
    }

    pub(super) fn store(&mut self, decision: &Decision) {
        for key in &decision.deletes {
            self.stored
                .remove(key)
                .expect("only what is there is deleted");
        }
        self.stored.extend(decision.upserts.iter().cloned());
        self.acks.retain(|ack| {
            !decision
                .acks_ended
                .contains(&(ack.host.clone(), ack.item.clone()))
        });
    }

    pub(super) fn decide_and_store(&mut self) -> Decision {
        let decision = self.decide_with(&self.book(), MOST_ROWS);
        self.store(&decision);
        decision
    }

    /// Lets time pass, and says what was sent in it: `ann: problem web1 cpu_load sick`.
    fn pass(&mut self, seconds: i64) -> Vec<String> {
        self.notices(seconds).iter().flat_map(lines).collect()
    }

    /// The same as messages. Somebody looks every five seconds, and every minute in the long run.
    fn notices(&mut self, seconds: i64) -> Vec<Notice> {
        let mut sent = Vec::new();
        let step = if seconds > 7_200 { 60 } else { 5 };
        for _ in 0..seconds / step {
            self.now += SignedDuration::from_secs(step);
            sent.extend(self.decide_and_store().notices);
        }
        sent
    }

    fn ack(&mut self, name: &str, what: &str, level: Level) {
        self.acks.push(Ack {
            host: host(name),
            item: item(what),
            level,
            by: "bob".into(),
            note: "on it".into(),
            at: self.now,
            until: None,
        });
    }

    fn silence(&mut self, hosts: &str, seconds: i64, run: Option<RunId>) {
        self.silences.push(Silence {
            id: "s1".into(),
            hosts: vec![glob(hosts)],
            groups: Vec::new(),
            items: Vec::new(),
            starts_at: self.now,
            ends_at: self.now + SignedDuration::from_secs(seconds),
            owner: "bob".into(),
            reason: "moving".into(),
            run,
        });
    }
}

fn lines(notice: &Notice) -> Vec<String> {
    let line = |entry: &NoticeEntry| {
        let (kind, level) = (entry.kind.as_str(), entry.level);
        format!(
            "{}: {kind} {} {} {level}",
            notice.receiver, entry.host, entry.item
        )
    };
    notice.entries.iter().map(line).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_problem_is_told_once_and_closed_once() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    assert_eq!(world.pass(15), NOTHING, "it waits for others");
    assert_eq!(world.pass(60), ["ann: problem web1 cpu_load sick"]);
    world.set("web1", "cpu_load", Level::FINE);
    assert_eq!(world.pass(60), NOTHING, "it settles");
    assert_eq!(world.pass(10), ["ann: recovered web1 cpu_load fine"]);
    assert_eq!(world.pass(3_600), NOTHING);
    assert!(world.stored.is_empty(), "{:?}", world.stored);
}

#[test]
fn what_passes_within_the_wait_is_not_told() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(10);
    world.set("web1", "cpu_load", Level::SOSO);
    assert_eq!(world.pass(600), NOTHING);
    assert!(world.stored.is_empty());
}

#[test]
fn a_recovery_that_does_not_last_is_not_told() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(30);
    for _ in 0..10 {
        world.set("web1", "cpu_load", Level::FINE);
        assert_eq!(world.pass(50), NOTHING);
        world.set("web1", "cpu_load", Level::SICK);
        assert_eq!(world.pass(50), NOTHING);
    }
}

#[test]
fn a_gap_is_not_a_recovery() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(30);
    world.set("web1", "cpu_load", Level::SOSO);
    world.change("web1", "cpu_load", |it| it.no_data = true);
    assert_eq!(world.pass(3_600), NOTHING);
    world.change("web1", "cpu_load", |it| it.no_data = false);
    assert_eq!(world.pass(70), ["ann: recovered web1 cpu_load soso"]);
}

#[test]
fn worse_than_sick_is_told_at_once_and_better_at_the_pace() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(30);
    world.set("web1", "cpu_load", Level::DEAD);
    assert_eq!(world.pass(5), ["ann: worse web1 cpu_load dead"]);
    world.set("web1", "cpu_load", Level::SICK);
    assert_eq!(world.pass(290), NOTHING);
    assert_eq!(world.pass(15), ["ann: better web1 cpu_load sick"]);
}

#[test]
fn a_receiver_in_several_routes_is_told_once() {
    let mut first = route("first", &["ann"]);
    first.when.hosts = vec![glob("web*")];
    let routes = vec![first, route("second", &["ann", "bob"])];
    let mut world = World::with(rules(&["ann", "bob"], routes));
    world.set("web1", "cpu_load", Level::SICK);
    let notices = world.notices(60);
    let told: Vec<_> = notices
        .iter()
        .map(|it| (it.receiver.as_str(), it.route.as_str()))
        .collect();
    assert_eq!(told, [("ann", "first"), ("bob", "second")]);
}

#[test]
fn a_receiver_moves_to_the_next_route_without_a_closing_message() {
    let mut only_soso = route("soso", &["ann"]);
    only_soso.when.level = Some(level("soso"));
    let routes = vec![only_soso, route("all", &["ann"])];
    let mut world = World::with(rules(&["ann"], routes));
    world.set("web1", "cpu_load", Level::SOSO);
    assert_eq!(world.pass(60), ["ann: problem web1 cpu_load soso"]);
    world.set("web1", "cpu_load", Level::DEAD);
    assert_eq!(world.pass(60), ["ann: worse web1 cpu_load dead"]);
    world.rules.routes.pop();
    let notices = world.notices(400);
    assert_eq!(
        notices.iter().flat_map(lines).collect::<Vec<_>>(),
        ["ann: cancelled web1 cpu_load dead"]
    );
}

#[test]
fn only_what_came_the_asked_way_is_told() {
    let mut from_fine = route("jump", &["ann"]);
    from_fine.when.from = Some(level("fine"));
    from_fine.when.to = Some(level("dead"));
    let mut world = World::with(rules(&["ann"], vec![from_fine]));
    world.set("web1", "cpu_load", Level::SICK);
    world.set("web1", "cpu_load", Level::DEAD);
    assert_eq!(world.pass(60), NOTHING);
    world.set("web2", "cpu_load", Level::DEAD);
    assert_eq!(world.pass(60), ["ann: problem web2 cpu_load dead"]);
    world.set("web2", "cpu_load", Level::CRITICAL);
    assert_eq!(world.pass(400), ["ann: better web2 cpu_load critical"]);
}

#[test]
fn who_disappears_from_the_rules_gets_a_closing_message() {
    for change in [
        (|world| world.rules.receivers.clear()) as fn(&mut World),
        |world| world.rules.routes.clear(),
        |world| world.rules.routes[0].when.items = vec![glob("ping:*")],
        |world| {
            world.hosts.gone.insert((host("web1"), item("cpu_load")));
            world.set("web1", "cpu_load", Level::FINE);
        },
    ] {
        let mut world = World::ann();
        world.set("web1", "cpu_load", Level::SICK);
        world.pass(30);
        change(&mut world);
        assert_eq!(world.pass(400), ["ann: cancelled web1 cpu_load sick"]);
    }
}

#[test]
fn what_a_silence_holds_back_is_judged_at_its_end() {
    let mut world = World::ann();
    world.silence("web*", 600, None);
    world.set("web1", "cpu_load", Level::SICK);
    world.set("web2", "cpu_load", Level::SICK);
    world.set("db1", "cpu_load", Level::SICK);
    assert_eq!(world.pass(300), ["ann: problem db1 cpu_load sick"]);
    let held = world.decide_and_store();
    assert_eq!(held.held_by_silence, BTreeMap::from([("s1".to_owned(), 2)]));
    assert_eq!(held.counts.silenced, 2);
    world.set("web2", "cpu_load", Level::FINE);
    let notices = world.notices(400);
    assert_eq!(lines(&notices[0]), ["ann: problem web1 cpu_load sick"]);
    let note = &notices[0].entries[0].note;
    assert_eq!(
        note,
        "held back by silence s1 until 2026-11-20 12:10 UTC (moving)"
    );
    assert_eq!(notices.len(), 1);
}

#[test]
fn a_closing_message_is_not_silenced() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(30);
    world.silence("web*", 600, None);
    world.set("web1", "cpu_load", Level::DEAD);
    assert_eq!(world.pass(60), NOTHING);
    world.set("web1", "cpu_load", Level::FINE);
    assert_eq!(world.pass(120), ["ann: recovered web1 cpu_load fine"]);
}

#[test]
fn what_is_bad_after_a_run_names_it() {
    let mut world = World::ann();
    let id = RunId::new(world.now, [1; 10]);
    world.runs.push(HostRun {
        run: id,
        host: host("web1"),
        release: "lockstep 1.4.2".into(),
        started_at: world.now,
        seen_at: world.now,
        ended_at: None,
    });
    world.silence("web1", 600, Some(id));
    world.set("web1", "agent_silence", Level::SICK);
    assert_eq!(world.pass(120), NOTHING);
    world.silences.clear();
    world.runs[0].ended_at = Some(world.now);
    let notices = world.notices(60);
    let cause = format!("bad since run {id} (lockstep 1.4.2)");
    assert_eq!(notices[0].cause.as_deref(), Some(cause.as_str()));
    let entry = &notices[0].entries[0];
    assert_eq!(entry.run, Some(id));
    let note = format!("bad since run {id}, whose silence held it back until 2026-11-20 12:02 UTC");
    assert_eq!(entry.note, note);
}

#[test]
fn hosts_with_trouble_after_one_release_are_one_message() {
    let mut world = World::ann();
    for n in 0..40 {
        let name = format!("web{n}");
        world.runs.push(HostRun {
            run: RunId::new(world.now, [n; 10]),
            host: host(&name),
            release: "lockstep 1.4.2".into(),
            started_at: world.now - SignedDuration::from_mins(20),
            seen_at: world.now,
            ended_at: Some(world.now - SignedDuration::from_mins(10)),
        });
        world.set(&name, &format!("unit:nginx{n}"), Level::SICK);
    }
    let notices = world.notices(600);
    assert_eq!(notices.len(), 1);
    assert_eq!(
        notices[0].cause.as_deref(),
        Some("bad since lockstep 1.4.2, on 40 hosts")
    );
    assert_eq!(notices[0].entries.len(), 40);
}

#[test]
fn what_stands_behind_a_dead_host_is_not_told() {
    let mut world = World::ann();
    for n in 0..20 {
        let name = format!("web{n}");
        world
            .hosts
            .parents
            .insert(host(&name), vec![host("switch1")]);
        world.set(&name, "agent_silence", Level::DEAD);
    }
    // The switch is asked at its own time: what it says comes later, and begins softly.
    world.set("switch1", "ping", Level::SOSO);
    assert_eq!(world.pass(120), NOTHING);
    world.set("switch1", "ping", Level::DEAD);
    assert_eq!(world.pass(600), ["ann: problem switch1 ping dead"]);
    world.set("switch1", "ping", Level::FINE);
    assert_eq!(world.pass(120), ["ann: recovered switch1 ping fine"]);
    for n in 1..20 {
        world.set(&format!("web{n}"), "agent_silence", Level::FINE);
    }
    let notices = world.notices(600);
    assert_eq!(
        notices.iter().flat_map(lines).collect::<Vec<_>>(),
        ["ann: problem web0 agent_silence dead"]
    );
    let note = &notices[0].entries[0].note;
    assert!(note.ends_with("while switch1 was down"), "{note}");
}

#[test]
fn hosts_that_depend_on_each_other_do_not_hide_each_other() {
    let mut world = World::ann();
    world.hosts.parents.insert(host("a"), vec![host("b")]);
    world.hosts.parents.insert(host("b"), vec![host("a")]);
    world.hosts.parents.insert(host("c"), vec![host("b")]);
    for name in ["a", "b", "c"] {
        world.set(name, "agent_silence", Level::DEAD);
    }
    assert_eq!(
        world.pass(60),
        [
            "ann: problem a agent_silence dead",
            "ann: problem b agent_silence dead"
        ]
    );
}

#[test]
fn flapping_is_said_once_and_its_end_once() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(30);
    world.change("web1", "cpu_load", |it| it.flapping = true);
    assert_eq!(world.pass(400), ["ann: flapping web1 cpu_load sick"]);
    world.change("web1", "cpu_load", |it| it.level = Level::DEAD);
    assert_eq!(world.pass(20_000), NOTHING);
    world.change("web1", "cpu_load", |it| it.flapping = false);
    assert_eq!(world.pass(60), ["ann: worse web1 cpu_load dead"]);
    world.change("web1", "cpu_load", |it| it.flapping = true);
    assert_eq!(world.pass(400), ["ann: flapping web1 cpu_load dead"]);
    world.change("web1", "cpu_load", |it| it.flapping = false);
    let notices = world.notices(600);
    assert_eq!(notices[0].entries[0].kind, NoticeKind::Reminder);
    assert_eq!(
        notices[0].entries[0].note,
        "it goes back and forth no longer"
    );
    assert_eq!(notices.len(), 1);
}

#[test]
fn reminders_come_at_doubled_times_until_somebody_is_on_it() {
    let mut world = World::ann();
    world.rules.routes[0].repeat = Some(minutes(60));
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(30);
    let start = world.now;
    let at: Vec<i64> = world
        .notices(40 * 3_600)
        .iter()
        .map(|it| (it.at - start).total(jiff::Unit::Hour).unwrap().round() as i64)
        .collect();
    assert_eq!(at, [1, 3, 7, 15, 31], "after 1, 2, 4, 8 and 16 hours");
    world.ack("web1", "cpu_load", Level::SICK);
    assert_eq!(world.pass(60), ["ann: acknowledged web1 cpu_load sick"]);
    assert_eq!(world.pass(100 * 3_600), NOTHING);
    world.set("web1", "cpu_load", Level::CRITICAL);
    let notices = world.notices(60);
    assert_eq!(lines(&notices[0]), ["ann: worse web1 cpu_load critical"]);
    assert_eq!(
        notices[0].entries[0].note,
        "bob acknowledged it when it was sick"
    );
    world.set("web1", "cpu_load", Level::FINE);
    assert_eq!(world.pass(120), ["ann: recovered web1 cpu_load fine"]);
    assert_eq!(world.acks, [], "it ended with its problem");
}

#[test]
fn who_is_not_told_yet_is_spared_what_somebody_is_on() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(10);
    world.ack("web1", "cpu_load", Level::SICK);
    assert_eq!(world.pass(3_600), NOTHING);
    world.acks[0].until = Some(world.now);
    let notices = world.notices(60);
    assert_eq!(lines(&notices[0]), ["ann: problem web1 cpu_load sick"]);
    assert!(
        notices[0].entries[0]
            .note
            .starts_with("the acknowledgement of bob ended")
    );
}

#[test]
fn nobody_on_it_is_escalated_and_everybody_gets_the_end() {
    let mut world = World::with(rules(&["ann", "boss"], vec![route("all", &["ann"])]));
    world.rules.routes[0].escalate = vec![Escalation {
        after: minutes(30),
        to: vec!["boss".into(), "nobody".into()],
    }];
    world.set("web1", "cpu_load", Level::SICK);
    assert_eq!(world.pass(1_800), ["ann: problem web1 cpu_load sick"]);
    let notices = world.notices(60);
    assert_eq!(lines(&notices[0]), ["boss: escalated web1 cpu_load sick"]);
    assert_eq!(
        notices[0].entries[0].note,
        "nobody has acknowledged it for 30m"
    );
    world.set("web1", "cpu_load", Level::FINE);
    assert_eq!(
        world.pass(120),
        [
            "ann: recovered web1 cpu_load fine",
            "boss: recovered web1 cpu_load fine"
        ]
    );
    world.set("web2", "cpu_load", Level::SICK);
    world.pass(60);
    world.ack("web2", "cpu_load", Level::SICK);
    assert_eq!(world.pass(7_200), ["ann: acknowledged web2 cpu_load sick"]);
}

#[test]
fn outside_of_its_hours_a_route_tells_of_ends_alone() {
    let mut office = route("office", &["ann"]);
    office.when.hours = Some(Hours::parse("08:00-18:00", "UTC").unwrap());
    let mut world = World::with(rules(&["ann"], vec![office]));
    world.set("web1", "cpu_load", Level::SICK);
    world.pass(3_600);
    world.now = "2026-11-20T18:30:00Z".parse().unwrap();
    world.set("web1", "cpu_load", Level::FINE);
    world.set("web2", "cpu_load", Level::DEAD);
    world.set("web3", "cpu_load", Level::DEAD);
    assert_eq!(world.pass(600), ["ann: recovered web1 cpu_load fine"]);
    world.set("web3", "cpu_load", Level::FINE);
    world.now = "2026-11-21T07:59:00Z".parse().unwrap();
    assert_eq!(world.pass(30), NOTHING);
    assert_eq!(world.pass(60), ["ann: problem web2 cpu_load dead"]);
}

#[test]
fn a_storm_is_one_message() {
    let mut world = World::ann();
    for n in 0..200 {
        world.set(&format!("web{n}"), &format!("unit:u{}", n / 2), Level::SICK);
    }
    world.set("web7", "cpu_load", Level::DEAD);
    let notices = world.notices(600);
    assert_eq!(notices.len(), 1);
    let storm = &notices[0];
    assert_eq!((storm.entries.len(), storm.more), (50, 151));
    assert_eq!(storm.entries[0].level, Level::DEAD);
    assert_eq!(storm.cause.as_deref(), Some("201 problems on 200 hosts"));
    world.set("late", "cpu_load", Level::SICK);
    world
        .troubles
        .retain(|(host, _), _| host.as_str() == "late");
    let closing = world.notices(600);
    assert!(closing.len() <= 3, "{}", closing.len());
    let ends: usize = closing
        .iter()
        .map(|it| it.entries.len() + it.more as usize)
        .sum();
    assert_eq!(ends, 202);
    assert!(closing.iter().any(|it| it.thread == storm.thread));
}

#[test]
fn one_item_on_many_hosts_is_one_message() {
    let mut world = World::ann();
    for n in 0..5 {
        world.set(&format!("web{n}"), "disk_usage:/", Level::SICK);
    }
    world.set("db1", "cpu_load", Level::SICK);
    world.set("db1", "swap", Level::SICK);
    let notices = world.notices(60);
    let causes: Vec<_> = notices.iter().map(|it| it.cause.clone().unwrap()).collect();
    assert_eq!(causes, ["disk_usage:/ on 5 hosts", "2 items of db1"]);
}

#[test]
fn a_decision_that_was_not_stored_gives_the_same_identities_again() {
    let mut world = World::ann();
    world.set("web1", "cpu_load", Level::SICK);
    world.decide_and_store();
    let ids = |world: &World| -> Vec<String> {
        let decision = world.decide_with(&world.book(), MOST_ROWS);
        decision.notices.into_iter().map(|it| it.id).collect()
    };
    world.now += SignedDuration::from_secs(20);
    let first = ids(&world);
    world.now += SignedDuration::from_secs(20);
    assert_eq!((first.len(), &first), (1, &ids(&world)));
}

#[test]
fn too_many_changes_are_left_for_the_next_time() {
    let mut world = World::ann();
    for n in 0..100 {
        world.set(&format!("web{n}"), &format!("unit:u{n}"), Level::SICK);
    }
    world.set("web50", "cpu_load", Level::DEAD);
    let decision = world.decide_with(&world.book(), 30);
    assert_eq!((decision.upserts.len(), decision.put_off), (30, 71));
    assert_eq!(decision.next, Some(world.now));
    assert!(
        decision
            .upserts
            .iter()
            .any(|(key, _)| key.contains("web50\tcpu_load"))
    );
    let mut told = 0;
    let mut notices = 0;
    for _ in 0..400 {
        world.now += SignedDuration::from_secs(15);
        let decision = world.decide_with(&world.book(), 30);
        assert!(decision.upserts.len() + decision.deletes.len() <= 30);
        for notice in &decision.notices {
            told += notice.entries.len() + notice.more as usize;
            notices += 1;
        }
        world.store(&decision);
    }
    assert_eq!(told, 101);
    assert!(notices <= 6, "{notices}");
}

#[test]
fn the_fleet_may_break_as_a_whole() {
    let mut world = World::with(rules(
        &["ann", "bob"],
        vec![route("all", &["ann"]), route("too", &["ann", "bob"])],
    ));
    for n in 0..4_000 {
        for what in [
            "agent_silence",
            "cpu_load",
            "disk_usage:/",
            "swap",
            "unit:nginx",
        ] {
            world.set(&format!("web{n}.example.org"), what, Level::SICK);
        }
        if n % 20 == 0 {
            world.silence(&format!("web{n}.example.org"), 86_400, None);
        }
    }
    // Nothing waits for the next time, so that the second look sends and the third one has nothing to do.
    let mut book = Book::default();
    for (told, notices) in [(0, 0), (38_000, 2), (38_000, 0)] {
        world.now += SignedDuration::from_secs(60);
        let began = std::time::Instant::now();
        let decision = world.decide_with(&book, usize::MAX);
        println!("{:?} for {} rows", began.elapsed(), decision.upserts.len());
        assert_eq!(decision.notices.len(), notices);
        book.apply(&decision).unwrap();
        let is_told = |row: &&book::Row| row.told.is_some();
        assert_eq!(book.rows.values().filter(is_told).count(), told);
    }
    let began = std::time::Instant::now();
    let first = world.decide_with(&Book::default(), MOST_ROWS);
    println!("{:?} for the first {MOST_ROWS} rows", began.elapsed());
    assert_eq!((first.upserts.len(), first.put_off), (MOST_ROWS, 30_000));
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let (book, bad) = Book::from_rows([("told\tweb1", "{}"), ("told\tweb1\tcpu_load\tann", "{")]);
    assert!(book.is_empty());
    assert_eq!(bad.len(), 2);
    assert!(bad[1].to_string().contains("cpu_load"), "{}", bad[1]);
}

#[test]
fn the_test_message_is_one() {
    let notice = test_notice(
        "ann",
        &host("server1"),
        "2026-11-20T12:00:00Z".parse().unwrap(),
        &LevelNames::default(),
        None,
    );
    assert_eq!(
        (notice.route.as_str(), notice.entries[0].kind),
        ("test", NoticeKind::Test)
    );
}
