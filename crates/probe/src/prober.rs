//! The public face: what is watched goes in, samples come out.

mod bounds;
mod entry;
mod live;
mod outbox;
mod probes;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use lockstep_model::api::ProgramSeen;
use lockstep_model::{Sample, Work};
use lockstep_net::Clock;
use tokio::sync::{mpsc, oneshot, watch};

use crate::probe::{Order, Probe};
use crate::programs::Programs;
use crate::{Config, Permits, Secrets, registry};
use schedule::Schedule;

pub use live::{Live, Looked};

/// Looks at everything that the work document names, each item in its own time, and hands over what it found.
///
/// It is a task of its own, which ends when the prober or the receiver of its batches is dropped. Dropping the prober
/// gives up the looks that are under way; a call that hangs in the kernel stays in its thread.
#[derive(Debug)]
pub struct Prober {
    wanted: watch::Sender<Wanted>,
    at_once: mpsc::Sender<oneshot::Sender<Vec<Sample>>>,
    live: Live,
    programs: Arc<Programs>,
}

/// What the task shall do; the newest counts.
#[derive(Debug, Clone)]
struct Wanted {
    work: Arc<Work>,
    hurry: Option<Duration>,
    /// None for what the configuration says.
    leave: Option<Leave>,
}

/// What probes may do, and with which secrets.
#[derive(Debug, Clone)]
struct Leave {
    permits: Arc<Permits>,
    secrets: Arc<Secrets>,
}

/// Finds the probe for an entry: [`registry::find`] but in tests.
type Find = dyn Fn(&Order) -> Result<Arc<dyn Probe>, String> + Send + Sync;

impl Prober {
    /// Begins to watch. Runs within a tokio runtime whose time is enabled.
    ///
    /// Built-in items that cost next to nothing are looked at at once and then together, so that those of one
    /// interval come in one batch. All others have their first look within ten seconds, each at a moment of its own.
    /// A batch holds each item at most once. If the reader is slow, one batch waits in the channel and one behind it,
    /// which keeps the newest sample of each item; older ones are lost.
    #[must_use]
    pub fn start(config: Config, work: Work, clock: Clock) -> (Self, mpsc::Receiver<Vec<Sample>>) {
        Self::with_probes(config, work, clock, Arc::new(registry::find))
    }

    fn with_probes(
        config: Config,
        work: Work,
        clock: Clock,
        find: Arc<Find>,
    ) -> (Self, mpsc::Receiver<Vec<Sample>>) {
        let (batches, receiver) = mpsc::channel(1);
        let (at_once, requests) = mpsc::channel(4);
        let work = Arc::new(work);
        let (asks, asked) = mpsc::channel(4);
        let programs = Arc::<Programs>::default();
        let noted = Arc::clone(&programs);
        let schedule = Schedule::new(config, Arc::clone(&work), clock, find, noted);
        let (wanted, changes) = watch::channel(Wanted {
            work,
            hurry: None,
            leave: None,
        });
        tokio::spawn(schedule.run(changes, requests, asked, batches));
        let prober = Self {
            wanted,
            at_once,
            live: Live { asks },
            programs,
        };
        (prober, receiver)
    }

    /// Watches what this document says from now on. Entries that did not change keep their time and what they
    /// remember. An entry that makes no sense is an item without a value, which says why.
    pub fn follow(&self, work: Work) {
        self.wanted
            .send_modify(|wanted| wanted.work = Arc::new(work));
    }

    /// The host permits other things now, or has other secrets: its configuration was read again. All probes outside
    /// the kernel are made anew, and what they remember of counters is lost.
    pub fn permit(&self, permits: Permits, secrets: Secrets) {
        let leave = Leave {
            permits: Arc::new(permits),
            secrets: Arc::new(secrets),
        };
        self.wanted.send_modify(|wanted| wanted.leave = Some(leave));
    }

    /// Samples at least this often, until told otherwise with none. Probes that are not cheap are asked at most ten
    /// times as often as the work document says: a question to another host may be a burden to it.
    pub fn hurry(&self, at_least_every: Option<Duration>) {
        self.wanted
            .send_modify(|wanted| wanted.hurry = at_least_every);
    }

    /// The plugins and scripts that were run, as they ended last; at most 64.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramSeen> {
        self.programs.all()
    }

    /// What asks for single items, beside their intervals.
    #[must_use]
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// Samples everything at once, and waits until the last probe has answered or was given up. The samples go into
    /// the batches as well. Nothing comes back if the batches have no reader any more.
    pub async fn now(&self) -> Vec<Sample> {
        let (answer, samples) = oneshot::channel();
        if self.at_once.send(answer).await.is_err() {
            return Vec::new();
        }
        samples.await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
