//! What was acknowledged is there, even when the process is killed the moment after.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use lockstep_model::api::EventBatch;
use lockstep_model::{Fence, Glob, Holder, Level, RunId};
use lockstep_store::{DatabaseUrl, EventFilter, Store};

use crate::engine::Place;
use crate::locks::{grab, lock_name, release};
use crate::samples::{at, enroll, event, host, record};

/// Tells the child where to write.
const URL: &str = "LOCKSTEP_STORE_TEST_URL";
/// Acknowledgements that are waited for before the child is killed.
const ENOUGH: usize = 300;
/// Takers of locks in the child; each lock has room for all of them.
const TAKERS: usize = 8;
/// Writers of events in the child.
const WRITERS: usize = 4;

pub(crate) async fn what_was_acknowledged_outlives_the_process(place: Place) {
    let url = prepare(&place).await;
    let acknowledged =
        tokio::task::spawn_blocking(move || write_until_killed(&url, "killed::write_and_tell"))
            .await
            .unwrap();
    let acknowledged: Vec<RunId> = acknowledged.iter().map(|id| id.parse().unwrap()).collect();
    assert!(acknowledged.len() >= ENOUGH);

    let store = place.open().await;
    for id in &acknowledged {
        let found = store.run(id).await.unwrap();
        assert!(found.is_some(), "run {id} was acknowledged and is gone");
    }
    // Nor is anything half there.
    for run in store.runs(None, 1000).await.unwrap() {
        assert_eq!(run.record.started_at, at(0));
    }
    store
        .record_run(&host("web1"), &record(1, 1, 1), at(2))
        .await
        .unwrap();
}

/// Events: no number below one that was acknowledged is missing, and none is there twice.
pub(crate) async fn acknowledged_events_outlive_the_process(place: Place) {
    let url = prepare(&place).await;
    let acknowledged = tokio::task::spawn_blocking(move || {
        write_until_killed(&url, "killed::write_events_and_tell")
    })
    .await
    .unwrap();
    let mut through = BTreeMap::new();
    for line in &acknowledged {
        let (series, number) = line.split_once(':').unwrap();
        let number: u64 = number.parse().unwrap();
        let highest = through.entry(series.to_owned()).or_insert(0);
        *highest = number.max(*highest);
    }
    assert!(acknowledged.len() >= ENOUGH && through.len() == WRITERS);

    let store = place.open().await;
    let troubles = store.troubles().await.unwrap();
    for (series, through) in through {
        // Sent again they change nothing, and the answer covers what was acknowledged.
        let answer = store
            .record_events(
                Some(&host("web1")),
                &one_event(&series, 1),
                &BTreeMap::new(),
                at(9),
            )
            .await
            .unwrap();
        assert!(answer >= through, "{series}: {answer} of {through}");
        let filter = EventFilter {
            item: Some(Glob::parse(&series).unwrap()),
            ..EventFilter::default()
        };
        let found = store.events(&filter, 1000).await.unwrap();
        let numbers: Vec<_> = found.iter().map(|it| it.event.number).collect();
        let all: Vec<_> = (1..=answer).rev().take(1000).collect();
        assert_eq!(numbers, all, "{series}");
        // The last event and the trouble that it makes are one.
        let trouble = troubles.iter().find(|it| it.item.as_str() == series);
        assert_eq!(trouble.unwrap().since, at(answer as i64), "{series}");
    }
}

/// Locks: a grant that was acknowledged and not given back is there, and its number is not given again.
pub(crate) async fn acknowledged_grants_outlive_the_process(place: Place) {
    let url = prepare(&place).await;
    let told =
        tokio::task::spawn_blocking(move || write_until_killed(&url, "killed::take_and_tell"))
            .await
            .unwrap();
    let (mut newest, mut given) = (BTreeMap::new(), BTreeSet::new());
    // Of each writer and lock the grant that it has, as far as it had told.
    let mut held = BTreeMap::new();
    for line in &told {
        let words: Vec<_> = line.split(' ').collect();
        let (lock, writer) = (words[1].to_owned(), words[2].to_owned());
        let fence = Fence(words[3].parse().unwrap());
        if words[0] == "has" {
            assert!(
                given.insert((lock.clone(), fence)),
                "{line} was given twice"
            );
            let highest = newest.entry(lock.clone()).or_insert(fence);
            *highest = fence.max(*highest);
            held.insert((lock, writer), fence);
        } else {
            held.remove(&(lock, writer));
        }
    }
    assert!(told.len() >= ENOUGH && newest.len() == 2 && !held.is_empty());

    let store = place.open().await;
    for ((lock, writer), fence) in held {
        let state = store.lock(&lock_name(&lock)).await.unwrap().unwrap();
        let found = state.held_by(&Holder::Host(host(&writer)));
        assert_eq!(found.unwrap().fence, fence, "{writer} of {lock}");
        assert!(state.holders.len() <= TAKERS);
    }
    for (lock, fence) in newest {
        let next = grab(&store, &lock, "late", 2 * TAKERS).await.unwrap();
        assert!(next > fence, "{next} after {fence}");
    }
}

fn one_event(series: &str, number: u64) -> EventBatch {
    // Each makes its item change its level.
    let to = if number.is_multiple_of(2) {
        Level::SICK
    } else {
        Level::DEAD
    };
    let event = event(number, number as i64, "web1", series, Level::SOSO, to);
    EventBatch {
        oldest: 0,
        series: series.into(),
        events: vec![event],
    }
}

/// Makes a host, and gives the database's url as a child can read it.
async fn prepare(place: &Place) -> String {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    store.close().await;
    match &place.url {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.clone(),
    }
}

/// Starts this program again as a writer, and kills it in the middle of its work. Returns what it had been told to
/// be stored by then.
#[expect(
    clippy::disallowed_methods,
    reason = "the child is this test, and must die without any care"
)]
fn write_until_killed(url: &str, writer: &str) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([writer, "--exact", "--ignored", "--nocapture"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    // A whole one ends with a point; the last line may be cut off.
    let stored_in = |line: &str| {
        let (_, stored) = line.split_once("stored ")?;
        Some(stored.strip_suffix('.')?.to_owned())
    };
    while acknowledged.len() < ENOUGH {
        let line = lines.next().expect("the child ended by itself").unwrap();
        acknowledged.extend(stored_in(&line));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had still told before it died counts as well.
    for line in lines.map_while(Result::ok) {
        acknowledged.extend(stored_in(&line));
    }
    acknowledged
}

fn tell(stored: impl std::fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "stored {stored}.").unwrap();
    stdout.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child of another test, and never ends"]
async fn write_and_tell() {
    let url = DatabaseUrl::parse(&std::env::var(URL).unwrap()).unwrap();
    let store = Store::open(&url).await.unwrap();
    let writers: Vec<_> = (0..8_u8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0_u32.. {
                    let mut run = record(writer, 0, 0);
                    let mut random = [writer; 10];
                    random[..4].copy_from_slice(&number.to_be_bytes());
                    run.id = RunId::new(at(0), random);
                    store.record_run(&host("web1"), &run, at(1)).await.unwrap();
                    tell(run.id);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child of another test, and never ends"]
async fn write_events_and_tell() {
    let url = DatabaseUrl::parse(&std::env::var(URL).unwrap()).unwrap();
    let store = Store::open(&url).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let series = format!("s{writer}");
                for number in 1.. {
                    let batch = one_event(&series, number);
                    let through = store
                        .record_events(Some(&host("web1")), &batch, &BTreeMap::new(), at(1))
                        .await
                        .unwrap();
                    assert_eq!(through, number);
                    tell(format!("{series}:{through}"));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child of another test, and never ends"]
async fn take_and_tell() {
    let url = DatabaseUrl::parse(&std::env::var(URL).unwrap()).unwrap();
    let store = Store::open(&url).await.unwrap();
    let takers: Vec<_> = (0..TAKERS)
        .map(|taker| {
            let store = store.clone();
            tokio::spawn(async move {
                let who = format!("web{taker}");
                let mut before = None;
                // One of the two is always held.
                for step in taker.. {
                    let lock = format!("lock{}", step % 2);
                    let fence = grab(&store, &lock, &who, TAKERS).await.unwrap();
                    tell(format!("has {lock} {who} {fence}"));
                    if let Some((lock, fence)) = before.replace((lock, fence)) {
                        // Told before it is done: from here on nobody knows.
                        tell(format!("gives {lock} {who} {fence}"));
                        assert!(release(&store, &lock, &who, Some(fence)).await);
                    }
                }
            })
        })
        .collect();
    for taker in takers {
        taker.await.unwrap();
    }
}
