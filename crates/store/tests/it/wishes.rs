//! What operators wish of hosts.

use lockstep_model::api::operator::TakenBack;
use lockstep_model::{HostName, HostWish, WishState, WishVerb};
use lockstep_store::{Error, Given, Store, WishesBefore};

use crate::engine::Place;
use crate::samples::{at, enroll, host};

/// A wish of that moment, for a minute.
pub(crate) fn wish(verb: WishVerb, second: i64) -> HostWish {
    HostWish {
        verb,
        number: 0,
        boot_id: "boot-1".into(),
        by: "ann".into(),
        why: "a new kernel".into(),
        at: at(second),
        until: at(second + 60),
    }
}

/// Gives a wish where none is open.
async fn give(store: &Store, host: &HostName, wish: &HostWish, before: WishesBefore) -> HostWish {
    match store.wish(host, wish, before).await.unwrap() {
        Given::New(wish) => wish,
        Given::Open(wish) => panic!("{wish:?} is open"),
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
    let new = WishesBefore::default();
    let nobody = store
        .wish(&host("web9"), &wish(WishVerb::RestartAgent, 10), new)
        .await;
    assert!(matches!(nobody, Err(Error::HostUnknown { .. })));
    let restart = WishVerb::RestartAgent;
    let first = give(&store, &web1, &wish(restart, 10), new).await;
    assert_eq!(first.number, at(10).as_millisecond().unsigned_abs());
    // Of another verb, and of another host, it is another wish.
    let machine = give(&store, &web1, &wish(WishVerb::Reboot, 11), new).await;
    let other = give(&store, &web2, &wish(restart, 12), new).await;
    let all = [
        ("web1".to_owned(), restart, first.number),
        ("web1".to_owned(), WishVerb::Reboot, machine.number),
        ("web2".to_owned(), restart, other.number),
    ];
    assert_eq!(open(&store, 69).await, all);
    assert_eq!(open(&store, 70).await, all[1..]);
    // Given twice at one moment it is one: only what the caller knew, and judged to be over, is replaced.
    for over in [None, Some(first.number - 1)] {
        let before = WishesBefore { over, heard: 0 };
        let twice = store.wish(&web1, &wish(restart, 9), before).await.unwrap();
        assert_eq!(twice, Given::Open(first.clone()));
    }
    // The next one has a greater number, though the clock went back.
    let over = WishesBefore {
        over: Some(first.number),
        heard: 0,
    };
    let second = give(&store, &web1, &wish(restart, 9), over).await;
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

    // The host may have heard of greater numbers than this store has given, and may speak of any.
    let ahead = second.number + 1_000_000;
    let heard = |heard| WishesBefore { over: None, heard };
    let third = give(&store, &web1, &wish(restart, 21), heard(ahead)).await;
    assert_eq!(third.number, ahead + 1);
    store.wish_is_done(&web1, restart, ahead).await.unwrap();
    assert_eq!(open(&store, 22).await.len(), 3);
    assert_eq!(store.wishes(&web1).await.unwrap().len(), 2);
    // What is done is not open, and remembered as done.
    store
        .wish_is_done(&web1, restart, third.number)
        .await
        .unwrap();
    assert_eq!(open(&store, 22).await, all[1..]);
    let kept = store.newest_wish(&web1, restart).await.unwrap().unwrap();
    assert_eq!(
        (kept.closed, kept.taken_back),
        (Some(WishState::Done), None)
    );
    let fourth = give(&store, &web1, &wish(restart, 22), heard(u64::MAX)).await;
    assert_eq!(fourth.number, (1 << 52) + 1);
    let over = WishesBefore {
        over: Some(fourth.number),
        heard: u64::MAX,
    };
    let fifth = give(&store, &web1, &wish(restart, 23), over).await;
    assert_eq!(fifth.number, fourth.number + 1);
    store
        .wish_is_done(&web1, restart, fifth.number)
        .await
        .unwrap();

    // One that cannot be read, of another version perhaps, leaves the others as they are.
    let strange =
        "UPDATE host_wishes SET document = '{\"wish\":{\"verb\":\"dance\"}}' WHERE host = 'web2'";
    place.execute(strange).await;
    assert_eq!(open(&store, 20).await, all[1..2]);

    // A host that is gone takes its wishes with it.
    store.remove_host(&web2, at(30)).await.unwrap();
    assert_eq!(open(&store, 20).await, all[1..2]);
    assert_eq!(store.wishes(&web2).await.unwrap(), []);
    let long = HostWish {
        why: "x".repeat(HostWish::LONGEST_WHY + 1),
        ..wish(restart, 10)
    };
    let boot = HostWish {
        boot_id: "x".repeat(129),
        ..wish(WishVerb::Reboot, 10)
    };
    for long in [long, boot] {
        let refused = store.wish(&web1, &long, new).await;
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{refused:?}"
        );
    }
}
