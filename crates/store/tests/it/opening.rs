//! Opening.

use lockstep_store::{Error, Store};

use crate::engine::Place;
use crate::samples::{enroll, host};

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
             SELECT 999, 'from the future', success, checksum, 0 FROM _sqlx_migrations",
        )
        .await;
    let error = Store::open(&place.url).await.unwrap_err();
    assert!(matches!(error, Error::Newer { step: 999, .. }), "{error:?}");
    assert!(error.to_string().contains("newer version"), "{error}");
}
