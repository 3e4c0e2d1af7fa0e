//! What is kept for hosts that speak through gateways.

use lockstep_store::Error;

use crate::engine::Place;
use crate::samples::{at, host, new_host};

pub(crate) async fn what_is_kept_for_a_host_goes_with_it(place: Place) {
    let store = place.open().await;
    store
        .keep_foreign_host(&host("web1"), "reports", "{}")
        .await
        .unwrap();
    assert!(
        store.foreign_hosts().await.unwrap().is_empty(),
        "nobody enrolled it"
    );
    store.enroll_host(new_host("web1", 1)).await.unwrap();
    store
        .keep_foreign_host(&host("web1"), "asks", "one")
        .await
        .unwrap();
    store
        .keep_foreign_host(&host("web1"), "reports", "two")
        .await
        .unwrap();
    assert_eq!(
        store.foreign_host(&host("web1")).await.unwrap().as_deref(),
        Some("two")
    );
    assert_eq!(
        store.foreign_hosts().await.unwrap(),
        [(host("web1"), "reports".to_owned())]
    );
    // The same key again changes nothing of it; another key takes the host over, which no other host allows.
    store.enroll_host(new_host("web1", 1)).await.unwrap();
    assert!(store.foreign_host(&host("web1")).await.unwrap().is_some());
    store.enroll_host(new_host("web1", 2)).await.unwrap();
    assert_eq!(store.foreign_host(&host("web1")).await.unwrap(), None);
    let again = store.enroll_host(new_host("web1", 3)).await.unwrap_err();
    assert!(matches!(again, Error::HostExists { .. }), "{again}");
    store
        .keep_foreign_host(&host("web1"), "asks", "three")
        .await
        .unwrap();
    assert!(store.remove_host(&host("web1"), at(1)).await.unwrap());
    assert!(store.foreign_hosts().await.unwrap().is_empty());
    let large = "x".repeat(2 * 1024 * 1024);
    let large = store
        .keep_foreign_host(&host("web1"), "asks", &large)
        .await
        .unwrap_err();
    assert!(matches!(large, Error::TooLarge { .. }), "{large}");
}
