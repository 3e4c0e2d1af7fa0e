//! `lockstep agent witness`.

use lockstep_net::Clock;

use super::RootArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
}

/// Exit 0 if the server answers this version, 1 if not.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let reached = lockstep_agent::witness(&args.root.layout()?, &Clock::system()).await?;
    out::line(if reached {
        "the server answers"
    } else {
        "the server does not answer"
    });
    Ok(if reached { Exit::Done } else { Exit::Failed })
}
