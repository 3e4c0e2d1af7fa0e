//! `lockstep agent run`.

use anyhow::Context;
use lockstep_agent::supervisor::{self, Options};
use lockstep_host::lock;
use lockstep_net::Clock;
use tracing::error;

use super::RootArgs;
use crate::cmd::block_on;
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep agent run --root /\n\
    Signals: HUP reads the configuration again, USR1 executes the current version anew, TERM stops.")]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// The worker to take over, after the supervisor executed itself anew
    #[arg(long, value_name = "PID", hide = true)]
    adopt: Option<u32>,
    /// End when this process, which started us, ends
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<u32>,
}

/// Runs the supervisor; where it asks for it, executes another program in its place.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some(parent) = args.parent {
        lock_to_parent(parent)?;
    }
    let program = std::env::current_exe().context("failed to find the running program")?;
    let root = args.root.layout()?.root().to_owned();
    let mut options = Options {
        root,
        adopt: args.adopt,
        program,
    };
    loop {
        let (program, args, worker) =
            match block_on(async { Ok(supervisor::run(options.clone(), Clock::system()).await?) })?
            {
                supervisor::Exit::Stopped => return Ok(Exit::Done),
                supervisor::Exit::Execute {
                    program,
                    args,
                    worker,
                } => (program, args, worker),
            };
        options.adopt = worker;
        // Only a failure returns. This image still works, so it goes on.
        let error = lock::exec_in_place(&program, &args);
        error!(program = %program.display(), %error, "the new version's supervisor could not be executed; this one goes on");
    }
}

fn lock_to_parent(parent: u32) -> anyhow::Result<()> {
    Ok(lockstep_host::process::die_with_parent(parent)?)
}
