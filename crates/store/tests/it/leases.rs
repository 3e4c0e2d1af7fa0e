//! Leases.

use std::time::Duration;

use lockstep_model::RolloutState;
use lockstep_store::{Error, Lease, Store};

use crate::engine::Place;
use crate::samples::{at, decided, order};

const TTL: Duration = Duration::from_secs(10);

async fn ask(store: &Store, holder: &str, second: i64) -> Option<u64> {
    let lease = store
        .acquire_lease("decider", holder, at(second), TTL)
        .await
        .unwrap()?;
    assert_eq!(
        (lease.name.as_str(), lease.holder.as_str()),
        ("decider", holder)
    );
    Some(lease.number)
}

fn lease(holder: &str, number: u64) -> Lease {
    Lease {
        name: "decider".into(),
        holder: holder.into(),
        number,
    }
}

pub(crate) async fn a_lease_is_prolonged_and_changes_hands(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    assert_eq!(ask(&one, "a", 0).await, Some(1));
    assert_eq!(ask(&other, "b", 9).await, None);
    assert_eq!(ask(&one, "a", 9).await, Some(1));
    assert_eq!(ask(&other, "b", 18).await, None);
    assert_eq!(ask(&other, "b", 19).await, Some(2));
    assert_eq!(ask(&one, "a", 20).await, None);
    // Given back, another one need not wait; the number still grows.
    other.release_lease(&lease("b", 2)).await.unwrap();
    assert_eq!(ask(&one, "a", 20).await, Some(3));
    // Giving back what another one has by now does nothing.
    other.release_lease(&lease("b", 2)).await.unwrap();
    assert_eq!(ask(&other, "b", 21).await, None);
    one.release_lease(&lease("a", 3)).await.unwrap();
    assert_eq!(ask(&one, "a", 21).await, Some(4));
    // Another lease has its own numbers.
    let mail = one.acquire_lease("mail", "b", at(0), TTL).await.unwrap();
    assert_eq!(mail.unwrap().number, 1);
    let nobody = one.acquire_lease("decider", "", at(0), TTL).await;
    assert!(
        matches!(nobody, Err(Error::NotStorable { .. })),
        "{nobody:?}"
    );
}

pub(crate) async fn of_many_who_ask_at_once_one_gets_it(place: Place) {
    let stores = [place.open().await, place.open().await];
    for round in 0..4 {
        let asking: Vec<_> = (0..16)
            .map(|number| {
                let store = stores[number % 2].clone();
                tokio::spawn(async move { ask(&store, &format!("h{number}"), round * 60).await })
            })
            .collect();
        let mut granted = Vec::new();
        for answer in asking {
            granted.extend(answer.await.unwrap());
        }
        assert_eq!(granted.len(), 1, "round {round}: {granted:?}");
    }
}

pub(crate) async fn stale_leases_write_nothing(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    let rollout = one.promote(&order("1.0.0"), |_| Vec::new()).await.unwrap();
    let mut next = rollout.clone();
    next.state = RolloutState::Done;
    let save = async |store: &Store, lease: &Lease, second: i64| {
        store
            .save_rollout(
                &rollout,
                decided(&next, &["done".into()]),
                Some(lease),
                at(second),
            )
            .await
    };
    assert_eq!(ask(&one, "a", 0).await, Some(1));
    let mine = lease("a", 1);
    // Expired, though nobody else has it yet.
    let error = save(&one, &mine, 10).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lease decider number 1 is no longer held; nothing was written"
    );
    // Taken over by another one; the old holder's clock is behind, and it still thinks that it holds it.
    assert_eq!(ask(&other, "b", 11).await, Some(2));
    for stale in [
        mine.clone(),
        lease("a", 2),
        lease("b", 1),
        lease("c", u64::MAX),
    ] {
        let error = save(&one, &stale, 5).await.unwrap_err();
        assert!(matches!(error, Error::StaleLease { .. }), "{error}");
    }
    // Held again, but the lease of before is not the lease of now.
    assert_eq!(ask(&one, "a", 30).await, Some(3));
    let error = save(&one, &mine, 31).await.unwrap_err();
    assert!(matches!(error, Error::StaleLease { .. }), "{error}");
    assert_eq!(
        one.rollout(rollout.id).await.unwrap(),
        Some(rollout.clone())
    );
    assert_eq!(one.decisions(rollout.id).await.unwrap().len(), 0);

    save(&one, &lease("a", 3), 31).await.unwrap();
    assert_eq!(other.rollout(rollout.id).await.unwrap(), Some(next.clone()));
}

/// Random holders ask at random times, and sometimes give back. At every time at most one may believe that it holds
/// the lease, and numbers only grow.
pub(crate) async fn a_lease_has_one_holder_whoever_asks_when(place: Place) {
    let store = place.open().await;
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let mut now = 0;
    // Who holds it until when, with which number.
    let mut held: Option<(String, i64, u64)> = None;
    let mut highest = 0;
    for step in 0..150 {
        now += random.i64(0..8);
        let holder = format!("h{}", random.u8(0..3));
        let is_mine = held.as_ref().is_some_and(|(name, ..)| *name == holder);
        let is_free = held.as_ref().is_none_or(|(_, until, _)| *until <= now);
        if is_mine && random.u8(0..6) == 0 {
            let (_, _, number) = held.take().unwrap();
            store.release_lease(&lease(&holder, number)).await.unwrap();
            continue;
        }
        let answer = ask(&store, &holder, now).await;
        assert_eq!(answer.is_some(), is_mine || is_free, "step {step}");
        let Some(number) = answer else { continue };
        assert_eq!(
            number,
            if is_mine { highest } else { highest + 1 },
            "step {step}"
        );
        highest = number;
        held = Some((holder, now + 10, number));
    }
}
