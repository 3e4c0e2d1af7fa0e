//! Enrolment tokens.

use lockstep_model::ContentHash;
use lockstep_store::{Error, Redeemed, Store, TokenRefused};

use crate::engine::Place;
use crate::samples::{at, hash, host, new_host, token};

async fn redeem(
    store: &Store,
    id: &str,
    key: &ContentHash,
    name: &str,
) -> Result<bool, TokenRefused> {
    match store
        .redeem_token(id, &format!("hash of {id}"), key, &host(name), at(10))
        .await
    {
        Ok(Redeemed { replace }) => Ok(replace),
        Err(Error::TokenRefused(why)) => Err(why),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn each_refusal_has_its_reason(place: Place) {
    let store = place.open().await;
    store.create_token(token("one", 1)).await.unwrap();
    let mut old = token("old", 1);
    old.expires_at = at(10);
    store.create_token(old).await.unwrap();
    let mut only = token("only", 2);
    only.host = Some(host("web1"));
    store.create_token(only).await.unwrap();
    store.create_token(token("none", 0)).await.unwrap();

    let key = hash(1);
    assert_eq!(
        redeem(&store, "unheard-of", &key, "web1").await,
        Err(TokenRefused::Unknown)
    );
    let wrong = store
        .redeem_token("one", "hash of another", &key, &host("web1"), at(10))
        .await;
    assert!(
        matches!(wrong, Err(Error::TokenRefused(TokenRefused::Unknown))),
        "{wrong:?}"
    );
    assert_eq!(
        redeem(&store, "old", &key, "web1").await,
        Err(TokenRefused::Expired)
    );
    assert_eq!(
        redeem(&store, "none", &key, "web1").await,
        Err(TokenRefused::UsedUp)
    );
    assert_eq!(
        redeem(&store, "only", &key, "web2").await,
        Err(TokenRefused::OtherHost)
    );
    assert_eq!(redeem(&store, "only", &key, "web1").await, Ok(true));

    assert_eq!(redeem(&store, "one", &key, "web1").await, Ok(false));
    // The answer was lost.
    assert_eq!(redeem(&store, "one", &key, "web1").await, Ok(false));
    assert_eq!(
        redeem(&store, "one", &hash(2), "web1").await,
        Err(TokenRefused::UsedUp)
    );
    assert_eq!(
        redeem(&store, "one", &key, "web2").await,
        Err(TokenRefused::UsedUp)
    );

    let again = store.create_token(token("one", 5)).await.unwrap_err();
    assert_eq!(again.to_string(), "failed to make an enrolment token");
}

pub(crate) async fn redemption_races_have_as_many_winners_as_uses(place: Place) {
    let stores = [place.open().await, place.open().await];
    stores[0].create_token(token("three", 3)).await.unwrap();
    let asked: Vec<_> = (0..64)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move {
                let name = format!("web{number}");
                let outcome = redeem(&store, "three", &hash(number as u64), &name).await;
                (number, outcome)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for answer in asked {
        match answer.await.unwrap() {
            (number, Ok(replace)) => {
                assert!(!replace);
                winners.push(number);
            }
            (_, Err(why)) => assert_eq!(why, TokenRefused::UsedUp),
        }
    }
    assert_eq!(winners.len(), 3, "{winners:?}");
    assert_eq!(stores[0].tokens().await.unwrap()[0].used, 3);

    // Who won may ask again, many times at once, and nobody else may.
    let asked: Vec<_> = (0..16)
        .map(|number| {
            let store = stores[number % 2].clone();
            let winner = winners[number % 3];
            tokio::spawn(async move {
                redeem(
                    &store,
                    "three",
                    &hash(winner as u64),
                    &format!("web{winner}"),
                )
                .await
            })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), Ok(false));
    }
    assert_eq!(stores[1].tokens().await.unwrap()[0].used, 3);
}

pub(crate) async fn tokens_do_not_bring_back_who_was_removed_or_replaced(place: Place) {
    let store = place.open().await;
    store.create_token(token("one", 1)).await.unwrap();
    assert_eq!(redeem(&store, "one", &hash(1), "web1").await, Ok(false));
    store.enroll_host(new_host("web1", 1)).await.unwrap();
    store.remove_host(&host("web1"), at(5)).await.unwrap();
    assert_eq!(
        redeem(&store, "one", &hash(1), "web1").await,
        Err(TokenRefused::UsedUp)
    );

    // A machine that came with a token of its own name, and then was replaced by another one.
    let mut first = token("first", 1);
    first.host = Some(host("db1"));
    let mut second = token("second", 1);
    second.host = Some(host("db1"));
    store.create_token(first).await.unwrap();
    store.create_token(second).await.unwrap();
    for (id, key) in [("first", 10), ("second", 11)] {
        assert_eq!(redeem(&store, id, &hash(key), "db1").await, Ok(true));
        let mut machine = new_host("db1", key);
        machine.replace = true;
        store.enroll_host(machine).await.unwrap();
    }
    assert_eq!(
        redeem(&store, "first", &hash(10), "db1").await,
        Err(TokenRefused::UsedUp)
    );
    assert_eq!(redeem(&store, "second", &hash(11), "db1").await, Ok(true));
}

pub(crate) async fn tokens_are_listed_and_revoked(place: Place) {
    let store = place.open().await;
    let mut short = token("short", 2);
    short.expires_at = at(60);
    short.host = Some(host("web1"));
    store.create_token(short).await.unwrap();
    store.create_token(token("long", 1)).await.unwrap();
    assert_eq!(redeem(&store, "short", &hash(1), "web1").await, Ok(true));

    let tokens = store.tokens().await.unwrap();
    let ids: Vec<_> = tokens.iter().map(|token| token.id.as_str()).collect();
    assert_eq!(ids, ["long", "short"]);
    let short = &tokens[1];
    assert_eq!((short.uses, short.used, short.revoked), (2, 1, false));
    assert_eq!(
        (short.expires_at, &short.host),
        (at(60), &Some(host("web1")))
    );
    assert_eq!(short.created_by, "admin");
    assert!(!format!("{tokens:?}").contains("hash of"));

    assert!(store.revoke_token("short").await.unwrap());
    assert!(!store.revoke_token("short").await.unwrap());
    assert!(!store.revoke_token("unheard-of").await.unwrap());
    assert!(store.tokens().await.unwrap()[1].revoked);
    assert_eq!(
        redeem(&store, "short", &hash(1), "web1").await,
        Err(TokenRefused::Unknown)
    );
}
