//! What rollouts compare with, and versions that they have found wanting.

use std::time::Duration;

use lockstep_model::{
    Baseline, Health, Level, PackageName, Rollout, RolloutId, RolloutState, Suspect,
};
use lockstep_store::{Decided, Error, Lease, Store};

use crate::engine::Place;
use crate::samples::{at, baseline, decided, host, name, order, version};

const DAY: i64 = 86_400;

async fn begin(store: &Store, text: &str) -> Rollout {
    store.promote(&order(text), |_| Vec::new()).await.unwrap()
}

/// Saves it as it is, with baselines, and with what was found wanting.
async fn save(
    store: &Store,
    rollout: &Rollout,
    baselines: &[Baseline],
    suspect: Option<&str>,
    second: i64,
) -> Result<(), Error> {
    let decided = Decided {
        baselines,
        suspect,
        ..decided(rollout, &[])
    };
    store.save_rollout(rollout, decided, None, at(second)).await
}

/// Ends it, and says so.
async fn end(store: &Store, rollout: &Rollout, state: RolloutState, second: i64) {
    let mut after = rollout.clone();
    after.state = state;
    store
        .save_rollout(
            rollout,
            decided(&after, &["it is so".into()]),
            None,
            at(second),
        )
        .await
        .unwrap();
}

pub(crate) async fn baselines_are_kept_in_order(place: Place) {
    let store = place.open().await;
    let (first, mut beta) = (begin(&store, "1.0.0").await, order("1.0.0"));
    beta.channel = lockstep_model::ChannelName::parse("beta").unwrap();
    let second = store.promote(&beta, |_| Vec::new()).await.unwrap();
    assert_eq!(store.baselines(first.id).await.unwrap(), []);
    // More than nine, so that the order of texts would show.
    let mut kept = Vec::new();
    for step in 0..12 {
        let opening = baseline(true, &[&format!("web{step}")]);
        let let_go = baseline(false, &["db1", "db2"]);
        let both = [opening, let_go];
        save(&store, &first, &both, None, step).await.unwrap();
        kept.extend(both);
    }
    let other = baseline(true, &["elsewhere"]);
    save(&store, &second, std::slice::from_ref(&other), None, 9)
        .await
        .unwrap();
    assert_eq!(store.baselines(first.id).await.unwrap(), kept);
    assert_eq!(store.baselines(second.id).await.unwrap(), [other]);
    assert_eq!(store.baselines(RolloutId(77)).await.unwrap(), []);
    assert_eq!(store.baselines(RolloutId(u64::MAX)).await.unwrap(), []);
    // Another server sees the same.
    assert_eq!(place.open().await.baselines(first.id).await.unwrap(), kept);
}

pub(crate) async fn suspects_stay_until_somebody_says_otherwise(place: Place) {
    let store = place.open().await;
    let lockstep = PackageName::lockstep();
    assert_eq!(store.suspects().await.unwrap(), []);
    let rollout = begin(&store, "1.1.0").await;
    let why = "3 of 10 hosts failed\0";
    save(&store, &rollout, &[], Some(why), 7).await.unwrap();
    let first = Suspect {
        package: lockstep.clone(),
        version: version("1.1.0"),
        rollout: rollout.id,
        why: "3 of 10 hosts failed\u{fffd}".into(),
        since: at(7),
    };
    assert_eq!(
        store.suspects().await.unwrap(),
        std::slice::from_ref(&first)
    );
    // What was found first stays.
    save(&store, &rollout, &[], Some("and worse"), 8)
        .await
        .unwrap();
    assert_eq!(
        store.suspects().await.unwrap(),
        std::slice::from_ref(&first)
    );
    // A next order of another version takes nothing away, and is another version.
    let other = begin(&store, "1.2.0").await;
    save(&store, &other, &[], Some("too"), 9).await.unwrap();
    let versions = |suspects: Vec<Suspect>| -> Vec<String> {
        suspects.iter().map(|it| it.version.to_string()).collect()
    };
    assert_eq!(
        versions(store.suspects().await.unwrap()),
        ["1.1.0", "1.2.0"]
    );

    let client = PackageName::parse("driveclient").unwrap();
    assert!(
        !store
            .clear_suspect(&client, &version("1.1.0"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .clear_suspect(&lockstep, &version("1.1.1"))
            .await
            .unwrap()
    );
    assert!(
        store
            .clear_suspect(&lockstep, &version("1.1.0"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .clear_suspect(&lockstep, &version("1.1.0"))
            .await
            .unwrap()
    );
    assert_eq!(versions(store.suspects().await.unwrap()), ["1.2.0"]);
}

pub(crate) async fn the_mark_goes_with_the_order_that_does_not_mind_it(place: Place) {
    let store = place.open().await;
    for text in ["1.1.0", "1.2.0"] {
        let rollout = begin(&store, text).await;
        save(&store, &rollout, &[], Some("it failed"), 1)
            .await
            .unwrap();
    }
    // An order alone leaves the mark; the server refuses such orders before it comes to this.
    begin(&store, "1.2.0").await;
    assert_eq!(store.suspects().await.unwrap().len(), 2);
    // An order that is refused leaves it, too: both are one transaction.
    let mut again = order("1.1.0");
    again.clears_suspect = true;
    let mut too_long = again.clone();
    too_long.why = "x".repeat(5 * 1024 * 1024);
    let error = store.promote(&too_long, |_| Vec::new()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(store.suspects().await.unwrap().len(), 2);
    assert_eq!(store.rollouts(9).await.unwrap().len(), 3);

    store.promote(&again, |_| Vec::new()).await.unwrap();
    let left = store.suspects().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].version, version("1.2.0"));
    // Nothing to take away is no error.
    store.promote(&again, |_| Vec::new()).await.unwrap();
}

pub(crate) async fn a_refused_save_leaves_no_evidence(place: Place) {
    let store = place.open().await;
    let seen = begin(&store, "1.0.0").await;
    let evidence = [baseline(true, &["web1"])];
    let attempt = async |before: &Rollout, lease: Option<&Lease>| {
        let decided = Decided {
            baselines: &evidence,
            suspect: Some("it failed"),
            ..decided(before, &[])
        };
        store
            .save_rollout(before, decided, lease, at(6))
            .await
            .unwrap_err()
    };
    let mut changed = seen.clone();
    changed.why = "somebody was here".into();
    let error = attempt(&changed, None).await;
    assert!(matches!(error, Error::RolloutChanged { .. }), "{error}");
    let mut unknown = seen.clone();
    unknown.id = RolloutId(77);
    let error = attempt(&unknown, None).await;
    assert!(matches!(error, Error::RolloutUnknown { .. }), "{error}");
    let nobodys = Lease {
        name: "decider".into(),
        holder: "a".into(),
        number: 1,
    };
    let error = attempt(&seen, Some(&nobodys)).await;
    assert!(matches!(error, Error::StaleLease { .. }), "{error}");
    assert_eq!(store.baselines(seen.id).await.unwrap(), []);
    assert_eq!(store.suspects().await.unwrap(), []);

    // With the lease it is written, all of it.
    let lease = store
        .acquire_lease("decider", "a", at(0), Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    let decided = Decided {
        baselines: &evidence,
        suspect: Some("it failed"),
        ..decided(&seen, &[])
    };
    store
        .save_rollout(&seen, decided, Some(&lease), at(6))
        .await
        .unwrap();
    assert_eq!(store.baselines(seen.id).await.unwrap(), evidence);
    assert_eq!(store.suspects().await.unwrap().len(), 1);
}

pub(crate) async fn large_evidence_is_refused_or_cut(place: Place) {
    let store = place.open().await;
    let rollout = begin(&store, "1.0.0").await;
    // As ill as a host can be, with long names, so that few of them make a large one.
    let path = "x".repeat(180);
    let worst = Health {
        silent: false,
        ailing: (0..Health::MOST)
            .map(|number| {
                (
                    name(&format!("disk_usage:/{path}/{number:02}")),
                    Level::SICK,
                )
            })
            .collect(),
    };
    let ill = |count: usize| Baseline {
        opening: true,
        hosts: (0..count)
            .map(|number| (host(&format!("web{number}.example.org")), worst.clone()))
            .collect(),
    };
    let fits = ill(20);
    save(&store, &rollout, std::slice::from_ref(&fits), None, 1)
        .await
        .unwrap();
    let error = save(&store, &rollout, &[fits.clone(), ill(6_000)], Some("it"), 2)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                what: "a baseline",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(store.baselines(rollout.id).await.unwrap(), [fits]);
    assert_eq!(store.suspects().await.unwrap(), []);
    // Words are cut.
    save(&store, &rollout, &[], Some(&"é".repeat(10_000)), 3)
        .await
        .unwrap();
    let why = &store.suspects().await.unwrap()[0].why;
    assert!(why.len() <= 16 * 1024 && why.ends_with('…'));
}

pub(crate) async fn baselines_go_when_their_rollout_is_long_over(place: Place) {
    let store = place.open().await;
    let mut rollouts = Vec::new();
    for (number, state) in [
        RolloutState::Done,
        RolloutState::Cancelled,
        RolloutState::Halted,
        RolloutState::Holding,
        RolloutState::RollingBack,
    ]
    .into_iter()
    .enumerate()
    {
        let mut order = order("1.0.0");
        order.channel = lockstep_model::ChannelName::parse(&format!("c{number}")).unwrap();
        let rollout = store.promote(&order, |_| Vec::new()).await.unwrap();
        let two = [baseline(true, &["web1"]), baseline(false, &["web2"])];
        save(&store, &rollout, &two, Some("it failed"), 0)
            .await
            .unwrap();
        end(&store, &rollout, state, 5 * DAY).await;
        rollouts.push(rollout.id);
    }
    let left = async || -> Vec<usize> {
        let mut left = Vec::new();
        for id in &rollouts {
            left.push(store.baselines(*id).await.unwrap().len());
        }
        left
    };
    // It counts from the end, not from the beginning.
    assert_eq!(store.tidy(at(34 * DAY)).await.unwrap().baselines, 0);
    assert_eq!(store.tidy(at(36 * DAY)).await.unwrap().baselines, 4);
    assert_eq!(left().await, [0, 0, 2, 2, 2]);
    // Whatever can still move keeps what it compares with, for however long.
    assert_eq!(store.tidy(at(4000 * DAY)).await.unwrap().baselines, 0);
    assert_eq!(left().await, [0, 0, 2, 2, 2]);
    // The one that took its place ends it.
    let mut next = order("2.0.0");
    next.channel = lockstep_model::ChannelName::parse("c2").unwrap();
    next.at = at(4001 * DAY);
    store.promote(&next, |_| Vec::new()).await.unwrap();
    assert_eq!(store.tidy(at(4030 * DAY)).await.unwrap().baselines, 0);
    assert_eq!(store.tidy(at(4032 * DAY)).await.unwrap().baselines, 2);
    assert_eq!(left().await, [0, 0, 0, 2, 2]);
    // Rollouts, decisions and marks are no affair of this.
    assert_eq!(store.rollouts(99).await.unwrap().len(), 6);
    assert_eq!(store.suspects().await.unwrap().len(), 1);
}

pub(crate) async fn damaged_evidence_is_named(place: Place) {
    let store = place.open().await;
    let rollout = begin(&store, "1.0.0").await;
    let evidence = [baseline(true, &["web1"])];
    save(&store, &rollout, &evidence, Some("it failed"), 1)
        .await
        .unwrap();
    for table in ["baselines", "suspects"] {
        place
            .execute(&format!("UPDATE {table} SET document = '{{}}'"))
            .await;
    }
    let error = store.baselines(rollout.id).await.unwrap_err().to_string();
    let begin = "the database is damaged: table baselines, row \"1\": ";
    assert!(error.starts_with(begin), "{error}");
    let error = store.suspects().await.unwrap_err().to_string();
    let begin = "the database is damaged: table suspects, row \"1.0.0\": ";
    assert!(error.starts_with(begin), "{error}");
}
