//! `lockstep agent items`.

use anyhow::bail;
use lockstep_agent::local::{WorkerAnswer, WorkerRequest};

use super::{RootArgs, local};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep agent items")]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows how the host's own items stand.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let WorkerAnswer::Status(status) = local::ask_worker(&layout, &WorkerRequest::Status).await?
    else {
        bail!("the worker's answer is not understood");
    };
    if args.json {
        out::json(&status.items)?;
    } else {
        out::items(&status.items, "nothing has been measured yet");
    }
    Ok(Exit::Done)
}
