//! `lockstep server run`.

use anyhow::Context;
use lockstep_net::Clock;
use lockstep_server::Server;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::{ConfigArgs, ListenArgs, show_first_start};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep server run --data /srv/lockstep\n  \
    lockstep server run --config /etc/lockstep/server.toml\nSignals: TERM and INT stop it, HUP has it read the fleet file."
)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    listen: ListenArgs,
    /// End when this process, which started us, ends
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<u32>,
}

/// Runs the server until it is told to stop.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some(parent) = args.parent {
        lockstep_host::process::die_with_parent(parent)?;
    }
    let config = args.config.load(&args.listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime
        .context("failed to start the runtime")?
        .block_on(async {
            let mut terminate =
                signal(SignalKind::terminate()).context("failed to listen for signals")?;
            let mut interrupt =
                signal(SignalKind::interrupt()).context("failed to listen for signals")?;
            let mut reload =
                signal(SignalKind::hangup()).context("failed to listen for signals")?;
            let running = Server::start(config, Clock::system()).await?;
            if let Some(first) = &running.first_start {
                show_first_start(first);
            }
            out::line(format_args!(
                "agents connect to {}, operators to {}",
                running.agent_url(),
                running.operator_url()
            ));
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = reload.recv() => running.reload(),
                }
            }
            info!("stopping");
            running.stop().await;
            Ok(Exit::Done)
        })
}
