//! What the worker tells the server, and when.

use std::time::Duration;

use lockstep_host::machine;
use lockstep_model::Interval;
use lockstep_model::api::{Installed, Report, RunStatus};
use lockstep_plan::schedule;
use tokio::time::Instant;

use super::link::Reported;
use super::{TRIAL_REPORT, Worker};
use crate::local::WorkerAnswer;

impl Worker {
    pub(super) fn report(&self) -> Report {
        let slot = &self.slot;
        let previous = self
            .slots
            .previous()
            .ok()
            .flatten()
            .map(|slot| slot.manifest.version);
        let previous = previous.filter(|version| *version != slot.manifest.version);
        Report {
            at: self.clock.now(),
            boot_id: self.boot_id.clone(),
            installed: vec![Installed {
                package: slot.manifest.package.clone(),
                version: slot.manifest.version.clone(),
                hash: slot.hash,
                previous,
                proven: !self.on_trial,
            }],
            items: self.items.clone().unwrap_or_default(),
            run: self
                .run
                .as_ref()
                .filter(|run| !run.is_over())
                .map(|run| RunStatus {
                    id: run.id,
                    package: run.order.package.clone(),
                    to: run.order.version.clone(),
                    phase: run.step.phase(),
                }),
            updates_enabled: self.config.update.enabled,
            generation: self.memory.generation,
            skipped: self
                .memory
                .skipped
                .iter()
                .map(|skipped| skipped.hash)
                .collect(),
            facts: machine::facts(),
            watched: Vec::new(),
            work: None,
            work_refused: None,
        }
    }

    pub(super) fn reported(&mut self, reported: Reported) {
        self.reporting = false;
        self.link_state = reported.state;
        self.next_sign = Instant::now();
        match reported.answer {
            Ok(answer) => {
                self.reported_at = Some(self.clock.now());
                self.server_clock = Some((answer.server_time, Instant::now()));
                self.updates = answer.updates;
                self.plan_next_report(Some(answer.next_report), reported.retry_after);
                self.take_orders(answer.desired);
                self.send_records();
                self.renew_if_due();
            }
            Err(wanted) => {
                self.plan_next_report(None, reported.retry_after);
                // A server that does not talk to this version still says which one it wants.
                if let Some(wanted) = wanted {
                    self.take_orders(vec![wanted]);
                    self.send_records();
                } else {
                    self.link.next_server();
                    self.client.send_replace(self.link.client());
                    let why = format!("the report was not accepted: {}", self.link_state);
                    self.answer_waiting(|_| WorkerAnswer::Refused { why: why.clone() });
                }
            }
        }
    }

    pub(super) fn plan_next_report(
        &mut self,
        asked: Option<Interval>,
        retry_after: Option<Duration>,
    ) {
        let every = asked.unwrap_or(self.config.report.every).duration();
        let seed = schedule::stable_hash(&[self.identity.host.as_str()]);
        let wait = match (self.on_trial, asked.is_some(), retry_after) {
            (true, ..) => every.min(TRIAL_REPORT),
            (false, _, Some(wait)) => schedule::spread_retry(wait, seed ^ self.reports),
            (false, true, None) => schedule::next_report(every, seed, self.reports),
            // After a failure it is tried soon, but never all hosts at one time.
            (false, false, None) => {
                schedule::spread_retry(every.min(Duration::from_secs(15)), seed ^ self.reports)
            }
        };
        self.next_report = Instant::now() + wait;
    }

    pub(super) fn send_records(&mut self) {
        if !self.sending_records {
            self.sending_records = true;
            self.link
                .send_records(self.state.clone(), self.events.clone());
        }
    }
}
