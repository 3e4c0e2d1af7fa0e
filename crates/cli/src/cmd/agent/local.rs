//! Asking the agent of this host.

use std::time::Duration;

use lockstep_agent::local::{
    self, SupervisorAnswer, SupervisorRequest, WorkerAnswer, WorkerRequest,
};
use lockstep_host::Layout;

/// The supervisor answers at once or never.
const SUPERVISOR: Duration = Duration::from_secs(10);
/// But for a way back: the version before rehearses its start first.
const ROLLBACK: Duration = Duration::from_secs(45);
/// The worker may have to ask the server first.
const WORKER: Duration = Duration::from_secs(90);

/// Asks the supervisor.
pub(crate) async fn ask_supervisor(
    layout: &Layout,
    request: &SupervisorRequest,
) -> anyhow::Result<SupervisorAnswer> {
    let patience = match request {
        SupervisorRequest::Rollback => ROLLBACK,
        _ => SUPERVISOR,
    };
    let answer = local::ask(&layout.supervisor_socket(), request, patience).await?;
    refuse(match answer {
        SupervisorAnswer::Refused { why } => Err(why),
        answer => Ok(answer),
    })
}

/// Asks the worker.
pub(crate) async fn ask_worker(
    layout: &Layout,
    request: &WorkerRequest,
) -> anyhow::Result<WorkerAnswer> {
    let answer = local::ask(&layout.agent_socket(), request, WORKER).await?;
    refuse(match answer {
        WorkerAnswer::Refused { why } => Err(why),
        answer => Ok(answer),
    })
}

fn refuse<A>(answer: Result<A, String>) -> anyhow::Result<A> {
    answer.map_err(|why| lockstep_agent::Error::Refused(why).into())
}
