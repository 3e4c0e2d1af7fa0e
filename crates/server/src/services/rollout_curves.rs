//! How a rollout goes, beside how it was to be expected to go.
//!
//! The real curve is made of the runs that the rollout's hosts told of. What is expected is simulated by the code of
//! `lockstep rollout simulate`, over the rollout's own hosts, once for each rollout and beside everything else: whoever asks
//! meanwhile is told that it is being simulated. The last few rollouts are remembered, and pages share what was read of one
//! within a second.

mod real;
mod simulated;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::operator::{CurveWave, RolloutCurve, RolloutView, SimulatedCurve};
use lockstep_model::{Rollout, RolloutId, RunId};
use lockstep_store::{Proof, ProofsAfter, Standing, Store};
use tokio::sync::{Mutex, Semaphore};

use self::real::Came;
use super::fresh::Fresh;
use super::rollout_facts::states_of;
use super::rollout_views::Names;
use super::{rollout_views, rollouts};
use crate::app::App;
use crate::web::Refusal;

/// Rollouts whose curves are remembered; of more, those that were asked for last.
const KEPT: usize = 32;
/// Rollouts whose real curves alone are remembered, for the pages of packages.
const ALONE: usize = 128;
/// So long the curve of a rollout that is past is kept: only hosts that were away can still add to it.
const PAST_KEPT: Duration = Duration::from_secs(600);
/// Most runs of one rollout that are looked at.
const MOST_RUNS: usize = 200_000;
/// Runs of which the server heard in this time before the newest one are read again: another server's may have come in
/// between.
const OVERLAP: Duration = Duration::from_secs(60);

/// The curves of the last few rollouts.
#[derive(Debug)]
pub(crate) struct Curves {
    /// Those that were asked for last come last.
    kept: std::sync::Mutex<VecDeque<(RolloutId, Arc<Kept>)>>,
    /// The same of real curves alone: they take no place from those that people look at.
    alone: std::sync::Mutex<VecDeque<(RolloutId, Arc<Alone>)>>,
    /// The newest rollouts, without the names of their hosts.
    newest: Fresh<Vec<RolloutView>>,
    /// One simulation at a time.
    simulating: Semaphore,
    /// How many simulations have come to an end.
    edition: AtomicU64,
}

impl Default for Curves {
    fn default() -> Self {
        Self {
            kept: std::sync::Mutex::default(),
            alone: std::sync::Mutex::default(),
            newest: Fresh::default(),
            simulating: Semaphore::new(1),
            edition: AtomicU64::new(0),
        }
    }
}

/// What is remembered of one rollout.
#[derive(Debug, Default)]
struct Kept {
    view: Fresh<RolloutView>,
    book: Mutex<Book>,
    simulation: std::sync::Mutex<Simulation>,
}

/// What is remembered of a rollout of which only the real curve is asked for.
#[derive(Debug)]
struct Alone {
    newest: Fresh<Vec<(Timestamp, f64)>>,
    book: Mutex<Book>,
    /// The curve of a rollout that is past.
    past: Fresh<Vec<(Timestamp, f64)>>,
}

impl Default for Alone {
    fn default() -> Self {
        Self {
            newest: Fresh::default(),
            book: Mutex::default(),
            past: Fresh::lasting(PAST_KEPT),
        }
    }
}

/// How far the simulation of a rollout is.
#[derive(Debug, Clone, Default)]
enum Simulation {
    #[default]
    NotBegun,
    UnderWay,
    Done(SimulatedCurve),
    /// There will be none, for this reason.
    Never(String),
}

/// What hosts told, as far as it was read.
#[derive(Debug, Default)]
struct Book {
    came: Vec<Came>,
    read: HashSet<RunId>,
    newest: Option<Timestamp>,
}

impl Curves {
    /// There is a newer board: whoever looks next sees nothing older than that.
    pub(crate) fn forget_views(&self) {
        self.newest.forget();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, kept) in kept.iter() {
            kept.view.forget();
        }
        drop(kept);
        let alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, alone) in alone.iter() {
            alone.newest.forget();
        }
    }

    /// Grows with each simulation that has come to an end: pages that wait for one look again.
    pub(crate) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Relaxed)
    }

    fn of(&self, id: RolloutId) -> Arc<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        asked_for(&mut kept, id, KEPT)
    }

    fn alone(&self, id: RolloutId) -> Arc<Alone> {
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        asked_for(&mut alone, id, ALONE)
    }
}

/// What is remembered of a rollout, which is the one that was asked for last from now on; of more than `most` the first go.
fn asked_for<T: Default>(
    known: &mut VecDeque<(RolloutId, Arc<T>)>,
    id: RolloutId,
    most: usize,
) -> Arc<T> {
    let place = known.iter().position(|(known, _)| *known == id);
    let entry = place
        .and_then(|at| known.remove(at))
        .unwrap_or_else(|| (id, Arc::default()));
    let found = Arc::clone(&entry.1);
    known.push_back(entry);
    while known.len() > most {
        known.pop_front();
    }
    found
}

impl Kept {
    fn simulation(&self) -> std::sync::MutexGuard<'_, Simulation> {
        self.simulation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// True if whoever asks is to begin the simulation.
    fn begins(&self) -> bool {
        let mut simulation = self.simulation();
        let begins = matches!(*simulation, Simulation::NotBegun);
        if begins {
            *simulation = Simulation::UnderWay;
        }
        begins
    }
}

/// A rollout with the names of its hosts, as it was within the last second. It is read once for all who look at it.
pub(crate) async fn seen(
    app: &App,
    id: RolloutId,
    now: Timestamp,
) -> Result<Arc<RolloutView>, Refusal> {
    let kept = app.curves.of(id);
    let read = rollouts::one(app, id, Names::Told, now);
    kept.view.read(now, read).await
}

/// The newest rollouts as they were within the last second, without the names of their hosts.
pub(crate) async fn newest(
    app: &App,
    limit: u32,
    now: Timestamp,
) -> Result<Arc<Vec<RolloutView>>, Refusal> {
    let read = rollouts::page(app, None, limit, Names::LeftOut, now);
    app.curves.newest.read(now, read).await
}

/// The curve of a rollout. `view` is the rollout with the names of its hosts; the simulation is begun if it is not there
/// yet, and is not waited for.
pub(crate) async fn curve(app: &Arc<App>, view: &RolloutView) -> Result<RolloutCurve, Refusal> {
    let kept = app.curves.of(view.id);
    let real = {
        let mut book = kept.book.lock().await;
        book.read_on(&app.store, view).await?;
        real::curve(view, &book.came)
    };
    let has_waves = view.waves.iter().any(|wave| wave.figures.hosts > 0);
    if has_waves && kept.begins() {
        let (app, kept, id) = (Arc::clone(app), Arc::clone(&kept), view.id);
        tokio::spawn(async move {
            let outcome = simulated::simulate(&app, id).await;
            *kept.simulation() = outcome;
            app.curves.edition.fetch_add(1, Ordering::Relaxed);
        });
    }
    let simulation = kept.simulation().clone();
    let (simulated, why_not) = match simulation {
        Simulation::NotBegun => (None, Some("its waves are not drawn yet".into())),
        Simulation::UnderWay => (None, Some("it is being simulated".into())),
        Simulation::Done(curve) => (Some(curve), None),
        Simulation::Never(why) => (None, Some(why)),
    };
    Ok(RolloutCurve {
        at: view.at,
        hosts: hosts(view),
        real,
        simulated,
        why_not,
        waves: waves(view),
    })
}

/// The real curve of a rollout alone; nothing is simulated for it. `fleet` is how hosts stand towards its package. The curve
/// of one that `is_past` hardly changes any more: it is made once in [`PAST_KEPT`].
pub(crate) async fn real_alone(
    app: &App,
    rollout: &Rollout,
    fleet: &[Standing],
    is_past: bool,
    now: Timestamp,
) -> Result<Arc<Vec<(Timestamp, f64)>>, Refusal> {
    let alone = app.curves.alone(rollout.id);
    let read = read_alone(app, &alone, rollout, fleet, now);
    if !is_past {
        return alone.newest.read(now, read).await;
    }
    let read_once = async {
        let curve = read.await?;
        // The runs behind it are many, and not looked at again soon.
        *alone.book.lock().await = Book::default();
        Ok(curve)
    };
    alone.past.read(now, read_once).await
}

async fn read_alone(
    app: &App,
    alone: &Alone,
    rollout: &Rollout,
    fleet: &[Standing],
    now: Timestamp,
) -> Result<Vec<(Timestamp, f64)>, Refusal> {
    let facts = states_of(app, rollout, fleet.to_vec(), now).await?;
    let view = rollout_views::view(rollout, &facts, None, Names::Told, None, now);
    let mut book = alone.book.lock().await;
    book.read_on(&app.store, &view).await?;
    Ok(real::curve(&view, &book.came))
}

fn hosts(view: &RolloutView) -> usize {
    view.waves.iter().map(|wave| wave.figures.hosts).sum()
}

fn waves(view: &RolloutView) -> Vec<CurveWave> {
    let all = hosts(view).max(1) as f64;
    let mut so_far = 0;
    let waves = view.waves.iter().map(|wave| {
        so_far += wave.figures.hosts;
        CurveWave {
            share: so_far as f64 / all,
            opened_at: wave.opened_at,
            proven_at: wave.proven_at,
        }
    });
    waves.collect()
}

impl Book {
    /// Reads what hosts told since the last time.
    async fn read_on(
        &mut self,
        store: &Store,
        view: &RolloutView,
    ) -> Result<(), lockstep_store::Error> {
        let mut after = self.newest.map(|newest| ProofsAfter {
            received_at: newest.checked_sub(OVERLAP).unwrap_or(Timestamp::MIN),
            run: None,
        });
        while self.came.len() < MOST_RUNS {
            let page = store.proofs(view.id, after).await?;
            let is_last = page.len() < Store::PROOFS;
            after = page.last().map(|last| ProofsAfter {
                received_at: last.received_at,
                run: Some(last.run),
            });
            for proof in page {
                self.take(proof, view);
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, proof: Proof, view: &RolloutView) {
        self.newest = self.newest.max(Some(proof.received_at));
        if proof.package != view.package || !self.read.insert(proof.run) {
            return;
        }
        let has_it = proof.to.as_ref().is_some_and(|to| *to == view.version);
        self.came.push(Came {
            host: proof.host,
            at: proof.at,
            has_it,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rollouts_that_were_asked_for_last_are_kept() {
        let curves = Curves::default();
        let first = curves.of(RolloutId(1));
        assert!(first.begins());
        assert!(!curves.of(RolloutId(1)).begins(), "it is under way");
        for id in 2..=KEPT as u64 {
            curves.of(RolloutId(id));
        }
        assert!(Arc::ptr_eq(&first, &curves.of(RolloutId(1))));
        // Number 2 is the one that nobody asked for again.
        let second = curves.of(RolloutId(2));
        curves.of(RolloutId(1000));
        assert!(Arc::ptr_eq(&first, &curves.of(RolloutId(1))));
        assert!(Arc::ptr_eq(&second, &curves.of(RolloutId(2))));
        assert!(curves.of(RolloutId(3)).begins(), "it was forgotten");
    }

    #[test]
    fn curves_alone_take_no_place_from_rollouts_that_people_look_at() {
        let curves = Curves::default();
        let looked_at = curves.of(RolloutId(1));
        for id in 1..=2 * ALONE as u64 {
            curves.alone(RolloutId(id));
        }
        assert!(Arc::ptr_eq(&looked_at, &curves.of(RolloutId(1))));
        assert_eq!(curves.alone.lock().unwrap().len(), ALONE);
    }
}
