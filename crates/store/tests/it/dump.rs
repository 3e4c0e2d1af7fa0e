//! Dump and restore.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_model::alert::{Ack, Way};
use lockstep_model::api::operator::FleetText;
use lockstep_model::api::{EventBatch, WatchedReport};
use lockstep_model::{Level, RunVerb};
use lockstep_store::{Decided, Error, NewDelivery, Publication, Store, WasOpen};
use lockstep_testkit::Postgres;

use crate::engine::{Engine, Place};
use crate::locks::grab;
use crate::samples::{
    at, baseline, done, enroll, event, hash, host, item, name, notice, order, record, release,
    report, silence, stopped, token, wave,
};

/// Something in every table.
async fn fill(store: &Store) {
    enroll(store, &["web1", "web2", "web10", "gone"]).await;
    let web1 = host("web1");
    store
        .record_certificate("s1", &web1, &hash(0), at(1000), at(0))
        .await
        .unwrap();
    store.create_token(token("t1", 2)).await.unwrap();
    store
        .redeem_token("t1", "hash of t1", &hash(0), &web1, at(1))
        .await
        .unwrap();
    crate::users::fill(store).await;
    store.record_report(&web1, &report(1), at(2)).await.unwrap();
    store
        .record_run(&web1, &record(1, 0, 5), at(6))
        .await
        .unwrap();
    store
        .publish(Publication {
            files: vec![("1.root.json".into(), "{\n \"é\": \"\\u0000\"\n}\n".into())],
            targets_version: Some(1),
            releases: Some(vec![release("1.0.0"), release("1.1.0")]),
            ..Publication::default()
        })
        .await
        .unwrap();
    for text in ["1.0.0", "1.1.0"] {
        store
            .promote(&order(text), |_| vec![wave(&["web1", "web2"])])
            .await
            .unwrap();
    }
    let before = store.rollouts(1).await.unwrap().remove(0);
    let decided = Decided {
        after: &before,
        decisions: &["1 of 2 hosts failed".into()],
        baselines: &[
            baseline(true, &["web2"]),
            baseline(false, &["web1", "web2"]),
        ],
        suspect: Some("1 of 2 hosts failed\0"),
    };
    store
        .save_rollout(&before, decided, None, at(3))
        .await
        .unwrap();
    store
        .acquire_lease("decider", "a", at(0), std::time::Duration::from_secs(9))
        .await
        .unwrap();
    store.set_setting("updates", "line\nline").await.unwrap();
    store.record_audit("admin", "it", at(3)).await.unwrap();
    store.remove_host(&host("gone"), at(4)).await.unwrap();
    fill_monitoring(store).await;
}

async fn fill_monitoring(store: &Store) {
    let web1 = host("web1");
    let mut watching = report(2);
    watching.watched = vec![WatchedReport {
        host: host("ups1"),
        items: vec![item("ping", Level::DEAD)],
    }];
    store.record_report(&web1, &watching, at(7)).await.unwrap();
    let batch = EventBatch {
        oldest: 0,
        series: "s1".into(),
        events: vec![event(3, 5, "web1", "swap", Level::FINE, Level::SICK)],
    };
    store
        .record_events(Some(&web1), &batch, &BTreeMap::new(), at(8))
        .await
        .unwrap();
    let run = done(record(1, 0, 9));
    store.record_run(&web1, &run, at(9)).await.unwrap();
    store.create_silence(&silence("s1", 0, 9)).await.unwrap();
    let wish = crate::wishes::wish(lockstep_model::WishVerb::RestartAgent, 9);
    let before = lockstep_store::WishesBefore::default();
    store.wish(&web1, &wish, before).await.unwrap();
    let ack = Ack {
        host: web1,
        item: name("swap"),
        level: Level::SICK,
        by: "ann".into(),
        note: "é".into(),
        at: at(9),
        until: None,
    };
    store.put_ack(&ack).await.unwrap();
    let lease = store
        .acquire_lease("alerts", "a", at(0), std::time::Duration::from_secs(99))
        .await
        .unwrap()
        .unwrap();
    let way = Way::Mail { to: "ann".into() };
    let deliveries = NewDelivery::of(&notice("n1", "ann"), &[way], at(10));
    store
        .save_alerts(&lease, &[("a".into(), "b".into())], &[], &deliveries, at(1))
        .await
        .unwrap();
    fill_locks(store).await;
    fill_foreign(store).await;
    let files = [FleetText {
        name: "fleet.toml".into(),
        text: "\0\n".into(),
    }];
    store
        .accept_fleet(&files, &hash(1), "ann", at(1))
        .await
        .unwrap();
}

async fn fill_locks(store: &Store) {
    let web1 = host("web1");
    grab(store, "db", "web1", 1).await.unwrap();
    let run = stopped(record(3, 0, 9));
    store.record_run(&web1, &run, at(9)).await.unwrap();
    store
        .command_run(&run.id, RunVerb::Retry, "ann", "é\n", at(10))
        .await
        .unwrap();
}

async fn fill_foreign(store: &Store) {
    store
        .keep_foreign_host(&host("web10"), "asks", "{}")
        .await
        .unwrap();
}

async fn dump(store: &Store) -> (u64, String) {
    let mut bytes = Vec::new();
    let rows = store.dump(&mut bytes).await.unwrap();
    (rows, String::from_utf8(bytes).unwrap())
}

pub(crate) async fn a_dump_fills_an_empty_store(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let (rows, text) = dump(&store).await;
    assert_eq!(text.lines().count() as u64, rows + 2);
    for table in [
        "hosts",
        "certificates",
        "tokens",
        "token_uses",
        "operators",
        "users",
        "sessions",
        "sign_in_failures",
        "reports",
        "runs",
        "repo_files",
        "repo_state",
        "releases",
        "rollouts",
        "channels",
        "decisions",
        "baselines",
        "suspects",
        "leases",
        "settings",
        "audit",
        "events",
        "event_series",
        "reporters",
        "troubles",
        "watched",
        "snapshots",
        "changes",
        "silences",
        "acks",
        "alert_book",
        "deliveries",
        "fleet_versions",
        "locks",
        "run_commands",
        "host_wishes",
        "chain",
        "chain_head",
    ] {
        let begin = format!("{{\"row\":{{\"table\":\"{table}\"");
        assert!(text.contains(&begin), "nothing of {table}");
    }

    let other_place = place.engine.fresh();
    let other = other_place.open().await;
    assert_eq!(
        other
            .restore(&mut text.as_bytes(), WasOpen::Stays)
            .await
            .unwrap(),
        rows
    );
    assert_eq!(dump(&other).await, (rows, text.clone()));
    assert_eq!(other.hosts().await.unwrap(), store.hosts().await.unwrap());
    assert_eq!(
        other.rollouts(9).await.unwrap(),
        store.rollouts(9).await.unwrap()
    );
    let rollout = &store.rollouts(1).await.unwrap()[0];
    let baselines = other.baselines(rollout.id).await.unwrap();
    assert_eq!(baselines.len(), 2);
    assert_eq!(baselines, store.baselines(rollout.id).await.unwrap());
    let suspects = other.suspects().await.unwrap();
    assert_eq!(suspects[0].version, rollout.version);
    assert_eq!(suspects, store.suspects().await.unwrap());

    assert_eq!(other.open_wishes(at(10)).await.unwrap().len(), 1);

    let error = other
        .restore(&mut text.as_bytes(), WasOpen::Stays)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::NotEmpty { table: "hosts" }),
        "{error}"
    );
}

pub(crate) async fn a_dump_that_is_not_whole_leaves_the_store_empty(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let (_, text) = dump(&store).await;
    let lines: Vec<&str> = text.lines().collect();
    let without = |index: usize| {
        let mut lines = lines.clone();
        lines.remove(index);
        lines.join("\n")
    };
    let row = |text: &str| format!("{}\n{text}\n", lines[0]);

    let empty_place = place.engine.fresh();
    let empty = empty_place.open().await;
    let (_, nothing) = dump(&empty).await;
    for (damaged, words) in [
        (String::new(), "line 1 of the dump: a dump begins"),
        (without(0), "a dump begins"),
        (without(1), "rows, "),
        (without(lines.len() - 1), "cut off"),
        (text[..text.len() / 2].to_owned(), "is not a line"),
        (text.replace("\"format\":1", "\"format\":2"), "format 2"),
        (text.replacen("\"step\":", "\"step\":9", 1), "step 9"),
        (row(lines[0]), "second dump"),
        (
            row("{\"row\":{\"table\":\"x\",\"values\":{}}}"),
            "no table \"x\"",
        ),
        (
            row("{\"row\":{\"table\":\"settings\",\"values\":{\"name\":\"a\"}}}"),
            "line 2 of the dump: value is missing",
        ),
        (
            row("{\"row\":{\"table\":\"settings\",\"values\":{\"name\":1,\"value\":\"b\"}}}"),
            "name is not a text",
        ),
        (
            row(
                "{\"row\":{\"table\":\"settings\",\"values\":{\"name\":\"a\\u0000\",\"value\":\"b\"}}}",
            ),
            "NUL",
        ),
        (
            row("{\"row\":{\"table\":\"settings\",\"values\":{\"name\":\"a\",\"value\":null}}}"),
            "does not fit into settings",
        ),
        (
            row(
                "{\"row\":{\"table\":\"settings\",\"values\":{\"name\":\"a\",\"value\":\"b\",\"c\":1}}}",
            ),
            "no column \"c\"",
        ),
        (
            row(
                "{\"row\":{\"table\":\"reports\",\"values\":{\"host\":\"a\",\"received_at\":1.5,\"brief\":\"{}\",\"report\":\"b\"}}}",
            ),
            "not a whole number",
        ),
        (
            row(
                "{\"row\":{\"table\":\"reports\",\"values\":{\"host\":\"a\",\"received_at\":1,\"brief\":\"{}\",\"report\":\"b\"}}}",
            ),
            "does not fit into reports",
        ),
    ] {
        let error = empty
            .restore(&mut damaged.as_bytes(), WasOpen::Stays)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(dump(&empty).await.1, nothing, "after {words}");
    }
    empty
        .restore(&mut text.as_bytes(), WasOpen::Stays)
        .await
        .unwrap();
}

pub(crate) async fn what_was_open_ends_with_a_restore(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let (_, text) = dump(&store).await;
    let other_place = place.engine.fresh();
    let other = other_place.open().await;
    let (_, nothing) = dump(&other).await;
    // Where that fails nothing is restored, so that it can be tried again.
    let (refuses, allows) = match place.engine {
        Engine::Sqlite => (
            "CREATE TRIGGER no BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER no",
        ),
        Engine::Postgres(_) => (
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'; \
             CREATE TRIGGER no BEFORE DELETE ON sessions EXECUTE FUNCTION no()",
            "DROP TRIGGER no ON sessions",
        ),
    };
    other_place.execute(refuses).await;
    let failed = other.restore(&mut text.as_bytes(), WasOpen::Ends).await;
    assert!(matches!(failed, Err(Error::Database { .. })), "{failed:?}");
    assert_eq!(dump(&other).await.1, nothing);
    other_place.execute(allows).await;
    other
        .restore(&mut text.as_bytes(), WasOpen::Ends)
        .await
        .unwrap();

    // What may have been taken back since is over, and shown as that.
    assert_eq!(other.open_wishes(at(10)).await.unwrap(), []);
    let wishes = other.wishes(&host("web1")).await.unwrap();
    assert_eq!(wishes[0].closed, Some(lockstep_model::WishState::Void));
    let (_, left) = dump(&other).await;
    assert!(!left.contains("\"table\":\"sessions\""));
    assert!(left.contains("\"table\":\"users\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_goes_from_one_database_to_the_other_and_back() {
    let postgres = Engine::Postgres(Arc::new(Postgres::start().unwrap()));
    let places = [
        Engine::Sqlite.fresh(),
        postgres.fresh(),
        Engine::Sqlite.fresh(),
    ];
    let first = places[0].open().await;
    fill(&first).await;
    let original = dump(&first).await;
    for place in &places[1..] {
        let store = place.open().await;
        let before = original.1.clone();
        store
            .restore(&mut before.as_bytes(), WasOpen::Stays)
            .await
            .unwrap();
        assert_eq!(dump(&store).await, original);
        // It is not only the same text, it works.
        let next = store
            .promote(&order("2.0.0"), |_| Vec::new())
            .await
            .unwrap();
        assert_eq!(next.id.0, 3);
    }
}
