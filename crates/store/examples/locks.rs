//! The figures of locks: how many are taken and given back a second, and how long that takes.
//!
//! `cargo run --release -p lockstep-store --example locks`, or `scripts/figures locks`.
//!
//! 64 callers take a lock and give it back, over and over, one call after the other, every answer durable. Three
//! mixes: each caller has a lock of its own; all share one lock with room for all; all share eight locks with eight
//! places each. In none of them is a place ever missing, so a refusal is a mistake. On SQLite it is one server; on
//! PostgreSQL, which waits for its disk and runs on the same machine, one server and two.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and fails by panicking"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockstep_model::{Fence, Holder, HostName, LockHolder, LockName, LockState};
use lockstep_store::{DatabaseUrl, Store};
use lockstep_testkit::{Fsync, Postgres};

const CALLERS: usize = 64;
/// Not counted: files grow, statements are prepared.
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);

/// Which lock a caller takes, and how many places it has.
type Mix = (&'static str, fn(usize) -> (String, usize));

const MIXES: [Mix; 3] = [
    ("own locks", |caller| (format!("own{caller}"), 1)),
    ("one lock, 64 places", |_| ("all".into(), CALLERS)),
    ("eight locks, 8 places each", |caller| {
        (format!("some{}", caller % 8), CALLERS / 8)
    }),
];

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let sqlite = Store::open(&DatabaseUrl::Sqlite(directory.path().join("server.db")))
        .await
        .unwrap();
    for mix in MIXES {
        measure("SQLite", std::slice::from_ref(&sqlite), mix).await;
    }
    sqlite.close().await;
    let cluster = Postgres::start_with(Fsync::On).unwrap();
    let url = DatabaseUrl::parse(&cluster.fresh_database().unwrap()).unwrap();
    let stores = [
        Store::open(&url).await.unwrap(),
        Store::open(&url).await.unwrap(),
    ];
    for mix in MIXES {
        measure("PostgreSQL", &stores[..1], mix).await;
    }
    for mix in MIXES {
        measure("PostgreSQL, two servers", &stores, mix).await;
    }
}

async fn measure(what: &str, stores: &[Store], (mix, lock): Mix) {
    let begin = Instant::now() + WARM_UP;
    let end = begin + MEASURED;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let store = stores[caller % stores.len()].clone();
            let (name, places) = lock(caller);
            tokio::spawn(call(store, name, places, caller, begin, end))
        })
        .collect();
    let (mut times, mut pairs, mut refused) = (Vec::new(), 0_u64, 0_u64);
    for caller in callers {
        let done = caller.await.unwrap();
        pairs += done.pairs;
        refused += done.refused;
        times.extend(done.times);
    }
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() - 1) as f64 * share) as usize;
        times[index].as_secs_f64() * 1e3
    };
    println!(
        "{what}, {mix}: {:.0} pairs a second; a call: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms; \
         refused {refused}",
        pairs as f64 / MEASURED.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

#[derive(Default)]
struct Done {
    pairs: u64,
    refused: u64,
    times: Vec<Duration>,
}

async fn call(
    store: Store,
    name: String,
    places: usize,
    caller: usize,
    begin: Instant,
    end: Instant,
) -> Done {
    let name = LockName::parse(&name).unwrap();
    let who = Arc::new(Holder::Host(
        HostName::parse(&format!("web{caller}")).unwrap(),
    ));
    let mut done = Done::default();
    loop {
        let took = Instant::now();
        if took >= end {
            return done;
        }
        let taker = Arc::clone(&who);
        let granted = store
            .change_lock(&name, move |state| take(state, &taker, places))
            .await
            .unwrap();
        let gave = Instant::now();
        if !granted {
            done.refused += 1;
            continue;
        }
        let giver = Arc::clone(&who);
        let was_held = store
            .change_lock(&name, move |state| give(state, &giver))
            .await
            .unwrap();
        assert!(was_held, "a grant was lost");
        if took >= begin {
            done.pairs += 1;
            done.times.extend([gave - took, gave.elapsed()]);
        }
    }
}

fn take(state: &LockState, who: &Holder, places: usize) -> (Option<LockState>, bool) {
    if state.holders.len() >= places {
        return (None, false);
    }
    let mut next = state.clone();
    next.fence = Fence(state.fence.0 + 1);
    next.holders.push(LockHolder {
        holder: who.clone(),
        fence: next.fence,
        since: Timestamp::UNIX_EPOCH,
        renewed_at: Timestamp::UNIX_EPOCH,
        reason: "to be measured".into(),
        run: None,
        boot_id: Some("7d3c0b6e-5b1f-4c4e-9f0a-0d1f6a1c9b52".into()),
        steady_until: None,
    });
    (Some(next), true)
}

fn give(state: &LockState, who: &Holder) -> (Option<LockState>, bool) {
    let mut next = state.clone();
    next.holders.retain(|it| it.holder != *who);
    let was_held = next.holders.len() < state.holders.len();
    (Some(next), was_held)
}
