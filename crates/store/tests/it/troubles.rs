//! What is not well now, by reports and events together.

use std::collections::BTreeMap;

use lockstep_model::alert::Trouble;
use lockstep_model::api::{EventBatch, Report, WatchedReport};
use lockstep_model::{Event, EventKind, ItemState, Level, Value};
use lockstep_store::Store;

use crate::engine::Place;
use crate::samples::{at, enroll, event, host, item, name, new_host, report};

/// A report of these items, made at second `made`.
fn made(second: i64, items: &[(&str, Level)]) -> Report {
    let mut report = report(1);
    report.at = at(second);
    report.items = items
        .iter()
        .map(|(name, level)| state(second, name, *level))
        .collect();
    report
}

fn state(second: i64, name: &str, level: Level) -> ItemState {
    let mut state = item(name, level);
    state.since = at(second);
    state
}

async fn tell(store: &Store, reporter: &str, report: &Report, second: i64) {
    store
        .record_report(&host(reporter), report, at(second))
        .await
        .unwrap();
}

async fn happen(store: &Store, reporter: &str, events: Vec<Event>, second: i64) {
    let batch = EventBatch {
        oldest: 0,
        series: "s1".into(),
        events,
    };
    store
        .record_events(Some(&host(reporter)), &batch, &BTreeMap::new(), at(second))
        .await
        .unwrap();
}

async fn troubles(store: &Store) -> Vec<(String, Level)> {
    let troubles = store.troubles().await.unwrap();
    troubles
        .iter()
        .map(|it| (format!("{} {}", it.host, it.item), it.level))
        .collect()
}

fn is(expected: &[(&str, Level)]) -> Vec<(String, Level)> {
    expected
        .iter()
        .map(|(name, level)| ((*name).into(), *level))
        .collect()
}

const CPU: &str = "cpu_load";
const DISK: &str = "disk_usage:/";

pub(crate) async fn reports_say_what_is_not_well(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let mut first = made(10, &[(CPU, Level::FINE), (DISK, Level::SICK)]);
    first.watched = vec![
        WatchedReport {
            host: host("ups1"),
            items: vec![state(10, "ping", Level::DEAD)],
        },
        WatchedReport {
            host: host("ups2"),
            items: vec![state(10, "ping", Level::FINE)],
        },
    ];
    tell(&store, "web1", &first, 11).await;
    tell(&store, "web2", &made(10, &[(CPU, Level::SOSO)]), 11).await;
    assert_eq!(
        troubles(&store).await,
        is(&[
            ("ups1 ping", Level::DEAD),
            ("web1 disk_usage:/", Level::SICK),
            ("web2 cpu_load", Level::SOSO)
        ])
    );
    let watched = store.watched_hosts().await.unwrap();
    let names: Vec<_> = watched
        .iter()
        .map(|it| (it.host.as_str(), it.via.as_str(), it.received_at))
        .collect();
    assert_eq!(names, [("ups1", "web1", at(11)), ("ups2", "web1", at(11))]);
    assert_eq!(watched[0].items, first.watched[0].items);

    // Worse; and an item that is fine but has no value, and one that flaps.
    let mut second = made(
        70,
        &[
            (CPU, Level::FINE),
            (DISK, Level::CRITICAL),
            ("swap", Level::FINE),
        ],
    );
    second.items[0].no_data = true;
    second.items[2].flapping = true;
    second.watched = first.watched[1..].to_vec();
    tell(&store, "web1", &second, 71).await;
    let all = store.troubles().await.unwrap();
    let expected = Trouble {
        host: host("web1"),
        item: name(DISK),
        level: Level::CRITICAL,
        from: Level::SICK,
        value: item(DISK, Level::FINE).value,
        why: item(DISK, Level::FINE).why,
        since: at(70),
        no_data: false,
        flapping: false,
        seen_at: at(71),
    };
    assert_eq!(all[1], expected);
    assert!(all[0].no_data && all[2].flapping);
    assert_eq!(all.len(), 4);
    assert_eq!(store.watched_host(&host("ups1")).await.unwrap(), None);
    assert!(store.watched_host(&host("ups2")).await.unwrap().is_some());

    // The same again: it was seen later, nothing else.
    second.at = at(130);
    tell(&store, "web1", &second, 131).await;
    let all = store.troubles().await.unwrap();
    assert_eq!((all[1].seen_at, all[1].from), (at(131), Level::SICK));

    // All is well, and gone items are no trouble.
    tell(&store, "web1", &made(190, &[(DISK, Level::FINE)]), 191).await;
    assert_eq!(
        troubles(&store).await,
        is(&[("web2 cpu_load", Level::SOSO)])
    );
    assert_eq!(store.watched_hosts().await.unwrap(), []);
    store.remove_host(&host("web2"), at(200)).await.unwrap();
    assert_eq!(troubles(&store).await, is(&[]));
}

pub(crate) async fn what_is_newer_by_the_hosts_clock_counts(place: Place) {
    const HOUR: i64 = 3600;
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let sick = |second| made(second, &[(DISK, Level::SICK)]);
    let fine = |second| made(second, &[(DISK, Level::FINE)]);
    let is_sick = async || !store.troubles().await.unwrap().is_empty();
    tell(&store, "web1", &sick(100), 100).await;
    // It overtook another one on the way.
    tell(&store, "web1", &fine(90), 101).await;
    assert!(is_sick().await);
    tell(&store, "web1", &fine(100), 102).await;
    assert!(!is_sick().await);
    // Received earlier: ignored whatever it says.
    tell(&store, "web1", &sick(200), 50).await;
    assert!(!is_sick().await);
    // The clock was wrong, and is set back by more than an hour: what comes last counts.
    tell(&store, "web1", &sick(10 * HOUR), 103).await;
    assert!(is_sick().await);
    tell(&store, "web1", &fine(9 * HOUR + 1), 104).await;
    assert!(is_sick().await);
    tell(&store, "web1", &fine(105), 105).await;
    assert!(!is_sick().await);
    tell(&store, "web1", &sick(106), 106).await;
    assert!(is_sick().await);
}

pub(crate) async fn events_change_one_item(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    tell(
        &store,
        "web1",
        &made(10, &[(CPU, Level::FINE), (DISK, Level::SICK)]),
        10,
    )
    .await;
    happen(
        &store,
        "web1",
        vec![
            event(1, 20, "web1", CPU, Level::FINE, Level::SOSO),
            event(2, 30, "web1", CPU, Level::SOSO, Level::CRITICAL),
            event(3, 30, "web1", DISK, Level::SICK, Level::FINE),
        ],
        40,
    )
    .await;
    assert_eq!(
        troubles(&store).await,
        is(&[("web1 cpu_load", Level::CRITICAL)])
    );
    let trouble = store.troubles().await.unwrap().remove(0);
    assert_eq!(
        (trouble.from, trouble.since, trouble.seen_at),
        (Level::SOSO, at(30), at(40))
    );

    // The other kinds leave level and time alone.
    let kind = |number, second, kind, value| {
        let mut event = event(
            number,
            second,
            "web1",
            CPU,
            Level::CRITICAL,
            Level::CRITICAL,
        );
        event.kind = kind;
        event.value = value;
        event
    };
    let none = || Value::None("timed out".into());
    happen(
        &store,
        "web1",
        vec![
            kind(4, 50, EventKind::NoData, none()),
            kind(5, 51, EventKind::Flapping, none()),
        ],
        60,
    )
    .await;
    let trouble = store.troubles().await.unwrap().remove(0);
    assert!(trouble.no_data && trouble.flapping && trouble.value == none());
    assert_eq!((trouble.from, trouble.since), (Level::SOSO, at(30)));
    let value = Value::Text("back".into());
    let mut steady = kind(7, 70, EventKind::Steady, value.clone());
    steady.to = Level::FINE;
    let mut back = kind(6, 69, EventKind::Data, value);
    back.to = Level::FINE;
    happen(&store, "web1", vec![back], 70).await;
    assert!(store.troubles().await.unwrap()[0].flapping);
    happen(&store, "web1", vec![steady], 70).await;
    assert_eq!(troubles(&store).await, is(&[]));
}

pub(crate) async fn reports_and_events_may_overtake_each_other(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let event = |number, second, from, to| event(number, second, "web1", DISK, from, to);
    // The report was made before the event and comes after it.
    happen(
        &store,
        "web1",
        vec![event(1, 20, Level::FINE, Level::SICK)],
        21,
    )
    .await;
    tell(&store, "web1", &made(15, &[(DISK, Level::FINE)]), 22).await;
    assert_eq!(
        troubles(&store).await,
        is(&[("web1 disk_usage:/", Level::SICK)])
    );
    happen(
        &store,
        "web1",
        vec![event(2, 30, Level::SICK, Level::FINE)],
        31,
    )
    .await;
    tell(&store, "web1", &made(25, &[(DISK, Level::SICK)]), 32).await;
    assert_eq!(troubles(&store).await, is(&[]));
    // The event happened before the report was made, and comes after it.
    tell(&store, "web1", &made(50, &[(DISK, Level::FINE)]), 50).await;
    happen(
        &store,
        "web1",
        vec![event(3, 40, Level::FINE, Level::DEAD)],
        51,
    )
    .await;
    assert_eq!(troubles(&store).await, is(&[]));
    // A later event came first, and a gap is filled behind it.
    happen(
        &store,
        "web1",
        vec![event(6, 80, Level::SICK, Level::CRITICAL)],
        81,
    )
    .await;
    happen(
        &store,
        "web1",
        vec![
            event(4, 60, Level::FINE, Level::SOSO),
            event(5, 70, Level::SOSO, Level::FINE),
        ],
        82,
    )
    .await;
    assert_eq!(
        troubles(&store).await,
        is(&[("web1 disk_usage:/", Level::CRITICAL)])
    );
    // Sent again, it means nothing new.
    tell(&store, "web1", &made(90, &[(DISK, Level::FINE)]), 90).await;
    happen(
        &store,
        "web1",
        vec![event(6, 80, Level::SICK, Level::CRITICAL)],
        91,
    )
    .await;
    assert_eq!(troubles(&store).await, is(&[]));
}

pub(crate) async fn the_server_has_troubles_of_its_own(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let silence = Trouble {
        host: host("web1"),
        item: name("agent_silence"),
        level: Level::CRITICAL,
        from: Level::FINE,
        value: Value::None("silent".into()),
        why: "no report for 15 minutes".into(),
        since: at(5),
        no_data: false,
        flapping: false,
        seen_at: at(6),
    };
    let set = async |trouble: Option<&Trouble>| {
        store
            .set_server_trouble(&silence.host, &silence.item, trouble)
            .await
            .unwrap();
    };
    set(Some(&silence)).await;
    // The host can neither take it away nor change it.
    let lies = [("agent_silence", Level::SOSO), (DISK, Level::SICK)];
    tell(&store, "web1", &made(10, &lies), 11).await;
    tell(&store, "web1", &made(20, &[]), 21).await;
    assert_eq!(
        store.troubles().await.unwrap(),
        std::slice::from_ref(&silence)
    );
    set(None).await;
    set(None).await;
    assert_eq!(store.troubles().await.unwrap(), []);
    // Another machine of that name begins anew.
    set(Some(&silence)).await;
    tell(&store, "web1", &made(30, &[(DISK, Level::SICK)]), 31).await;
    let mut other = new_host("web1", 77);
    other.replace = true;
    store.enroll_host(other).await.unwrap();
    assert_eq!(store.troubles().await.unwrap(), []);
    tell(&store, "web1", &made(1, &[(CPU, Level::SICK)]), 41).await;
    assert_eq!(
        troubles(&store).await,
        is(&[("web1 cpu_load", Level::SICK)])
    );
}

/// A host's items change at random; reports and batches of events arrive late, twice and in any order. When the last
/// report has come, the troubles are what the host knows.
pub(crate) async fn whatever_the_order_the_last_report_is_right(place: Place) {
    let store = place.open().await;
    let mut random = fastrand::Rng::with_seed(20_261_122);
    for world in 0..6 {
        let reporter = format!("web{world}");
        enroll(&store, &[&reporter]).await;
        let mut levels: BTreeMap<String, Level> =
            (0..4).map(|n| (format!("i{n}"), Level::FINE)).collect();
        let (mut sent, mut number) = (Vec::new(), 0);
        for second in 1..40 {
            let item = format!("i{}", random.u8(0..4));
            let to = *random.choice(&Level::ALL).unwrap();
            let from = levels.insert(item.clone(), to).unwrap();
            if from != to {
                number += 1;
                sent.push(Err(event(number, second, &reporter, &item, from, to)));
            }
            if random.u8(0..5) == 0 {
                let items: Vec<_> = levels.iter().map(|(n, l)| (n.as_str(), *l)).collect();
                sent.push(Ok(made(second, &items)));
            }
        }
        for index in 0..sent.len() {
            let other = (index + random.usize(0..4)).min(sent.len() - 1);
            sent.swap(index, other);
        }
        let mut second = 100;
        for message in &sent {
            second += 1;
            for _ in 0..random.u8(1..3) {
                match message {
                    Ok(report) => tell(&store, &reporter, report, second).await,
                    Err(event) => happen(&store, &reporter, vec![event.clone()], second).await,
                }
            }
        }
        let mut found = troubles(&store).await;
        found.retain(|(name, _)| name.starts_with(&reporter));
        let expected: Vec<_> = levels
            .iter()
            .filter(|(_, level)| **level != Level::FINE)
            .map(|(name, level)| (format!("{reporter} {name}"), *level))
            .collect();
        assert_eq!(found, expected, "world {world}, seed 20261122");
    }
}
