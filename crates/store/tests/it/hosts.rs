//! Hosts, their certificates and their reports.

use lockstep_model::api::{ProcessSeen, ProcessesSeen};
use lockstep_model::{ItemName, Level, Value};
use lockstep_store::Error;

use crate::engine::{Engine, Place};
use crate::samples::{at, enroll, facts, hash, host, new_host, report};

pub(crate) async fn a_host_is_enrolled_found_and_listed(place: Place) {
    let store = place.open().await;
    assert_eq!(store.host(&host("web1")).await.unwrap(), None);
    assert_eq!(store.hosts().await.unwrap(), []);
    enroll(&store, &["web2", "web1"]).await;

    let row = store.host(&host("web1")).await.unwrap().unwrap();
    assert_eq!(
        (row.name.as_str(), row.enrolled_at, row.key),
        ("web1", at(0), hash(1))
    );
    assert_eq!(
        (row.last_seen, &row.report, row.level),
        (None, &None, Level::FINE)
    );
    assert_eq!(row.facts, facts("web1"));

    store
        .record_report(&host("web1"), &report(9), at(30))
        .await
        .unwrap();
    let row = store.host(&host("web1")).await.unwrap().unwrap();
    assert_eq!(row.last_seen, Some(at(30)));
    assert_eq!(row.report, Some(report(9)));
    assert_eq!(row.level, Level::SICK);

    let names: Vec<_> = store.hosts().await.unwrap();
    let names: Vec<_> = names.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["web1", "web2"]);
    assert_eq!(store.count_hosts().await.unwrap(), 2);
}

pub(crate) async fn another_machine_needs_leave_to_take_a_name(place: Place) {
    let store = place.open().await;
    let now = at(10);
    store.enroll_host(new_host("web1", 1)).await.unwrap();
    store
        .record_certificate("s1", &host("web1"), &hash(1), at(1000), at(0))
        .await
        .unwrap();
    store
        .record_report(&host("web1"), &report(1), at(5))
        .await
        .unwrap();

    // The same machine again, for example because the answer was lost.
    let mut again = new_host("web1", 1);
    again.facts = facts("renamed");
    store.enroll_host(again.clone()).await.unwrap();
    let row = store.host(&host("web1")).await.unwrap().unwrap();
    assert_eq!((row.facts, row.enrolled_at), (facts("renamed"), at(0)));
    assert!(row.report.is_some());
    assert!(store.certificate_holder("s1", now).await.unwrap().is_some());

    let mut other = new_host("web1", 2);
    other.at = now;
    let error = store.enroll_host(other.clone()).await.unwrap_err();
    assert!(matches!(error, Error::HostExists { .. }), "{error}");

    other.replace = true;
    store.enroll_host(other).await.unwrap();
    let row = store.host(&host("web1")).await.unwrap().unwrap();
    assert_eq!(
        (row.key, row.enrolled_at, row.report, row.last_seen),
        (hash(2), now, None, None)
    );
    assert_eq!(store.certificate_holder("s1", now).await.unwrap(), None);
    // The machine that was replaced cannot renew its way back in.
    let error = store
        .record_certificate("s2", &host("web1"), &hash(1), at(1000), now)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::KeyNotOfHost { .. }), "{error}");
}

pub(crate) async fn a_removed_host_is_nobody_and_its_certificates_never_come_back(place: Place) {
    let store = place.open().await;
    let web1 = host("web1");
    assert!(!store.remove_host(&web1, at(1)).await.unwrap());
    store.enroll_host(new_host("web1", 1)).await.unwrap();
    store
        .record_certificate("s1", &web1, &hash(1), at(1000), at(0))
        .await
        .unwrap();
    assert_eq!(
        store.certificate_holder("s1", at(1)).await.unwrap(),
        Some(web1.clone())
    );
    assert!(store.remove_host(&web1, at(2)).await.unwrap());
    assert!(!store.remove_host(&web1, at(3)).await.unwrap());

    assert_eq!(store.certificate_holder("s1", at(2)).await.unwrap(), None);
    assert_eq!(store.host(&web1).await.unwrap(), None);
    assert_eq!(store.hosts().await.unwrap(), []);
    assert_eq!(store.count_hosts().await.unwrap(), 0);
    for error in [
        store.record_report(&web1, &report(1), at(4)).await,
        store
            .record_certificate("s2", &web1, &hash(1), at(1000), at(4))
            .await,
    ] {
        assert!(matches!(error, Err(Error::HostUnknown { .. })), "{error:?}");
    }

    // The name is free, and its new bearer has none of the old one's rights, even with the same key.
    store.enroll_host(new_host("web1", 1)).await.unwrap();
    assert_eq!(store.certificate_holder("s1", at(5)).await.unwrap(), None);
    assert_eq!(store.host(&web1).await.unwrap().unwrap().report, None);
}

pub(crate) async fn certificates_count_only_for_the_key_of_the_host(place: Place) {
    let store = place.open().await;
    let web1 = host("web1");
    store.enroll_host(new_host("web1", 1)).await.unwrap();
    let record = |serial: &'static str, key| {
        let (store, web1) = (store.clone(), web1.clone());
        async move {
            store
                .record_certificate(serial, &web1, &hash(key), at(100), at(0))
                .await
        }
    };
    record("s1", 1).await.unwrap();
    record("s1", 1).await.unwrap();
    assert!(matches!(
        record("s2", 2).await,
        Err(Error::KeyNotOfHost { .. })
    ));
    let holder = async |serial, second| store.certificate_holder(serial, at(second)).await.unwrap();
    assert_eq!(holder("s1", 99).await, Some(web1.clone()));
    assert_eq!(holder("s1", 100).await, None);
    assert_eq!(holder("s2", 1).await, None);
    assert_eq!(holder("unheard of", 1).await, None);
}

pub(crate) async fn reports_are_kept_by_the_time_they_came(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    let newest = async || {
        let row = store.host(&web1).await.unwrap().unwrap();
        row.report.unwrap().generation
    };
    for (number, second, expected) in [
        (1, 100, 1),
        // It came late, over another way.
        (2, 99, 1),
        (3, 100, 3),
        (4, 160, 4),
        // A server with a clock that is an hour ahead, and then one that has it right.
        (5, 3760, 5),
        (6, 170, 6),
    ] {
        store
            .record_report(&web1, &report(number), at(second))
            .await
            .unwrap();
        assert_eq!(newest().await, expected, "after report {number}");
    }

    let error = store
        .record_report(&host("web9"), &report(1), at(0))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "no host web9 is enrolled");
    let mut large = report(7);
    large.boot_id = "x".repeat(256 * 1024);
    let error = store
        .record_report(&web1, &large, at(200))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let mut unspeakable = report(8);
    unspeakable.items[0].value = Value::Number {
        value: f64::INFINITY,
        unit: String::new(),
    };
    let error = store
        .record_report(&web1, &unspeakable, at(200))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotStorable { .. }), "{error}");
    assert_eq!(newest().await, 6);
}

pub(crate) async fn many_hosts_come_in_pages(place: Place) {
    let store = place.open().await;
    enroll(&store, &["a-host"]).await;
    // 1201 hosts; only the database is asked to make most of them.
    place
        .execute(
            "INSERT INTO hosts (name, key, facts, enrolled_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) \
             SELECT 'web' || CAST(n.i AS TEXT), h.key, h.facts, h.enrolled_at FROM n, hosts h",
        )
        .await;
    let all = store.hosts().await.unwrap();
    assert_eq!(all.len(), 1201);
    assert!(all.windows(2).all(|two| two[0].name < two[1].name));
    assert_eq!(store.count_hosts().await.unwrap(), 1201);
    let page = store.hosts_after(Some(&all[599].name), 3).await.unwrap();
    assert_eq!(page, all[600..603]);
    assert_eq!(store.hosts_after(None, 100_000).await.unwrap().len(), 500);
    assert_eq!(
        store.hosts_after(Some(&all[1200].name), 3).await.unwrap(),
        []
    );
}

pub(crate) async fn damaged_rows_are_named(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    store.record_report(&web1, &report(1), at(0)).await.unwrap();
    let complaint = async || {
        let one = store.host(&web1).await.unwrap_err().to_string();
        assert_eq!(one, store.hosts().await.unwrap_err().to_string());
        one
    };
    for (damage, table, words) in [
        (
            "UPDATE reports SET report = '{\"at\":'",
            "reports",
            "report: EOF",
        ),
        (
            "UPDATE reports SET report = '{}'",
            "reports",
            "missing field",
        ),
        (
            "DELETE FROM reports; UPDATE hosts SET facts = 'x'",
            "hosts",
            "facts: expected value",
        ),
        (
            "UPDATE hosts SET facts = '{}', key = 'abc'",
            "hosts",
            "key: \"abc\" is not a SHA-256",
        ),
        (
            "UPDATE hosts SET enrolled_at = 9223372036854775807",
            "hosts",
            "enrolled_at",
        ),
    ] {
        place.execute(damage).await;
        let complaint = complaint().await;
        let begin = format!("the database is damaged: table {table}, row \"web1\": ");
        assert!(
            complaint.starts_with(&begin) && complaint.contains(words),
            "{damage}: {complaint}"
        );
    }
    if matches!(place.engine, Engine::Sqlite) {
        // SQLite takes any value into any column.
        place.execute("UPDATE hosts SET enrolled_at = 'soon'").await;
        let complaint = complaint().await;
        assert!(
            complaint.contains("table hosts, row \"web1\"") && complaint.contains("enrolled_at"),
            "{complaint}"
        );
    }
}

/// What went wrong at a second.
fn processes(second: i64) -> ProcessesSeen {
    let process = ProcessSeen {
        pid: 4711,
        name: "java".into(),
        user: "shop".into(),
        cpu: 198.5,
        memory: 1 << 33,
    };
    ProcessesSeen {
        at: at(second),
        item: ItemName::parse("cpu_load").unwrap(),
        level: Level::CRITICAL,
        by_cpu: vec![process.clone()],
        by_memory: vec![process],
    }
}

pub(crate) async fn the_newest_note_of_processes_is_kept_for_each_host(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let note = async |name: &str, second| {
        let seen = processes(second);
        let noted = store.record_processes(&host(name), &seen, at(second)).await;
        noted.unwrap();
    };
    let of = async |name: &str| store.processes_of(&host(name)).await.unwrap();
    note("web1", 10).await;
    note("web1", 20).await;
    note("stranger", 20).await;
    assert_eq!(of("web1").await, Some(processes(20)));
    assert_eq!((of("web2").await, of("stranger").await), (None, None));
    store.remove_host(&host("web1"), at(30)).await.unwrap();
    assert_eq!(of("web1").await, None);
}
