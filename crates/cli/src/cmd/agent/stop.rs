//! `lockstep agent stop` and `lockstep agent reload`.

use std::time::Duration;

use anyhow::bail;
use lockstep_agent::local::{SupervisorAnswer, SupervisorRequest};
use lockstep_host::process;

use super::{RootArgs, local};
use crate::exit::Exit;
use crate::out;

/// Options of `stop`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent stop\nUnder systemd use \"systemctl stop lockstep-agent\", or it will be started again."
)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
}

/// Options of `reload`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep agent reload")]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    root: RootArgs,
}

/// How long the agent has to end: its worker has ten seconds for its last writes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stops the agent and waits until it is gone.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let pid = supervisor(&layout).await?;
    local::ask_supervisor(&layout, &SupervisorRequest::Stop).await?;
    if !process::wait_gone(pid, PATIENCE).await? {
        bail!(
            "the agent (pid {pid}) has not ended within {} s",
            PATIENCE.as_secs()
        );
    }
    out::line("stopped");
    Ok(Exit::Done)
}

/// Has the agent read its configuration again.
pub(crate) async fn reload(args: ReloadArgs) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    // Checked here first: a mistake is best told to the one who made it.
    lockstep_agent::config::AgentConfig::load(&layout.config())?;
    process::signal(supervisor(&layout).await?, process::Signal::HUP)?;
    out::line("the agent reads its configuration again");
    Ok(Exit::Done)
}

async fn supervisor(layout: &lockstep_host::Layout) -> anyhow::Result<u32> {
    match local::ask_supervisor(layout, &SupervisorRequest::Status).await? {
        SupervisorAnswer::Status(status) => Ok(status.pid),
        _ => bail!("the supervisor's answer is not understood"),
    }
}
