//! The worker's way to the server.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::{
    Ask, Backfill, Desired, EventBatch, EventsStored, Query, QueryAnswer, Report, ReportAnswer,
    WorkAnswer,
};
use lockstep_model::{ProblemKind, Version};
use lockstep_net::Clock;
use lockstep_net::client::{CallError, HttpClient};
use lockstep_plan::probation::Link as LinkState;
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, error, info, warn};

use super::Event;
use super::now::Asker;
use super::past::Past;
use crate::config::AgentConfig;
use crate::state::State;
use crate::{Error, Identity, words};

/// Clients for all servers that this host knows, one of them in use.
pub(super) struct Link {
    clients: Vec<HttpClient>,
    servers: Vec<String>,
    in_use: usize,
    /// Places for questions that are being answered.
    questions: Arc<Semaphore>,
    /// Places for those about single values, which come each second while somebody watches.
    live_questions: Arc<Semaphore>,
}

/// Up to which number of which series events are at the server; none if they could not be sent.
pub(super) type EventsSent = Option<(String, u64)>;

/// Questions that are answered at once.
const MOST_QUESTIONS: usize = 4;
/// Questions about single values that are answered at once; each may wait for a look.
const MOST_LIVE: usize = 8;
/// The server keeps what it is told for so long.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How a report went.
pub(super) struct Reported {
    pub(super) state: LinkState,
    /// The answer; or the version that a server wants which does not talk to this one.
    pub(super) answer: Result<ReportAnswer, Option<Desired>>,
    pub(super) retry_after: Option<Duration>,
    /// The moment of the note of processes that the report carried.
    pub(super) told: Option<Timestamp>,
}

impl Link {
    pub(super) fn new(
        config: &AgentConfig,
        identity: &Identity,
        version: &Version,
        clock: &Clock,
    ) -> Result<Self, Error> {
        let servers = config.servers.clone();
        let clients = servers
            .iter()
            .map(|server| identity.client(server, version, clock))
            .collect::<Result<Vec<_>, _>>()?;
        if clients.is_empty() {
            return Err(Error::Refused(
                "agent.toml names no server: add servers = [\"https://HOST:7440\"]".into(),
            ));
        }
        Ok(Self {
            clients,
            servers,
            in_use: 0,
            questions: Arc::new(Semaphore::new(MOST_QUESTIONS)),
            live_questions: Arc::new(Semaphore::new(MOST_LIVE)),
        })
    }

    pub(super) fn client(&self) -> HttpClient {
        self.clients[self.in_use].clone()
    }

    pub(super) fn server(&self) -> &str {
        &self.servers[self.in_use]
    }

    /// After a failure the next server has its turn.
    pub(super) fn next_server(&mut self) {
        self.in_use = (self.in_use + 1) % self.clients.len();
    }

    /// Sends a report; how it went arrives as an event.
    pub(super) fn report(&self, report: Report, events: mpsc::Sender<Event>) {
        let client = self.client();
        tokio::spawn(async move {
            let reported = Reported::from(client.post_json("/agent/v1/report", &report).await);
            let told = report.notes.processes.as_ref().map(|it| it.at);
            let reported = Reported { told, ..reported };
            events.send(Event::Reported(Box::new(reported))).await
        });
    }

    /// Sends events; up to where the server has them arrives as an event.
    pub(super) fn send_events(&self, batch: EventBatch, events: mpsc::Sender<Event>) {
        let client = self.client();
        tokio::spawn(async move {
            let sent = send_events(&client, batch).await;
            events.send(Event::EventsSent(sent)).await
        });
    }

    /// Fetches the host's work document, which arrives as an event.
    pub(super) fn fetch_work(&self, events: mpsc::Sender<Event>) {
        let client = self.client();
        tokio::spawn(async move {
            let work = client.get_json::<WorkAnswer>("/agent/v1/work").await;
            let work = work.map(Some).map_err(|error| words(&error));
            events.send(Event::Work(work)).await
        });
    }

    /// Tells what was measured between two moments.
    pub(super) fn fill_gap(&self, past: Past, from: Timestamp, to: Timestamp) {
        let client = self.client();
        tokio::spawn(async move {
            // The server keeps one day.
            let from = from.max(to.checked_sub(DAY).unwrap_or(from));
            let snapshots = past.snapshots(from, to).await;
            let count = snapshots.len();
            for snapshots in snapshots.chunks(Backfill::MOST) {
                let backfill = Backfill {
                    snapshots: snapshots.to_vec(),
                };
                let told = client
                    .post_json::<_, serde_json::Value>("/agent/v1/backfill", &backfill)
                    .await;
                if let Err(error) = told {
                    warn!(
                        error = words(&error),
                        "what was measured meanwhile could not be told; it stays on this host"
                    );
                    return;
                }
            }
            info!(count, %from, "told what was measured while the server could not be reached");
        });
    }

    /// Answers a question. `asker` copies what it needs, so it is made for a question that needs it and has its place.
    pub(super) fn answer(&self, query: Query, past: Past, asker: impl FnOnce() -> Asker) {
        let client = self.client();
        let places = match query.ask {
            Ask::Now(_) => &self.live_questions,
            _ => &self.questions,
        };
        // A server that asks without end must not keep the host from watching itself.
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            debug!("too many questions at once; this one is not answered");
            return;
        };
        let asker = matches!(query.ask, Ask::Now(_)).then(asker);
        tokio::spawn(async move {
            let answer = match (query.ask, asker) {
                (Ask::History(asked), _) => past.view(asked).await.map(QueryAnswer::History),
                (Ask::Now(asked), Some(asker)) => asker.answer(asked).await.map(QueryAnswer::Now),
                _ => Err("this version does not understand the question".into()),
            };
            let answer = answer.unwrap_or_else(QueryAnswer::Refused);
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let id: String = query.id.chars().filter(|&c| plain(c)).take(64).collect();
            let path = format!("/agent/v1/answers/{id}");
            if let Err(error) = client
                .post_json::<_, serde_json::Value>(&path, &answer)
                .await
            {
                debug!(error = words(&error), "an answer did not reach the server");
            }
            drop(place);
        });
    }

    /// Sends the records that wait in the outbox, oldest first, and removes each that the server has stored.
    pub(super) fn send_records(&self, state: State, events: mpsc::Sender<Event>) {
        let client = self.client();
        tokio::spawn(async move {
            if let Err(error) = send_records(&client, &state).await {
                debug!(
                    error = words(&error),
                    "records wait in the outbox for the next report"
                );
            }
            events.send(Event::RecordsSent).await
        });
    }
}

async fn send_events(client: &HttpClient, batch: EventBatch) -> EventsSent {
    let last = batch.events.last().map_or(0, |event| event.number);
    let answer = client
        .post_json::<_, EventsStored>("/agent/v1/events", &batch)
        .await;
    match answer {
        Ok(stored) => Some((batch.series, stored.through)),
        // What the server does not understand it will not understand later either.
        Err(CallError::Refused {
            status: 400 | 413 | 422,
            problem,
            ..
        }) => {
            error!(
                events = batch.events.len(),
                ?problem,
                "the server refuses events for good; they are dropped"
            );
            Some((batch.series, last))
        }
        Err(error) => {
            debug!(error = words(&error), "events wait for the next report");
            None
        }
    }
}

/// Sends the records that wait in the outbox, oldest first.
pub(crate) async fn send_records(client: &HttpClient, state: &State) -> Result<(), Error> {
    for (name, record) in state.outbox()? {
        match client
            .post_json::<_, serde_json::Value>("/agent/v1/runs", &record)
            .await
        {
            Ok(_) => state.acknowledge(&name)?,
            // What the server does not understand it will not understand later either.
            Err(CallError::Refused {
                status: 400 | 413 | 422,
                problem,
                ..
            }) => {
                warn!(
                    record = name,
                    ?problem,
                    "the server refuses a record for good; it is dropped"
                );
                state.acknowledge(&name)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl From<Result<ReportAnswer, CallError>> for Reported {
    fn from(result: Result<ReportAnswer, CallError>) -> Self {
        let error = match result {
            Ok(answer) => {
                return Self {
                    state: LinkState::Up,
                    answer: Ok(answer),
                    retry_after: None,
                    told: None,
                };
            }
            Err(error) => error,
        };
        warn!(error = words(&error), "the report was not accepted");
        match error {
            CallError::Refused {
                status,
                retry_after,
                problem,
                ..
            } => {
                let state = match status {
                    429 | 503 => LinkState::Busy { status },
                    _ => LinkState::Refused { status },
                };
                let wanted = problem.filter(|problem| problem.kind == ProblemKind::UpgradeRequired);
                let wanted = wanted.and_then(|problem| problem.wanted);
                if let Some(wanted) = &wanted {
                    info!(wanted = %wanted.version, "the server does not talk to this version, only updates");
                }
                Self {
                    state,
                    answer: Err(wanted),
                    retry_after,
                    told: None,
                }
            }
            error => {
                let state = LinkState::Unreachable { why: words(&error) };
                Self {
                    state,
                    answer: Err(None),
                    retry_after: None,
                    told: None,
                }
            }
        }
    }
}
