//! `lockstep bench`: how much a server bears.

mod files;
mod fleet;
mod show;
mod state;

use clap::Subcommand;

use crate::exit::Exit;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Thousands of simulated agents in one process, over the real protocol
    Fleet(Box<fleet::Args>),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Fleet(args) => fleet::run(*args),
        }
    }
}
