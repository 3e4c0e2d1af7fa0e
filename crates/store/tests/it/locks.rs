//! Locks, with the simplest decision that there is: as many holders as places, no queue.

use std::collections::BTreeSet;

use lockstep_model::{Fence, Holder, LockHolder, LockName, LockState, LockWaiter};
use lockstep_store::{Error, MOST_LOCKS, Store};

use crate::engine::Place;
use crate::samples::{at, host};

pub(crate) fn lock_name(name: &str) -> LockName {
    LockName::parse(name).unwrap()
}

/// Takes a place of `places`, without asking anybody else.
pub(crate) fn take(
    state: &LockState,
    who: &str,
    places: usize,
    now: jiff::Timestamp,
) -> (Option<LockState>, Option<(Fence, bool)>) {
    let holder = Holder::Host(host(who));
    if let Some(held) = state.held_by(&holder) {
        return (None, Some((held.fence, true)));
    }
    if state.holders.len() >= places {
        return (None, None);
    }
    let mut next = state.clone();
    next.fence = Fence(state.fence.0 + 1);
    next.holders.push(LockHolder {
        holder,
        fence: next.fence,
        since: now,
        renewed_at: now,
        reason: String::new(),
        run: None,
        boot_id: None,
        steady_until: None,
    });
    let fence = next.fence;
    (Some(next), Some((fence, false)))
}

/// Gives a place back, if this very grant is still there; any grant of the holder without a fence.
pub(crate) fn give(
    state: &LockState,
    who: &str,
    fence: Option<Fence>,
) -> (Option<LockState>, Option<Fence>) {
    let holder = Holder::Host(host(who));
    let held = state.held_by(&holder).map(|held| held.fence);
    match held.filter(|held| fence.is_none_or(|fence| fence == *held)) {
        None => (None, None),
        Some(held) => {
            let mut next = state.clone();
            next.holders.retain(|it| it.holder != holder);
            (Some(next), Some(held))
        }
    }
}

/// A place of the lock, or nothing if all are taken.
pub(crate) async fn grab(store: &Store, name: &str, who: &str, places: usize) -> Option<Fence> {
    let who = who.to_owned();
    let change = move |state: &LockState| take(state, &who, places, at(0));
    let answer = store.change_lock(&lock_name(name), change).await.unwrap();
    answer.map(|(fence, _)| fence)
}

/// True if it was held.
pub(crate) async fn release(store: &Store, name: &str, who: &str, fence: Option<Fence>) -> bool {
    let who = who.to_owned();
    let change = move |state: &LockState| give(state, &who, fence);
    let answer = store.change_lock(&lock_name(name), change).await.unwrap();
    answer.is_some()
}

pub(crate) async fn a_lock_outlives_the_store(place: Place) {
    let store = place.open().await;
    assert_eq!(store.lock(&lock_name("db")).await.unwrap(), None);
    // Who asks and gets nothing leaves nothing behind.
    assert!(!release(&store, "db", "web1", None).await);
    assert_eq!(store.locks().await.unwrap(), []);
    assert_eq!(grab(&store, "db", "web1", 1).await, Some(Fence(1)));
    assert_eq!(grab(&store, "db", "web2", 1).await, None);
    assert_eq!(grab(&store, "web", "web2", 2).await, Some(Fence(1)));
    store.close().await;
    let closed = store
        .change_lock(&lock_name("db"), |_| (None, ()))
        .await
        .unwrap_err();
    assert!(matches!(closed, Error::Closed), "{closed}");

    let store = place.open().await;
    let held = store.lock(&lock_name("db")).await.unwrap().unwrap();
    assert_eq!(held.holders[0].holder, Holder::Host(host("web1")));
    assert_eq!(grab(&store, "db", "web1", 1).await, Some(Fence(1)));
    // Not the grant that is meant.
    assert!(!release(&store, "db", "web1", Some(Fence(7))).await);
    assert!(release(&store, "db", "web1", Some(Fence(1))).await);
    let idle = store.lock(&lock_name("db")).await.unwrap().unwrap();
    assert!(idle.is_idle() && idle.fence == Fence(1));
    store.tidy(at(9_000 * 86_400)).await.unwrap();
    assert_eq!(grab(&store, "db", "web2", 1).await, Some(Fence(2)));
    let names: Vec<_> = store.locks().await.unwrap();
    let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["db", "web"]);
}

/// A row of `locks` as it is, with what tells one version of a row from the next where the database has that.
async fn count_writes(place: &Place) {
    place
        .execute(match place.engine {
            crate::engine::Engine::Sqlite => {
                "CREATE TRIGGER refuse BEFORE UPDATE OF state ON locks \
                 BEGIN SELECT RAISE(ABORT, 'written'); END"
            }
            crate::engine::Engine::Postgres(_) => {
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'written'; END $$; \
                 CREATE TRIGGER refuse BEFORE UPDATE OF state ON locks \
                 FOR EACH ROW EXECUTE FUNCTION refuse()"
            }
        })
        .await;
}

pub(crate) async fn what_does_not_change_is_not_written(place: Place) {
    let store = place.open().await;
    assert_eq!(grab(&store, "db", "web1", 1).await, Some(Fence(1)));
    count_writes(&place).await;
    assert_eq!(grab(&store, "db", "web1", 1).await, Some(Fence(1)));
    assert_eq!(grab(&store, "db", "web2", 1).await, None);
    let same = |state: &LockState| (Some(state.clone()), ());
    store.change_lock(&lock_name("db"), same).await.unwrap();
    // The trigger is awake.
    let written = store
        .change_lock(&lock_name("db"), |state| (give(state, "web1", None).0, ()))
        .await;
    assert!(written.is_err());
}

pub(crate) async fn states_that_make_no_sense_are_refused(place: Place) {
    let store = place.open().await;
    let db = lock_name("db");
    for _ in 0..3 {
        grab(&store, "db", "web1", 1).await;
        release(&store, "db", "web1", None).await;
    }
    let back = store
        .change_lock(&db, |_| (Some(LockState::default()), ()))
        .await
        .unwrap_err();
    assert!(back.to_string().contains("go back from 3 to 0"), "{back}");
    let large = store
        .change_lock(&db, |state| {
            let mut next = state.clone();
            next.waiters = vec![LockWaiter {
                holder: Holder::Operator("o".into()),
                since: at(0),
                asked_at: at(0),
                reason: "x".repeat(9 * 1024 * 1024),
                run: None,
            }];
            (Some(next), ())
        })
        .await
        .unwrap_err();
    assert!(matches!(large, Error::TooLarge { .. }), "{large}");
    assert_eq!(grab(&store, "db", "web1", 1).await, Some(Fence(4)));

    // A number that was set back by hand would be given twice; the others do not suffer.
    place
        .execute("UPDATE locks SET fence = 2 WHERE name = 'db'")
        .await;
    let (damaged, other) = tokio::join!(
        store.change_lock(&db, |_| (None, ())),
        grab(&store, "web", "web1", 1)
    );
    assert!(
        matches!(damaged, Err(Error::Damaged { table: "locks", .. })),
        "{damaged:?}"
    );
    assert_eq!(other, Some(Fence(1)));
    assert!(store.lock(&db).await.is_err());
}

pub(crate) async fn a_bad_change_does_not_harm_its_neighbours(place: Place) {
    let store = place.open().await;
    let change = |number: u64| {
        let store = store.clone();
        tokio::spawn(async move {
            let change = move |state: &LockState| {
                let mut next = state.clone();
                next.fence = Fence(state.fence.0 + 1);
                if number == 5 {
                    next.disabled = Some(lockstep_model::Disabled {
                        why: "x".repeat(9 * 1024 * 1024),
                        by: "ann".into(),
                        at: at(0),
                    });
                }
                (Some(next.clone()), next.fence)
            };
            store.change_lock(&lock_name("db"), change).await
        })
    };
    // While nobody can write, all of them get into line and become one group.
    let mut raw = place.connect().await;
    raw.execute(match place.engine {
        crate::engine::Engine::Sqlite => "BEGIN IMMEDIATE",
        crate::engine::Engine::Postgres(_) => "BEGIN; LOCK TABLE locks IN ACCESS EXCLUSIVE MODE",
    })
    .await;
    let changes: Vec<_> = (0..10).map(change).collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    raw.unlock().await;
    let mut fences = BTreeSet::new();
    for (number, change) in changes.into_iter().enumerate() {
        match change.await.unwrap() {
            Ok(fence) => assert!(fences.insert(fence)),
            Err(error) => assert!(
                number == 5 && matches!(error, Error::TooLarge { .. }),
                "{error}"
            ),
        }
    }
    // What was tried twice counts once.
    assert_eq!(fences, (1..=9).map(Fence).collect());
    assert_eq!(
        store.lock(&lock_name("db")).await.unwrap().unwrap().fence,
        Fence(9)
    );
}

pub(crate) async fn two_servers_share_one_lock(place: Place) {
    const PLACES: usize = 3;
    const ROUNDS: usize = 8;
    let stores = [place.open().await, place.open().await];
    let workers: Vec<_> = (0..16)
        .map(|worker| {
            let store = stores[worker % 2].clone();
            tokio::spawn(async move {
                let who = format!("web{worker}");
                let mut fences = Vec::new();
                while fences.len() < ROUNDS {
                    // Several locks at a time, from both ends: no two groups wait for each other.
                    for step in 0..4 {
                        let number = if worker % 4 < 2 { step } else { 3 - step };
                        let name = format!("own{number}");
                        grab(&store, &name, &who, 16).await.unwrap();
                    }
                    let Some(fence) = grab(&store, "db", &who, PLACES).await else {
                        continue;
                    };
                    let state = store.lock(&lock_name("db")).await.unwrap().unwrap();
                    assert!(state.holders.len() <= PLACES);
                    let mine = state.held_by(&Holder::Host(host(&who))).unwrap();
                    assert_eq!(mine.fence, fence);
                    assert!(release(&store, "db", &who, Some(fence)).await);
                    fences.push(fence);
                }
                fences
            })
        })
        .collect();
    let mut all = BTreeSet::new();
    for worker in workers {
        let fences = worker.await.unwrap();
        assert!(fences.is_sorted());
        for fence in fences {
            assert!(all.insert(fence), "{fence} was given twice");
        }
    }
    // Each number was given, and nothing was lost.
    assert_eq!(all, (1..=16 * ROUNDS as u64).map(Fence).collect());
    let state = stores[0].lock(&lock_name("db")).await.unwrap().unwrap();
    assert!(state.is_idle());
    for number in 0..4 {
        let own = lock_name(&format!("own{number}"));
        let state = stores[1].lock(&own).await.unwrap().unwrap();
        assert_eq!(state.holders.len(), 16);
    }
}

/// Of one caller, one after the other, whatever else is in line.
pub(crate) async fn calls_are_served_in_their_order(place: Place) {
    let store = place.open().await;
    let calls: Vec<_> = (1..=40_u64)
        .map(|number| {
            let change = move |state: &LockState| {
                let mut next = state.clone();
                next.fence = Fence(state.fence.0 + 1);
                (Some(next.clone()), (number, next.fence.0))
            };
            let store = store.clone();
            async move { store.change_lock(&lock_name("db"), change).await.unwrap() }
        })
        .collect();
    // `join_all` polls them in their order, so they are in line in it.
    for (number, fence) in futures_util::future::join_all(calls).await {
        assert_eq!(number, fence);
    }
}

pub(crate) async fn there_are_not_too_many_locks(place: Place) {
    let store = place.open().await;
    grab(&store, "db", "web1", 1).await.unwrap();
    place
        .execute(&format!(
            "INSERT INTO locks (name, fence, state) WITH RECURSIVE n (i) AS \
             (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_LOCKS} - 1) \
             SELECT 'x' || i, 1, '{{\"fence\":1}}' FROM n"
        ))
        .await;
    assert_eq!(grab(&store, "last", "web1", 1).await, Some(Fence(1)));
    let more = store
        .change_lock(&lock_name("more"), |state| take(state, "web1", 1, at(0)))
        .await
        .unwrap_err();
    assert!(
        matches!(
            more,
            Error::TooManyLocks {
                most: MOST_LOCKS,
                ..
            }
        ),
        "{more}"
    );
    // Those that are there go on, and asking is free.
    assert!(release(&store, "db", "web1", None).await);
    assert!(!release(&store, "more", "web1", None).await);
    assert_eq!(store.locks().await.unwrap().len(), MOST_LOCKS as usize);
}
