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
mod plot;
#[cfg(feature = "server")]
mod publisher;
mod series;

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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cmd::misused(&error).map_or_else(|| error.exit(), ExitCode::from),
    };
    let command = &cli.command;
    log::begin(command.log_level(), command.log_name(), command.log_file());
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_and_shows_an_example() {
        // A group whose own help shows how its parts are used speaks for them.
        fn check(command: &clap::Command, path: &str, shown_above: bool) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string);
            let shows =
                help.is_some_and(|help| help.contains("Example") && help.contains("lockstep"));
            for inner in command.get_subcommands() {
                check(inner, &path, shows);
            }
            let is_leaf = command.get_subcommands().next().is_none();
            if is_leaf && !command.is_hide_set() {
                assert!(
                    command.get_about().is_some(),
                    "{path} does not say what it does"
                );
                assert!(shows || shown_above, "{path} has no example");
            }
        }
        check(&Cli::command(), "", false);
    }

    #[test]
    fn a_cause_that_was_told_already_is_not_told_again() {
        let cause = anyhow::anyhow!("the disk is full");
        let error = cause
            .context("failed to write x: the disk is full")
            .context("failed to begin");
        assert_eq!(
            whole(&error),
            "failed to begin: failed to write x: the disk is full"
        );
    }
}
