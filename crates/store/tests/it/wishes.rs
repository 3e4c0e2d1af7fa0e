//! What operators wish of hosts.

use lockstep_model::api::operator::TakenBack;
use lockstep_model::{HostWish, WishVerb};
use lockstep_store::{Error, Store};

use crate::engine::Place;
use crate::samples::{at, enroll, host};

/// A wish of that moment, for a minute.
pub(crate) fn wish(verb: WishVerb, second: i64) -> HostWish {
    HostWish {
        verb,
        number: 0,
        by: "ann".into(),
        why: "a new kernel".into(),
        at: at(second),
        until: at(second + 60),
    }
}

async fn open(store: &Store, second: i64) -> Vec<(String, WishVerb, u64)> {
    let open = store.open_wishes(at(second)).await.unwrap();
    open.iter()
        .map(|(host, it)| (host.to_string(), it.verb, it.number))
        .collect()
}

pub(crate) async fn a_wish_is_told_until_its_end_and_numbers_grow(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let (web1, web2) = (host("web1"), host("web2"));
    let nobody = store
        .wish(&host("web9"), &wish(WishVerb::RestartAgent, 10))
        .await;
    assert!(matches!(nobody, Err(Error::HostUnknown { .. })));
    let restart = WishVerb::RestartAgent;
    let first = store.wish(&web1, &wish(restart, 10)).await.unwrap();
    assert_eq!(first.number, at(10).as_millisecond().unsigned_abs());
    // Of another host it is another wish.
    let other = store.wish(&web2, &wish(restart, 12)).await.unwrap();
    let all = [
        ("web1".to_owned(), restart, first.number),
        ("web2".to_owned(), restart, other.number),
    ];
    assert_eq!(open(&store, 69).await, all);
    assert_eq!(open(&store, 70).await, all[1..]);
    // The next one has a greater number, though the clock went back.
    let second = store.wish(&web1, &wish(restart, 9)).await.unwrap();
    assert_eq!(second.number, first.number + 1);
    let kept = store.newest_wish(&web1, restart).await.unwrap().unwrap();
    assert_eq!((kept.wish, kept.taken_back), (second.clone(), None));

    // Taken back it is not told, once.
    let by = TakenBack {
        by: "bob".into(),
        at: at(20),
    };
    assert!(!store.take_back_wish(&web1, &first, &by).await.unwrap());
    assert!(store.take_back_wish(&web1, &second, &by).await.unwrap());
    assert!(!store.take_back_wish(&web1, &second, &by).await.unwrap());
    let kept = store.newest_wish(&web1, restart).await.unwrap().unwrap();
    assert_eq!(kept.taken_back, Some(by));
    assert_eq!(open(&store, 20).await, all[1..]);

    // A host that is gone takes its wishes with it.
    store.remove_host(&web2, at(30)).await.unwrap();
    assert_eq!(open(&store, 20).await, []);
    assert_eq!(store.wishes(&web2).await.unwrap(), []);
    let long = HostWish {
        why: "x".repeat(HostWish::LONGEST_WHY + 1),
        ..wish(restart, 10)
    };
    let refused = store.wish(&web1, &long).await;
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
}
