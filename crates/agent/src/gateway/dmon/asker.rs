//! What the gateway asks of an agent, passed on to the worker as wishes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_gateway::dmon::client::{Agent, State, Upgrade};
use lockstep_host::Layout;
use lockstep_model::{HostName, ItemName, Series, View};
use lockstep_net::Clock;
use lockstep_plan::update::Hold;
use lockstep_trust::identity::same_secret;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use super::Wish;
use super::servers::Servers;
use crate::local::{self, SupervisorAnswer, SupervisorRequest, WorkerAnswer};
use crate::words;

/// The answer to STOP goes out before the agent stops.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long the supervisor may take to agree.
const SUPERVISOR: Duration = Duration::from_secs(5);

/// One who asks the worker.
pub(super) struct Asker {
    pub(super) wishes: mpsc::Sender<Wish>,
    pub(super) clock: Clock,
    pub(super) version: String,
    pub(super) servers: Arc<Servers>,
    pub(super) secret: Option<String>,
    pub(super) layout: Layout,
}

impl Asker {
    /// Hands a wish in and waits for what comes of it.
    async fn wish<A>(&self, wish: impl FnOnce(oneshot::Sender<A>) -> Wish) -> Result<A, String> {
        let (answer, answered) = oneshot::channel();
        let gone = |_| "the agent is about to stop".to_owned();
        self.wishes.send(wish(answer)).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))
    }
}

impl Agent for Asker {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn is_server(&self, address: IpAddr) -> bool {
        self.servers.has(address)
    }

    async fn state(&self) -> Result<State, String> {
        let mut state = self.wish(Wish::State).await?;
        let work = tokio::fs::metadata(self.layout.work()).await;
        let changed = work.and_then(|file| file.modified()).ok();
        state.work = changed.and_then(|at| Timestamp::try_from(at).ok());
        Ok(state)
    }

    async fn stop(&self, secret: &str) -> Result<(), String> {
        let is_right = |own: &String| same_secret(own, secret);
        if !self.secret.as_ref().is_some_and(is_right) {
            info!("STOP with a wrong secret was refused");
            return Err("it is not the secret that run/lockstep/dmon.stp holds".into());
        }
        let socket = self.layout.supervisor_socket();
        let asked =
            local::ask::<_, SupervisorAnswer>(&socket, &SupervisorRequest::Status, SUPERVISOR);
        asked.await.map_err(|error| words(&error))?;
        info!("STOP with the right secret: the agent stops");
        tokio::spawn(async move {
            tokio::time::sleep(LAST_WORDS).await;
            let stopped =
                local::ask::<_, SupervisorAnswer>(&socket, &SupervisorRequest::Stop, SUPERVISOR);
            if let Err(error) = stopped.await {
                error!(error = words(&error), "the agent could not be stopped");
            }
        });
        Ok(())
    }

    async fn history(
        &self,
        host: Option<HostName>,
        view: View,
        names: Vec<ItemName>,
    ) -> Result<Vec<Series>, String> {
        let wish = |answer| Wish::History {
            host,
            view,
            names,
            answer,
        };
        self.wish(wish).await?
    }

    async fn send(&self) -> Result<(String, Timestamp), String> {
        self.wish(Wish::Send).await
    }

    async fn upgrade(&self) -> Result<Upgrade, String> {
        came_of(self.wish(Wish::Upgrade).await?)
    }

    async fn zap(&self) -> Result<String, String> {
        self.wish(Wish::Zap).await?
    }
}

/// What the worker's answer means to one who ordered an upgrade.
fn came_of(answer: WorkerAnswer) -> Result<Upgrade, String> {
    match answer {
        WorkerAnswer::Nothing { .. } => Ok(Upgrade::Nothing),
        WorkerAnswer::Begun { version, .. }
        | WorkerAnswer::Wanted {
            version,
            hold: None | Some(Hold::RunInProgress { .. }),
        } => Ok(Upgrade::To(version)),
        WorkerAnswer::Wanted {
            version,
            hold: Some(hold),
        } => Err(format!("not to {version} now: {hold}")),
        WorkerAnswer::Refused { why } => Err(why),
        WorkerAnswer::Status(_) | WorkerAnswer::History(_) => {
            Err("the agent answered something else".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::Version;

    use super::*;

    #[test]
    fn an_order_is_followed_kept_from_or_done() {
        let version = Version::parse("1.1.0").unwrap();
        let wanted = |hold| WorkerAnswer::Wanted {
            version: version.clone(),
            hold,
        };
        let to = Ok(Upgrade::To(version.clone()));
        assert_eq!(came_of(wanted(None)), to);
        let hold = Hold::UpToDate;
        assert_eq!(
            came_of(WorkerAnswer::Nothing { hold }),
            Ok(Upgrade::Nothing)
        );
        let refused = came_of(wanted(Some(Hold::OffHere)));
        assert!(refused.is_err_and(|why| why.starts_with("not to 1.1.0 now: ")));
        let why = "the report was not accepted".to_owned();
        let answer = WorkerAnswer::Refused { why: why.clone() };
        assert_eq!(came_of(answer), Err(why));
    }
}
