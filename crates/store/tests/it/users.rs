//! Users, API tokens, sessions, and attempts to sign in.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{Role, UserName};
use lockstep_store::{
    Error, NewApiToken, NewKiosk, NewSession, SignInFailures, SignInKeys, SignInTally, Store,
    Tidied,
};

use crate::engine::Place;
use crate::samples::at;

const DAY: i64 = 86_400;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn keys(name: &str, address: &str) -> SignInKeys {
    SignInKeys {
        both: format!("both {name} {address}"),
        user: format!("user {name}"),
        address: format!("address {address}"),
    }
}

async fn give_token(store: &Store, id: &str, of: &str, role: Role, end: Option<Timestamp>) {
    let token = NewApiToken {
        id,
        secret_hash: &format!("hash of {id}"),
        user: &user(of),
        role,
        label: "for é",
        expires_at: end,
    };
    assert!(store.create_api_token(&token, at(1)).await.unwrap());
}

/// Begins a session of 7 days with the password `p`.
async fn begin(store: &Store, id: &str, of: &str, second: i64) -> bool {
    let new = NewSession {
        id,
        name: &user(of),
        password: "p",
        at: at(second),
        expires_at: at(second + 7 * DAY),
        from: "10.0.0.1",
        counted: &keys(of, "10.0.0.1"),
    };
    store.create_session(&new).await.unwrap()
}

async fn count(store: &Store, keys: &SignInKeys, second: i64) -> SignInTally {
    let seen = std::sync::Mutex::new(SignInTally::default());
    let look = |tally: &SignInTally| {
        *seen.lock().unwrap() = *tally;
        None::<()>
    };
    let forget = at(second) - Duration::from_secs(3600);
    let refused = store.count_sign_in(keys, at(second), forget, look).await;
    assert_eq!(refused.unwrap(), None);
    seen.into_inner().unwrap()
}

/// An admin `ann`, and something in every table of this module.
pub(crate) async fn fill(store: &Store) {
    let ann = user("ann");
    assert!(
        store
            .create_user(&ann, Role::Admin, Some("p"), at(0))
            .await
            .unwrap()
    );
    give_token(store, "o1", "ann", Role::Viewer, None).await;
    count(store, &keys("bob", "10.0.0.1"), 1).await;
    count(store, &keys("ann", "10.0.0.1"), 2).await;
    assert!(begin(store, "session", "ann", 2).await);
    give_kiosk(store, "k1", None).await.unwrap();
}

async fn give_kiosk(store: &Store, id: &str, end: Option<Timestamp>) -> Result<(), Error> {
    let kiosk = NewKiosk {
        id,
        secret_hash: &format!("hash of {id}"),
        label: "the é wall",
        made_by: "ann",
        expires_at: end,
    };
    store.create_kiosk(&kiosk, at(1)).await
}

pub(crate) async fn users_are_made_found_and_removed(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let (ann, bob) = (user("ann"), user("bob"));
    assert!(
        !store
            .create_user(&ann, Role::Viewer, None, at(9))
            .await
            .unwrap()
    );
    assert!(
        store
            .create_user(&bob, Role::Viewer, None, at(3))
            .await
            .unwrap()
    );
    let found = store.users(at(5)).await.unwrap();
    assert_eq!(
        found.iter().map(|user| &user.name).collect::<Vec<_>>(),
        [&ann, &bob]
    );
    assert_eq!((found[0].role, found[0].tokens), (Role::Admin, 1));
    assert_eq!(found[0].signed_in_at, Some(at(2)));
    assert_eq!((found[1].created_at, &found[1].password), (at(3), &None));
    assert!(!format!("{found:?}").contains("\"p\""));

    assert!(store.set_role(&bob, Role::Admin).await.unwrap());
    assert!(!store.set_role(&user("eve"), Role::Admin).await.unwrap());
    assert!(store.remove_user(&ann, at(6)).await.unwrap());
    assert!(!store.remove_user(&ann, at(7)).await.unwrap());
    assert_eq!(store.user(&ann, at(7)).await.unwrap(), None);
    assert_eq!(store.session("session").await.unwrap(), None);
    assert_eq!(store.api_token("o1").await.unwrap(), None);
    assert!(!begin(&store, "again", "ann", 8).await);
    assert!(!store.set_password(&ann, "q", None).await.unwrap());

    // Another one of that name is not the one who left.
    assert!(
        store
            .create_user(&ann, Role::Viewer, None, at(9))
            .await
            .unwrap()
    );
    let again = store.user(&ann, at(9)).await.unwrap().unwrap();
    assert_eq!(
        (again.role, again.tokens, again.password),
        (Role::Viewer, 0, None)
    );
    assert_eq!((again.created_at, again.signed_in_at), (at(9), None));
    assert_eq!(store.api_token("o1").await.unwrap(), None);
}

pub(crate) async fn there_is_always_an_admin(place: Place) {
    let stores = [place.open().await, place.open().await];
    let (ann, bob) = (user("ann"), user("bob"));
    let last = |outcome: Result<bool, Error>| matches!(outcome, Err(Error::LastAdmin { .. }));
    for round in 0..10 {
        for name in [&ann, &bob] {
            let _ = stores[0]
                .create_user(name, Role::Admin, None, at(0))
                .await
                .unwrap();
            assert!(stores[0].set_role(name, Role::Admin).await.unwrap());
        }
        // Both leave at once: one is held back.
        let (one, other) = tokio::join!(
            stores[0].remove_user(&ann, at(round)),
            stores[1].set_role(&bob, Role::Operator),
        );
        let refused = usize::from(last(one)) + usize::from(last(other));
        assert_eq!(refused, 1, "round {round}");
        let users = stores[0].users(at(0)).await.unwrap();
        assert_eq!(
            users.iter().filter(|user| user.role == Role::Admin).count(),
            1
        );
    }
    let users = stores[0].users(at(0)).await.unwrap();
    let admin = users.iter().find(|user| user.role == Role::Admin).unwrap();
    assert!(last(stores[0].set_role(&admin.name, Role::Viewer).await));
    assert!(last(stores[0].remove_user(&admin.name, at(0)).await));
    assert!(stores[0].set_role(&admin.name, Role::Admin).await.unwrap());
}

pub(crate) async fn api_tokens_are_known_until_revoked(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let (ann, bob) = (user("ann"), user("bob"));
    give_token(&store, "o2", "ann", Role::Operator, Some(at(50))).await;
    let row = store.api_token("o2").await.unwrap().unwrap();
    assert_eq!(
        (row.role, row.user_role, &row.user),
        (Role::Operator, Role::Admin, &ann)
    );
    assert_eq!(
        (row.secret_hash.as_str(), row.label.as_str()),
        ("hash of o2", "for é")
    );
    assert_eq!(
        (row.created_at, row.expires_at, row.used_at),
        (at(1), Some(at(50)), None)
    );
    assert!(!format!("{row:?}").contains("hash of"));
    assert_eq!(store.user(&ann, at(49)).await.unwrap().unwrap().tokens, 2);
    assert_eq!(store.user(&ann, at(50)).await.unwrap().unwrap().tokens, 1);

    for second in [20, 10] {
        store.note_api_token("o2", at(second)).await.unwrap();
        let row = store.api_token("o2").await.unwrap().unwrap();
        assert_eq!(row.used_at, Some(at(20)));
    }
    assert_eq!(store.api_tokens(Some(&ann)).await.unwrap().len(), 2);
    assert_eq!(store.api_tokens(Some(&bob)).await.unwrap(), []);
    assert_eq!(store.api_tokens(None).await.unwrap().len(), 2);

    assert!(
        !store
            .revoke_api_token("o2", Some(&bob), at(1))
            .await
            .unwrap()
    );
    assert!(
        store
            .revoke_api_token("o2", Some(&ann), at(1))
            .await
            .unwrap()
    );
    assert!(!store.revoke_api_token("o2", None, at(2)).await.unwrap());
    assert_eq!(store.api_token("o2").await.unwrap(), None);
    assert_eq!(store.api_token("").await.unwrap(), None);

    let of_nobody = NewApiToken {
        id: "o3",
        secret_hash: "h",
        user: &bob,
        role: Role::Viewer,
        label: "",
        expires_at: None,
    };
    assert!(!store.create_api_token(&of_nobody, at(1)).await.unwrap());
    let taken = NewApiToken {
        id: "o1",
        user: &ann,
        ..of_nobody
    };
    assert!(store.create_api_token(&taken, at(1)).await.is_err());
}

pub(crate) async fn kiosk_tokens_are_known_until_revoked_and_forgotten(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    give_kiosk(&store, "k2", Some(at(50))).await.unwrap();
    assert!(give_kiosk(&store, "k2", None).await.is_err(), "it is taken");
    let row = store.kiosk("k2").await.unwrap().unwrap();
    assert_eq!(
        (row.secret_hash.as_str(), row.label.as_str()),
        ("hash of k2", "the é wall")
    );
    assert_eq!((row.expires_at, row.used_at), (Some(at(50)), None));
    assert!(!format!("{row:?}").contains("hash of"));
    for second in [20, 10] {
        store
            .note_kiosk("k2", &format!("10.0.0.{second}"), at(second))
            .await
            .unwrap();
        let row = store.kiosk("k2").await.unwrap().unwrap();
        assert_eq!(
            (row.used_at, row.used_from.as_str()),
            (Some(at(20)), "10.0.0.20")
        );
    }
    assert_eq!(store.kiosk("").await.unwrap(), None);
    assert_eq!(store.kiosks(at(49)).await.unwrap().len(), 2);
    assert!(store.revoke_kiosk("k1", at(3)).await.unwrap());
    assert!(!store.revoke_kiosk("k1", at(4)).await.unwrap());
    assert_eq!(store.kiosk("k1").await.unwrap(), None);

    // Those that are revoked or over make room.
    for number in 0..200 {
        let made = give_kiosk(&store, &format!("n{number}"), None).await;
        match number {
            0..199 => made.unwrap(),
            _ => assert!(matches!(made, Err(Error::TooManyKiosks { most: 200 }))),
        }
    }
    let kiosks = store.tidy(at(31 * DAY)).await.unwrap().kiosks;
    assert_eq!(kiosks, 2);
}

pub(crate) async fn kiosk_tokens_that_are_over_hide_none(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    // Made before all others, it is the last of the list.
    assert!(store.kiosk("k1").await.unwrap().is_some());
    for number in 0..200 {
        let kiosk = NewKiosk {
            id: &format!("n{number}"),
            secret_hash: "h",
            label: "wall",
            made_by: "ann",
            expires_at: Some(at(20)),
        };
        let made_at = if number < 150 { at(10) } else { at(20) };
        store.create_kiosk(&kiosk, made_at).await.unwrap();
    }
    let good = store.kiosks(at(20)).await.unwrap();
    let ids: Vec<_> = good.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["k1"], "it can be found, and revoked");
    assert!(store.kiosk("n0").await.unwrap().is_some(), "known still");
}

pub(crate) async fn sessions_end_with_the_password_they_were_opened_by(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let (ann, bob) = (user("ann"), user("bob"));
    for id in ["s1", "s2"] {
        assert!(begin(&store, id, "ann", 3).await);
    }
    let row = store.session("s1").await.unwrap().unwrap();
    assert_eq!(
        (&row.name, row.role, row.from.as_str()),
        (&ann, Role::Admin, "10.0.0.1")
    );
    assert_eq!((row.used_at, row.expires_at), (at(3), at(3 + 7 * DAY)));
    for second in [30, 20] {
        store.note_session("s1", at(second)).await.unwrap();
        assert_eq!(store.session("s1").await.unwrap().unwrap().used_at, at(30));
    }
    assert!(!store.end_session("s2", Some(&bob)).await.unwrap());
    assert!(store.end_session("s2", Some(&ann)).await.unwrap());
    assert!(!store.end_session("s2", None).await.unwrap());
    assert_eq!(store.sessions(Some(&bob)).await.unwrap(), []);
    assert_eq!(store.sessions(None).await.unwrap().len(), 2);
    assert_eq!(store.session("").await.unwrap(), None);

    assert!(store.set_password(&ann, "q", Some("s1")).await.unwrap());
    let left = store.sessions(Some(&ann)).await.unwrap();
    assert_eq!(
        left.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
        ["s1"]
    );
    assert!(
        !begin(&store, "s3", "ann", 40).await,
        "that was the old password"
    );

    // A bounded number, of which those stay that are in use.
    assert!(store.set_password(&ann, "p", Some("s1")).await.unwrap());
    store.note_session("s1", at(1000)).await.unwrap();
    for number in 0..60 {
        assert!(begin(&store, &format!("n{number}"), "ann", 100 + number).await);
    }
    let left = store.sessions(Some(&ann)).await.unwrap();
    assert_eq!(left.len(), 50);
    assert!(left.iter().any(|row| row.id == "s1") && left.iter().any(|row| row.id == "n59"));
}

pub(crate) async fn attempts_count_until_one_was_good(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    let here = keys("ann", "10.0.0.1");
    let failures = |count, second| {
        Some(SignInFailures {
            count,
            last: at(second),
        })
    };
    // `fill` has counted one from this address.
    let seen = count(&store, &here, 10).await;
    assert_eq!(
        (seen.both, seen.user, seen.address),
        (None, None, failures(1, 2))
    );
    let seen = count(&store, &here, 11).await;
    assert_eq!(
        (seen.both, seen.address),
        (failures(1, 10), failures(2, 10))
    );
    let seen = count(&store, &keys("ann", "10.0.0.2"), 12).await;
    assert_eq!(
        (seen.both, seen.user, seen.address),
        (None, failures(2, 11), None)
    );

    // What is refused is not counted.
    let no = store
        .count_sign_in(&here, at(13), at(0), |_| Some("no"))
        .await;
    assert_eq!(no.unwrap(), Some("no"));
    assert_eq!(store.sign_in_failures("user ").await.unwrap().len(), 2);
    let of_ann = store.sign_in_failures("user ann").await.unwrap();
    assert_eq!(of_ann, [("user ann".to_owned(), failures(3, 12).unwrap())]);

    // The one that was good opens a session; it alone is taken from the wider counts.
    assert!(begin(&store, "s1", "ann", 14).await);
    let seen = count(&store, &here, 15).await;
    assert_eq!((seen.both, seen.user), (None, failures(2, 12)));
    store.forgive_sign_in(&here).await.unwrap();
    let seen = count(&store, &here, 16).await;
    assert_eq!(seen.both, None);
    assert_eq!(seen.user.map(|failures| failures.count), Some(2));

    // Forgotten after a quiet hour.
    assert_eq!(count(&store, &here, 3700).await, SignInTally::default());

    // Many at once: each sees another count.
    let guess = keys("eve", "10.0.0.3");
    let mut asked = Vec::new();
    for _ in 0..10 {
        let (store, guess) = (store.clone(), guess.clone());
        asked.push(tokio::spawn(async move {
            let enough = |tally: &SignInTally| tally.both.filter(|both| both.count >= 5);
            store
                .count_sign_in(&guess, at(3800), at(0), enough)
                .await
                .unwrap()
        }));
    }
    let mut passed = 0;
    for answer in asked {
        passed += usize::from(answer.await.unwrap().is_none());
    }
    assert_eq!(passed, 5);
}

pub(crate) async fn users_sessions_and_tokens_are_forgotten(place: Place) {
    let store = place.open().await;
    fill(&store).await;
    give_token(&store, "o2", "ann", Role::Viewer, Some(at(DAY))).await;
    let bob = user("bob");
    assert!(
        store
            .create_user(&bob, Role::Viewer, Some("p"), at(0))
            .await
            .unwrap()
    );
    give_token(&store, "o3", "bob", Role::Viewer, None).await;
    assert!(store.remove_user(&bob, at(0)).await.unwrap());
    let gone = |users, api_tokens, sessions, sign_in_failures| Tidied {
        users,
        api_tokens,
        sessions,
        sign_in_failures,
        ..Tidied::default()
    };
    assert_eq!(store.tidy(at(2 * DAY)).await.unwrap(), gone(0, 0, 0, 3));
    assert_eq!(store.tidy(at(8 * DAY)).await.unwrap(), gone(0, 0, 1, 0));
    assert_eq!(store.tidy(at(32 * DAY)).await.unwrap(), gone(1, 2, 0, 0));
    assert_eq!(store.users(at(0)).await.unwrap().len(), 1);
    assert_eq!(store.api_tokens(None).await.unwrap().len(), 1);
}
