//! `lockstep agent worker`: started by the supervisor alone.

use std::path::PathBuf;

use lockstep_agent::Error;
use lockstep_agent::worker::{self, End, Options};
use lockstep_model::RunId;
use lockstep_net::Clock;

use super::RootArgs;
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// The slot that this program lies in
    #[arg(long, value_name = "DIR")]
    slot: PathBuf,
    /// The supervisor's process
    #[arg(long, value_name = "PID")]
    supervisor: u32,
    /// The run whose candidate this is
    #[arg(long, value_name = "RUN")]
    trial: Option<RunId>,
}

/// Runs the worker.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let root = args.root.layout()?.root().to_owned();
    let options = Options {
        root,
        slot: args.slot,
        supervisor: args.supervisor,
        trial: args.trial,
    };
    match worker::run(options, Clock::system()).await {
        Ok(End::Stopped) => Ok(Exit::Done),
        Ok(End::Restart) => Ok(Exit::Restart),
        Err(error @ (Error::Config { .. } | Error::NotEnrolled { .. })) => {
            tracing::error!(
                error = lockstep_agent::words(&error),
                "the worker cannot begin on this host"
            );
            Ok(Exit::UnusableHost)
        }
        Err(error) => Err(error.into()),
    }
}
