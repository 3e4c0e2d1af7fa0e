//! What a run says of itself: to its journal first, then to the host's chain and the server.

use std::time::Duration;

use lockstep_net::client::CallError;
use lockstep_plan::run::{RunJournal, Wait};
use tracing::{debug, info};

use super::{Backend, Engine};
use crate::{Error, State, words};

/// Records are sent for so long; then they wait in the outbox.
const SEND_WITHIN: Duration = Duration::from_secs(10);

impl Engine {
    /// Writes the next step down before anything is done about it, and tells of it.
    pub(super) fn enter(&mut self, next: RunJournal) -> Result<(), Error> {
        let is_new = next != self.journal;
        let is_another_step = next.step != self.journal.step || next.lock != self.journal.lock;
        let told = self.told(&next);
        if next.is_over() {
            // Afterwards nobody would know of it: the next run is another one.
            self.leave();
            if let Backend::Bundle(bundle) = &self.backend {
                bundle.over(&next)?;
            }
            if told {
                self.tell(&next)?;
            }
        }
        if is_new {
            self.journals.write(&next)?;
            self.lock_is_confirmed = false;
        }
        if is_another_step {
            info!(run = %next.id, phase = %next.step.phase(), step = ?next.step, "the run goes on");
        }
        if let Some(waiting) = &next.waiting {
            let before = self.journal.waiting.as_ref();
            match is_new && before.is_some_and(|before| before.why == waiting.why) {
                true => debug!(run = %next.id, why = %waiting.why, "waits on"),
                false => info!(run = %next.id, why = %waiting.why, "waits"),
            }
        }
        self.journal = next;
        if told && !self.journal.is_over() {
            self.tell(&self.journal)?;
        }
        Ok(())
    }

    /// Puts the record into the outbox, and into the host's chain.
    pub(super) fn tell(&self, journal: &RunJournal) -> Result<(), Error> {
        match self.record_of(journal) {
            Some(record) => State::new(&self.layout).send_later(&record),
            None => Ok(()),
        }
    }

    /// True if the server must hear of it, whatever becomes of this process.
    pub(super) fn told(&self, next: &RunJournal) -> bool {
        let before = &self.journal;
        let shown = |journal: &RunJournal| {
            let ended = journal.has_stopped() || journal.is_over();
            (journal.step.phase(), ended, journal.lock.clone())
        };
        shown(before) != shown(next) || next == before
    }

    pub(super) fn record_of(&self, journal: &RunJournal) -> Option<lockstep_model::RunRecord> {
        let log = match journal.has_stopped() || journal.is_over() {
            true => self.output.end(),
            false => String::new(),
        };
        journal.record(self.clock.now(), log)
    }

    /// Sends what waits in the outbox, and what this run waits for.
    pub(super) async fn send_records(&self) {
        let Some(client) = self.locks.as_ref().and_then(|locks| locks.client()) else {
            return;
        };
        let state = State::new(&self.layout);
        let sending = crate::worker::send_records(client, &state);
        match tokio::time::timeout(SEND_WITHIN, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(error = words(&error), "records wait in the outbox"),
            Err(_) => debug!("records wait in the outbox"),
        }
        // What is only waited for is not worth keeping: the next record says the same, or something newer.
        if let Some(record) = self.waiting_record() {
            let sent = client.post_json::<_, serde_json::Value>("/agent/v1/runs", &record);
            let sent: Result<Result<_, CallError>, _> =
                tokio::time::timeout(SEND_WITHIN, sent).await;
            if let Ok(Err(error)) = sent {
                debug!(
                    error = words(&error),
                    "the server does not know what is waited for"
                );
            }
        }
    }

    /// The record of a run that waits, or does again what it was to do later. Neither is an entry of the chain, which the
    /// server knows by what it says of waiting.
    pub(super) fn waiting_record(&self) -> Option<lockstep_model::RunRecord> {
        let waiting = self.journal.waiting.as_ref()?;
        let mut record = self.record_of(&self.journal)?;
        if record.waits.is_none() && matches!(waiting.why, Wait::Later { .. }) {
            record.waits = Some(format!("{}; called again now", waiting.why));
        }
        record.waits.is_some().then_some(record)
    }
}
