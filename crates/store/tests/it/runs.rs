//! Runs.

use lockstep_model::{Outcome, RolloutId, RunRecord};
use lockstep_store::{Error, ProofsAfter, Store};

use crate::engine::Place;
use crate::samples::{at, done, enroll, host, record};

async fn stored(store: &Store, record: &RunRecord) -> RunRecord {
    store.run(&record.id).await.unwrap().unwrap().record
}

pub(crate) async fn newer_records_win(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    let put = async |record: &RunRecord| store.record_run(&web1, record, at(50)).await.unwrap();

    let (early, late) = (record(1, 0, 10), record(1, 0, 20));
    put(&early).await;
    put(&early).await;
    assert_eq!(stored(&store, &early).await, early);
    put(&late).await;
    put(&early).await;
    assert_eq!(stored(&store, &early).await, late);

    // Of the same millisecond the end is the newer one, in whichever order they come.
    let end = done(late.clone());
    put(&end).await;
    put(&late).await;
    assert_eq!(stored(&store, &end).await, end);
    assert_eq!(store.runs(None, 10).await.unwrap().len(), 1);

    let error = store
        .record_run(&host("web9"), &late, at(50))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::HostUnknown { .. }), "{error}");
    assert_eq!(
        store
            .run(&record(2, 0, 0).id)
            .await
            .unwrap()
            .map(|run| run.record),
        None
    );
}

pub(crate) async fn a_run_belongs_to_one_host(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let mine = record(1, 0, 10);
    store
        .record_run(&host("web1"), &mine, at(50))
        .await
        .unwrap();
    let error = store
        .record_run(&host("web2"), &record(1, 0, 20), at(50))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::RunOfOtherHost { .. }), "{error}");
    assert_eq!(stored(&store, &mine).await, mine);
    let mut large = record(2, 0, 0);
    large.log = "\u{1}".repeat(RunRecord::LONGEST_LOG);
    // The longest log fits, however it must be escaped.
    store
        .record_run(&host("web1"), &large, at(50))
        .await
        .unwrap();
    large.log = "\u{1}".repeat(2 * RunRecord::LONGEST_LOG);
    let error = store
        .record_run(&host("web1"), &large, at(50))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

pub(crate) async fn runs_are_listed_newest_first(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    for number in 0..6_u8 {
        let name = if number % 2 == 0 { "web1" } else { "web2" };
        let mut record = record(number, i64::from(number), 10);
        record.generation = u64::from(number / 2);
        store
            .record_run(&host(name), &record, at(50))
            .await
            .unwrap();
    }
    let began = |runs: Vec<lockstep_model::api::operator::RunView>| -> Vec<i64> {
        runs.iter()
            .map(|run| run.record.started_at.as_second() - at(0).as_second())
            .collect()
    };
    assert_eq!(began(store.runs(None, 4).await.unwrap()), [5, 4, 3, 2]);
    let of_web2 = store.runs(Some(&host("web2")), 10).await.unwrap();
    assert!(of_web2.iter().all(|run| run.host == host("web2")));
    assert_eq!(began(of_web2), [5, 3, 1]);
    let of_rollout = store.runs_of_rollout(RolloutId(1), 10).await.unwrap();
    assert_eq!(began(of_rollout), [3, 2]);
    // What a removed host has done stays known.
    store.remove_host(&host("web2"), at(60)).await.unwrap();
    assert_eq!(store.runs(Some(&host("web2")), 10).await.unwrap().len(), 3);
}

pub(crate) async fn proofs_are_read_in_the_order_in_which_they_came(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    // (number, rollout, outcome, heard of at)
    let runs = [
        (1, 7, Some(Outcome::Done), 30),
        (2, 7, Some(Outcome::Done), 20),
        (3, 7, Some(Outcome::RolledBack), 20),
        (4, 8, Some(Outcome::Done), 20),
        (5, 7, None, 20),
        (6, 7, Some(Outcome::Done), 20),
    ];
    for (number, generation, outcome, heard) in runs {
        let mut record = record(number, 0, 25);
        (record.generation, record.outcome) = (generation, outcome);
        store
            .record_run(&host("web1"), &record, at(heard))
            .await
            .unwrap();
    }
    let all = store.proofs(RolloutId(7), None).await.unwrap();
    let runs: Vec<_> = all.iter().map(|proof| proof.run).collect();
    assert_eq!(runs, [2, 6, 1].map(|number| record(number, 0, 25).id));
    // A host whose clock is ahead has not proven it before the server heard of it.
    let times: Vec<_> = all.iter().map(|proof| proof.at).collect();
    assert_eq!(times, [at(20), at(20), at(25)]);
    let behind = |received_at, run| {
        Some(ProofsAfter {
            received_at: at(received_at),
            run,
        })
    };
    let read = async |after| store.proofs(RolloutId(7), after).await.unwrap();
    assert_eq!(read(behind(20, Some(runs[0]))).await, all[1..]);
    assert_eq!(read(behind(20, None)).await, all);
    assert_eq!(read(behind(21, None)).await, all[2..]);
    assert_eq!(read(behind(30, Some(runs[2]))).await, []);
}
