//! Events: each once, in whatever order they come.

use std::collections::BTreeMap;

use lockstep_model::api::EventBatch;
use lockstep_model::{Change, ChangeKind, Event, Glob, Level};
use lockstep_store::{Error, EventFilter, Store};

use crate::engine::Place;
use crate::samples::{at, enroll, event, host};

fn batch(series: &str, events: Vec<Event>) -> EventBatch {
    EventBatch {
        oldest: 0,
        series: series.into(),
        events,
    }
}

/// Events with these numbers, each at the second of its number.
fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<Event> {
    numbers
        .into_iter()
        .map(|number| {
            event(
                number,
                number as i64,
                "web1",
                "cpu_load",
                Level::FINE,
                Level::SICK,
            )
        })
        .collect()
}

async fn store_numbers(store: &Store, numbers: impl IntoIterator<Item = u64>) -> u64 {
    let batch = batch("s1", numbered(numbers));
    store
        .record_events(Some(&host("web1")), &batch, &BTreeMap::new(), at(1000))
        .await
        .unwrap()
}

async fn stored(store: &Store) -> Vec<u64> {
    let events = store.events(&EventFilter::default(), 1000).await.unwrap();
    assert!(
        events.windows(2).all(|two| two[0].id > two[1].id),
        "newest first, each with an identity of its own"
    );
    let mut numbers: Vec<_> = events.iter().map(|it| it.event.number).collect();
    numbers.sort_unstable();
    numbers
}

pub(crate) async fn a_gap_stops_the_answer_and_is_filled_later(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    assert_eq!(store_numbers(&store, []).await, 0);
    // The first batch of a series may begin anywhere.
    assert_eq!(store_numbers(&store, 5..8).await, 7);
    assert_eq!(store_numbers(&store, 5..8).await, 7);
    assert_eq!(store_numbers(&store, [10, 11]).await, 7);
    assert_eq!(store_numbers(&store, []).await, 7);
    assert_eq!(store_numbers(&store, [13]).await, 7);
    // In the wrong order, and with old ones among them.
    assert_eq!(store_numbers(&store, [9, 8, 5, 10]).await, 11);
    assert_eq!(store_numbers(&store, [12]).await, 13);
    assert_eq!(stored(&store).await, (5..14).collect::<Vec<_>>());
    // What comes from before the beginning is kept all the same.
    assert_eq!(store_numbers(&store, 1..5).await, 13);
    assert_eq!(store_numbers(&store, 1..5).await, 13);
    assert_eq!(stored(&store).await, (1..14).collect::<Vec<_>>());

    // Another series has numbers of its own, and so has another host.
    enroll(&store, &["web2"]).await;
    for (name, series) in [("web1", "s2"), ("web2", "s1")] {
        let through = store
            .record_events(
                Some(&host(name)),
                &batch(series, numbered([1])),
                &BTreeMap::new(),
                at(1001),
            )
            .await
            .unwrap();
        assert_eq!(through, 1);
    }
    assert_eq!(stored(&store).await.len(), 15);
}

pub(crate) async fn many_who_send_the_same_store_it_once(place: Place) {
    let stores = [place.open().await, place.open().await];
    enroll(&stores[0], &["web1"]).await;
    let sending: Vec<_> = (0..40_u64)
        .map(|number| {
            let store = stores[number as usize % 2].clone();
            // Batches overlap, and begin with the last ones.
            let first = 1 + (39 - number) / 4 * 10;
            tokio::spawn(async move { store_numbers(&store, first..first + 20).await })
        })
        .collect();
    for answer in sending {
        answer.await.unwrap();
    }
    assert_eq!(store_numbers(&stores[0], [111]).await, 111);
    assert_eq!(stored(&stores[1]).await, (1..112).collect::<Vec<_>>());
}

pub(crate) async fn batches_that_make_no_sense_are_refused(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let refusal = async |name: &str, batch: EventBatch| {
        store
            .record_events(Some(&host(name)), &batch, &BTreeMap::new(), at(0))
            .await
            .unwrap_err()
    };
    for (series, numbers, words) in [
        ("", 1..2, "its series has 1 to 64"),
        ("a b", 1..2, "its series has 1 to 64"),
        (&"x".repeat(65), 1..2, "its series has 1 to 64"),
        ("s1", 1..202, "it has 201 events, at most 200"),
        ("s1", u64::MAX - 1..u64::MAX, "is larger than"),
    ] {
        let error = refusal("web1", batch(series, numbered(numbers))).await;
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = refusal("web9", batch("s1", numbered([1]))).await;
    assert!(matches!(error, Error::HostUnknown { .. }), "{error}");
    assert_eq!(stored(&store).await, [0_u64; 0]);

    // A long text is no reason to offer an event for ever.
    let mut long = numbered([1]);
    long[0].why = "so \0".repeat(5000);
    let through = store
        .record_events(
            Some(&host("web1")),
            &batch("s1", long),
            &BTreeMap::new(),
            at(0),
        )
        .await
        .unwrap();
    assert_eq!(through, 1);
    let found = store.events(&EventFilter::default(), 9).await.unwrap();
    assert!(found[0].event.why.len() <= 4096);
}

pub(crate) async fn events_are_found_by_what_they_are(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let events = vec![
        event(1, 10, "web1", "cpu_load", Level::FINE, Level::SICK),
        event(2, 20, "web1", "cpu_load", Level::SICK, Level::FINE),
        event(3, 30, "web1", "disk_usage:/", Level::FINE, Level::CRITICAL),
        event(4, 40, "ups1", "disk_usage:/var", Level::FINE, Level::SOSO),
    ];
    let change = |second| Change {
        at: at(second),
        kind: ChangeKind::Restart,
        what: format!("restarted at {second}"),
        run: None,
    };
    let changes = BTreeMap::from([(host("web1"), vec![change(500), change(12), change(5)])]);
    store
        .record_events(
            Some(&host("web1")),
            &batch("s1", events),
            &changes,
            at(1000),
        )
        .await
        .unwrap();
    // The server's own, without numbers.
    for second in [50, 60] {
        let mut event = event(
            0,
            second,
            "web2",
            "agent_silence",
            Level::FINE,
            Level::CRITICAL,
        );
        event.number = 0;
        store
            .record_events(None, &batch("server", vec![event]), &changes, at(1001))
            .await
            .unwrap();
    }

    let found = async |filter: EventFilter| {
        let found = store.events(&filter, 100).await.unwrap();
        found
            .iter()
            .map(|it| (it.event.host.to_string(), it.event.number))
            .collect::<Vec<_>>()
    };
    let is = |expected: &[(&str, u64)]| -> Vec<(String, u64)> {
        expected
            .iter()
            .map(|(host, number)| ((*host).into(), *number))
            .collect()
    };
    let any = EventFilter::default;
    let item = |text: &str| Some(Glob::parse(text).unwrap());
    assert_eq!(
        found(any()).await,
        is(&[
            ("web2", 2),
            ("web2", 1),
            ("ups1", 4),
            ("web1", 3),
            ("web1", 2),
            ("web1", 1)
        ])
    );
    let filter = EventFilter {
        host: Some(host("web1")),
        level: Some(Level::SICK),
        ..any()
    };
    assert_eq!(found(filter).await, is(&[("web1", 3), ("web1", 1)]));
    let filter = EventFilter {
        item: item("disk_usage:*"),
        ..any()
    };
    assert_eq!(found(filter).await, is(&[("ups1", 4), ("web1", 3)]));
    let filter = EventFilter {
        item: item("cpu_load"),
        since: Some(at(20)),
        ..any()
    };
    assert_eq!(found(filter).await, is(&[("web1", 2)]));
    let filter = EventFilter {
        since: Some(at(20)),
        until: Some(at(40)),
        ..any()
    };
    assert_eq!(found(filter).await, is(&[("web1", 3), ("web1", 2)]));

    // Pages go on where the last one ended.
    let all = store.events(&any(), 100).await.unwrap();
    let page = EventFilter {
        before_id: Some(all[1].id.clone()),
        ..any()
    };
    assert_eq!(store.events(&page, 2).await.unwrap(), all[2..4]);

    assert_eq!(all[0].via, None);
    assert_eq!(all[5].via, Some(host("web1")));
    assert_eq!(all[5].received_at, at(1000));
    // Of the changes only those before it, and a little after: clocks differ.
    assert_eq!(all[5].changes, [change(12), change(5)]);
    assert_eq!(all[2].changes, []);
}

pub(crate) async fn documents_are_read_of_what_fits_alone(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    // Every second one is of web2.
    let of = |number: u64| {
        let name = if number.is_multiple_of(2) {
            "web2"
        } else {
            "web1"
        };
        let (from, to) = (Level::FINE, Level::SICK);
        event(number, number as i64, name, "cpu_load", from, to)
    };
    let events = batch("s1", (1..=200).map(of).collect());
    store
        .record_events(Some(&host("web1")), &events, &BTreeMap::new(), at(1000))
        .await
        .unwrap();
    let among = |names: &[&str], before: Option<String>| EventFilter {
        hosts: Some(names.iter().map(ToString::to_string).collect()),
        before_id: before,
        ..EventFilter::default()
    };
    let page = async |filter: EventFilter, wanted: u32| {
        let page = store.events_page(&filter, wanted).await.unwrap();
        let numbers: Vec<u64> = page.events.iter().map(|it| it.event.number).collect();
        (numbers, page.next)
    };
    // More than are read by one statement, newest first, and from where on to look for more.
    let (first, next) = page(among(&["web2"], None), 75).await;
    let even: Vec<u64> = (1..=100).rev().map(|it| it * 2).collect();
    assert_eq!(first, even[..75]);
    assert!(next.is_some());
    let (second, end) = page(among(&["web2"], next), 75).await;
    assert_eq!((second.as_slice(), end), (&even[75..], None));
    let (both, end) = page(among(&["web1", "web2"], None), 1000).await;
    assert_eq!((both.len(), end), (200, None));

    // What does not fit is told by its columns.
    place
        .execute("ALTER TABLE events RENAME COLUMN document TO gone")
        .await;
    let found = store.events_page(&among(&["web3"], None), 75).await;
    assert_eq!(found.unwrap(), lockstep_store::EventPage::default());
    let item = EventFilter {
        item: Some(Glob::parse("disk_*").unwrap()),
        ..EventFilter::default()
    };
    let found = store.events_page(&item, 75).await;
    assert_eq!(found.unwrap().events, []);
    let fits = store.events_page(&among(&["web2"], None), 75).await;
    assert!(matches!(fits, Err(Error::Database { .. })), "{fits:?}");
}

pub(crate) async fn what_an_agent_no_longer_has_is_not_waited_for(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    let send = |batch: EventBatch| {
        let (store, web1) = (store.clone(), web1.clone());
        async move {
            let changes = std::collections::BTreeMap::new();
            store
                .record_events(Some(&web1), &batch, &changes, at(100))
                .await
                .unwrap()
        }
    };
    assert_eq!(send(batch("s", numbered([1]))).await, 1);
    // A server that was restored from a backup is behind what the agent has forgotten.
    let later = EventBatch {
        oldest: 5,
        ..batch("s", numbered([5, 6]))
    };
    assert_eq!(send(later).await, 6);
    // What it still sends it cannot have given up.
    let liar = EventBatch {
        oldest: 100,
        ..batch("s", numbered([7]))
    };
    assert_eq!(send(liar).await, 7);
}
