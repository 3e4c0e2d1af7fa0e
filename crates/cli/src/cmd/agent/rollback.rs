//! `lockstep agent rollback`.

use lockstep_agent::local::SupervisorRequest;

use super::{RootArgs, local};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep agent rollback\n\
    The version that is left is not tried again until the server gives a newer order.")]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
}

/// Asks the supervisor to go back.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    local::ask_supervisor(&layout, &SupervisorRequest::Rollback).await?;
    out::line("going back to the version before; \"lockstep agent status\" shows how it went");
    Ok(Exit::Done)
}
