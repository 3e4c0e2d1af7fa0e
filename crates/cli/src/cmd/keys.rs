//! `lockstep keys …`

mod init;
mod list;
mod rotate;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about the publisher's keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the publisher's keys and the repository's first root
    Init(init::Args),
    /// Show keys and what they may sign
    List(list::Args),
    /// Replace keys by new ones
    Rotate(rotate::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Init(args) => init::run(args).await,
            Self::List(args) => list::run(&args),
            Self::Rotate(args) => rotate::run(args).await,
        }
    }
}
