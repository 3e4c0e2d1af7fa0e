//! The worker's answers on the local socket.

use std::path::PathBuf;

use lockstep_model::{Outcome, RunId, Version};
use lockstep_plan::update::{By, Hold, Order, Step};
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
            WorkerRequest::UpdateFrom { bundle, metadata } => {
                self.update_from(bundle, metadata, answer);
            }
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
                        brought: false,
                    };
                    let _ = events.send(Event::Ordered(order, answer)).await;
                }
                Err(error) => {
                    let _ = answer.send(WorkerAnswer::Refused { why: words(&error) });
                }
            }
        });
    }

    /// Updates to the version that a file holds. It is verified and copied beside the worker's loop, and comes back as an
    /// order.
    fn update_from(
        &mut self,
        bundle: PathBuf,
        metadata: Option<PathBuf>,
        answer: oneshot::Sender<WorkerAnswer>,
    ) {
        if let Some(run) = self.in_the_way(true) {
            let why = Hold::RunInProgress { run }.to_string();
            let _ = answer.send(WorkerAnswer::Refused { why });
            return;
        }
        let (place, client) = (self.place(), self.link.client());
        let (current, events) = (self.version().clone(), self.events.clone());
        let generation = self.memory.generation;
        tokio::spawn(async move {
            let taken = fetch::take(&bundle, metadata.as_deref(), &place, &client).await;
            let answered = match taken {
                Ok(release) if release.details.version == current => WorkerAnswer::Nothing {
                    hold: Hold::UpToDate,
                },
                Ok(release) => {
                    let order = Order {
                        package: release.details.package.clone(),
                        version: release.details.version.clone(),
                        target: release.target.clone(),
                        hash: release.hash,
                        length: release.length,
                        generation,
                        by: By::Hand,
                        brought: true,
                    };
                    let _ = events.send(Event::Ordered(order, answer)).await;
                    return;
                }
                Err(error) => WorkerAnswer::Refused { why: words(&error) },
            };
            let _ = answer.send(answered);
        });
    }

    /// The run that another order must wait for. One with a bundle that was brought gives way to the next such one, until
    /// it is offered: it may wait for metadata that is fresh, which only comes with another stick.
    fn in_the_way(&self, brought: bool) -> Option<RunId> {
        let run = self.run.as_ref().filter(|run| !run.is_over())?;
        let is_at_rest = matches!(run.step, Step::Fetch | Step::Unpack | Step::Preflight);
        let gives_way = brought && run.order.brought && is_at_rest;
        (!gives_way).then_some(run.id)
    }

    /// Begins the run that a person ordered.
    pub(super) fn ordered(&mut self, order: Order, answer: oneshot::Sender<WorkerAnswer>) {
        if let Some(run) = self.in_the_way(order.brought) {
            let why = Hold::RunInProgress { run }.to_string();
            let _ = answer.send(WorkerAnswer::Refused { why });
            return;
        }
        if self.run.as_ref().is_some_and(|run| !run.is_over()) {
            self.end_run(Outcome::Postponed, None);
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
