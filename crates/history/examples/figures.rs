//! The figures of history: bytes a sample, and how long requests take, beside a peer in the same run.
//!
//! `cargo run --release -p lockstep-history --example figures`, or `scripts/figures history`.
//!
//! The mix of 40 items, one value a minute each, is made by a seeded generator:
//!
//! | items | what |
//! |---|---|
//! | 5 | shares that move: CPU (a day's rhythm and noise), memory, inodes, I/O, a filling disk |
//! | 5 | shares that rest: swap, pressure with rare bursts, disks that change once an hour |
//! | 3 | loads with two decimals |
//! | 4 | bytes: free memory and free space, in pages of 4096 |
//! | 6 | rates: traffic and disk, noise over three orders of magnitude |
//! | 4 | counters: uptime, requests served, rare errors, seconds left of a certificate |
//! | 4 | counts that move: processes, connections, users, log lines |
//! | 4 | constants: failed units, pending updates, arrays, whether a port listens |
//! | 3 | temperatures, slow, in tenths |
//! | 2 | noisy latencies around 20 ms and around 300 µs |
//!
//! The peer is what one writes without much thought: rows of (series, second, value) `WITHOUT ROWID`, which holds each
//! series together. It is given the values as history keeps them, rounded, and is asked for the same buckets.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and fails by panicking"
)]

use std::path::Path;

use fastrand::Rng;
use jiff::Timestamp;
use lockstep_history::{History, Measured, quantise};
use lockstep_model::{HistoryQuery, Interval, ItemName, Retention, Span, View};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, query, query_as};
use tokio::time::Instant;

const START: i64 = 1_750_000_020;
const MINUTES_A_DAY: i64 = 1_440;

/// One item's generator.
struct Source {
    name: ItemName,
    unit: &'static str,
    shape: Shape,
    state: f64,
    slow: f64,
}

#[derive(Clone, Copy)]
enum Shape {
    /// Around a level with a day's rhythm: level, rhythm, noise, how much of the last deviation stays.
    Moving(f64, f64, f64, f64),
    /// A walk between limits: from, to, step, chance that it moves at all.
    Walk(f64, f64, f64, f64),
    /// Zero, and now and then not: chance, size.
    Burst(f64, f64),
    /// Noise over orders of magnitude: median, spread of the logarithm.
    Spread(f64, f64),
    /// Grows by about so much a minute, by chance; or steadily.
    Counter(f64),
    Steady(f64, f64),
    Constant(f64),
}

fn sources() -> Vec<Source> {
    use Shape::*;
    let mut sources = Vec::new();
    let mut add = |name: &str, unit, shape| {
        sources.push(Source {
            name: ItemName::parse(name).unwrap(),
            unit,
            shape,
            state: match shape {
                Walk(from, to, ..) => (from + to) / 2.0,
                Steady(from, _) => from,
                _ => 0.0,
            },
            slow: 0.0,
        });
    };
    add("cpu_usage", "%", Moving(18.0, 10.0, 3.0, 0.6));
    add("memory_usage", "%", Walk(40.0, 70.0, 0.15, 0.9));
    add("inode_usage:/", "%", Walk(11.0, 12.0, 0.01, 0.2));
    add("io_usage:sda", "%", Spread(1.5, 0.8));
    add("disk_usage:/", "%", Walk(61.0, 64.0, 0.01, 0.3));
    add("swap_usage", "%", Walk(0.0, 2.0, 0.1, 0.005));
    add("pressure_cpu", "%", Burst(0.05, 4.0));
    add("pressure_memory", "%", Burst(0.002, 8.0));
    add("disk_usage:/boot", "%", Constant(34.12));
    add("disk_usage:/srv", "%", Walk(80.0, 82.0, 0.01, 0.016));
    add("cpu_load", "", Moving(0.8, 0.4, 0.2, 0.7));
    add("cpu_load5", "", Moving(0.8, 0.4, 0.05, 0.93));
    add("cpu_load15", "", Moving(0.8, 0.4, 0.02, 0.98));
    add("memory_free", "pages", Walk(2e5, 9e5, 3e3, 0.95));
    add("disk_free:/", "pages", Walk(4e6, 5e6, 40.0, 0.5));
    add("disk_free:/srv", "pages", Walk(8e7, 9e7, 300.0, 0.05));
    add("disk_free:/boot", "pages", Constant(120_034.0));
    add("net_in:eth0", "bytes/s", Spread(25e3, 1.0));
    add("net_out:eth0", "bytes/s", Spread(60e3, 1.0));
    add("net_in:eth1", "bytes/s", Spread(300.0, 0.6));
    add("net_out:eth1", "bytes/s", Spread(250.0, 0.6));
    add("disk_read:sda", "bytes/s", Burst(0.3, 40e3));
    add("disk_write:sda", "bytes/s", Spread(80e3, 0.7));
    add("uptime", "s", Steady(431_234.56, 60.0));
    add("script:requests", "", Counter(900.0));
    add("net_errors:eth0", "", Counter(0.01));
    add("certificate:web", "s", Steady(5_180_400.0, -60.0));
    add("processes", "", Walk(180.0, 240.0, 2.0, 0.7));
    add("script:connections", "", Moving(120.0, 60.0, 9.0, 0.5));
    add("users", "", Walk(0.0, 3.0, 1.0, 0.01));
    add("log_lines:syslog", "", Spread(14.0, 0.5));
    add("units_failed", "", Constant(0.0));
    add("updates", "", Constant(12.0));
    add("md_arrays", "", Constant(0.0));
    add("port:443", "", Constant(1.0));
    add("temperature:cpu", "°C", Moving(48.0, 4.0, 0.6, 0.9));
    add("temperature:disk", "°C", Walk(31.0, 38.0, 1.0, 0.02));
    add("temperature:board", "°C", Moving(33.0, 1.5, 0.08, 0.97));
    add("http:https://localhost/", "s", Spread(0.02, 0.35));
    add("ping:192.0.2.1", "s", Spread(0.000_3, 0.25));
    assert_eq!(sources.len(), 40);
    sources
}

/// About a normal distribution.
fn noise(rng: &mut Rng) -> f64 {
    (0..6).map(|_| rng.f64()).sum::<f64>() * 2.0_f64.sqrt() - 3.0 * 2.0_f64.sqrt()
}

impl Source {
    fn next(&mut self, minute: i64, rng: &mut Rng) -> f64 {
        let value = match self.shape {
            Shape::Moving(level, rhythm, spread, stays) => {
                self.state = self.state * stays + noise(rng) * spread;
                let day = (minute % MINUTES_A_DAY) as f64 / MINUTES_A_DAY as f64;
                (level + rhythm * (day * std::f64::consts::TAU).sin() + self.state).max(0.0)
            }
            Shape::Walk(from, to, step, chance) => {
                if rng.f64() < chance {
                    let step = if step == 1.0 || step == 2.0 {
                        (noise(rng) * step).round()
                    } else {
                        noise(rng) * step
                    };
                    self.state = (self.state + step).clamp(from, to);
                }
                self.state
            }
            Shape::Burst(chance, size) => {
                if rng.f64() < chance {
                    size * rng.f64()
                } else {
                    0.0
                }
            }
            Shape::Spread(median, spread) => {
                self.slow = self.slow * 0.9 + noise(rng) * spread * 0.3;
                median * (self.slow + noise(rng) * spread * 0.7).exp()
            }
            Shape::Counter(step) => {
                // Whole events, whose number varies as such numbers do.
                let mean = step + noise(rng) * step.sqrt();
                self.state += (mean.max(0.0) + rng.f64()).floor().min(step * 4.0 + 1.0)
                    * f64::from(u8::from(step >= 1.0 || rng.f64() < step));
                self.state
            }
            Shape::Steady(_, step) => {
                self.state += step + f64::from(u8::from(rng.f64() < 0.02 && step > 0.0)) * 0.01;
                self.state
            }
            Shape::Constant(value) => value,
        };
        match self.unit {
            // Counted in pages where they are made.
            "pages" => value.round() * 4096.0,
            // The kernel gives loads with two decimals.
            "" if self.name.probe().starts_with("cpu_load") => (value * 100.0).round() / 100.0,
            "" => value.round(),
            _ => value,
        }
    }

    fn unit(&self) -> &'static str {
        match self.unit {
            "pages" => "bytes",
            unit => unit,
        }
    }
}

fn moment(minute: i64) -> Timestamp {
    Timestamp::from_second(START + minute * 60).unwrap()
}

/// Durations in microseconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, began: Instant) {
        self.0.push(began.elapsed().as_secs_f64() * 1e6);
    }

    fn at(&mut self, share: f64) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0[((self.0.len() - 1) as f64 * share) as usize]
    }

    fn line(&mut self) -> String {
        let (median, p99) = (self.at(0.5), self.at(0.99));
        format!("median {median:>8.0} µs, p99 {p99:>8.0} µs")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    memory(directory.path()).await;
    size(directory.path()).await;
    year(directory.path()).await;
}

/// What an open history adds to the process: before anything else has filled the heap.
async fn memory(directory: &Path) {
    let before = resident();
    let path = directory.join("memory.db");
    let history = History::open(&path, Retention::default(), moment(0))
        .await
        .unwrap();
    let (mut sources, mut rng) = (sources(), Rng::with_seed(1));
    for minute in 0..4 * MINUTES_A_DAY {
        round(&history, &mut sources, minute, &mut rng, None).await;
        if minute % 60 == 59 {
            history.zap(moment(minute)).await.unwrap();
        }
    }
    for view in View::ALL {
        let query = HistoryQuery {
            host: None,
            item: sources[0].name.clone(),
            span: Span::View(view),
            points: None,
        };
        history
            .view(&query, moment(4 * MINUTES_A_DAY))
            .await
            .unwrap();
    }
    let after = resident();
    println!(
        "Four days of 40 items, 96 zaps and five views: {} kB more of memory and {} kB more of the program resident",
        after.0 - before.0,
        after.1 - before.1
    );
    history.close().await;
}

/// Records one minute.
async fn round(
    history: &History,
    sources: &mut [Source],
    minute: i64,
    rng: &mut Rng,
    times: Option<&mut Times>,
) {
    let values: Vec<f64> = sources
        .iter_mut()
        .map(|source| source.next(minute, rng))
        .collect();
    let samples: Vec<Measured<'_>> = sources
        .iter()
        .zip(values)
        .map(|(source, value)| Measured {
            host: None,
            item: &source.name,
            value,
            unit: source.unit(),
        })
        .collect();
    let began = Instant::now();
    assert_eq!(history.record(moment(minute), &samples).await.unwrap(), 40);
    if let Some(times) = times {
        times.add(began);
    }
}

/// S6: 30 days, all samples kept.
async fn size(directory: &Path) {
    const DAYS: i64 = 30;
    let path = directory.join("month.db");
    let retention = Retention {
        raw: Interval::from_secs(31 * 86_400),
        ..Retention::default()
    };
    fill(&path, retention, DAYS).await;
    let samples = (DAYS * MINUTES_A_DAY * 40) as f64;
    let file = std::fs::metadata(&path).unwrap().len() as f64;
    println!("30 days of 40 items, every sample kept: {samples} samples");
    println!(
        "  history, whole file:   {:.2} bytes a sample",
        file / samples
    );
    let mut conn = open(&path).await;
    let of: Vec<(i64, i64, i64)> = query_as(
        "SELECT tier, count(*), sum(length(data)) FROM batch
         JOIN chunk ON key >= id << 20 AND key < (id + 1) << 20 GROUP BY tier",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    for (tier, chunks, bytes) in of {
        let name = ["samples", "of 10 minutes", "of an hour"][tier as usize];
        let share = bytes as f64 / samples;
        println!("    content {name}: {share:.2} bytes a sample in {chunks} chunks");
    }

    let dearest: Vec<(String, f64)> = query_as(
        "SELECT item, 1.0 * sum(length(data)) / ?1 AS each
         FROM batch JOIN chunk ON key >= batch.id << 20 AND key < (batch.id + 1) << 20
         JOIN series ON series.id = key & 1048575
         WHERE tier = 0 GROUP BY item ORDER BY each DESC",
    )
    .bind(DAYS * MINUTES_A_DAY)
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let each: Vec<String> = dearest
        .iter()
        .step_by(6)
        .map(|(item, each)| format!("{item} {each:.2}"))
        .collect();
    println!(
        "    from the dearest item to the cheapest: {}",
        each.join(", ")
    );

    let peer = directory.join("peer.db");
    let mut conn = open(&peer).await;
    query("CREATE TABLE sample (sid INTEGER, ts INTEGER, v REAL, PRIMARY KEY (sid, ts)) WITHOUT ROWID")
        .execute(&mut conn)
        .await
        .unwrap();
    let (mut sources, mut rng) = (sources(), Rng::with_seed(1));
    let mut tx = conn.begin().await.unwrap();
    for minute in 0..DAYS * MINUTES_A_DAY {
        for (sid, source) in (1_i64..).zip(&mut sources) {
            let value = quantise(source.next(minute, &mut rng), source.unit());
            query("INSERT INTO sample VALUES (?1, ?2, ?3)")
                .bind(sid)
                .bind(moment(minute).as_second())
                .bind(value)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        if minute % 600 == 0 {
            tx.commit().await.unwrap();
            tx = conn.begin().await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut conn)
        .await
        .unwrap();
    let rows = std::fs::metadata(&peer).unwrap().len() as f64;
    println!(
        "  rows WITHOUT ROWID:    {:.2} bytes a sample, {:.1} times as many",
        rows / samples,
        rows / file
    );
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("cache_size", "-256")
        .connect()
        .await
        .unwrap()
}

/// Records so many days, with a zap each hour, and tells how long that took.
async fn fill(path: &Path, retention: Retention, days: i64) {
    let history = History::open(path, retention, moment(0)).await.unwrap();
    let (mut sources, mut rng) = (sources(), Rng::with_seed(1));
    let (mut rounds, mut zaps) = (Times::default(), Times::default());
    for minute in 0..days * MINUTES_A_DAY {
        round(&history, &mut sources, minute, &mut rng, Some(&mut rounds)).await;
        if minute % 60 == 59 {
            let began = Instant::now();
            history.zap(moment(minute)).await.unwrap();
            zaps.add(began);
        }
    }
    println!(
        "  a round of 40 values:  {}, longest {:.0} µs",
        rounds.line(),
        rounds.at(1.0)
    );
    println!(
        "  a zap:                 {}, longest {:.0} µs",
        zaps.line(),
        zaps.at(1.0)
    );
    history.close().await;
}

/// S7: the five views after a year. The peer keeps all samples of the whole year, of one item.
async fn year(directory: &Path) {
    const DAYS: i64 = 365;
    println!("A year of 40 items, retention as it is by default:");
    let path = directory.join("year.db");
    fill(&path, Retention::default(), DAYS).await;
    let size = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    println!("  whole file:            {size:.1} MB");

    let peer = directory.join("peer-year.db");
    let mut conn = open(&peer).await;
    query("CREATE TABLE sample (sid INTEGER, ts INTEGER, v REAL, PRIMARY KEY (sid, ts)) WITHOUT ROWID")
        .execute(&mut conn)
        .await
        .unwrap();
    let mut rng = Rng::with_seed(2);
    let mut tx = conn.begin().await.unwrap();
    for minute in 0..DAYS * MINUTES_A_DAY {
        query("INSERT INTO sample VALUES (1, ?1, ?2)")
            .bind(moment(minute).as_second())
            .bind((rng.f64() * 1e4).round() / 100.0)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();

    let now = moment(DAYS * MINUTES_A_DAY - 1);
    let history = History::open(&path, Retention::default(), now)
        .await
        .unwrap();
    let items: Vec<ItemName> = sources().into_iter().map(|source| source.name).collect();
    for view in View::ALL {
        let (mut ours, mut theirs) = (Times::default(), Times::default());
        for round in 0..1_000 {
            let query = HistoryQuery {
                host: None,
                item: items[round % items.len()].clone(),
                span: Span::View(view),
                points: None,
            };
            let began = Instant::now();
            let series = history.view(&query, now).await.unwrap();
            ours.add(began);
            assert!(
                series.buckets.len() + 1 >= view.buckets() as usize,
                "{view}"
            );
            // The peer takes long enough for a few rounds to tell.
            if round % 20 == 0 {
                let began = Instant::now();
                let rows = peer_view(&mut conn, &series).await;
                theirs.add(began);
                assert_eq!(rows, series.buckets.len());
            }
        }
        println!(
            "  {view:>5}: history {}; rows {}",
            ours.line(),
            theirs.line()
        );
    }
}

async fn peer_view(conn: &mut SqliteConnection, series: &lockstep_model::Series) -> usize {
    let rows: Vec<(i64, i64, f64, f64, f64)> = query_as(
        "SELECT ts / ?3, count(*), avg(v), min(v), max(v) FROM sample
         WHERE sid = 1 AND ts >= ?1 AND ts < ?2 GROUP BY ts / ?3",
    )
    .bind(series.from.as_second())
    .bind(series.to.as_second())
    .bind((series.bucket_ms / 1000) as i64)
    .fetch_all(conn)
    .await
    .unwrap();
    rows.len()
}

/// What the process has resident of its own memory, and of files (its program above all), in kB.
fn resident() -> (i64, i64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| -> i64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (of("RssAnon"), of("RssFile"))
}
