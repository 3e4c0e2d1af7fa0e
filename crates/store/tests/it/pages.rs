//! Lists that are read page by page while more is stored: nothing is left out, and nothing comes twice.

use std::collections::BTreeMap;
use std::fmt::Debug;

use lockstep_model::alert::Way;
use lockstep_model::api::{EventBatch, WatchedReport};
use lockstep_model::{Glob, HostName, Level, RolloutId, RunId};
use lockstep_store::{AuditEntry, DeliveryFilter, DeliveryRow, EventFilter, NewDelivery, Store};

use crate::engine::Place;
use crate::samples::{at, enroll, event, host, new_host, notice, order, record, report};

/// Rows of each list before it is read, and how many come in a page.
const ROWS: u8 = 23;
const PAGE: u32 = 5;

/// Puts pages together until one is not full: `$page` reads the one behind the row `$last`, `$more` stores something.
macro_rules! walk {
    ($row:ty, $last:ident => $page:expr, $more:expr) => {{
        let mut all: Vec<$row> = Vec::new();
        loop {
            let $last = all.last().cloned();
            let rows: Vec<$row> = $page;
            $more;
            let is_last = rows.len() < PAGE as usize;
            all.extend(rows);
            if is_last {
                break all;
            }
            assert!(all.len() < 10 * usize::from(ROWS), "the walk has no end");
        }
    }};
}

/// What was there before is there once, and in order; what came meanwhile may be there.
fn holds<K: Ord + Clone + Debug>(before: &[K], walked: &[K]) {
    assert!(before.len() >= usize::from(ROWS), "{before:?}");
    let mut kept = walked.to_vec();
    kept.retain(|key| before.contains(key));
    assert_eq!(kept, before);
}

async fn put_run(store: &Store, number: u8) {
    let name = match number % 2 {
        0 => "web1",
        _ => "web2",
    };
    // Several begin in the same second.
    let record = record(number, i64::from(number / 4), 10);
    let stored = store.record_run(&host(name), &record, at(50)).await;
    stored.unwrap();
}

pub(crate) async fn runs_come_once(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    for number in 0..2 * ROWS {
        put_run(&store, number).await;
    }
    let mut more = 100;
    for name in [None, Some("web2")] {
        let of = name.map(host);
        let list = store.runs(of.as_ref(), 1000).await.unwrap();
        let ids: Vec<RunId> = list.into_iter().map(|run| run.record.id).collect();
        let walked = walk!(RunId, last => {
            let found = store.runs_before(of.as_ref(), last.as_ref(), PAGE).await.unwrap();
            found.into_iter().map(|run| run.record.id).collect()
        }, {
            more += 1;
            put_run(&store, more).await
        });
        holds(&ids, &walked);
    }
}

async fn put_deed(store: &Store, number: u8) {
    let now = at(i64::from(number / 6));
    let what = format!("did {number}");
    store.record_audit("ann", &what, now).await.unwrap();
    let way = Way::Mail {
        to: "ann@example.org".into(),
    };
    let new = NewDelivery::of(&notice(&format!("n{number}"), "ann"), &[way], now);
    store.add_deliveries(&new, now).await.unwrap();
}

pub(crate) async fn deeds_and_messages_come_once(place: Place) {
    let store = place.open().await;
    for number in 0..ROWS {
        put_deed(&store, number).await;
    }
    let mut more = 100;

    let ids = |rows: Vec<AuditEntry>| rows.into_iter().map(|it| it.id).collect::<Vec<_>>();
    let list = store.audit(1000).await.unwrap();
    let walked = walk!(AuditEntry, last => {
        let last = last.as_ref().map(|it: &AuditEntry| (it.at, it.id.as_str()));
        store.audit_before(last, PAGE).await.unwrap()
    }, {
        more += 1;
        put_deed(&store, more).await
    });
    holds(&ids(list), &ids(walked));

    let ids = |rows: Vec<DeliveryRow>| rows.into_iter().map(|it| it.id).collect::<Vec<_>>();
    let all = DeliveryFilter::default();
    let list = store.deliveries(&all, 1000).await.unwrap();
    let moments: Vec<_> = list.iter().map(|it| it.created_at).collect();
    let (newest, oldest) = (moments[0], moments[moments.len() - 1]);
    let written = async |from, to, wanted| {
        let found = store.delivery_moments(from, to, wanted).await;
        found.unwrap()
    };
    let end = newest + jiff::SignedDuration::from_secs(1);
    assert_eq!(written(oldest, end, 1000).await, moments);
    assert_eq!(written(oldest, end, 3).await, moments[..3]);
    let older = moments.iter().filter(|at| **at < newest).count();
    assert_eq!(written(oldest, newest, 1000).await.len(), older);
    let walked = walk!(DeliveryRow, last => {
        let last = last.as_ref().map(|it: &DeliveryRow| (it.created_at, it.id.as_str()));
        store.deliveries_before(&all, last, PAGE).await.unwrap()
    }, {
        more += 1;
        put_deed(&store, more).await
    });
    holds(&ids(list), &ids(walked));
}

async fn put_rollout(store: &Store, minor: u8) {
    let new = order(&format!("1.{minor}.0"));
    store.promote(&new, |_| Vec::new()).await.unwrap();
}

pub(crate) async fn rollouts_come_once(place: Place) {
    let store = place.open().await;
    for minor in 0..ROWS {
        put_rollout(&store, minor).await;
    }
    let list = store.rollouts(1000).await.unwrap();
    let ids: Vec<RolloutId> = list.into_iter().map(|it| it.id).collect();
    let mut more = 100;
    let walked = walk!(RolloutId, last => {
        let found = store.rollouts_before(last, PAGE).await.unwrap();
        found.into_iter().map(|it| it.id).collect()
    }, {
        more += 1;
        put_rollout(&store, more).await
    });
    holds(&ids, &walked);
}

async fn put_event(store: &Store, number: u64, item: &str) {
    let second = i64::try_from(number / 7).unwrap();
    let batch = EventBatch {
        series: "s1".into(),
        oldest: 1,
        events: vec![event(
            number,
            second,
            "web1",
            item,
            Level::FINE,
            Level::SICK,
        )],
    };
    let web1 = host("web1");
    let none = BTreeMap::new();
    let stored = store.record_events(Some(&web1), &batch, &none, at(1000));
    stored.await.unwrap();
}

pub(crate) async fn events_come_once(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let mut number = 0;
    for _ in 0..ROWS {
        for item in ["cpu_load", "disk_usage:/"] {
            number += 1;
            put_event(&store, number, item).await;
        }
    }
    for item in [None, Some("cpu_load"), Some("disk_*")] {
        let item = item.map(|item| Glob::parse(item).unwrap());
        let mut filter = EventFilter {
            item,
            ..EventFilter::default()
        };
        let list = store.events(&filter, 1000).await.unwrap();
        let ids: Vec<_> = list.into_iter().map(|it| it.id).collect();
        assert!(ids.len() >= usize::from(ROWS));
        let mut walked = Vec::new();
        loop {
            let page = store.events_page(&filter, PAGE).await.unwrap();
            assert!(page.events.len() <= PAGE as usize);
            walked.extend(page.events.into_iter().map(|it| it.id));
            filter.before_id = page.next;
            if filter.before_id.is_none() {
                break;
            }
            number += 1;
            put_event(&store, number, "cpu_load").await;
        }
        assert_eq!(walked, ids, "{filter:?}");
    }
}

pub(crate) async fn names_of_hosts_come_once(place: Place) {
    let store = place.open().await;
    // Marks within names, which some orders of texts pass over.
    let names: Vec<String> = (0..ROWS)
        .map(|n| match n % 3 {
            0 => format!("web-{n}"),
            1 => format!("web{n}.a"),
            _ => format!("we.b{n}"),
        })
        .collect();
    let plain: Vec<&str> = names.iter().map(String::as_str).collect();
    enroll(&store, &plain).await;
    let mut told = report(1);
    for name in ["ups1", "web-3", "zz"] {
        told.watched.push(WatchedReport {
            host: host(name),
            items: Vec::new(),
        });
    }
    let web0 = host("web-0");
    store.record_report(&web0, &told, at(10)).await.unwrap();

    let list = store.host_names_after(None, 1000).await.unwrap();
    let mut sorted: Vec<String> = list.iter().map(ToString::to_string).collect();
    sorted.sort();
    let mut expected = names.clone();
    expected.extend(["ups1".into(), "zz".into()]);
    expected.sort();
    assert_eq!(sorted, expected, "each is there once");
    let mut key = 100;
    let walked = walk!(HostName, last => {
        store.host_names_after(last.as_ref(), PAGE).await.unwrap()
    }, {
        key += 1;
        let new = new_host(&format!("m{key}"), key);
        store.enroll_host(new).await.unwrap()
    });
    holds(&list, &walked);
}
