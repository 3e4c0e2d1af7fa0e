//! The `lockstep` command: server, agent and command line in one program.
//!
//! This file is the table of contents: it parses, begins the log, runs one command, and turns what came of it into
//! an exit code. Each command is one file below [`cmd`].

mod cmd;
mod env;
mod exit;
mod log;
#[cfg(feature = "server")]
mod operator;
mod out;
#[cfg(feature = "server")]
mod passphrase;
#[cfg(feature = "server")]
mod publisher;

use std::process::ExitCode;

use clap::Parser;

use crate::cmd::Command;
use crate::exit::Exit;

/// Keeps every machine of a fleet on the right version, and knows whether it is healthy there.
#[derive(Debug, Parser)]
#[command(
    name = "lockstep",
    version,
    arg_required_else_help = true,
    infer_subcommands = false
)]
#[cfg_attr(
    all(feature = "agent", feature = "server"),
    command(after_help = "To see it all work on this machine: lockstep demo")
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::begin(cli.command.log_level());
    match cli.command.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            out::note(format_args!("lockstep: {}", whole(&error)));
            Exit::of(&error).into()
        }
    }
}

/// The error with everything beneath it; a cause that the sentence before has told already is not told again.
fn whole(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
