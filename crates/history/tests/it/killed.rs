//! What was recorded is there, even when the process is killed the moment after, in the middle of a round or of a
//! zap.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use lockstep_history::{History, Measured};
use lockstep_model::ItemName;

use crate::world::{DAWN, World, at, days, item};

/// Tells the child where to write, and from which round on.
const FILE: &str = "LOCKSTEP_HISTORY_TEST_FILE";
const FROM: &str = "LOCKSTEP_HISTORY_TEST_FROM";
/// A round each five minutes: a few hundred are a day, so that zaps have something to fold and to delete.
const PACE: i64 = 300;
/// How often the child is killed, and how many rounds it may acknowledge before; not a multiple of a window's.
const KILLS: i64 = 12;
const ROUNDS: i64 = 137;

fn names() -> Vec<ItemName> {
    (0..5)
        .map(|index| item(&format!("script:{index}")))
        .collect()
}

fn value(round: i64, index: usize) -> f64 {
    ((round * 7 + index as i64 * 13) % 1_000) as f64 / 100.0
}

#[tokio::test]
async fn what_was_recorded_outlives_the_process() {
    let retention = days(1, 3, 30);
    let mut world = World::new(retention.clone()).await;
    let mut next = 0;
    for _ in 0..KILLS {
        world.history.close().await;
        let path = world.path.clone();
        let acknowledged = tokio::task::spawn_blocking(move || write_until_killed(&path, next));
        let acknowledged = acknowledged.await.unwrap();
        world.reopen(retention.clone()).await;

        // One round more may be there than was acknowledged.
        let name = &names()[0];
        let now = DAWN + (acknowledged + 1) * PACE;
        let newest = world.between(name, now - PACE, now + 1, 1000).await;
        let is_one_more = newest.buckets.iter().any(|bucket| bucket.at == at(now));
        let last = acknowledged + i64::from(is_one_more);
        for round in next..=last {
            for (index, name) in names().into_iter().enumerate() {
                let told = world.told.entry(name).or_default();
                told.push((DAWN + round * PACE, value(round, index)));
            }
        }
        world.check_views(DAWN + last * PACE).await;
        next = last + 1;
    }
    // Zaps did their work in between, and the last one ends it.
    let now = DAWN + (next - 1) * PACE;
    world.history.zap(at(now)).await.unwrap();
    world.check_views(now).await;
    let size = world.history.size_bytes().await.unwrap();
    assert!(size < 2_000_000, "{size} bytes");
}

/// Starts this program again as a writer, and kills it in the middle of its work. Returns the last round that it had
/// told to be kept by then.
#[expect(
    clippy::disallowed_methods,
    reason = "the child is this test, and must die without any care"
)]
fn write_until_killed(path: &Path, from: i64) -> i64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "killed::write_and_tell",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(FILE, path)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let round_in = |line: &str| {
        line.split_once("kept ")
            .and_then(|(_, round)| round.strip_suffix('.')?.parse::<i64>().ok())
    };
    let mut last = from;
    while last < from + ROUNDS {
        let line = lines.next().expect("the child ended by itself").unwrap();
        last = round_in(&line).unwrap_or(last);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had still told before it died counts as well; its last line may be cut off.
    for line in lines.map_while(Result::ok) {
        last = round_in(&line).unwrap_or(last);
    }
    last
}

#[tokio::test]
#[ignore = "it is the child of another test, and never ends"]
async fn write_and_tell() {
    let path = std::env::var(FILE).unwrap();
    let from: i64 = std::env::var(FROM).unwrap().parse().unwrap();
    let history = History::open(Path::new(&path), days(1, 3, 30), at(DAWN))
        .await
        .unwrap();
    let names = names();
    for round in from.. {
        let samples: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(index, item)| Measured {
                host: None,
                item,
                value: value(round, index),
                unit: "",
            })
            .collect();
        let second = DAWN + round * PACE;
        assert_eq!(history.record(at(second), &samples).await.unwrap(), 5);
        {
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "kept {round}.").unwrap();
            stdout.flush().unwrap();
        }
        // Far more often than in earnest, so that many are cut short.
        if round % 10 == 0 {
            history.zap(at(second)).await.unwrap();
        }
    }
}
