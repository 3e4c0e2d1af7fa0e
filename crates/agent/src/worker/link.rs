//! The worker's way to the server.

use std::time::Duration;

use lockstep_model::api::{Desired, Report, ReportAnswer};
use lockstep_model::{ProblemKind, Version};
use lockstep_net::Clock;
use lockstep_net::client::{CallError, HttpClient};
use lockstep_plan::probation::Link as LinkState;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::Event;
use crate::config::AgentConfig;
use crate::state::State;
use crate::{Error, Identity, words};

/// Clients for all servers that this host knows, one of them in use.
pub(super) struct Link {
    clients: Vec<HttpClient>,
    servers: Vec<String>,
    in_use: usize,
}

/// How a report went.
pub(super) struct Reported {
    pub(super) state: LinkState,
    /// The answer; or the version that a server wants which does not talk to this one.
    pub(super) answer: Result<ReportAnswer, Option<Desired>>,
    pub(super) retry_after: Option<Duration>,
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
            events.send(Event::Reported(Box::new(reported))).await
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

async fn send_records(client: &HttpClient, state: &State) -> Result<(), Error> {
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
                }
            }
            error => {
                let state = LinkState::Unreachable { why: words(&error) };
                Self {
                    state,
                    answer: Err(None),
                    retry_after: None,
                }
            }
        }
    }
}
