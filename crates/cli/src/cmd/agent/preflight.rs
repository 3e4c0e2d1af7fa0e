//! `lockstep agent preflight`.

use super::RootArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: /opt/lockstep/slots/lockstep/1.4.0/bin/lockstep agent preflight")]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
}

/// Rehearses a start.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    for line in lockstep_agent::preflight(&args.root.layout()?)? {
        out::line(line);
    }
    out::line("this version would run here");
    Ok(Exit::Done)
}
