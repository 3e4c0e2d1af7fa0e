//! Locks under everything at once: many clients, two servers over one PostgreSQL, clients that die, servers that are
//! stopped or lose their connections, clocks that jump. What the clients saw must be possible.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use lockstep_model::{Fence, LockState};
use lockstep_store::{Error, Store};
use lockstep_testkit::Postgres;
use tokio::sync::RwLock;

use crate::engine::{Engine, Place};
use crate::histories::{Answer, Asked, Call, check, check_plainly};
use crate::locks::{give, lock_name, take};
use crate::samples::at;

const CLIENTS: usize = 64;
/// How often each client wants a lock.
const STEPS: usize = 30;
/// Places of each lock: few, because the check looks at every order in which holders may have gone.
const LOCKS: [usize; 6] = [1, 1, 2, 2, 3, 4];
/// How often something happens to the servers.
const BLOWS: u64 = 12;
/// Of a hundred calls, so many are left by their client before the answer.
const LEFT: usize = 3;

struct World {
    place: Place,
    servers: [RwLock<Store>; 2],
    /// Counts beginnings and ends of calls; their order is what the check knows of time.
    turns: AtomicU64,
    histories: [Mutex<Vec<Call>>; LOCKS.len()],
    /// Clients that died with a lock: which lock, and who.
    dead: Mutex<Vec<(usize, usize)>>,
}

impl World {
    /// One call of a lock through one of the servers, written down.
    async fn call(&self, rng: &mut Rng, lock: usize, who: usize, asked: Asked) -> Answer {
        loop {
            let store = self.servers[rng.usize(..2)].read().await.clone();
            let name = lock_name(&format!("lock{lock}"));
            // The clocks of the clients are worth nothing.
            let now = at(rng.i64(-1_000_000_000..1_000_000_000));
            let change = move |state: &LockState| decide(state, who, asked, LOCKS[lock], now);
            let began = self.turns.fetch_add(1, SeqCst);
            let calling = tokio::spawn(async move { store.change_lock(&name, change).await });
            if rng.usize(..100) < LEFT {
                for _ in 0..rng.usize(..8) {
                    tokio::task::yield_now().await;
                }
                calling.abort();
            }
            let answer = match calling.await {
                Ok(Ok(answer)) => answer,
                // It was not even in line.
                Ok(Err(Error::Closed)) => continue,
                Ok(Err(Error::Busy { .. } | Error::Database { .. })) => Answer::Unknown,
                Ok(Err(error)) => panic!("{error}"),
                Err(error) if error.is_cancelled() => Answer::Unknown,
                Err(error) => panic!("{error}"),
            };
            let ended = self.turns.fetch_add(1, SeqCst);
            self.histories[lock].lock().unwrap().push(Call {
                who,
                asked,
                answer,
                began,
                ended,
            });
            return answer;
        }
    }

    async fn client(&self, seed: u64, who: usize) {
        let mut rng = Rng::with_seed(seed);
        for _ in 0..STEPS {
            let lock = rng.usize(..LOCKS.len());
            let fence = match self.call(&mut rng, lock, who, Asked::Take).await {
                Answer::Granted(fence) | Answer::Again(fence) => fence,
                Answer::Unknown => {
                    // Whether it has it or not, it goes on as if it had died.
                    self.dead.lock().unwrap().push((lock, who));
                    continue;
                }
                _ => continue,
            };
            for _ in 0..rng.usize(..4) {
                tokio::task::yield_now().await;
            }
            if rng.usize(..10) == 0 {
                self.dead.lock().unwrap().push((lock, who));
                continue;
            }
            let gave = self
                .call(&mut rng, lock, who, Asked::Give(Some(fence)))
                .await;
            if gave == Answer::Unknown {
                self.dead.lock().unwrap().push((lock, who));
            }
        }
    }

    /// An operator, who frees the locks of the dead; some of them may have come back meanwhile.
    async fn free_one(&self, rng: &mut Rng) {
        let dead = {
            let mut dead = self.dead.lock().unwrap();
            match dead.len() {
                0 => None,
                some => Some(dead.swap_remove(rng.usize(..some))),
            }
        };
        match dead {
            Some((lock, who)) => {
                if self.call(rng, lock, who, Asked::Give(None)).await == Answer::Unknown {
                    self.dead.lock().unwrap().push((lock, who));
                }
            }
            None => tokio::task::yield_now().await,
        }
    }

    /// One server is stopped in good order, or forgotten, and another one takes its place; or all connections are cut.
    async fn strike(&self, rng: &mut Rng) {
        let server = &self.servers[rng.usize(..2)];
        match rng.usize(..3) {
            0 => {
                // Whoever calls meanwhile is told that it is closed.
                let old = server.read().await.clone();
                old.close().await;
                *server.write().await = self.place.open().await;
            }
            1 => *server.write().await = self.place.open().await,
            _ => {
                self.place
                    .execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND pid <> pg_backend_pid()",
                    )
                    .await;
            }
        }
    }
}

fn decide(
    state: &LockState,
    who: usize,
    asked: Asked,
    places: usize,
    now: jiff::Timestamp,
) -> (Option<LockState>, Answer) {
    let who = format!("web{who}");
    match asked {
        Asked::Take => {
            let (next, taken) = take(state, &who, places, now);
            let answer = match taken {
                Some((fence, true)) => Answer::Again(fence.0),
                Some((fence, false)) => Answer::Granted(fence.0),
                None => Answer::Refused,
            };
            (next, answer)
        }
        Asked::Give(fence) => {
            let (next, gave) = give(state, &who, fence.map(Fence));
            (
                next,
                gave.map_or(Answer::NotHeld, |fence| Answer::Gave(fence.0)),
            )
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_clients_of_two_servers_saw_is_possible() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let place = Engine::Postgres(Arc::new(Postgres::start().unwrap())).fresh();
    let servers = [
        RwLock::new(place.open().await),
        RwLock::new(place.open().await),
    ];
    let world = Arc::new(World {
        place,
        servers,
        turns: AtomicU64::new(0),
        histories: std::array::from_fn(|_| Mutex::new(Vec::new())),
        dead: Mutex::new(Vec::new()),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|who| {
            let (world, seed) = (Arc::clone(&world), rng.u64(..));
            tokio::spawn(async move { world.client(seed, who).await })
        })
        .collect();
    let (striking, mut strikes) = (Arc::clone(&world), rng.fork());
    let blows = tokio::spawn(async move {
        // Each client makes two turns a call, and about one and a half calls a step.
        let between = (CLIENTS * STEPS) as u64 * 2 / BLOWS;
        for blow in 1..=BLOWS {
            while striking.turns.load(SeqCst) < blow * between {
                tokio::task::yield_now().await;
            }
            striking.strike(&mut strikes).await;
        }
    });
    while clients.iter().any(|client| !client.is_finished()) {
        world.free_one(&mut rng).await;
    }
    for client in clients {
        client.await.unwrap();
    }
    blows.await.unwrap();

    let store = world.servers[0].read().await.clone();
    let mut seen = std::collections::BTreeMap::new();
    for (lock, places) in LOCKS.into_iter().enumerate() {
        let mut calls = world.histories[lock].lock().unwrap().clone();
        // What is there at the end is one more thing that somebody saw.
        let state = store
            .lock(&lock_name(&format!("lock{lock}")))
            .await
            .unwrap();
        let state = state.unwrap();
        for holder in &state.holders {
            let name = holder.holder.host().unwrap().as_str();
            let turn = world.turns.fetch_add(2, SeqCst);
            calls.push(Call {
                who: name.trim_start_matches("web").parse().unwrap(),
                asked: Asked::Take,
                answer: Answer::Again(holder.fence.0),
                began: turn,
                ended: turn + 1,
            });
        }
        for call in &calls {
            let kind = format!("{:?}", call.answer);
            let kind = kind.split('(').next().unwrap().to_owned();
            *seen.entry(kind).or_insert(0) += 1;
        }
        let outcome = check_plainly(places, &calls).and_then(|()| check(places, &calls));
        assert!(outcome.is_ok(), "seed {seed}, lock {lock}: {outcome:?}");
    }
    println!("{seen:?}");
    // All that the check is about has happened.
    for kind in ["Granted", "Again", "Refused", "Gave", "NotHeld", "Unknown"] {
        assert!(
            seen.contains_key(kind),
            "seed {seed}: {kind} is not in {seen:?}"
        );
    }
}
