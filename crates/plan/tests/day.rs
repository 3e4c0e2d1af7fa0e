//! A day in fast-forward: what happens to a small fleet within 24 hours, and who is told of what.
//!
//! `scripts/day.txt` holds what happens and each message that follows, to be read by a person. Set `UPDATE_GOLDEN=1`
//! to write it anew, and read the difference.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::{
    Ack, AlertRules, Escalation, LevelTest, Notice, Pace, Receiver, Route, Silence, Trouble, When,
};
use lockstep_model::{
    Change, ChangeKind, Glob, HostName, Hours, Interval, ItemName, Level, LevelNames, RunId, Value,
};
use lockstep_plan::alert::lease::{SILENCE_ITEM, leases, silence_level};
use lockstep_plan::alert::{Book, Facts, Fleet, HostRun, decide};

/// Hosts report so often.
const REPORT: Duration = Duration::from_secs(300);

struct Day {
    now: Timestamp,
    rules: AlertRules,
    troubles: BTreeMap<(HostName, ItemName), Trouble>,
    silences: Vec<Silence>,
    acks: Vec<Ack>,
    runs: Vec<HostRun>,
    /// Hosts that do not report, and their last report.
    silent: BTreeMap<HostName, Timestamp>,
    hosts: Hosts,
    stored: BTreeMap<String, String>,
    text: String,
}

#[derive(Default)]
struct Hosts {
    groups: BTreeMap<HostName, Vec<String>>,
    parents: BTreeMap<HostName, Vec<HostName>>,
    changes: BTreeMap<HostName, Vec<Change>>,
}

impl Fleet for Hosts {
    fn groups_of(&self, host: &HostName) -> &[String] {
        self.groups.get(host).map_or(&[], Vec::as_slice)
    }
    fn parents_of(&self, host: &HostName) -> &[HostName] {
        self.parents.get(host).map_or(&[], Vec::as_slice)
    }
    fn value_of(&self, _: &HostName, _: &ItemName) -> Option<Value> {
        Some(Value::Text("well".into()))
    }
    fn changes_of(&self, host: &HostName) -> Vec<Change> {
        self.changes.get(host).cloned().unwrap_or_default()
    }
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn item(name: &str) -> ItemName {
    ItemName::parse(name).unwrap()
}

fn route(name: &str, to: &str) -> Route {
    Route {
        name: name.into(),
        to: vec![to.into()],
        when: When::default(),
        escalate: Vec::new(),
        repeat: None,
    }
}

impl Day {
    fn new() -> Self {
        let mut on_call = route("on-call", "ann");
        on_call.escalate = vec![Escalation {
            after: Interval::from_secs(45 * 60),
            to: vec!["boss".into()],
        }];
        let mut office = route("office", "bob");
        let names = LevelNames::default();
        office.when.level = Some(LevelTest::parse(">= soso", &names).unwrap());
        office.when.hours = Some(Hours::parse("Mon-Fri 08:00-18:00", "UTC").unwrap());
        let receiver = |name: &str| {
            let receiver = Receiver {
                ways: Vec::new(),
                fallback: None,
            };
            (name.to_owned(), receiver)
        };
        let mut hosts = Hosts::default();
        for n in 1..=20 {
            let name = host(&format!("web{n}"));
            hosts.groups.insert(name.clone(), vec!["web".into()]);
            hosts.parents.insert(name, vec![host("switch1")]);
        }
        Self {
            // A Friday.
            now: "2026-11-20T00:00:00Z".parse().unwrap(),
            rules: AlertRules {
                levels: names,
                receivers: ["ann", "bob", "boss"].map(receiver).into(),
                routes: vec![on_call, office],
                pace: Pace {
                    most: 4,
                    ..Pace::default()
                },
            },
            troubles: BTreeMap::new(),
            silences: Vec::new(),
            acks: Vec::new(),
            runs: Vec::new(),
            silent: BTreeMap::new(),
            hosts,
            stored: BTreeMap::new(),
            text: String::new(),
        }
    }

    fn set(&mut self, name: &str, what: &str, level: Level) {
        let key = (host(name), item(what));
        let from = self.troubles.get(&key).map_or(Level::FINE, |it| it.level);
        if level == Level::FINE {
            self.troubles.remove(&key);
        } else if level != from {
            let trouble = Trouble {
                host: key.0.clone(),
                item: key.1.clone(),
                level,
                from,
                value: Value::Text("ill".into()),
                why: String::new(),
                since: self.now,
                no_data: false,
                flapping: false,
                seen_at: self.now,
            };
            self.troubles.insert(key, trouble);
        }
    }

    fn flaps(&mut self, name: &str, what: &str, flapping: bool) {
        let key = (host(name), item(what));
        self.troubles.get_mut(&key).unwrap().flapping = flapping;
    }

    fn falls_silent(&mut self, name: &str) {
        self.silent.insert(host(name), self.now);
    }

    fn reports(&mut self, name: &str) {
        self.silent.remove(&host(name));
        self.set(name, SILENCE_ITEM, Level::FINE);
    }

    fn run_begins(&mut self, n: u8) {
        self.runs.push(HostRun {
            run: RunId::new(self.now, [n; 10]),
            host: host(&format!("web{n}")),
            release: "lockstep 1.4.2".into(),
            started_at: self.now,
            seen_at: self.now,
            ended_at: None,
        });
    }

    fn run_ends(&mut self, n: u8) {
        let name = host(&format!("web{n}"));
        let run = self.runs.iter_mut().find(|it| it.host == name).unwrap();
        run.ended_at = Some(self.now);
        let change = Change {
            at: self.now,
            kind: ChangeKind::Run,
            what: "lockstep 1.4.1 → 1.4.2".into(),
            run: Some(run.run),
        };
        self.hosts.changes.insert(name, vec![change]);
    }

    fn ack(&mut self, name: &str, what: &str, by: &str, note: &str) {
        let key = (host(name), item(what));
        self.acks.push(Ack {
            level: self.troubles[&key].level,
            host: key.0,
            item: key.1,
            by: by.into(),
            note: note.into(),
            at: self.now,
            until: None,
        });
    }

    /// One minute: silent hosts are judged, it is decided, and the messages are written down.
    fn tick(&mut self) {
        for (name, seen) in self.silent.clone() {
            let silent_for = self.now.duration_since(seen).unsigned_abs();
            let level = silence_level(silent_for, REPORT);
            self.set(name.as_str(), SILENCE_ITEM, level);
        }
        let mut silences = self.silences.clone();
        silences.extend(leases(&self.runs, |_| Vec::new(), self.now));
        let troubles: Vec<Trouble> = self.troubles.values().cloned().collect();
        let (book, bad) = Book::from_rows(&self.stored);
        assert!(bad.is_empty(), "{bad:?}");
        let decision = decide(
            &book,
            &Facts {
                now: self.now,
                rules: &self.rules,
                troubles: &troubles,
                silences: &silences,
                acks: &self.acks,
                runs: &self.runs,
                fleet: &self.hosts,
                server_url: None,
            },
        );
        for key in &decision.deletes {
            self.stored.remove(key);
        }
        self.stored.extend(decision.upserts);
        for (host, item) in decision.acks_ended {
            self.acks
                .retain(|ack| (&ack.host, &ack.item) != (&host, &item));
        }
        for notice in &decision.notices {
            self.write(notice);
        }
    }

    fn write(&mut self, notice: &Notice) {
        let (time, to, route) = (clock(notice.at), &notice.receiver, &notice.route);
        let cause = notice
            .cause
            .as_ref()
            .map_or(String::new(), |it| format!(" -- {it}"));
        writeln!(self.text, "{time} to {to} ({route}){cause}").unwrap();
        for entry in &notice.entries {
            let what = format!("{} {}", entry.host, entry.item);
            let (kind, told, level) = (entry.kind.as_str(), entry.told, entry.level);
            write!(self.text, "        {kind:<12} {what:<28} {told} -> {level}").unwrap();
            for change in &entry.changes {
                let ago = self.now.duration_since(change.at).as_mins();
                write!(self.text, "; {change} {ago} min before").unwrap();
            }
            if !entry.note.is_empty() {
                write!(self.text, "; {}", entry.note).unwrap();
            }
            self.text.push('\n');
        }
        if notice.more > 0 {
            writeln!(self.text, "        and {} more", notice.more).unwrap();
        }
    }
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M").to_string()
}

/// What happens: the time, in words, and what it does.
type Happening = (&'static str, &'static str, fn(&mut Day));

const SCRIPT: &[Happening] = &[
    (
        "00:30",
        "db1's disk fills up: soso, which only bob is told, and only in the office",
        |day| {
            day.set("db1", "disk_usage:/", Level::SOSO);
        },
    ),
    ("01:10", "web3's own page is slow", |day| {
        day.set("web3", "http:local", Level::SICK)
    }),
    ("01:14", "and goes back and forth", |day| {
        day.flaps("web3", "http:local", true)
    }),
    ("02:20", "it is well and stays so", |day| {
        day.flaps("web3", "http:local", false);
        day.set("web3", "http:local", Level::FINE);
    }),
    (
        "03:00",
        "the switch loses packets; the twenty hosts behind it are heard of no more",
        |day| {
            day.set("switch1", "ping", Level::SICK);
            for n in 1..=20 {
                day.falls_silent(&format!("web{n}"));
            }
        },
    ),
    ("03:02", "the switch is dead", |day| {
        day.set("switch1", "ping", Level::DEAD)
    }),
    ("03:40", "the switch is back", |day| {
        day.set("switch1", "ping", Level::FINE)
    }),
    ("03:42", "and so are the hosts, but for web20", |day| {
        for n in 1..=19 {
            day.reports(&format!("web{n}"));
        }
    }),
    ("04:30", "web20 is found and switched on", |day| {
        day.reports("web20")
    }),
    ("04:50", "web2 works hard", |day| {
        day.set("web2", "cpu_load", Level::SICK)
    }),
    ("05:00", "the server is away, for forty minutes", |_| {}),
    ("05:10", "db1 is short of memory, unseen", |day| {
        day.set("db1", "memory_available", Level::CRITICAL);
    }),
    ("05:15", "web2 has done its work, unseen", |day| {
        day.set("web2", "cpu_load", Level::FINE)
    }),
    ("05:20", "mail1's postfix dies, unseen", |day| {
        day.set("mail1", "unit:postfix", Level::DEAD);
    }),
    ("05:25", "db1 has memory again, unseen", |day| {
        day.set("db1", "memory_available", Level::FINE);
    }),
    ("05:40", "the server is back", |_| {}),
    ("06:10", "postfix runs again", |day| {
        day.set("mail1", "unit:postfix", Level::FINE)
    }),
    (
        "09:00",
        "lockstep 1.4.2 comes to web1 to web5, whose agents are restarted",
        |day| {
            for n in 1..=5 {
                day.run_begins(n);
                day.set(&format!("web{n}"), "unit:lockstep-agent", Level::SICK);
            }
        },
    ),
    (
        "09:03",
        "web4's own page fails, which no run explains",
        |day| {
            day.set("web4", "http:local", Level::CRITICAL);
        },
    ),
    ("09:04", "the runs end; web4's agent stays ill", |day| {
        for n in 1..=5 {
            day.run_ends(n);
            if n != 4 {
                day.set(&format!("web{n}"), "unit:lockstep-agent", Level::FINE);
            }
        }
    }),
    ("09:20", "bob is on it", |day| {
        day.ack("web4", "unit:lockstep-agent", "bob", "rolling back");
        day.ack("web4", "http:local", "bob", "rolling back");
    }),
    ("10:30", "web4 is rolled back and well", |day| {
        day.set("web4", "unit:lockstep-agent", Level::FINE);
        day.set("web4", "http:local", Level::FINE);
    }),
    (
        "12:40",
        "mail1's queue grows, and everybody is at lunch",
        |day| {
            day.set("mail1", "queue", Level::SICK);
        },
    ),
    ("15:00", "db1 has room again", |day| {
        day.set("db1", "disk_usage:/", Level::FINE)
    }),
    ("17:30", "boss is on the queue", |day| {
        day.ack("mail1", "queue", "boss", "")
    }),
    (
        "18:30",
        "the queue is worse than what boss knew; bob has gone home",
        |day| {
            day.set("mail1", "queue", Level::CRITICAL);
        },
    ),
    ("19:00", "bob silences db1 for an hour and a half", |day| {
        day.silences.push(Silence {
            id: "s7".into(),
            hosts: vec![Glob::parse("db1").unwrap()],
            groups: Vec::new(),
            items: Vec::new(),
            starts_at: day.now,
            ends_at: day.now + SignedDuration::from_mins(90),
            owner: "bob".into(),
            reason: "new disks".into(),
            run: None,
        });
    }),
    ("19:10", "its database is down", |day| {
        day.set("db1", "unit:postgresql", Level::DEAD)
    }),
    ("19:50", "and up again", |day| {
        day.set("db1", "unit:postgresql", Level::FINE)
    }),
    (
        "20:00",
        "the queue is empty; bob is told the end of what he was told",
        |day| {
            day.set("mail1", "queue", Level::FINE);
        },
    ),
    ("20:10", "db1 is short of memory", |day| {
        day.set("db1", "memory_available", Level::CRITICAL);
    }),
    ("21:10", "db1 has memory again", |day| {
        day.set("db1", "memory_available", Level::FINE)
    }),
    (
        "22:00",
        "twelve hosts fill their disks and seven their memory, within a minute",
        |day| {
            for n in 1..=12 {
                day.set(&format!("web{n}"), "disk_usage:/", Level::SICK);
            }
            for n in 8..=14 {
                day.set(&format!("web{n}"), "swap", Level::SICK);
            }
        },
    ),
    ("23:00", "all is well", |day| day.troubles.clear()),
];

#[test]
fn a_day_in_fast_forward() {
    let mut day = Day::new();
    let start = day.now;
    for minute in 0..24 * 60 {
        day.now = start + SignedDuration::from_mins(minute);
        let now = clock(day.now);
        for (_, words, happens) in SCRIPT.iter().filter(|(at, ..)| *at == now) {
            writeln!(day.text, "\n# {now} {words}").unwrap();
            happens(&mut day);
        }
        let away = ("05:00".."05:40").contains(&now.as_str());
        if !away {
            day.tick();
        }
    }
    assert_eq!(day.stored, BTreeMap::new(), "all is closed at midnight");
    assert_eq!(day.acks, []);

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/day.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
        std::fs::write(path, &day.text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert!(
        golden == day.text,
        "the day differs from {path}; if that is meant, write it anew with UPDATE_GOLDEN=1:\n{}",
        day.text
    );
}
