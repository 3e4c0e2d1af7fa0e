//! What pages ask for beside the lists.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::api::EventBatch;
use lockstep_model::{Glob, Level, Outcome};
use lockstep_store::{EventFilter, EventSlot, RunEnd};

use crate::engine::Place;
use crate::samples::{at, done, enroll, event, host, record, stopped};

pub(crate) async fn events_are_counted_by_when_they_came(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    assert!(
        store
            .event_slots(at(0), 10_000, &EventFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
    let mut number = 0;
    for (second, level) in [
        (5, Level::DEAD),
        (11, Level::SOSO),
        (19, Level::SICK),
        (20, Level::FINE),
        (45, Level::SICK),
    ] {
        number += 1;
        let batch = EventBatch {
            oldest: 0,
            series: "a".into(),
            // By the host's clock all of it happened long before.
            events: vec![event(number, 1, "web1", "cpu_load", Level::FINE, level)],
        };
        store
            .record_events(Some(&host("web1")), &batch, &BTreeMap::new(), at(second))
            .await
            .unwrap();
    }
    let slot = |second, count, worst| EventSlot {
        from: at(second),
        count,
        worst,
    };
    assert_eq!(
        store
            .event_slots(at(10), 10_000, &EventFilter::default())
            .await
            .unwrap(),
        [
            slot(10, 2, Level::SICK),
            slot(20, 1, Level::FINE),
            slot(40, 1, Level::SICK)
        ]
    );

    // Of those that are asked for: by the database where it can, and beside it for patterns and many hosts.
    let counted = async |filter: EventFilter| {
        let slots = store.event_slots(at(0), 10_000, &filter).await.unwrap();
        let count = |slot: &EventSlot| (slot.from.duration_since(at(0)).as_secs(), slot.count);
        slots.iter().map(count).collect::<Vec<_>>()
    };
    let all = [(0, 1), (10, 2), (20, 1), (40, 1)];
    let of = |filter: &dyn Fn(&mut EventFilter)| {
        let mut wanted = EventFilter::default();
        filter(&mut wanted);
        wanted
    };
    let sick = of(&|it| it.level = Some(Level::SICK));
    assert_eq!(counted(sick).await, [(0, 1), (10, 1), (40, 1)]);
    let pattern = |text: &str| Some(Glob::parse(text).unwrap());
    assert_eq!(counted(of(&|it| it.item = pattern("cpu*"))).await, all);
    assert_eq!(counted(of(&|it| it.item = pattern("disk*"))).await, []);
    assert_eq!(counted(of(&|it| it.item = pattern("cpu_load"))).await, all);
    assert_eq!(counted(of(&|it| it.host = Some(host("web2")))).await, []);
    let hosts = |name: &str| Some(BTreeSet::from([name.to_owned()]));
    assert_eq!(counted(of(&|it| it.hosts = hosts("web1"))).await, all);
    assert_eq!(counted(of(&|it| it.hosts = hosts("web2"))).await, []);
    let listed = store.events(&of(&|it| it.hosts = hosts("web1")), 2).await;
    assert_eq!(listed.unwrap().len(), 2);
    let listed = store.events(&of(&|it| it.hosts = hosts("web2")), 2).await;
    assert_eq!(listed.unwrap(), []);
}

pub(crate) async fn runs_are_listed_by_how_they_stand(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let (web1, web2) = (host("web1"), host("web2"));
    let put = async |host, record| store.record_run(host, &record, at(90)).await.unwrap();
    put(&web1, record(1, 10, 10)).await;
    put(&web1, done(record(2, 20, 21))).await;
    put(&web1, stopped(record(3, 30, 31))).await;
    put(&web2, stopped(record(4, 40, 41))).await;
    put(&web2, done(record(5, 50, 51))).await;
    let that = async |end, host, before| {
        let runs = store.runs_that(end, host, before, 10).await.unwrap();
        let began = runs
            .iter()
            .map(|it| it.record.started_at.duration_since(at(0)).as_secs());
        began.collect::<Vec<_>>()
    };
    let (ended, stopped) = (
        RunEnd::Ended(Outcome::Done),
        RunEnd::Ended(Outcome::Stopped),
    );
    let newest = record(5, 50, 51).id;
    assert_eq!(that(RunEnd::Running, None, None).await, [10]);
    assert_eq!(that(ended, None, None).await, [50, 20]);
    assert_eq!(that(ended, None, Some(&newest)).await, [20]);
    assert_eq!(that(ended, Some(&web1), None).await, [20]);
    assert_eq!(
        that(RunEnd::Ended(Outcome::Failed), None, None).await,
        [0_i64; 0]
    );
    assert_eq!(that(stopped, None, None).await, [40, 30]);
    assert_eq!(
        store.runs_that(stopped, None, None, 1).await.unwrap().len(),
        1
    );
    // Nobody waits for a host that is gone.
    store.remove_host(&web2, at(99)).await.unwrap();
    assert_eq!(that(stopped, None, None).await, [30]);
}
