//! What the worker tells the server, and when.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::machine;
use lockstep_model::api::{Installed, Notes, Query, Report, RunStatus, WorkAnswer};
use lockstep_model::{ContentHash, Interval, Sample};
use lockstep_plan::schedule;
use tokio::time::Instant;
use tracing::warn;

use super::link::{EventsSent, Reported};
use super::watching::Own;
use super::{LOOK, TRIAL_REPORT, Worker};
use crate::local::WorkerAnswer;
use crate::words;

/// A report whose answer took longer than this says nothing of the clocks, in seconds.
const LONGEST_WAY: f64 = 2.0;
/// This soon after a new work document came into force the server is told how things stand.
const WORK_REPORT: Duration = Duration::from_secs(2);

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
            installed: std::iter::once(Installed {
                package: slot.manifest.package.clone(),
                version: slot.manifest.version.clone(),
                hash: slot.hash,
                previous,
                proven: !self.on_trial,
            })
            .chain(self.installed_bundles())
            .collect(),
            items: self.watching.states().unwrap_or_default().to_vec(),
            run: self
                .run
                .as_ref()
                .filter(|run| !run.is_over())
                .map(|run| RunStatus {
                    id: run.id,
                    package: run.order.package.clone(),
                    to: Some((&run.order.version).into()),
                    phase: run.step.phase(),
                })
                .or_else(|| self.run_in_progress()),
            updates_enabled: self.config.update.enabled,
            generation: self.memory.generation,
            skipped: self
                .memory
                .skipped
                .iter()
                .map(|skipped| skipped.hash)
                .chain(self.skipped_bundles())
                .collect(),
            facts: machine::facts(),
            watched: self.watching.watched().to_vec(),
            work: self.watching.work_hash(),
            work_refused: match self.watching.work_refused() {
                Some(why) => Some(why.to_owned()),
                None => self.runs.refused.clone(),
            },
            kept: self.kept(),
            notes: Notes {
                wishes: self.wishes_seen(),
                ..self.watching.notes()
            },
        }
    }

    pub(super) fn reported(&mut self, reported: Reported) {
        self.reporting = false;
        self.link_state = reported.state;
        self.next_sign = Instant::now();
        match reported.answer {
            Ok(answer) => {
                self.reported_at = Some(self.clock.now());
                self.watching.told(reported.told);
                self.server_clock = Some((answer.server_time, Instant::now()));
                self.compare_clocks(answer.server_time);
                self.look_for_work(answer.work);
                self.fill_gap();
                self.updates = answer.updates;
                self.plan_next_report(Some(answer.next_report), reported.retry_after);
                // Before any run is begun: what was taken back is not wished any more.
                self.take_wishes(&answer.wishes);
                self.take_commands(answer.commands);
                self.take_orders(answer.desired);
                self.restart_if_wished();
                self.note_what_is_wanted();
                self.send_records();
                self.send_events();
                self.renew_if_due();
            }
            Err(wanted) => {
                self.plan_next_report(None, reported.retry_after);
                // A server that does not talk to this version still says which one it wants.
                if let Some(wanted) = wanted {
                    // It says nothing of other packages.
                    let mut desired = self.desired.clone();
                    desired.retain(|it| it.package != wanted.package);
                    desired.push(wanted);
                    self.take_orders(desired);
                    self.note_what_is_wanted();
                    self.send_records();
                    self.send_events();
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
        self.asked_every = asked.or(self.asked_every);
        let every = self
            .asked_every
            .unwrap_or(self.config.report.every)
            .duration();
        let seed = schedule::stable_hash(&[self.identity.host.as_str()]);
        let wait = match self.on_trial {
            true => every.min(TRIAL_REPORT),
            false => next_wait(every, asked.is_some(), retry_after, seed ^ self.reports),
        };
        self.next_report = Instant::now() + wait;
    }

    /// How far this host's clock is ahead of the server's. The answer was made somewhere between question and
    /// receipt; a slow way makes that too vague to be worth anything.
    fn compare_clocks(&mut self, server: Timestamp) {
        let now = self.clock.now();
        let way = now.duration_since(self.asked_at).as_secs_f64();
        if (0.0..LONGEST_WAY).contains(&way) {
            let ahead = now.duration_since(server).as_secs_f64();
            self.clock_offset = Some(ahead - way / 2.0);
        }
    }

    /// Since when another version is wanted than the one that runs.
    fn note_what_is_wanted(&mut self) {
        let lags = self
            .wanted()
            .is_some_and(|wanted| wanted.version != *self.version());
        self.wanted_since = match (lags, self.wanted_since) {
            (false, _) => None,
            (true, Some(since)) => Some(since),
            (true, None) => self.wanted().map(|wanted| wanted.not_before),
        };
    }

    pub(super) fn sampled(&mut self, samples: Vec<Sample>) {
        let now = self.clock.now();
        self.next_look = Instant::now() + LOOK;
        let own = Own {
            version_lag: self.wanted_since.map_or(0.0, |since| {
                now.duration_since(since).as_secs_f64().max(0.0)
            }),
            clock_offset: self.clock_offset,
            run: self.run_sample(now),
        };
        if self.watching.take(samples, &own, now) {
            self.send_events();
        }
        self.show_figures();
    }

    /// Sends the events that wait, oldest first.
    pub(super) fn send_events(&mut self) {
        if self.sending_events {
            return;
        }
        match self.watching.log().batch() {
            Ok(Some(batch)) => {
                self.sending_events = true;
                self.link.send_events(batch, self.events.clone());
            }
            Ok(None) => {}
            Err(error) => warn!(
                error = words(&error),
                "the events that wait could not be read"
            ),
        }
    }

    pub(super) fn events_sent(&mut self, sent: EventsSent) {
        self.sending_events = false;
        // Otherwise they are sent with the next report.
        let Some((series, through)) = sent else {
            return;
        };
        let waited = self.watching.log().waiting();
        if let Err(error) = self.watching.stored(&series, through) {
            warn!(
                error = words(&error),
                "that events are stored could not be written down; they are sent again"
            );
            return;
        }
        // A server that stored nothing new is not asked again at once.
        if self.watching.log().waiting() < waited {
            self.send_events();
        }
    }

    /// Tells what was measured while the server could not be reached.
    fn fill_gap(&mut self) {
        let now = self.clock.now();
        if let Some(since) = self.watching.reported(now) {
            let past = self.watching.past().clone();
            self.link.fill_gap(past, since, now);
        }
    }

    /// Fetches the work document that the server speaks of, if it is not the one in force.
    fn look_for_work(&mut self, wanted: Option<ContentHash>) {
        if wanted == self.watching.work_hash() || self.fetching_work {
            return;
        }
        if wanted.is_none() {
            self.take_work(Ok(None));
            return;
        }
        self.fetching_work = true;
        self.link.fetch_work(self.events.clone());
    }

    pub(super) fn take_work(&mut self, work: Result<Option<WorkAnswer>, String>) {
        self.fetching_work = false;
        match work {
            Ok(answer) => {
                self.watching.follow(answer, &self.config);
                // The server shall see that it is in force, and how things stand under it.
                self.next_report = self.next_report.min(Instant::now() + WORK_REPORT);
            }
            Err(why) => self.watching.refuse_work(why),
        }
    }

    /// Answers what the server asked over the stream.
    pub(super) fn answer_query(&mut self, query: Query) {
        let past = self.watching.past().clone();
        let asker = || self.watching.asker(self.clock.clone());
        self.link.answer(query, past, asker);
    }

    fn show_figures(&self) {
        let states = self.watching.states().unwrap_or_default();
        self.figures
            .show(states, &self.link_state, self.reported_at);
        self.xymon.show(states);
    }

    pub(super) fn send_records(&mut self) {
        if !self.sending_records {
            self.sending_records = true;
            self.link
                .send_records(self.state.clone(), self.events.clone());
        }
    }
}

/// The wait for the next report, of a host that is not on trial. `asked` is true if the server has just said `every`:
/// then it has spread its hosts already, and counts on this moment. Spread once more, one report in eight would come so
/// late that its host counts as silent.
fn next_wait(every: Duration, asked: bool, retry_after: Option<Duration>, seed: u64) -> Duration {
    match (asked, retry_after) {
        (_, Some(wait)) => schedule::spread_retry(wait, seed),
        (true, None) => every,
        // After a failure it is tried soon, but never all hosts at one time.
        (false, None) => schedule::spread_retry(every.min(Duration::from_secs(15)), seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_when_the_server_expects_it() {
        let second = Duration::from_secs(1);
        for seed in 0..100 {
            assert_eq!(next_wait(330 * second, true, None, seed), 330 * second);
            let again = next_wait(300 * second, false, None, seed);
            assert!(again >= 15 * second && again < 30 * second, "{again:?}");
            let busy = next_wait(300 * second, false, Some(7 * second), seed);
            assert!(busy >= 7 * second && busy < 14 * second, "{busy:?}");
        }
    }
}
