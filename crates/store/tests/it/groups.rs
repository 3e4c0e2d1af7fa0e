//! Grouped writes.

use std::time::Duration;

use lockstep_store::{Error, Limits};

use crate::engine::{Engine, Place, Raw};
use crate::samples::{at, enroll, host, record, report};

pub(crate) async fn two_thousand_reports_of_two_hundred_hosts(place: Place) {
    let store = place.open().await;
    let names: Vec<_> = (0..200).map(|number| format!("web{number}")).collect();
    enroll(
        &store,
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    let reports: Vec<_> = (0..2000_u64)
        .map(|number| {
            let (store, name) = (store.clone(), host(&names[number as usize % 200]));
            tokio::spawn(async move {
                // The tenth report of each host is the newest.
                let second = 100 + (number / 200) as i64;
                store
                    .record_report(&name, &report(number), at(second))
                    .await
            })
        })
        .collect();
    for report in reports {
        report.await.unwrap().unwrap();
    }
    for row in store.hosts().await.unwrap() {
        let number: u64 = row.name.as_str()[3..].parse().unwrap();
        assert_eq!(row.report.unwrap().generation, 1800 + number);
        assert_eq!(row.last_seen, Some(at(109)));
    }
}

pub(crate) async fn two_servers_do_not_lock_each_other_out(place: Place) {
    let stores = [place.open().await, place.open().await];
    let names: Vec<_> = (0..40).map(|number| format!("web{number}")).collect();
    enroll(
        &stores[0],
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    // One server goes through the hosts forwards, the other one backwards, with reports and runs.
    let writes: Vec<_> = (0..800_usize)
        .map(|number| {
            let store = stores[number % 2].clone();
            let step = number / 2 % 40;
            let index = if number % 2 == 0 { step } else { 39 - step };
            let name = host(&names[index]);
            tokio::spawn(async move {
                if number % 4 < 2 {
                    store.record_report(&name, &report(1), at(1)).await
                } else {
                    let run = record(index as u8, 0, (number / 80) as i64);
                    store.record_run(&name, &run, at(1)).await
                }
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(stores[0].runs(None, 100).await.unwrap().len(), 40);
}

pub(crate) async fn a_failing_entry_does_not_harm_its_neighbours(place: Place) {
    let store = place.open().await;
    enroll(&store, &["bad", "web0", "web1", "web2", "web3"]).await;
    place.execute(match place.engine {
        Engine::Sqlite => {
            "CREATE TRIGGER refuse BEFORE INSERT ON reports WHEN NEW.host = 'bad' \
             BEGIN SELECT RAISE(ABORT, 'out of spite'); END"
        }
        Engine::Postgres(_) => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF NEW.host = 'bad' THEN RAISE EXCEPTION 'out of spite'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON reports FOR EACH ROW EXECUTE FUNCTION refuse()"
        }
    })
    .await;
    // While nobody can write, all of them get into line and become one group.
    let mut raw = place.connect().await;
    raw.lock().await;
    let names = ["web0", "bad", "web1", "nobody", "web2", "bad", "web3"];
    let writes: Vec<_> = names
        .into_iter()
        .map(|name| {
            let store = store.clone();
            tokio::spawn(async move {
                let outcome = store.record_report(&host(name), &report(1), at(1)).await;
                (name, outcome)
            })
        })
        .collect();
    // The others run until all of them wait.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    raw.unlock().await;
    for write in writes {
        match write.await.unwrap() {
            ("bad", outcome) => {
                let error = outcome.unwrap_err();
                let source = std::error::Error::source(&error).unwrap().to_string();
                assert!(source.contains("out of spite"), "{error}: {source}");
            }
            ("nobody", outcome) => {
                assert!(
                    matches!(outcome, Err(Error::HostUnknown { .. })),
                    "{outcome:?}"
                );
            }
            (name, outcome) => {
                outcome.unwrap();
                let row = store.host(&host(name)).await.unwrap().unwrap();
                assert_eq!(row.report, Some(report(1)));
            }
        }
    }
}

pub(crate) async fn a_full_line_says_busy_and_recovers(place: Place) {
    let store = place
        .open_with(Limits {
            entries: 3,
            bytes: 8 * 1024,
            wait: Duration::from_millis(300),
        })
        .await;
    enroll(&store, &["web1"]).await;
    let mut raw: Raw = place.connect().await;
    raw.lock().await;
    let writes: Vec<_> = (0..32)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .record_report(&host("web1"), &report(number), at(1))
                    .await
            })
        })
        .collect();
    for write in writes {
        let error = write.await.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database is too busy to store a report; try again"
        );
    }
    raw.unlock().await;
    // What is still in line is written first; then there is room again. Each try waits in the store itself.
    let mut tries = 0;
    while let Err(error) = store.record_report(&host("web1"), &report(99), at(2)).await {
        assert!(matches!(error, Error::Busy { .. }), "{error}");
        tries += 1;
        assert!(tries < 60, "the store does not recover");
    }
    let row = store.host(&host("web1")).await.unwrap().unwrap();
    assert_eq!(row.report.unwrap().generation, 99);
}

pub(crate) async fn closing_stores_what_waits(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let mut raw = place.connect().await;
    raw.lock().await;
    let waiting: Vec<_> = (0..20_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .record_run(&host("web1"), &record(number, 0, 0), at(1))
                    .await
            })
        })
        .collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    raw.unlock().await;
    store.close().await;
    let mut stored = 0;
    for outcome in waiting {
        match outcome.await.unwrap() {
            Ok(()) => stored += 1,
            // It came into line only after the end of it.
            Err(Error::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let store = place.open().await;
    assert_eq!(store.runs(None, 100).await.unwrap().len(), stored);
}
