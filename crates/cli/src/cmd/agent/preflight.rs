//! `lockstep agent preflight`.

use lockstep_net::Clock;

use super::RootArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: /opt/lockstep/slots/lockstep/1.4.0/bin/lockstep agent preflight")]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
}

/// Rehearses a start.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    for line in lockstep_agent::preflight(&args.root.layout()?, &Clock::system())? {
        out::line(line);
    }
    out::line("this version would run here");
    Ok(Exit::Done)
}
