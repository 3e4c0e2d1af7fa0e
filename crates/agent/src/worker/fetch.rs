//! The fetch of the agent's own release, beside the worker's loop: each stage is journaled before it begins.

use std::time::Duration;

use lockstep_model::{Outcome, RunReason};
use lockstep_net::client::HttpClient;
use lockstep_plan::update::{Journal, Step};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::Event;
use crate::fetch::{Enter, Place, Stage, Unready, prepare};

/// How a fetch goes on, or how it ended.
pub(super) enum Fetched {
    /// It is about to enter a step, which must be journaled first; dropping the answer ends the fetch.
    Enter(Step, oneshot::Sender<()>),
    /// The slot is complete and checked.
    Ready,
    /// It ended for good.
    Failed {
        /// Whether the release is to blame.
        outcome: Outcome,
        /// Why.
        reason: RunReason,
    },
    /// It did not work now.
    Again {
        /// Why.
        why: String,
        /// When it is to be tried again.
        after: Duration,
    },
}

/// A fetch under way; it ends when this is dropped.
pub(super) struct Fetching {
    task: AbortHandle,
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fetching {
    /// Starts a fetch; what becomes of it arrives as events.
    pub(super) fn start(
        run: Journal,
        place: Place,
        client: HttpClient,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let id = run.id;
        let task = tokio::spawn(async move {
            let end = match prepare(
                &run.order,
                &place,
                &client,
                &Steps {
                    run: &run,
                    events: &events,
                },
            )
            .await
            {
                Ok(_) => Fetched::Ready,
                Err(Unready::Failed { outcome, reason }) => Fetched::Failed { outcome, reason },
                Err(Unready::Again { why, after }) => Fetched::Again { why, after },
            };
            // The worker may be stopping.
            let _ = events.send(Event::Fetched(id, Box::new(end))).await;
        });
        Self {
            task: task.abort_handle(),
        }
    }
}

struct Steps<'a> {
    run: &'a Journal,
    events: &'a mpsc::Sender<Event>,
}

impl Enter for Steps<'_> {
    /// Has the step journaled before it begins.
    async fn enter(&self, stage: Stage) -> Result<(), Unready> {
        let step = match stage {
            Stage::Fetch => Step::Fetch,
            Stage::Unpack => Step::Unpack,
            Stage::Check => Step::Preflight,
        };
        if self.run.step == step {
            return Ok(());
        }
        let (journaled, waits) = oneshot::channel();
        let enter = Event::Fetched(self.run.id, Box::new(Fetched::Enter(step, journaled)));
        let gone = || Unready::Again {
            why: "the run was given up".into(),
            after: Duration::ZERO,
        };
        self.events.send(enter).await.map_err(|_| gone())?;
        waits.await.map_err(|_| gone())
    }
}
