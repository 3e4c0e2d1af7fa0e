//! `lockstep man DIR`.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

use crate::exit::Exit;
use crate::{Cli, out};

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep man /usr/local/share/man/man1")]
pub(crate) struct Args {
    /// Where the pages go; it is created
    dir: PathBuf,
}

/// Writes one page for each command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("failed to create {}", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir)
        .with_context(|| format!("failed to write pages into {}", dir.display()))?;
    out::note(format_args!(
        "wrote the manual pages into {}",
        dir.display()
    ));
    Ok(Exit::Done)
}
