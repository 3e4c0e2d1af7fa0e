//! How locks stand, as operators see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::api::operator::LockView;
use lockstep_model::{Lock, LockName, LockState};
use lockstep_plan::lock;

use super::ghosts::Witnesses;
use super::lock_facts::LockFacts;
use super::locks::{is_over, unknown};
use crate::app::App;
use crate::web::Refusal;

/// The locks that the fleet file names, and of the others those that are held, waited for or disabled; by name.
pub(crate) async fn list(app: &App, now: Timestamp) -> Result<Vec<LockView>, Refusal> {
    let (facts, locks) = read(app, now).await?;
    let states: Vec<&LockState> = locks.iter().map(|(_, state)| state).collect();
    let witnesses = Witnesses::read(app, &facts, &states).await?;
    // Some thousand locks by some thousand hosts are work for a moment; others must not wait for it.
    let views = tokio::task::spawn_blocking(move || {
        let views = locks.into_iter();
        views
            .map(|(name, state)| view(&facts, &witnesses, name, state, now))
            .collect()
    });
    views
        .await
        .map_err(|error| Refusal::internal("looking at the locks", &error))
}

/// One lock.
pub(crate) async fn one(app: &App, name: &LockName, now: Timestamp) -> Result<LockView, Refusal> {
    let facts = app.lock_facts.read(app, now).await?;
    let state = match app.store.lock(name).await? {
        Some(state) => state,
        None if facts.is_named(name) => LockState::default(),
        None => return Err(unknown(name)),
    };
    let witnesses = Witnesses::read(app, &facts, &[&state]).await?;
    Ok(view(&facts, &witnesses, name.clone(), state, now))
}

/// A lock in figures.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) name: LockName,
    pub(crate) places: usize,
    pub(crate) taken: usize,
    pub(crate) waiting: usize,
}

/// The same locks as in [`list`], in figures; the first `most` by name.
pub(crate) async fn figures(
    app: &App,
    most: usize,
    now: Timestamp,
) -> Result<Vec<Figures>, Refusal> {
    let (facts, mut locks) = read(app, now).await?;
    locks.truncate(most);
    let figures = tokio::task::spawn_blocking(move || {
        let figures = locks.into_iter().map(|(name, state)| {
            let stand = lock::stand(&facts.rule(&name), &state, &facts.fleet(), now);
            Figures {
                places: stand.places,
                taken: stand.taken.len(),
                waiting: state.waiters.len(),
                name,
            }
        });
        figures.collect()
    });
    figures
        .await
        .map_err(|error| Refusal::internal("counting the locks", &error))
}

/// How many grants there are.
pub(crate) async fn count_held(app: &App) -> Result<u64, Refusal> {
    let locks = app.store.locks().await?;
    let held: usize = locks.iter().map(|(_, state)| state.holders.len()).sum();
    Ok(held as u64)
}

/// What there is to show: an idle lock that nobody named was somebody's passing need.
async fn read(
    app: &App,
    now: Timestamp,
) -> Result<(Arc<LockFacts>, Vec<(LockName, LockState)>), Refusal> {
    let facts = app.lock_facts.read(app, now).await?;
    let named = facts.names().into_iter().cloned();
    let mut locks: BTreeMap<LockName, LockState> =
        named.map(|name| (name, LockState::default())).collect();
    for (name, state) in app.store.locks().await? {
        if !state.is_idle() || locks.contains_key(&name) {
            locks.insert(name, state);
        }
    }
    Ok((facts, locks.into_iter().collect()))
}

fn view(
    facts: &LockFacts,
    witnesses: &Witnesses,
    name: LockName,
    mut state: LockState,
    now: Timestamp,
) -> LockView {
    let rule = facts.rule(&name);
    // A grant whose lease has ended is over, although nobody has asked since.
    state.holders.retain(|grant| !is_over(grant, &rule, now));
    let stand = lock::stand(&rule, &state, &facts.fleet(), now);
    LockView {
        ghosts: witnesses.ghosts(&state, now),
        places: stand.places,
        taken: stand.taken,
        unmet: stand.unmet,
        lock: Lock { name, rule, state },
    }
}
