//! Opening.

use lockstep_model::Role;
use lockstep_store::{Error, Store};

use crate::engine::Place;
use crate::samples::{at, enroll, host, report};

pub(crate) async fn a_store_can_be_opened_again_and_again(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let second = place.open().await;
    assert!(second.host(&host("web1")).await.unwrap().is_some());
    store.close().await;
    second.ping().await.unwrap();
    second.close().await;
    let third = place.open().await;
    assert!(third.host(&host("web1")).await.unwrap().is_some());
    assert_eq!(third.kind(), place.url.kind());
}

pub(crate) async fn many_may_open_an_empty_database_at_once(place: Place) {
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let url = place.url.clone();
            tokio::spawn(async move { Store::open(&url).await })
        })
        .collect();
    for (number, store) in opening.into_iter().enumerate() {
        let store = store.await.unwrap().unwrap();
        enroll(&store, &[&format!("web{number}")]).await;
    }
    assert_eq!(place.open().await.count_hosts().await.unwrap(), 6);
}

pub(crate) async fn a_newer_database_is_refused(place: Place) {
    place.open().await.close().await;
    place
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 999, 'from the future', success, checksum, 0 FROM _sqlx_migrations \
             WHERE version = 1",
        )
        .await;
    let error = Store::open(&place.url).await.unwrap_err();
    assert!(matches!(error, Error::Newer { step: 999, .. }), "{error:?}");
    assert!(error.to_string().contains("newer version"), "{error}");
}

pub(crate) async fn a_database_of_the_first_step_goes_on(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    store.close().await;
    // As it was before there was monitoring, or a lock.
    for table in [
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
        "chain",
        "chain_head",
        "baselines",
        "suspects",
        "foreign_hosts",
        "host_processes",
        "host_wishes",
        "kiosks",
        "saved_views",
        "sessions",
        "sign_in_failures",
        "users",
    ] {
        place.execute(&format!("DROP TABLE {table}")).await;
    }
    place.execute("DROP INDEX runs_that_stopped").await;
    place.execute("DROP INDEX operators_by_name").await;
    for column in ["role", "label", "expires_at", "used_at"] {
        place
            .execute(&format!("ALTER TABLE operators DROP COLUMN {column}"))
            .await;
    }
    // Two tokens of one operator.
    for id in ["o1", "o2"] {
        place
            .execute(&format!(
                "INSERT INTO operators (id, name, secret_hash, created_at) VALUES ('{id}', 'admin', 'h', 7)"
            ))
            .await;
    }
    place
        .execute("DELETE FROM _sqlx_migrations WHERE version > 1")
        .await;
    let store = place.open().await;
    store
        .record_report(&host("web1"), &report(1), at(1))
        .await
        .unwrap();
    assert_eq!(store.troubles().await.unwrap().len(), 1);
    assert_eq!(store.suspects().await.unwrap(), []);
    let users = store.users(at(1)).await.unwrap();
    let users: Vec<_> = users
        .iter()
        .map(|user| (user.name.as_str(), user.role))
        .collect();
    assert_eq!(users, [("admin", Role::Admin)]);
    let token = store.api_token("o2").await.unwrap().unwrap();
    assert_eq!((token.role, token.user_role), (Role::Admin, Role::Admin));
    assert_eq!((token.expires_at, token.used_at), (None, None));
}
