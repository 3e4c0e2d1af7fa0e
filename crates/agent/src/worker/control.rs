//! The worker's answers on the local socket.

use lockstep_model::Version;
use lockstep_plan::update::{By, Hold, Order};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Ask, Event, Worker};
use crate::local::{Asked, WorkerAnswer, WorkerRequest, WorkerStatus};
use crate::{fetch, words};

/// Most local requests that wait for the server at once.
const MAX_WAITING: usize = 16;

impl Worker {
    pub(super) fn asked(&mut self, (request, answer): Asked<WorkerRequest, WorkerAnswer>) {
        match request {
            WorkerRequest::Status => {
                // Whoever asked may have gone away; so it is with all answers below.
                let _ = answer.send(WorkerAnswer::Status(Box::new(self.status())));
            }
            WorkerRequest::CheckUpdate => self.ask_server(Ask::Check, answer),
            WorkerRequest::Update { to: None } => self.ask_server(Ask::Update, answer),
            WorkerRequest::Update { to: Some(version) } => self.update_to(version, answer),
            WorkerRequest::History(query) => {
                let past = self.watching.past().clone();
                tokio::spawn(async move {
                    let found = past.view(query).await;
                    let _ = answer.send(match found {
                        Ok(series) => WorkerAnswer::History(series),
                        Err(why) => WorkerAnswer::Refused { why },
                    });
                });
            }
        }
    }

    /// Reports at once and answers with what comes of it.
    pub(super) fn ask_server(&mut self, ask: Ask, answer: oneshot::Sender<WorkerAnswer>) {
        if self.waiting.len() >= MAX_WAITING {
            let _ = answer.send(WorkerAnswer::Refused {
                why: "too many requests wait for the server already".into(),
            });
            return;
        }
        self.waiting.push((ask, answer));
        self.next_report = Instant::now();
    }

    /// Updates to a version that a person on the host chose. The release is looked up beside the worker's loop and
    /// comes back as an order.
    fn update_to(&mut self, version: Version, answer: oneshot::Sender<WorkerAnswer>) {
        if version == *self.version() {
            let _ = answer.send(WorkerAnswer::Nothing {
                hold: Hold::UpToDate,
            });
            return;
        }
        if let Some(run) = self.run.as_ref().filter(|run| !run.is_over()) {
            let why = Hold::RunInProgress { run: run.id }.to_string();
            let _ = answer.send(WorkerAnswer::Refused { why });
            return;
        }
        let (layout, client) = (self.layout.clone(), self.link.client());
        let (clock, events) = (self.clock.clone(), self.events.clone());
        let generation = self.memory.generation;
        tokio::spawn(async move {
            match fetch::find(&layout, &client, &clock, &version).await {
                Ok(release) => {
                    let order = Order {
                        package: release.details.package.clone(),
                        version,
                        target: release.target.clone(),
                        hash: release.hash,
                        length: release.length,
                        generation,
                        by: By::Hand,
                    };
                    let _ = events.send(Event::Ordered(order, answer)).await;
                }
                Err(error) => {
                    let _ = answer.send(WorkerAnswer::Refused { why: words(&error) });
                }
            }
        });
    }

    /// Begins the run that a person ordered.
    pub(super) fn ordered(&mut self, order: Order, answer: oneshot::Sender<WorkerAnswer>) {
        if let Some(run) = self.run.as_ref().filter(|run| !run.is_over()) {
            let why = Hold::RunInProgress { run: run.id }.to_string();
            let _ = answer.send(WorkerAnswer::Refused { why });
            return;
        }
        self.memory.forgive(&order.hash);
        let version = order.version.clone();
        let begun = match self.begin_run(order) {
            Ok(run) => WorkerAnswer::Begun { run, version },
            Err(error) => WorkerAnswer::Refused { why: words(&error) },
        };
        let _ = answer.send(begun);
    }

    fn status(&self) -> WorkerStatus {
        WorkerStatus {
            host: self.identity.host.to_string(),
            version: self.version().clone(),
            server: self.link.server().into(),
            link: self.link_state.clone(),
            reported_at: self.reported_at,
            certificate_until: self.identity.not_after,
            desired: self.wanted().map(|desired| desired.version.clone()),
            hold: self.hold.clone(),
            waits: self
                .retry
                .as_ref()
                .map(|retry| format!("{}; tried again at {:.0}", retry.why, retry.at)),
            packages: self.installed_bundles(),
            kept: self.kept(),
            items: self.watching.states().unwrap_or_default().to_vec(),
        }
    }
}
