//! `lockstep agent witness`.

use super::RootArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
}

/// Exit 0 if the server answers this version, 1 if not.
pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let reached = lockstep_agent::witness(&args.root.layout()?).await?;
    out::line(if reached { "the server answers" } else { "the server does not answer" });
    Ok(if reached { Exit::Done } else { Exit::Failed })
}
