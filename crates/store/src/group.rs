//! Grouped writes: reports, events, runs and changes of locks come in masses, and a commit costs a sync of the disk, so many share one.
//!
//! Callers put what they have into a bounded line and wait for the answer. One task per process takes all that is
//! there, up to [`GROUP`] at a time, and commits it as one transaction; while it does, the next group gathers, so
//! groups grow with the load and nobody waits for a timer. An answer is given only after the commit.
//!
//! When the line is full the caller waits for room, and after [`Limits::wait`] is told [`Error::Busy`]. One bad
//! entry does not harm its neighbours: entries are checked before they are put in line, an entry without its host
//! is answered alone, and when the transaction fails for a reason that lies in an entry, each is tried alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::db::Db;
use crate::events::EventsEntry;
use crate::hosts::ReportEntry;
use crate::runs::RunEntry;
use crate::snapshots::SnapshotsEntry;

mod commit;
mod locks;

use commit::commit;
pub(crate) use locks::LockEntry;

/// The limits of the waiting line of reports, events and runs.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Entries in line, at most.
    pub entries: usize,
    /// Their size together, in bytes, at most.
    pub bytes: usize,
    /// How long a caller waits, in line and for the commit together.
    pub wait: Duration,
}

impl Default for Limits {
    /// Four thousand entries, 64 MiB, ten seconds.
    fn default() -> Self {
        Self {
            entries: 4096,
            bytes: 64 * 1024 * 1024,
            wait: Duration::from_secs(10),
        }
    }
}

/// Entries that share a transaction, at most: some ten milliseconds of work.
const GROUP: usize = 256;
/// Room in line is counted in pieces of this many bytes.
const PIECE: usize = 1024;

/// What is written in groups. Its texts are checked and made already.
pub(crate) enum Entry {
    /// A host's report.
    Report(ReportEntry),
    /// A run's record.
    Run(RunEntry),
    /// Events, and what they say of items.
    Events(EventsEntry),
    /// What was measured while nobody listened.
    Snapshots(SnapshotsEntry),
    /// A change of a lock.
    Lock(LockEntry),
}

impl Entry {
    fn bytes(&self) -> usize {
        match self {
            Self::Report(entry) => entry.report.len(),
            Self::Run(entry) => entry.record.len(),
            Self::Events(entry) => entry.bytes(),
            Self::Snapshots(entry) => entry.snapshots.iter().map(|it| it.items.len()).sum(),
            Self::Lock(_) => 0,
        }
    }

    /// The order in which rows are locked, so that the groups of two servers cannot wait for each other: those of hosts,
    /// then those of locks.
    fn order(&self) -> (u8, &str, &str) {
        match self {
            Self::Report(entry) => (0, entry.host.as_str(), ""),
            Self::Events(entry) => (0, entry.via(), ""),
            Self::Snapshots(entry) => (0, entry.host.as_str(), ""),
            Self::Run(entry) => (0, entry.host.as_str(), &entry.run),
            Self::Lock(entry) => (1, entry.name.as_str(), ""),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Report(_) => "store a report",
            Self::Run(_) => "store a run",
            Self::Events(_) => "store events",
            Self::Snapshots(_) => "store snapshots",
            Self::Lock(_) => "change a lock",
        }
    }
}

/// What came of an entry: of events the number through which they are stored, of anything else 0.
type Outcome = Result<u64, Error>;

struct Waiting {
    entry: Entry,
    answer: oneshot::Sender<Outcome>,
    /// Its room in line, given back when it has been answered.
    _room: OwnedSemaphorePermit,
}

/// The line and the task behind it.
pub(crate) struct Groups {
    line: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    pieces: u32,
    wait: Duration,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Groups {
    /// Starts the task. It ends with [`Groups::close`], or when nobody is left who could put something in line.
    pub(crate) fn start(db: Db, limits: Limits) -> Self {
        let (line, entries) = mpsc::channel(limits.entries.max(1));
        let pieces = (limits.bytes / PIECE).clamp(1, Semaphore::MAX_PERMITS);
        let stop = CancellationToken::new();
        let task = tokio::spawn(write_groups(db, entries, stop.clone()));
        Self {
            line,
            room: Arc::new(Semaphore::new(pieces)),
            pieces: u32::try_from(pieces).unwrap_or(u32::MAX),
            wait: limits.wait,
            stop,
            task: Mutex::new(Some(task)),
        }
    }

    /// Writes an entry, and returns when it is durable.
    pub(crate) async fn write(&self, entry: Entry) -> Outcome {
        let what = entry.what();
        let written = async {
            let pieces = u32::try_from(entry.bytes().div_ceil(PIECE)).unwrap_or(u32::MAX);
            let room = Arc::clone(&self.room)
                .acquire_many_owned(pieces.clamp(1, self.pieces))
                .await
                .map_err(|_| Error::Closed)?;
            let (answer, answered) = oneshot::channel();
            let waiting = Waiting {
                entry,
                answer,
                _room: room,
            };
            self.line.send(waiting).await.map_err(|_| Error::Closed)?;
            answered.await.map_err(|_| Error::Closed)?
        };
        tokio::time::timeout(self.wait, written)
            .await
            .unwrap_or(Err(Error::Busy { what }))
    }

    /// Takes no more, writes what is in line, and waits for the end of the task.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task that writes reports, events and runs ended badly");
        }
    }
}

async fn write_groups(db: Db, mut line: mpsc::Receiver<Waiting>, stop: CancellationToken) {
    let mut group = Vec::new();
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled(), if !line.is_closed() => {
                line.close();
                continue;
            }
            taken = line.recv_many(&mut group, GROUP) => taken,
        };
        if taken == 0 {
            return;
        }
        write_group(&db, std::mem::take(&mut group)).await;
        // Whoever was just answered may have more: let them come into line before the next group begins, or it is small.
        tokio::task::yield_now().await;
    }
}

async fn write_group(db: &Db, mut group: Vec<Waiting>) {
    // Stable: what one host reported keeps its order, and what was asked of one lock.
    group.sort_by(|a, b| a.entry.order().cmp(&b.entry.order()));
    let failure = match commit(db, &group).await {
        Ok(outcomes) => {
            for (waiting, outcome) in group.into_iter().zip(outcomes) {
                tell(waiting, outcome);
            }
            return;
        }
        Err(failure) => failure,
    };
    if group.len() == 1 || !lies_in_an_entry(&failure) {
        for waiting in group {
            tell(waiting, Err(failure.clone()));
        }
        return;
    }
    tracing::warn!(
        error = &failure as &dyn std::error::Error,
        "a group of {} reports, events and runs failed, each is tried alone",
        group.len()
    );
    let mut rest = group.into_iter();
    while let Some(waiting) = rest.next() {
        let outcome = match commit(db, std::slice::from_ref(&waiting)).await {
            Ok(mut outcomes) => outcomes.pop().unwrap_or(Err(Error::Closed)),
            Err(failure) => Err(failure),
        };
        let database_is_gone = matches!(&outcome, Err(failure) if !lies_in_an_entry(failure));
        let failure = outcome.as_ref().err().cloned();
        tell(waiting, outcome);
        if let Some(failure) = failure.filter(|_| database_is_gone) {
            // The others would each wait in vain.
            for waiting in rest {
                tell(waiting, Err(failure.clone()));
            }
            return;
        }
    }
}

/// True for what the database says of a statement; false when it cannot be reached, or is busy. An entry that was
/// refused by us ([`Error::HostUnknown`] and so on) is an outcome, not a failure.
fn lies_in_an_entry(failure: &Error) -> bool {
    !matches!(failure, Error::Busy { .. } | Error::Closed)
        && failure
            .driver()
            .is_none_or(|error| matches!(error, sqlx::Error::Database(_)))
}

fn tell(waiting: Waiting, outcome: Outcome) {
    if waiting.answer.send(outcome).is_err() {
        // The caller's time was over; what was stored does no harm.
        tracing::debug!("nobody waits for the answer to what was stored");
    }
}
