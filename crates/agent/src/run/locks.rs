//! The lock server, as this host sees it.
//!
//! Everything here may be asked again: a lock that is held is granted again, one that was given back is given back. An
//! answer that is none, such as a proxy's page, is never taken for a grant.

use std::time::Duration;

use lockstep_model::api::{LockAnswer, LockReleased, LockRequest, LockStanding};
use lockstep_model::{Fence, LockName, RunCommand, RunId, RunLock};
use lockstep_net::Clock;
use lockstep_net::client::{CallError, HttpClient};
use lockstep_plan::run::Happened;
use tracing::debug;

use crate::config::AgentConfig;
use crate::{Error, Identity, words};

/// The servers of this host, in the order in which they are asked.
#[derive(Debug)]
pub(super) struct Locks {
    clients: Vec<HttpClient>,
}

impl Locks {
    pub(super) fn new(
        config: &AgentConfig,
        identity: &Identity,
        clock: &Clock,
    ) -> Result<Self, Error> {
        let version = lockstep_model::Version::of_this_program();
        let clients = config.servers.iter();
        let clients = clients.map(|server| identity.client(server, &version, clock));
        Ok(Self {
            clients: clients.collect::<Result<_, _>>()?,
        })
    }

    /// The client of the server that is asked first.
    pub(super) fn client(&self) -> Option<&HttpClient> {
        self.clients.first()
    }

    /// Asks for a place, and for one in the queue if there is none.
    pub(super) async fn acquire(&self, lock: &LockName, request: &LockRequest) -> Happened {
        let path = format!("/agent/v1/locks/{lock}");
        let answer =
            self.ask(async |client| client.put_json::<_, LockAnswer>(&path, request).await);
        match answer.await {
            Ok(LockAnswer::Granted { fence, since, .. }) => Happened::LockGranted(RunLock {
                name: lock.clone(),
                fence,
                since,
            }),
            Ok(LockAnswer::Refused {
                why,
                position,
                retry_after,
            }) => Happened::LockRefused {
                why,
                position,
                retry_after: Some(retry_after.duration()),
            },
            Err(why) => Happened::LockFailed { why },
        }
    }

    /// Whether the grant is still there; none if nothing is known.
    pub(super) async fn is_held(&self, lock: &RunLock) -> Result<bool, String> {
        Ok(self.standing(&lock.name).await? == Some(lock.fence))
    }

    /// The number of the grant that this host has, if it has one.
    pub(super) async fn standing(&self, lock: &LockName) -> Result<Option<Fence>, String> {
        let path = format!("/agent/v1/locks/{lock}");
        let standing = self.ask(async |client| client.get_json::<LockStanding>(&path).await);
        Ok(standing.await?.fence)
    }

    /// Gives the grant back.
    pub(super) async fn release(&self, lock: &LockName, fence: Fence) -> Result<bool, String> {
        let path = format!("/agent/v1/locks/{lock}?fence={fence}");
        let released = self.ask(async |client| client.delete::<LockReleased>(&path).await);
        Ok(released.await?.was_held)
    }

    /// What a person has said of a run that has stopped.
    pub(super) async fn command(&self, run: &RunId) -> Result<Option<RunCommand>, String> {
        let path = format!("/agent/v1/runs/{run}/command");
        self.ask(async |client| client.get_json::<Option<RunCommand>>(&path).await)
            .await
    }

    /// Asks one server after the other until one answers. A refusal is an answer.
    async fn ask<A>(
        &self,
        call: impl AsyncFn(&HttpClient) -> Result<A, CallError>,
    ) -> Result<A, String> {
        let mut why = "agent.toml names no server".to_owned();
        for client in &self.clients {
            let answer = tokio::time::timeout(PATIENCE, call(client)).await;
            let error = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    why = format!("{} did not answer within {PATIENCE:?}", client.base_url());
                    continue;
                }
            };
            why = words(&error);
            debug!(server = client.base_url(), why, "no answer about a lock");
            if error
                .status()
                .is_some_and(|status| (400..500).contains(&status) && status != 429)
            {
                break;
            }
        }
        Err(why)
    }
}

/// One server may take so long.
const PATIENCE: Duration = Duration::from_secs(20);
