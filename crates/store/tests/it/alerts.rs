//! The alert book and the messages that follow from it.

use std::time::Duration;

use lockstep_model::alert::Way;
use lockstep_store::{DeliveryFilter, DeliveryState, Error, Lease, NewDelivery, Store};

use crate::engine::Place;
use crate::samples::{at, notice};

const TTL: Duration = Duration::from_secs(1000);

fn ways() -> Vec<Way> {
    vec![
        Way::Mail {
            to: "ann@example.org".into(),
        },
        Way::Exec {
            command: vec!["/bin/true".into(), "é\0".into()],
        },
    ]
}

fn deliveries(id: &str) -> Vec<NewDelivery> {
    NewDelivery::of(&notice(id, "ann"), &ways(), at(10))
}

async fn lease(store: &Store, holder: &str, second: i64) -> Lease {
    let lease = store.acquire_lease("alerts", holder, at(second), TTL).await;
    lease.unwrap().unwrap()
}

fn entries(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries
        .iter()
        .map(|(name, entry)| ((*name).into(), (*entry).into()))
        .collect()
}

pub(crate) async fn book_and_messages_are_written_together(place: Place) {
    let store = place.open().await;
    let mine = lease(&store, "a", 0).await;
    let book = entries(&[("b", "1"), ("a", "2"), ("b", "3")]);
    store
        .save_alerts(&mine, &book, &["gone".into()], &deliveries("n1"), at(1))
        .await
        .unwrap();
    assert_eq!(
        store.alert_book().await.unwrap(),
        entries(&[("a", "2"), ("b", "3")])
    );
    // A decision that is taken again after a restart makes no message twice.
    let mut again = deliveries("n1");
    again.extend(deliveries("n2"));
    again[0].notice.cause = Some("another".into());
    store
        .save_alerts(&mine, &entries(&[("c", "4")]), &["a".into()], &again, at(2))
        .await
        .unwrap();
    let found = store
        .deliveries(&DeliveryFilter::default(), 10)
        .await
        .unwrap();
    let ids: Vec<_> = found
        .iter()
        .map(|it| (it.id.as_str(), it.created_at, it.at))
        .collect();
    assert_eq!(
        ids,
        [
            ("n2-1", at(2), at(10)),
            ("n2-0", at(2), at(10)),
            ("n1-1", at(1), at(10)),
            ("n1-0", at(1), at(10))
        ]
    );
    assert_eq!(found[3].notice, notice("n1", "ann"));
    assert_eq!((&found[3].way, &found[2].way), (&ways()[0], &ways()[1]));
    assert_eq!(
        (found[0].state, found[0].attempts, &found[0].error),
        (DeliveryState::Waiting, 0, &None)
    );

    // Another server has the lease by now: nothing of it is written.
    let theirs = lease(&store, "b", 2000).await;
    for (stale, second) in [(&mine, 5), (&mine, 2001), (&theirs, 9000)] {
        let error = store
            .save_alerts(
                stale,
                &entries(&[("d", "5")]),
                &["b".into()],
                &deliveries("n3"),
                at(second),
            )
            .await
            .unwrap_err();
        assert!(matches!(error, Error::StaleLease { .. }), "{error}");
    }
    assert_eq!(
        store.alert_book().await.unwrap(),
        entries(&[("b", "3"), ("c", "4")])
    );
    let large = entries(&[("d", &"x".repeat(300_000))]);
    let error = store
        .save_alerts(&theirs, &large, &[], &[], at(2001))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(
        store
            .deliveries(&DeliveryFilter::default(), 10)
            .await
            .unwrap()
            .len(),
        4
    );
}

pub(crate) async fn a_large_storm_is_one_decision(place: Place) {
    let store = place.open().await;
    let mine = lease(&store, "a", 0).await;
    let book: Vec<_> = (0..3000)
        .map(|number| (format!("web{number} cpu_load"), "{}".repeat(100)))
        .collect();
    store
        .save_alerts(&mine, &book, &[], &deliveries("n1"), at(1))
        .await
        .unwrap();
    assert_eq!(store.alert_book().await.unwrap().len(), 3000);
    let names: Vec<_> = book.into_iter().map(|(name, _)| name).collect();
    store
        .save_alerts(&mine, &[], &names, &[], at(2))
        .await
        .unwrap();
    assert_eq!(store.alert_book().await.unwrap(), []);
}

pub(crate) async fn messages_are_tried_until_they_are_through(place: Place) {
    let store = place.open().await;
    store
        .add_deliveries(&deliveries("n1"), at(0))
        .await
        .unwrap();
    let due = async |second| store.due_deliveries(at(second), 10).await.unwrap();
    assert_eq!(due(9).await, []);
    let claimed = due(10).await;
    assert_eq!(
        claimed
            .iter()
            .map(|it| (it.id.as_str(), it.attempt, it.created_at))
            .collect::<Vec<_>>(),
        [("n1-0", 1, at(0)), ("n1-1", 1, at(0))]
    );
    assert_eq!(
        (&claimed[1].way, &claimed[1].notice),
        (&ways()[1], &notice("n1", "ann"))
    );
    // Claimed is claimed, until the claim runs out.
    assert_eq!(due(309).await, []);
    assert!(store.delivery_done("n1-0", at(20)).await.unwrap());
    assert!(!store.delivery_done("n1-0", at(21)).await.unwrap());
    assert!(
        store
            .delivery_failed("n1-1", 1, "no route\0", Some(at(60)), at(20))
            .await
            .unwrap()
    );
    assert_eq!(due(59).await, []);
    let again = due(60).await;
    assert_eq!((again.len(), again[0].attempt), (1, 2));
    // The word of an attempt that was taken for dead does not count any more, unless it got through.
    let failed = store
        .delivery_failed("n1-1", 1, "late", None, at(61))
        .await
        .unwrap();
    assert!(!failed);
    let third = due(360).await;
    assert_eq!((third.len(), third[0].attempt), (1, 3));
    assert!(
        store
            .delivery_failed("n1-1", 3, "refused", None, at(370))
            .await
            .unwrap()
    );
    assert_eq!(due(9999).await, []);

    let list = async |receiver: &str, state| {
        let filter = DeliveryFilter {
            receiver: Some(receiver.into()),
            state: Some(state),
        };
        store.deliveries(&filter, 10).await.unwrap()
    };
    let failed = list("ann", DeliveryState::Failed).await;
    assert_eq!(
        (failed.len(), failed[0].attempts, failed[0].at),
        (1, 3, at(370))
    );
    assert_eq!(failed[0].error.as_deref(), Some("refused"));
    let done = list("ann", DeliveryState::Delivered).await;
    assert_eq!((done.len(), done[0].at, &done[0].error), (1, at(20), &None));
    assert_eq!(list("bob", DeliveryState::Failed).await, []);
    assert_eq!(list("ann", DeliveryState::Waiting).await, []);
    // It came through after all.
    assert!(store.delivery_done("n1-1", at(400)).await.unwrap());
}

pub(crate) async fn two_servers_never_send_one_message(place: Place) {
    let stores = [place.open().await, place.open().await];
    let many: Vec<_> = (0..100)
        .flat_map(|number| deliveries(&format!("n{number}")))
        .map(|mut it| {
            it.notice.thread.clone_from(&it.notice.id);
            it
        })
        .collect();
    stores[0].add_deliveries(&many, at(0)).await.unwrap();
    let claiming: Vec<_> = (0..12)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                // Under fire a round may come back with nothing although something is left.
                for _ in 0..20 {
                    let due = store.due_deliveries(at(10), 7).await.unwrap();
                    mine.extend(due.into_iter().map(|it| it.id));
                }
                mine
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for mine in claiming {
        claimed.extend(mine.await.unwrap());
    }
    claimed.sort();
    let mut expected: Vec<_> = many.into_iter().map(|it| it.id).collect();
    expected.sort();
    assert_eq!(claimed, expected);
}

pub(crate) async fn a_recovery_does_not_overtake_its_problem(place: Place) {
    let store = place.open().await;
    store
        .add_deliveries(&deliveries("problem"), at(0))
        .await
        .unwrap();
    store
        .add_deliveries(&deliveries("recovered"), at(5))
        .await
        .unwrap();
    let ids = |due: Vec<lockstep_store::DueDelivery>| -> Vec<String> {
        due.into_iter().map(|it| it.id).collect()
    };
    let due = store.due_deliveries(at(400), 10).await.unwrap();
    assert_eq!(ids(due), ["problem-0", "problem-1"]);
    // One way works, the other has to be tried again: each has an order of its own.
    assert!(store.delivery_done("problem-0", at(401)).await.unwrap());
    let again = Some(at(900));
    let failed = store.delivery_failed("problem-1", 1, "busy", again, at(401));
    assert!(failed.await.unwrap());
    let due = store.due_deliveries(at(402), 10).await.unwrap();
    assert_eq!(ids(due), ["recovered-0"]);
    assert!(store.delivery_done("recovered-0", at(403)).await.unwrap());
    // What is given up holds nothing up.
    let due = store.due_deliveries(at(900), 10).await.unwrap();
    assert_eq!(ids(due), ["problem-1"]);
    let failed = store.delivery_failed("problem-1", 2, "gone", None, at(901));
    assert!(failed.await.unwrap());
    let due = store.due_deliveries(at(902), 10).await.unwrap();
    assert_eq!(ids(due), ["recovered-1"]);
}
