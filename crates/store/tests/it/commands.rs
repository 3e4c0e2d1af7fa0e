//! Commands for runs that have stopped.

use lockstep_model::{Outcome, RunCommand, RunVerb};
use lockstep_store::{Error, Store};

use crate::engine::Place;
use crate::samples::{at, done, enroll, host, new_host, record, stopped};

async fn command(store: &Store, number: u8, second: i64) -> Result<RunCommand, Error> {
    let run = record(number, 0, 0).id;
    store
        .command_run(&run, RunVerb::Retry, "ann", "the disk was full", at(second))
        .await
}

async fn pending(store: &Store) -> Vec<(String, u64)> {
    let commands = store.run_commands().await.unwrap();
    let both = commands
        .iter()
        .map(|(host, it)| (host.to_string(), it.number));
    both.collect()
}

fn refusal(outcome: Result<RunCommand, Error>) -> String {
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::RunNotStopped { .. }), "{error}");
    error.to_string()
}

pub(crate) async fn a_stopped_run_is_commanded_until_it_goes_on(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    let put = async |run| store.record_run(&web1, &run, at(50)).await.unwrap();
    assert!(refusal(command(&store, 1, 10).await).contains("no host has told of it"));
    put(record(1, 0, 5)).await;
    assert!(refusal(command(&store, 1, 10).await).contains("still going on"));
    put(stopped(record(1, 0, 6))).await;

    let first = command(&store, 1, 10).await.unwrap();
    assert_eq!(first.number, at(10).as_millisecond().unsigned_abs());
    assert_eq!(
        (first.by.as_str(), first.why.as_str()),
        ("ann", "the disk was full")
    );
    assert_eq!(
        store.run_commands().await.unwrap(),
        [(web1.clone(), first.clone())]
    );
    assert_eq!(
        store.run_command(&web1, &first.run).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(
        store.run_command(&host("web2"), &first.run).await.unwrap(),
        None
    );
    // The second takes the place of the first, and has a greater number though the clock went back.
    let second = command(&store, 1, 9).await.unwrap();
    assert_eq!(second.number, first.number + 1);
    assert_eq!(pending(&store).await, [("web1".to_owned(), second.number)]);

    // What is not news, or still stopped, leaves it; what goes on ends it.
    put(stopped(record(1, 0, 6))).await;
    put(record(1, 0, 5)).await;
    put(stopped(record(1, 0, 7))).await;
    assert_eq!(pending(&store).await.len(), 1);
    put(record(1, 0, 8)).await;
    assert_eq!(pending(&store).await, []);
    assert_eq!(store.run_command(&web1, &first.run).await.unwrap(), None);

    // It stops once more: the host has obeyed the second number, so the third is greater, whatever the clock says.
    put(stopped(record(1, 0, 9))).await;
    let third = command(&store, 1, 8).await.unwrap();
    assert_eq!(third.number, second.number + 1);
    put(done(record(1, 0, 10))).await;
    assert_eq!(pending(&store).await, []);
    assert!(refusal(command(&store, 1, 10).await).contains("it is over: done"));
}

pub(crate) async fn commands_end_with_their_host(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    for (number, name) in [(1, "web1"), (2, "web2")] {
        let run = stopped(record(number, 0, 6));
        store.record_run(&host(name), &run, at(50)).await.unwrap();
        command(&store, number, i64::from(number)).await.unwrap();
    }
    store.remove_host(&host("web1"), at(60)).await.unwrap();
    assert_eq!(pending(&store).await.len(), 1);
    let gone = command(&store, 1, 61).await.unwrap_err();
    assert!(matches!(gone, Error::HostUnknown { .. }), "{gone}");
    // Another machine takes the name: it knows nothing of the run.
    let mut other = new_host("web2", 9);
    other.replace = true;
    store.enroll_host(other).await.unwrap();
    assert_eq!(pending(&store).await, []);
    // Forgotten with the run.
    assert_eq!(store.tidy(at(500 * 86_400)).await.unwrap().runs, 2);
    assert!(refusal(command(&store, 2, 61).await).contains("no host has told of it"));
}

pub(crate) async fn words_of_commands_are_bounded(place: Place) {
    let store = place.open().await;
    let run = record(1, 0, 0).id;
    let long = "x".repeat(RunCommand::LONGEST_WHY + 1);
    for (by, why) in [
        ("ann", long.as_str()),
        (&"a".repeat(300), ""),
        ("a\0", ""),
        ("a", "\0"),
    ] {
        let outcome = store.command_run(&run, RunVerb::Skip, by, why, at(0)).await;
        assert!(
            matches!(
                outcome,
                Err(Error::TooLarge { .. } | Error::NotStorable { .. })
            ),
            "{outcome:?}"
        );
    }
}

/// A record and a command meet: whichever comes first, no command is left for a run that has gone on.
pub(crate) async fn no_command_is_left_behind(place: Place) {
    let stores = [place.open().await, place.open().await];
    enroll(&stores[0], &["web1"]).await;
    let web1 = host("web1");
    for number in 0..30_u8 {
        let run = record(number, 0, 0);
        let begun = stopped(run.clone());
        stores[0].record_run(&web1, &begun, at(1)).await.unwrap();
        let mut next = record(number, 0, 5);
        next.outcome = (number % 2 == 0).then_some(Outcome::Done);
        let (recorded, commanded) = tokio::join!(
            stores[0].record_run(&web1, &next, at(2)),
            command(&stores[1], number, 3)
        );
        recorded.unwrap();
        if let Err(error) = commanded {
            assert!(matches!(error, Error::RunNotStopped { .. }), "{error}");
        }
        assert_eq!(pending(&stores[0]).await, []);
    }
}
