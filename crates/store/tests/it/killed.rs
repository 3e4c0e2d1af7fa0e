//! What was acknowledged is there, even when the process is killed the moment after.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use lockstep_model::RunId;
use lockstep_store::{DatabaseUrl, Store};

use crate::engine::Place;
use crate::samples::{at, enroll, host, record};

/// Tells the child where to write.
const URL: &str = "LOCKSTEP_STORE_TEST_URL";
/// Acknowledgements that are waited for before the child is killed.
const ENOUGH: usize = 300;

pub(crate) async fn what_was_acknowledged_outlives_the_process(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    store.close().await;
    let url = match &place.url {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.clone(),
    };
    let acknowledged = tokio::task::spawn_blocking(move || write_until_killed(&url))
        .await
        .unwrap();
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

/// Starts this program again as a writer, and kills it in the middle of its work. Returns what it had been told to
/// be stored by then.
#[expect(
    clippy::disallowed_methods,
    reason = "the child is this test, and must die without any care"
)]
fn write_until_killed(url: &str) -> Vec<RunId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "killed::write_and_tell",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let id_in = |line: &str| {
        line.split_once("stored ")
            .map(|(_, id)| id.parse::<RunId>())
    };
    while acknowledged.len() < ENOUGH {
        let line = lines.next().expect("the child ended by itself").unwrap();
        acknowledged.extend(id_in(&line).transpose().unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had still told before it died counts as well; its last line may be cut off.
    for line in lines.map_while(Result::ok) {
        acknowledged.extend(id_in(&line).and_then(Result::ok));
    }
    acknowledged
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
                    let mut stdout = std::io::stdout().lock();
                    writeln!(stdout, "stored {}", run.id).unwrap();
                    stdout.flush().unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}
