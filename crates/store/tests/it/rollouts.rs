//! Channels and rollouts.

use lockstep_model::{Rollout, RolloutId, RolloutState};
use lockstep_store::{Error, Store};

use crate::engine::Place;
use crate::samples::{at, decided, host, order, stable, version, wave};

async fn promote(store: &Store, text: &str) -> Rollout {
    store
        .promote(&order(text), |_| vec![wave(&["web1"])])
        .await
        .unwrap()
}

async fn save(store: &Store, before: &Rollout, state: RolloutState, why: &str) -> Rollout {
    let mut after = before.clone();
    after.state = state;
    after.why = why.into();
    store
        .save_rollout(before, decided(&after, &[why.to_owned()]), None, at(5))
        .await
        .unwrap();
    after
}

pub(crate) async fn promotion_cancels_what_was_running(place: Place) {
    let store = place.open().await;
    assert_eq!(store.rollouts(10).await.unwrap(), []);
    assert_eq!(store.rollout(RolloutId(1)).await.unwrap(), None);
    let first = store
        .promote(&order("1.0.0"), |id| {
            vec![wave(&[&format!("host-of-{id}")])]
        })
        .await
        .unwrap();
    assert_eq!(
        (first.id, first.state),
        (RolloutId(1), RolloutState::Running)
    );
    assert_eq!(first.waves[0].hosts, [host("host-of-1")]);
    assert_eq!((first.created_at, &first.from), (at(0), &None));
    assert_eq!(
        store.rollout(first.id).await.unwrap().as_ref(),
        Some(&first)
    );

    let mut elsewhere = order("1.0.0");
    elsewhere.channel = lockstep_model::ChannelName::parse("beta").unwrap();
    let elsewhere = store.promote(&elsewhere, |_| Vec::new()).await.unwrap();
    let second = promote(&store, "1.1.0").await;
    assert_eq!((elsewhere.id.0, second.id.0), (2, 3));

    let cancelled = store.rollout(first.id).await.unwrap().unwrap();
    assert_eq!(cancelled.state, RolloutState::Cancelled);
    assert_eq!(cancelled.why, "rollout 3 to 1.1.0 took its place");
    let decisions = store.decisions(first.id).await.unwrap();
    assert_eq!(decisions[0].words, cancelled.why);

    let ids = |rollouts: Vec<Rollout>| -> Vec<u64> {
        rollouts.iter().map(|rollout| rollout.id.0).collect()
    };
    assert_eq!(ids(store.rollouts(2).await.unwrap()), [3, 2]);
    assert_eq!(ids(store.current_rollouts().await.unwrap()), [3, 2]);
    let channels = store.channels().await.unwrap();
    let pointers: Vec<_> = channels
        .iter()
        .map(|row| (row.channel.as_str(), row.version.to_string(), row.rollout.0))
        .collect();
    assert_eq!(
        pointers,
        [("beta", "1.0.0".into(), 2), ("stable", "1.1.0".into(), 3)]
    );
}

pub(crate) async fn from_is_the_last_version_that_was_done(place: Place) {
    let store = place.open().await;
    let first = promote(&store, "1.0.0").await;
    save(&store, &first, RolloutState::Done, "all are there").await;
    let second = promote(&store, "1.1.0").await;
    assert_eq!(second.from, Some(version("1.0.0")));
    // It never got through.
    save(&store, &second, RolloutState::Halted, "1 of 1 hosts failed").await;
    let third = promote(&store, "1.2.0").await;
    assert_eq!(third.from, Some(version("1.0.0")));
    let halted = store.rollout(second.id).await.unwrap().unwrap();
    assert_eq!(halted.state, RolloutState::Cancelled);
    // What is done stays done.
    let finished = store.rollout(first.id).await.unwrap().unwrap();
    assert_eq!(finished.state, RolloutState::Done);
}

pub(crate) async fn orders_at_once_get_different_numbers(place: Place) {
    let stores = [place.open().await, place.open().await];
    let orders: Vec<_> = (0..8)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move { promote(&store, &format!("1.{number}.0")).await })
        })
        .collect();
    let mut ids = Vec::new();
    for order in orders {
        ids.push(order.await.unwrap().id.0);
    }
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8]);
    let alive: Vec<_> = stores[0]
        .rollouts(10)
        .await
        .unwrap()
        .into_iter()
        .filter(|rollout| !rollout.state.is_over())
        .collect();
    assert_eq!(alive.len(), 1);
    assert_eq!(alive[0].id.0, 8);
    let channel = &stores[1].channels().await.unwrap()[0];
    assert_eq!(
        (&channel.channel, &channel.version, channel.rollout),
        (&stable(), &alive[0].version, RolloutId(8))
    );
}

pub(crate) async fn rollouts_change_only_from_what_was_seen(place: Place) {
    let store = place.open().await;
    let seen = promote(&store, "1.0.0").await;
    // An operator pauses it while the decider thinks.
    let paused = save(&store, &seen, RolloutState::Holding, "paused by admin").await;
    let mut next = seen.clone();
    next.why = "wave 1 opens".into();
    let error = store
        .save_rollout(&seen, decided(&next, &["wave 1 opens".into()]), None, at(6))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::RolloutChanged { .. }), "{error}");
    assert_eq!(store.rollout(seen.id).await.unwrap(), Some(paused.clone()));
    assert_eq!(store.decisions(seen.id).await.unwrap().len(), 1);

    // Of many who change the same thing one is right.
    let changes: Vec<_> = (0..8)
        .map(|number| {
            let (store, before) = (store.clone(), paused.clone());
            tokio::spawn(async move {
                let mut after = before.clone();
                after.why = format!("change {number}");
                store
                    .save_rollout(&before, decided(&after, &[]), None, at(7))
                    .await
            })
        })
        .collect();
    let mut done = 0;
    for change in changes {
        match change.await.unwrap() {
            Ok(()) => done += 1,
            Err(Error::RolloutChanged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(done, 1);

    let mut unknown = paused.clone();
    unknown.id = RolloutId(77);
    let error = store
        .save_rollout(&unknown, decided(&unknown, &[]), None, at(7))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "there is no rollout 77");
    let error = store
        .save_rollout(&paused, decided(&unknown, &[]), None, at(7))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotStorable { .. }), "{error}");
}

pub(crate) async fn decisions_are_kept_in_order(place: Place) {
    let store = place.open().await;
    let mut before = promote(&store, "1.0.0").await;
    for step in 0..3 {
        let mut after = before.clone();
        after.why = format!("step {step}");
        let words = [format!("{step} first"), format!("{step} second")];
        store
            .save_rollout(&before, decided(&after, &words), None, at(step))
            .await
            .unwrap();
        before = after;
    }
    let mut after = before.clone();
    after.why = "a long one".into();
    store
        .save_rollout(&before, decided(&after, &["é".repeat(10_000)]), None, at(9))
        .await
        .unwrap();
    let decisions = store.decisions(before.id).await.unwrap();
    let words: Vec<_> = decisions[..6]
        .iter()
        .map(|decision| decision.words.as_str())
        .collect();
    assert_eq!(
        words,
        [
            "0 first", "0 second", "1 first", "1 second", "2 first", "2 second"
        ]
    );
    assert_eq!(decisions[2].at, at(1));
    assert!(decisions[6].words.len() <= 16 * 1024 && decisions[6].words.ends_with('…'));
}

pub(crate) async fn an_urgent_order_is_kept_as_one(place: Place) {
    let store = place.open().await;
    let mut urgent = order("1.0.0");
    urgent.urgent = true;
    urgent.strategy = urgent.strategy.urgent();
    let urgent = store.promote(&urgent, |_| Vec::new()).await.unwrap();
    assert!(urgent.urgent);
    assert_eq!(store.rollout(urgent.id).await.unwrap(), Some(urgent));
    assert!(!promote(&store, "1.1.0").await.urgent);
}

/// What hosts should run is said by the rollout of each channel, and by those that were cut short directly before it.
pub(crate) async fn rollouts_that_were_cut_short_still_stand(place: Place) {
    let store = place.open().await;
    let standing = async || -> Vec<u64> {
        let standing = store.standing_rollouts().await.unwrap();
        standing.iter().map(|rollout| rollout.id.0).collect()
    };
    assert!(standing().await.is_empty());
    let first = promote(&store, "1.0.0").await;
    save(&store, &first, RolloutState::Done, "all are there").await;
    assert_eq!(standing().await, [1]);
    // Two that did not get through: what the second one took from the first one still says what those hosts run.
    promote(&store, "1.1.0").await;
    promote(&store, "1.2.0").await;
    let fourth = promote(&store, "1.3.0").await;
    assert_eq!(standing().await, [4, 3, 2]);
    // Another channel and another package are others.
    let mut beta = order("1.4.0");
    beta.channel = lockstep_model::ChannelName::parse("beta").unwrap();
    let beta = store.promote(&beta, |_| Vec::new()).await.unwrap();
    let mut client = order("1.0.0");
    client.package = lockstep_model::PackageName::parse("driveclient").unwrap();
    store.promote(&client, |_| Vec::new()).await.unwrap();
    assert_eq!((beta.id.0, standing().await), (5, vec![6, 5, 4, 3, 2]));
    // When it is done, those before it stand as long as it is the last one: the next one ends that.
    save(&store, &fourth, RolloutState::Done, "all are there").await;
    assert_eq!(standing().await, [6, 5, 4, 3, 2]);
    promote(&store, "1.5.0").await;
    assert_eq!(standing().await, [7, 6, 5]);
}
