use jiff::Timestamp;
use lockstep_model::{EventKind, HostName, ItemName, Level, Value};

use super::*;

fn event(item: &str) -> Event {
    Event {
        number: 0,
        at: Timestamp::UNIX_EPOCH,
        host: HostName::parse("web1").unwrap(),
        item: ItemName::parse(item).unwrap(),
        kind: EventKind::Level,
        from: Level::FINE,
        to: Level::SICK,
        value: Value::Text("x".into()),
        why: String::new(),
    }
}

fn layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::below(dir.path());
    fs::create_private_dir(&layout.state_dir()).unwrap();
    (dir, layout)
}

fn open(layout: &Layout) -> (EventLog, Option<String>) {
    EventLog::open(layout).unwrap()
}

fn numbers(log: &EventLog) -> Vec<u64> {
    let batch = log.batch().unwrap();
    batch.map_or(Vec::new(), |batch| {
        batch.events.iter().map(|event| event.number).collect()
    })
}

#[test]
fn numbers_grow_by_one_over_restarts_and_acknowledgements() {
    let (_dir, layout) = layout();
    let (mut log, mind) = open(&layout);
    assert_eq!(mind, None);
    log.add(vec![event("a"), event("b")], &"two").unwrap();
    let series = log.batch().unwrap().unwrap().series;
    log.stored(&series, 2).unwrap();
    assert_eq!(log.waiting(), 0);

    let (mut log, mind) = open(&layout);
    assert_eq!(mind.as_deref(), Some("two"));
    assert_eq!(numbers(&log), Vec::<u64>::new());
    log.add(vec![event("c")], &"three").unwrap();
    assert_eq!(numbers(&log), [3]);
    assert_eq!(log.batch().unwrap().unwrap().series, series);

    // A mind that was saved later counts more, one from before does not.
    log.save(&"saved").unwrap();
    let (mut log, mind) = open(&layout);
    assert_eq!(mind.as_deref(), Some("saved"));
    log.add(vec![event("d")], &"four").unwrap();
    let (log, mind) = open(&layout);
    assert_eq!(mind.as_deref(), Some("four"));
    assert_eq!(numbers(&log), [3, 4]);
}

#[test]
fn a_server_that_claims_more_than_there_is_or_speaks_of_another_series_changes_nothing() {
    let (_dir, layout) = layout();
    let (mut log, _) = open(&layout);
    log.add(vec![event("a")], &"one").unwrap();
    log.stored("another", 1).unwrap();
    assert_eq!(numbers(&log), [1]);
    let series = log.batch().unwrap().unwrap().series;
    log.stored(&series, u64::MAX).unwrap();
    log.add(vec![event("b")], &"two").unwrap();
    assert_eq!(numbers(&log), [2]);
}

#[test]
fn many_files_become_few_and_no_event_is_lost() {
    let (_dir, layout) = layout();
    let (mut log, _) = open(&layout);
    for round in 0..150_u64 {
        log.add(vec![event("a")], &format!("mind {round}")).unwrap();
        if round == 70 {
            let series = log.batch().unwrap().unwrap().series;
            log.stored(&series, 10).unwrap();
        }
    }
    assert!(log.files.len() <= MOST_FILES, "{}", log.files.len());
    assert_eq!(numbers(&log), (11..=150).collect::<Vec<_>>());
    let (log, mind) = open(&layout);
    assert_eq!(numbers(&log), (11..=150).collect::<Vec<_>>());
    assert_eq!(mind.as_deref(), Some("mind 149"));
}

#[test]
fn a_fold_that_was_interrupted_doubles_nothing() {
    let (_dir, layout) = layout();
    let (mut log, _) = open(&layout);
    for _ in 0..4 {
        log.add(vec![event("a")], &"mind").unwrap();
    }
    let before = std::fs::read(log.file(3)).unwrap();
    log.fold().unwrap();
    // As if the machine had stopped before the last removal.
    fs::write_durable(&log.file(3), &before, fs::Mode::Private).unwrap();
    let (log, _) = open(&layout);
    assert_eq!(numbers(&log), [1, 2, 3, 4]);
}

#[test]
fn the_outbox_is_bounded_and_gives_up_the_oldest() {
    let (_dir, layout) = layout();
    let (mut log, _) = open(&layout);
    for _ in 0..25 {
        let events = (0..500).map(|_| event("a")).collect();
        log.add(events, &"mind").unwrap();
    }
    assert!(log.waiting() <= MOST_EVENTS);
    let batch = log.batch().unwrap().unwrap();
    assert_eq!(batch.events.len(), EventBatch::MOST);
    assert_eq!(batch.events[0].number, 12_501 - log.waiting());
}

#[test]
fn a_damaged_file_is_moved_aside_and_the_rest_goes_on() {
    let (_dir, layout) = layout();
    let (mut log, _) = open(&layout);
    log.add(vec![event("a")], &"one").unwrap();
    log.add(vec![event("b")], &"two").unwrap();
    fs::write_durable(&log.file(1), b"{", fs::Mode::Private).unwrap();
    let (log, mind) = open(&layout);
    assert_eq!(numbers(&log), [2]);
    assert_eq!(mind.as_deref(), Some("two"));
}

#[test]
fn numbers_of_a_damaged_file_are_not_used_again() {
    let (_dir, layout) = layout();
    let (mut log, _) = open(&layout);
    log.add(vec![event("a")], &"one").unwrap();
    log.add(vec![event("b"), event("c")], &"three").unwrap();
    fs::write_durable(&log.file(2), b"{", fs::Mode::Private).unwrap();
    let (log, mind) = open(&layout);
    assert_eq!(numbers(&log), [1]);
    assert_eq!(mind.as_deref(), Some("one"));
    drop(log);
    // Nor after a restart before anything has happened.
    let (mut log, _) = open(&layout);
    log.add(vec![event("d")], &"four").unwrap();
    assert_eq!(numbers(&log), [1, 2 + MOST_IN_FILE]);
    let (mut log, mind) = open(&layout);
    assert_eq!(mind.as_deref(), Some("four"));
    log.add(vec![event("e")], &"five").unwrap();
    assert_eq!(numbers(&log), [1, 2 + MOST_IN_FILE, 3 + MOST_IN_FILE]);
}
