//! `lockstep completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Cli;
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep completions bash > /etc/bash_completion.d/lockstep")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lockstep", &mut text);
    crate::out::line(String::from_utf8_lossy(&text).trim_end());
    Ok(Exit::Done)
}
