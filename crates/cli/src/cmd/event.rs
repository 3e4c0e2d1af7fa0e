//! `lockstep event …`

mod list;

use clap::Subcommand;

use crate::exit::Exit;

pub(super) use list::rank;

/// Commands about events.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what happened, newest first
    List(list::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
        }
    }
}
