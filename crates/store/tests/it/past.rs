//! What is kept of a moment that is over.

use std::collections::BTreeMap;

use lockstep_model::Level;
use lockstep_model::api::{EventBatch, Snapshot};
use lockstep_store::{Side, Store};

use crate::engine::Place;
use crate::samples::{at, enroll, event, host, name};

const HOUR: i64 = 3_600;

async fn told(store: &Store, number: u64, second: i64, of: &str, item: &str, to: Level) {
    let batch = EventBatch {
        oldest: 0,
        series: of.into(),
        events: vec![event(number, second, of, item, Level::FINE, to)],
    };
    store
        .record_events(Some(&host(of)), &batch, &BTreeMap::new(), at(second + 1))
        .await
        .unwrap();
}

pub(crate) async fn the_events_nearest_to_a_moment_are_found(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    assert_eq!(store.oldest_event().await.unwrap(), None);
    for (number, second, to) in [
        (1, 10, Level::SICK),
        (2, 20, Level::DEAD),
        (3, 40, Level::SOSO),
    ] {
        told(&store, number, second, "web1", "a", to).await;
    }
    told(&store, 4, 15, "web1", "b", Level::FINE).await;
    told(&store, 1, 30, "web2", "a", Level::CRITICAL).await;
    let nearest = async |second, side| {
        let found = store.events_nearest(at(second), side, None).await.unwrap();
        assert!(!found.cut);
        let mut found: Vec<_> = found
            .events
            .iter()
            .map(|it| {
                (
                    it.event.host.to_string(),
                    it.event.item.to_string(),
                    it.event.to,
                )
            })
            .collect();
        found.sort();
        found
    };
    let of = |host: &str, item: &str, to| (host.to_owned(), item.to_owned(), to);
    assert_eq!(
        nearest(30, Side::Before).await,
        [
            of("web1", "a", Level::DEAD),
            of("web1", "b", Level::FINE),
            of("web2", "a", Level::CRITICAL)
        ]
    );
    assert_eq!(
        nearest(30, Side::After).await,
        [of("web1", "a", Level::SOSO)]
    );
    assert_eq!(
        nearest(12, Side::Before).await,
        [of("web1", "a", Level::SICK)]
    );
    assert_eq!(
        nearest(12, Side::After).await,
        [
            of("web1", "a", Level::DEAD),
            of("web1", "b", Level::FINE),
            of("web2", "a", Level::CRITICAL)
        ]
    );
    assert!(nearest(9, Side::Before).await.is_empty());
    assert!(nearest(40, Side::After).await.is_empty());
    let web1 = host("web1");
    let of_one = store.events_nearest(at(30), Side::Before, Some(&web1));
    let of_one = of_one.await.unwrap().events;
    let items: Vec<_> = of_one.iter().map(|it| it.event.item.as_str()).collect();
    assert_eq!(items, ["a", "b"], "the worst comes first");
    assert_eq!(store.oldest_event().await.unwrap(), Some(at(11)));
}

pub(crate) async fn each_hosts_newest_snapshot_of_a_time_is_found(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2", "web3"]).await;
    for (of, seconds) in [
        ("web1", vec![0, 600, 1_200, 1_800]),
        ("web2", vec![100]),
        ("web3", vec![2_400]),
    ] {
        let snapshots: Vec<Snapshot> = seconds
            .into_iter()
            .map(|second| Snapshot {
                at: at(second),
                host: None,
                items: vec![(name("cpu_load"), Some(second as f64), Level::SOSO)],
            })
            .collect();
        store
            .record_snapshots(&host(of), &snapshots, at(HOUR))
            .await
            .unwrap();
    }
    let taken = async |from, to| {
        let found = store.snapshots_at(at(from), at(to), None, Store::MOST_SNAPSHOTS);
        let found = found.await.unwrap();
        assert!(!found.cut);
        let found = found.snapshots.into_iter();
        found
            .map(|it| (it.host.unwrap().to_string(), it.at, it.items[0].1))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        taken(0, 1_799).await,
        [
            ("web1".to_owned(), at(1_200), Some(1_200.0)),
            ("web2".to_owned(), at(100), Some(100.0))
        ]
    );
    assert_eq!(taken(600, 1_200).await.len(), 1);
    assert!(taken(2_401, 3_000).await.is_empty());
    let web1 = host("web1");
    let most = Store::MOST_SNAPSHOTS;
    let of_one = store
        .snapshots_at(at(0), at(1_799), Some(&web1), most)
        .await;
    let of_one = of_one.unwrap().snapshots;
    assert_eq!((of_one.len(), of_one[0].at), (1, at(1_200)));
    // No more bytes are read than is said, however many hosts there are.
    for (most, hosts) in [(0, 0), (30, 1), (100, 2)] {
        let found = store.snapshots_at(at(0), at(1_799), None, most);
        let found = found.await.unwrap();
        assert_eq!((found.snapshots.len(), found.cut), (hosts, hosts < 2));
    }
}
