use lockstep_model::Event;

use super::*;

pub(super) fn at(minute: i64) -> Timestamp {
    let zero: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    zero + SignedDuration::from_mins(minute)
}

pub(super) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(super) fn item(name: &str) -> ItemName {
    ItemName::parse(name).unwrap()
}

pub(super) fn snapshot(minute: i64, items: &[(&str, f64, Level)]) -> Snapshot {
    let items = items.iter();
    Snapshot {
        at: at(minute),
        host: None,
        items: items
            .map(|(name, number, level)| (item(name), Some(*number), *level))
            .collect(),
    }
}

pub(super) fn event(minute: i64, name: &str, from: Level, to: Level) -> StoredEvent {
    StoredEvent {
        id: format!("{minute}"),
        via: Some(host("web1")),
        received_at: at(minute),
        event: Event {
            number: 1,
            at: at(minute),
            host: host("web1"),
            item: item(name),
            kind: EventKind::Level,
            from,
            to,
            value: Value::Number {
                value: 97.0,
                unit: "%".into(),
            },
            why: "above 90".into(),
        },
        changes: Vec::new(),
    }
}

pub(super) fn state(since: i64, name: &str, level: Level) -> ItemState {
    ItemState {
        item: item(name),
        value: Value::Text("x".into()),
        level,
        since: at(since),
        why: String::new(),
        no_data: false,
        flapping: false,
        pending: None,
    }
}

/// What a test knows of web1.
#[derive(Default)]
struct Facts {
    snapshot: Option<Snapshot>,
    before: Vec<StoredEvent>,
    after: Vec<StoredEvent>,
    now: Vec<ItemState>,
    enrolled: i64,
    gone: bool,
}

impl Facts {
    fn stood(&self) -> Stood {
        let name = host("web1");
        let (before, after): (Vec<_>, Vec<_>) =
            (self.before.iter().collect(), self.after.iter().collect());
        let known = Known {
            host: &name,
            is_there: !self.gone,
            enrolled_at: (!self.gone).then(|| at(self.enrolled)),
            snapshot: self.snapshot.as_ref(),
            before: &before,
            after: &after,
            now: &self.now,
        };
        stood(&known, at(0))
    }

    /// Each item with its level and its proof.
    fn items(&self) -> Vec<(String, Level, Proof)> {
        let Stood::So { items, .. } = self.stood() else {
            return Vec::new();
        };
        let items = items.into_iter();
        items
            .map(|it| (it.item.to_string(), it.level, it.proof))
            .collect()
    }
}

const LONG_AGO: i64 = -10_000;

#[test]
fn a_snapshot_counts_until_an_event_tells_otherwise() {
    let mut facts = Facts {
        snapshot: Some(snapshot(
            -7,
            &[
                ("cpu_busy", 12.0, Level::FINE),
                ("disk_usage:/", 91.0, Level::SICK),
            ],
        )),
        before: vec![
            event(-30, "disk_usage:/", Level::FINE, Level::SICK),
            event(-40, "gone", Level::FINE, Level::DEAD),
            event(-3, "cpu_busy", Level::FINE, Level::CRITICAL),
        ],
        enrolled: LONG_AGO,
        ..Facts::default()
    };
    assert_eq!(
        facts.items(),
        [
            ("cpu_busy".into(), Level::CRITICAL, Proof::EventBefore),
            ("disk_usage:/".into(), Level::SICK, Proof::Snapshot),
        ]
    );
    let Stood::So {
        level,
        taken,
        items,
    } = facts.stood()
    else {
        panic!("nothing is known");
    };
    assert_eq!((level, taken), (Level::CRITICAL, Some(at(-7))));
    // The event says since when, the snapshot which number.
    assert_eq!(
        (items[1].since, items[1].number),
        (Some(at(-30)), Some(91.0))
    );
    // An old snapshot says nothing, and neither does one from afterwards.
    for minute in [-21, 1] {
        facts.snapshot = Some(snapshot(minute, &[("load", 1.0, Level::FINE)]));
        assert!(!facts.items().iter().any(|it| it.2 == Proof::Snapshot));
    }
}

#[test]
fn what_the_server_found_stands_in_no_snapshot() {
    let mut silent = event(-15, "agent_silence", Level::FINE, Level::DEAD);
    silent.via = None;
    let facts = Facts {
        snapshot: Some(snapshot(-12, &[("cpu_busy", 12.0, Level::FINE)])),
        before: vec![silent],
        enrolled: LONG_AGO,
        ..Facts::default()
    };
    let Stood::So { level, .. } = facts.stood() else {
        panic!("nothing is known");
    };
    assert_eq!(level, Level::DEAD);
}

#[test]
fn without_a_snapshot_events_and_what_is_unchanged_tell() {
    let facts = Facts {
        before: vec![event(-500, "a", Level::FINE, Level::SICK)],
        after: vec![
            event(20, "a", Level::SICK, Level::FINE),
            event(30, "b", Level::CRITICAL, Level::FINE),
        ],
        now: vec![
            state(20, "a", Level::FINE),
            state(30, "b", Level::FINE),
            state(-900, "c", Level::SOSO),
            state(5, "d", Level::DEAD),
        ],
        enrolled: LONG_AGO,
        ..Facts::default()
    };
    assert_eq!(
        facts.items(),
        [
            ("a".into(), Level::SICK, Proof::EventBefore),
            ("b".into(), Level::CRITICAL, Proof::EventAfter),
            ("c".into(), Level::SOSO, Proof::Unchanged),
        ],
        "nothing says how d was"
    );
}

#[test]
fn a_level_that_began_after_the_last_event_counts_more() {
    let facts = Facts {
        before: vec![event(-500, "a", Level::FINE, Level::SICK)],
        now: vec![state(-100, "a", Level::FINE)],
        enrolled: LONG_AGO,
        ..Facts::default()
    };
    assert_eq!(facts.items(), [("a".into(), Level::FINE, Proof::Unchanged)]);
}

#[test]
fn hosts_that_were_not_there_are_not_counted() {
    let mut facts = Facts {
        now: vec![state(6, "a", Level::FINE)],
        enrolled: 5,
        ..Facts::default()
    };
    assert_eq!(facts.stood(), Stood::NotYet);
    facts.enrolled = LONG_AGO;
    assert_eq!(facts.stood(), Stood::Unknown);
    facts.snapshot = Some(snapshot(-7, &[]));
    assert!(matches!(
        facts.stood(),
        Stood::So {
            level: Level::FINE,
            ..
        }
    ));
    facts.snapshot = None;
    facts.gone = true;
    facts.now.clear();
    facts.before = vec![event(-500, "a", Level::FINE, Level::SICK)];
    assert_eq!(facts.stood(), Stood::Gone, "it may have gone before");
    facts.after = vec![event(500, "b", Level::FINE, Level::SICK)];
    assert_eq!(facts.items().len(), 2, "it was still there afterwards");
}

#[test]
fn a_value_that_was_missing_is_said_so() {
    let mut lost = event(-5, "a", Level::FINE, Level::FINE);
    lost.event.kind = EventKind::NoData;
    let mut back = event(5, "b", Level::FINE, Level::FINE);
    back.event.kind = EventKind::Data;
    let (name, other) = (host("web1"), host("web2"));
    let known = Known {
        host: &name,
        is_there: true,
        enrolled_at: Some(at(LONG_AGO)),
        snapshot: None,
        before: &[&lost],
        after: &[&back],
        now: &[],
    };
    let nothing = Known {
        host: &other,
        before: &[],
        after: &[],
        ..known
    };
    let board = board(&[known, nothing], at(0));
    assert_eq!(board.items.len(), 2);
    assert!(board.items.iter().all(|it| it.no_data));
    assert_eq!(
        (board.levels, board.unknown),
        ([1, 0, 0, 0, 0], vec![other])
    );
    assert_eq!((board.by_events, board.by), (1, ToldBy::Events));
}
