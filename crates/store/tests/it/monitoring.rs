//! What else is kept for monitoring: changes, snapshots, silences, acknowledgements, the fleet file.

use std::collections::BTreeMap;

use lockstep_model::alert::Ack;
use lockstep_model::api::operator::FleetText;
use lockstep_model::api::{EventBatch, Snapshot, WatchedReport};
use lockstep_model::{Change, ChangeKind, Level, Outcome};
use lockstep_store::{Error, NewDelivery, Tidied};

use crate::engine::Place;
use crate::samples::{
    at, done, enroll, event, hash, host, item, name, notice, record, report, silence,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

pub(crate) async fn runs_and_restarts_are_changes(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let web1 = host("web1");
    let words = async || {
        let changes = store.changes(&web1, at(0)).await.unwrap();
        changes.into_iter().map(|it| it.what).collect::<Vec<_>>()
    };
    let run = record(1, 10, 20);
    store.record_run(&web1, &run, at(21)).await.unwrap();
    assert_eq!(words().await, [""; 0]);
    let mut end = done(run.clone());
    end.outcome = Some(Outcome::Postponed);
    end.at = at(25);
    store.record_run(&web1, &end, at(31)).await.unwrap();
    assert_eq!(words().await, ["lockstep 1.3.0 → 1.4.0, postponed"]);
    end.outcome = Some(Outcome::Done);
    end.at = at(30);
    for _ in 0..2 {
        store.record_run(&web1, &end, at(31)).await.unwrap();
    }
    // An older record comes late.
    store.record_run(&web1, &run, at(32)).await.unwrap();
    let changes = store.changes(&web1, at(0)).await.unwrap();
    let expected = Change {
        at: at(30),
        kind: ChangeKind::Run,
        what: "lockstep 1.3.0 → 1.4.0".into(),
        run: Some(run.id),
    };
    assert_eq!(changes, [expected]);
    let mut failed = done(record(2, 40, 41));
    failed.outcome = Some(Outcome::RolledBack);
    failed.from = None;
    store.record_run(&web1, &failed, at(42)).await.unwrap();

    // The first report tells nothing of a restart, and a late one of before neither.
    let mut told = report(1);
    for (second, made, boot_id) in [
        (50, 50, "a"),
        (51, 51, "a"),
        (52, 52, "b"),
        (53, 51, "a"),
        (54, 54, "b"),
    ] {
        told.boot_id = boot_id.into();
        told.at = at(made);
        store.record_report(&web1, &told, at(second)).await.unwrap();
    }
    assert_eq!(
        words().await,
        [
            "restarted",
            "lockstep → 1.4.0, rolled back",
            "lockstep 1.3.0 → 1.4.0"
        ]
    );
    let enrolled = Change {
        at: at(60),
        kind: ChangeKind::Enrolled,
        what: "enrolled \0".into(),
        run: None,
    };
    for _ in 0..2 {
        store.record_change(&host("web2"), &enrolled).await.unwrap();
    }
    let all = store.changes_of_all(at(52)).await.unwrap();
    let all: Vec<_> = all
        .iter()
        .map(|(host, change)| (host.as_str(), change.at))
        .collect();
    assert_eq!(all, [("web2", at(60)), ("web1", at(52))]);
    let some = store.changes_between(None, at(52), at(60)).await.unwrap();
    assert_eq!(some.len(), 1, "before the end alone");
}

pub(crate) async fn a_day_of_snapshots_is_kept(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    let snapshot = |second, value, of: Option<&str>| Snapshot {
        at: at(second),
        host: of.map(host),
        items: vec![
            (name("cpu_load"), Some(value), Level::FINE),
            (name("text"), None, Level::SOSO),
        ],
    };
    // 1,790,000,000 is not the beginning of a slot.
    let slot = 600 - 1_790_000_000 % 600;
    let now = at(25 * HOUR);
    let back = [
        snapshot(slot, 1.0, None),
        snapshot(2 * HOUR + slot + 5, 2.0, None),
        snapshot(2 * HOUR + slot + 9, 3.0, None),
        snapshot(2 * HOUR + slot + 7, 4.0, None),
        snapshot(3 * HOUR, f64::NAN, Some("ups1")),
        snapshot(60 * HOUR, 5.0, None),
    ];
    for _ in 0..2 {
        store.record_snapshots(&web1, &back, now).await.unwrap();
    }
    // Older than what is there.
    let late = [snapshot(2 * HOUR + slot, 6.0, None)];
    store.record_snapshots(&web1, &late, now).await.unwrap();
    let mut told = report(1);
    told.at = at(24 * HOUR);
    told.watched = vec![WatchedReport {
        host: host("ups1"),
        items: vec![item("ping", Level::DEAD)],
    }];
    store.record_report(&web1, &told, now).await.unwrap();

    let found = store.snapshots(&web1, at(0), at(99 * HOUR)).await.unwrap();
    let times: Vec<_> = found.iter().map(|it| it.at).collect();
    assert_eq!(times, [at(2 * HOUR + slot + 9), at(24 * HOUR)]);
    assert_eq!(found[0].items[0].1, Some(3.0));
    assert_eq!(found[0].host, Some(web1.clone()));
    assert_eq!(
        found[1].items,
        [
            (name("cpu_load"), Some(0.5), Level::FINE),
            (name("disk_usage:/"), Some(0.5), Level::SICK)
        ]
    );
    let found = store
        .snapshots(&host("ups1"), at(3 * HOUR), at(24 * HOUR))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].items[0].1, None);

    let error = store
        .record_snapshots(&host("web9"), &late, now)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::HostUnknown { .. }), "{error}");
    let many = vec![late[0].clone(); 51];
    let error = store.record_snapshots(&web1, &many, now).await.unwrap_err();
    assert!(matches!(error, Error::NotStorable { .. }), "{error}");
}

pub(crate) async fn silences_end_and_leases_go_on(place: Place) {
    let store = place.open().await;
    assert!(store.create_silence(&silence("s1", 0, 100)).await.unwrap());
    assert!(!store.create_silence(&silence("s1", 0, 900)).await.unwrap());
    assert!(store.create_silence(&silence("s2", 50, 200)).await.unwrap());
    for end in [30, 60, 90] {
        assert!(store.put_lease(&silence("run", 0, end)).await.unwrap());
    }
    let ids = async |second| {
        let silences = store.silences(at(second)).await.unwrap();
        silences.into_iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(89).await, ["run", "s1", "s2"]);
    assert_eq!(ids(90).await, ["s1", "s2"]);
    assert_eq!(
        store.silences(at(99)).await.unwrap()[0],
        silence("s1", 0, 100)
    );

    assert!(store.end_silence("run", at(70), "bob").await.unwrap());
    assert!(!store.end_silence("run", at(71), "bob").await.unwrap());
    assert!(!store.end_silence("none", at(71), "bob").await.unwrap());
    // What somebody has ended, the run does not put again.
    assert!(!store.put_lease(&silence("run", 0, 120)).await.unwrap());
    // One that has not begun.
    assert!(store.end_silence("s2", at(20), "bob").await.unwrap());
    assert_eq!(ids(20).await, ["run", "s1"]);

    for (bad, words) in [
        (silence("s3", 10, 10), "ends before"),
        (silence("s3", 0, 31 * DAY), "30 days"),
        (silence("", 0, 10), "no identity"),
    ] {
        let error = store.create_silence(&bad).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

pub(crate) async fn acks_are_given_and_taken_back(place: Place) {
    let store = place.open().await;
    let ack = |item: &str, note: &str| Ack {
        host: host("web1"),
        item: name(item),
        level: Level::SICK,
        by: "ann".into(),
        note: note.into(),
        at: at(5),
        until: None,
    };
    for ack in [ack("b", "1"), ack("a", "2"), ack("b", "3\0")] {
        store.put_ack(&ack).await.unwrap();
    }
    assert_eq!(
        store.acks().await.unwrap(),
        [ack("a", "2"), ack("b", "3\0")]
    );
    assert!(store.end_ack(&host("web1"), &name("a")).await.unwrap());
    assert!(!store.end_ack(&host("web1"), &name("a")).await.unwrap());
    assert_eq!(store.acks().await.unwrap().len(), 1);
}

pub(crate) async fn fifty_fleet_files_are_kept(place: Place) {
    let stores = [place.open().await, place.open().await];
    let store = &stores[0];
    assert_eq!(store.newest_fleet().await.unwrap(), None);
    let files = |number: u64| {
        vec![FleetText {
            name: "fleet.toml".into(),
            text: format!("# \0 {number}\n"),
        }]
    };
    for number in 1..=53_u64 {
        let version = store
            .accept_fleet(&files(number), &hash(number), "ann", at(number as i64))
            .await
            .unwrap();
        assert_eq!(version, number);
    }
    let newest = store.newest_fleet().await.unwrap().unwrap();
    assert_eq!((newest.version, newest.accepted_at), (53, at(53)));
    assert_eq!((newest.hash, newest.files), (hash(53), files(53)));
    assert_eq!(newest.accepted_by, "ann");
    let kept = store.fleet_versions().await.unwrap();
    let numbers: Vec<u64> = kept.iter().map(|row| row.version).collect();
    assert_eq!(numbers, (4..=53).rev().collect::<Vec<_>>());
    assert!(kept.iter().all(|row| row.files.is_empty()));
    let older = store.fleet_version(7).await.unwrap().unwrap();
    assert_eq!((older.version, older.files), (7, files(7)));
    assert_eq!(store.fleet_version(3).await.unwrap(), None);
    assert_eq!(store.fleet_version(u64::MAX).await.unwrap(), None);
    // Both servers read the same file at the same time.
    let accepting: Vec<_> = (0..8)
        .map(|number| {
            let (store, files) = (stores[number % 2].clone(), files(54));
            tokio::spawn(async move { store.accept_fleet(&files, &hash(54), "ann", at(60)).await })
        })
        .collect();
    for version in accepting {
        assert_eq!(version.await.unwrap().unwrap(), 54);
    }
    // Fifty are left; going back to an older text is a new version.
    place
        .execute("DELETE FROM fleet_versions WHERE version > 5")
        .await;
    assert_eq!(
        store.newest_fleet().await.unwrap().unwrap().version,
        5,
        "the fifth is kept, and the fourth is not"
    );
    place
        .execute("DELETE FROM fleet_versions WHERE version > 4")
        .await;
    assert_eq!(store.newest_fleet().await.unwrap(), None);
}

pub(crate) async fn monitoring_forgets_what_is_old(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    for (number, second) in [(1, 0), (2, 20 * DAY)] {
        let batch = EventBatch {
            oldest: 0,
            series: "s1".into(),
            events: vec![event(
                number,
                second,
                "web1",
                "cpu_load",
                Level::FINE,
                Level::SICK,
            )],
        };
        store
            .record_events(Some(&web1), &batch, &BTreeMap::new(), at(second))
            .await
            .unwrap();
        let change = Change {
            at: at(second),
            kind: ChangeKind::Work,
            what: "other work".into(),
            run: None,
        };
        store.record_change(&web1, &change).await.unwrap();
        let snapshot = Snapshot {
            at: at(second),
            host: None,
            items: Vec::new(),
        };
        store
            .record_snapshots(&web1, &[snapshot], at(second))
            .await
            .unwrap();
        let silence = silence(&format!("s{number}"), second, second + 1);
        store.create_silence(&silence).await.unwrap();
        let ack = Ack {
            host: web1.clone(),
            item: name(&format!("i{number}")),
            level: Level::SICK,
            by: "ann".into(),
            note: String::new(),
            at: at(second),
            until: (number == 1).then(|| at(second)),
        };
        store.put_ack(&ack).await.unwrap();
        let delivery = NewDelivery {
            id: format!("n{number}"),
            way: lockstep_model::alert::Way::Mail { to: "ann".into() },
            notice: notice("n", "ann"),
            due_at: at(second),
        };
        store.add_deliveries(&[delivery], at(second)).await.unwrap();
    }
    assert_eq!(
        store.tidy(at(20 * DAY + 1)).await.unwrap(),
        Tidied {
            snapshots: 1,
            ..Tidied::default()
        }
    );
    let one_of_each = Tidied {
        events: 1,
        changes: 1,
        snapshots: 1,
        silences: 1,
        acks: 1,
        deliveries: 1,
        ..Tidied::default()
    };
    assert_eq!(store.tidy(at(28 * DAY + 2)).await.unwrap(), one_of_each);
    assert_eq!(
        store.tidy(at(28 * DAY + 2)).await.unwrap(),
        Tidied::default()
    );
    // What was stored once and is forgotten is not news when it is sent again.
    let batch = EventBatch {
        oldest: 0,
        series: "s1".into(),
        events: vec![event(1, 0, "web1", "swap", Level::FINE, Level::SICK)],
    };
    let through = store
        .record_events(Some(&web1), &batch, &BTreeMap::new(), at(28 * DAY))
        .await
        .unwrap();
    assert_eq!(through, 2);
    let events = store
        .events(&lockstep_store::EventFilter::default(), 9)
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(store.troubles().await.unwrap().len(), 1);
}
