//! What holds whatever a fleet does: problems that come, go, flap and lose their values; parents that die; silences,
//! acknowledgements, changed rules; a server that crashes before it could store its decision, sleeps, or looks twice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use lockstep_model::alert::{Escalation, Route, Silence};
use lockstep_model::{Hours, Interval, RunId};
use proptest::prelude::*;

use super::tests::*;
use super::*;

const HOSTS: [&str; 4] = ["router", "switch", "web1", "web2"];
const ITEMS: [&str; 3] = ["agent_silence", "cpu_load", "disk_usage:/"];

#[derive(Debug, Clone)]
enum Act {
    Set(usize, usize, u8),
    NoData(usize, usize, bool),
    Flaps(usize, usize, bool),
    Silence(usize, usize, u16, bool),
    Ack(usize, usize, Option<u16>),
    /// Which of the routes stand in the rules, bit by bit.
    Routes(u8),
    Gone(usize, usize, bool),
}

/// What the server does in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Server {
    Looks,
    LooksTwice,
    /// It decides and crashes before anything is stored.
    CrashesBeforeStoring,
    Sleeps,
}

type Round = (Vec<Act>, u16, Server);

fn act() -> impl Strategy<Value = Act> {
    let (host, item) = (0..HOSTS.len(), 0..ITEMS.len());
    let one = (host, item);
    prop_oneof![
        8 => (one.clone(), 0u8..5).prop_map(|((h, i), level)| Act::Set(h, i, level)),
        2 => (one.clone(), any::<bool>()).prop_map(|((h, i), on)| Act::NoData(h, i, on)),
        2 => (one.clone(), any::<bool>()).prop_map(|((h, i), on)| Act::Flaps(h, i, on)),
        2 => (0..HOSTS.len(), 0..=ITEMS.len(), 1u16..2_000, any::<bool>())
            .prop_map(|(h, i, lasts, lease)| Act::Silence(h, i, lasts, lease)),
        2 => (one.clone(), proptest::option::of(1u16..2_000)).prop_map(|((h, i), lasts)| Act::Ack(h, i, lasts)),
        1 => (0u8..8).prop_map(Act::Routes),
        1 => (one, any::<bool>()).prop_map(|((h, i), gone)| Act::Gone(h, i, gone)),
    ]
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let server = prop_oneof![
        6 => Just(Server::Looks), 1 => Just(Server::LooksTwice),
        1 => Just(Server::CrashesBeforeStoring), 1 => Just(Server::Sleeps),
    ];
    let round = (proptest::collection::vec(act(), 0..3), 1u16..150, server);
    proptest::collection::vec(round, 1..100)
}

/// Routes with hours, with an escalation, and with a way to be entered.
fn routes() -> Vec<Route> {
    let mut urgent = route("urgent", &["ann"]);
    urgent.when.groups = vec!["web".into()];
    urgent.when.level = Some(level(">= critical"));
    let hours = Hours::parse("12:00-12:40, 20:00-24:00", "UTC").unwrap();
    urgent.when.hours = Some(hours);
    let mut all = route("all", &["ann", "bob"]);
    all.escalate = vec![Escalation {
        after: Interval::from_secs(600),
        to: vec!["boss".into(), "ann".into()],
    }];
    all.repeat = Some(Interval::from_secs(1_200));
    let mut disks = route("disks", &["bob", "carol"]);
    disks.when.items = vec![glob("disk_*")];
    disks.when.level = Some(level(">= soso"));
    disks.when.from = Some(level("fine"));
    vec![urgent, all, disks]
}

fn new_world() -> World {
    let names = ["ann", "bob", "carol", "boss", "eve"];
    let mut world = World::with(rules(&names, routes()));
    for name in ["web1", "web2"] {
        world.hosts.groups.insert(host(name), vec!["web".into()]);
    }
    for (name, parent) in [("switch", "router"), ("web1", "switch"), ("web2", "switch")] {
        world.hosts.parents.insert(host(name), vec![host(parent)]);
    }
    world
}

fn perform(world: &mut World, act: &Act) {
    let end = |now: Timestamp, seconds: u16| now + SignedDuration::from_secs(seconds.into());
    match *act {
        Act::Set(h, i, rank) => world.set(HOSTS[h], ITEMS[i], Level::ALL[usize::from(rank)]),
        Act::NoData(h, i, on) => world.change(HOSTS[h], ITEMS[i], |it| it.no_data = on),
        Act::Flaps(h, i, on) => world.change(HOSTS[h], ITEMS[i], |it| it.flapping = on),
        Act::Silence(h, i, seconds, lease) => world.silences.push(Silence {
            id: format!("s{}", world.silences.len()),
            hosts: vec![glob(HOSTS[h])],
            groups: Vec::new(),
            items: ITEMS.get(i).map(|it| glob(it)).into_iter().collect(),
            starts_at: world.now,
            ends_at: end(world.now, seconds),
            owner: "bob".into(),
            reason: String::new(),
            run: lease.then(|| RunId::new(world.now, [0; 10])),
        }),
        Act::Ack(h, i, lasts) => {
            let (host, item) = (host(HOSTS[h]), item(ITEMS[i]));
            let key = (host.clone(), item.clone());
            if let Some(trouble) = world.troubles.get(&key) {
                world
                    .acks
                    .retain(|ack| (&ack.host, &ack.item) != (&host, &item));
                world.acks.push(Ack {
                    host,
                    item,
                    level: trouble.level,
                    by: "bob".into(),
                    note: String::new(),
                    at: world.now,
                    until: lasts.map(|seconds| end(world.now, seconds)),
                });
            }
        }
        Act::Routes(mask) => {
            let stands = |n: usize| mask >> n & 1 == 1;
            let kept = routes().into_iter().enumerate();
            world.rules.routes = kept.filter(|(n, _)| stands(*n)).map(|(_, it)| it).collect();
        }
        Act::Gone(h, i, gone) => {
            let key = (host(HOSTS[h]), item(ITEMS[i]));
            if gone {
                world.troubles.remove(&key);
                world.hosts.gone.insert(key);
            } else {
                world.hosts.gone.remove(&key);
            }
        }
    }
}

/// True if a host above this one is down. In this fleet everybody has one parent at most.
fn is_dependent(world: &World, name: &HostName) -> bool {
    let parent = world.hosts.parents.get(name).map(|it| &it[0]);
    parent.is_some_and(|parent| {
        let key = (parent.clone(), item("agent_silence"));
        let silence = world.troubles.get(&key);
        silence.is_some_and(|it| it.level >= Level::CRITICAL) || is_dependent(world, parent)
    })
}

/// True if a host above this one is down, or the host itself, of which then only that is told.
fn is_explained(world: &World, trouble: &Trouble) -> bool {
    let key = (trouble.host.clone(), item("agent_silence"));
    let silence = world.troubles.get(&key);
    let is_down = silence.is_some_and(|it| it.level >= Level::CRITICAL);
    is_dependent(world, &trouble.host) || (is_down && trouble.item != key.1)
}

fn is_silenced(world: &World, trouble: &Trouble) -> bool {
    world.silences.iter().any(|it| {
        it.starts_at <= world.now
            && world.now < it.ends_at
            && it.hosts[0].as_str() == trouble.host.as_str()
            && it
                .items
                .iter()
                .all(|item| item.as_str() == trouble.item.as_str())
    })
}

/// Who has which problem open, and which messages there have been.
#[derive(Default)]
struct Seen {
    open: BTreeSet<(String, HostName, ItemName)>,
    ids: BTreeSet<String>,
    threads: BTreeMap<(String, HostName, ItemName), String>,
}

fn check(world: &World, seen: &mut Seen, notices: &[Notice]) -> Result<(), TestCaseError> {
    for notice in notices {
        prop_assert!(seen.ids.insert(notice.id.clone()), "{} twice", notice.id);
        prop_assert!(!notice.entries.is_empty() && notice.more == 0);
        for entry in &notice.entries {
            let to = &notice.receiver;
            let problem = (to.clone(), entry.host.clone(), entry.item.clone());
            let what = format!("{to}: {:?} {} {}", entry.kind, entry.host, entry.item);
            let key = (entry.host.clone(), entry.item.clone());
            let trouble = world.troubles.get(&key);
            let is_open = seen.open.contains(&problem);
            match entry.kind {
                NoticeKind::Problem | NoticeKind::Escalated => prop_assert!(!is_open, "{what}"),
                NoticeKind::Flapping => {}
                _ => prop_assert!(is_open, "{what} came without a first message"),
            }
            if entry.kind.closes() {
                seen.open.remove(&problem);
                let thread = seen.threads.remove(&problem);
                prop_assert_eq!(thread.as_ref(), Some(&notice.thread), "{}", what);
                if entry.kind == NoticeKind::Recovered {
                    prop_assert!(
                        trouble.is_none_or(|it| !it.no_data && !it.flapping),
                        "{what}"
                    );
                }
                continue;
            }
            seen.open.insert(problem.clone());
            let thread = seen.threads.entry(problem).or_insert(notice.thread.clone());
            prop_assert_eq!(&*thread, &notice.thread, "{}", what);
            let trouble = trouble.ok_or_else(|| TestCaseError::fail(what.clone()))?;
            prop_assert!(!is_silenced(world, trouble), "{what} although silenced");
            prop_assert!(
                !is_dependent(world, &entry.host),
                "{what} although dependent"
            );
            let gap = trouble.no_data || trouble.flapping;
            let allows = |it: &&Route| {
                let escalates = it.escalate.iter().any(|step| step.to.contains(to));
                let groups = world.hosts.groups_of(&entry.host);
                (it.to.contains(to) || (escalates && entry.kind != NoticeKind::Problem))
                    && it.when.groups.iter().all(|group| groups.contains(group))
                    && it
                        .when
                        .items
                        .iter()
                        .all(|glob| glob.matches(entry.item.as_str()))
                    && it
                        .when
                        .hours
                        .as_ref()
                        .is_none_or(|it| it.contain(world.now) || gap)
                    && (it
                        .when
                        .level
                        .unwrap_or(level(">= sick"))
                        .holds(trouble.level)
                        || gap)
            };
            prop_assert!(
                world.rules.routes.iter().any(|it| allows(&it)),
                "{what}: no route"
            );
        }
    }
    Ok(())
}

/// One round of the server: decides, stores, and reads again.
fn look(world: &mut World, seen: &mut Seen, server: Server) -> Result<(), TestCaseError> {
    if server == Server::Sleeps {
        return Ok(());
    }
    let mut book = world.book();
    let decision = world.decide_with(&book, MOST_ROWS);
    if server == Server::CrashesBeforeStoring {
        return Ok(());
    }
    check(world, seen, &decision.notices)?;
    book.apply(&decision).unwrap();
    world.store(&decision);
    prop_assert_eq!(&book, &world.book(), "a restart changes the book");
    if server == Server::LooksTwice {
        let again = world.decide_with(&book, MOST_ROWS);
        prop_assert_eq!(again.notices, []);
        prop_assert_eq!((again.upserts, again.deletes), (vec![], vec![]));
    }
    Ok(())
}

fn pass(world: &mut World, seen: &mut Seen, minutes: i64) -> Result<(), TestCaseError> {
    for _ in 0..2 * minutes {
        world.now += SignedDuration::from_secs(30);
        look(world, seen, Server::Looks)?;
    }
    Ok(())
}

/// A world is long, so there are fewer than usual; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { usual.cases } else { 48 },
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_fleet_breaks_a_promise(rounds in rounds()) {
        let mut world = new_world();
        let mut seen = Seen::default();
        for (acts, seconds, server) in &rounds {
            world.now += SignedDuration::from_secs((*seconds).into());
            for act in acts {
                perform(&mut world, act);
            }
            look(&mut world, &mut seen, *server)?;
        }

        // Everything that held back goes, and what is still there is known to everybody whom it concerns.
        world.now = world.now.max("2026-11-20T20:00:00Z".parse().unwrap());
        world.rules.routes = routes();
        world.silences.clear();
        world.acks.clear();
        for trouble in world.troubles.values_mut() {
            trouble.no_data = false;
            trouble.flapping = false;
        }
        pass(&mut world, &mut seen, 40)?;
        let book = world.book();
        for trouble in world.troubles.values() {
            let to: &[&str] = if is_explained(&world, trouble) || trouble.level < Level::SICK {
                &[]
            } else {
                &["ann", "bob", "boss"]
            };
            for receiver in to {
                let key = Key {
                    host: trouble.host.clone(),
                    item: trouble.item.clone(),
                    receiver: (*receiver).to_owned(),
                };
                let told = book.rows.get(&key).and_then(|row| row.told.as_ref());
                prop_assert_eq!(told.map(|it| it.level), Some(trouble.level), "{:?}", key);
            }
        }

        // All is well again: everything is closed and nothing is left behind.
        world.troubles.clear();
        world.hosts.gone.clear();
        pass(&mut world, &mut seen, 20)?;
        prop_assert_eq!(seen.open, BTreeSet::new());
        prop_assert_eq!(world.stored, BTreeMap::new());
    }

    #[test]
    fn a_storm_gives_few_messages(
        hosts in proptest::collection::vec((0i64..12, 0usize..40, 2usize..5, 0i64..12), 11..100),
    ) {
        let mut world = World::with(rules(&["ann"], vec![route("all", &["ann"])]));
        let mut seen = Seen::default();
        world.rules.pace.most = 1_000;
        let mut storm = |world: &mut World, ends: bool| -> Result<(), TestCaseError> {
            for second in 0..12 {
                for (n, &(comes, item, level, goes)) in hosts.iter().enumerate() {
                    if second == if ends { goes } else { comes } {
                        let level = if ends { Level::FINE } else { Level::ALL[level] };
                        world.set(&format!("host{n}"), &format!("unit:u{item}"), level);
                    }
                }
                world.now += SignedDuration::from_secs(5);
                look(world, &mut seen, Server::Looks)?;
            }
            pass(world, &mut seen, 20)
        };
        storm(&mut world, false)?;
        storm(&mut world, true)?;
        prop_assert!(seen.open.is_empty());
        prop_assert!(seen.ids.len() <= 30, "{} messages for {} hosts", seen.ids.len(), hosts.len());
    }
}
