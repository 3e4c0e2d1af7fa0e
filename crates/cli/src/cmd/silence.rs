//! `lockstep silence …`

mod add;
mod end;
mod list;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about silences.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold alerts back for a time
    Add(add::Args),
    /// Show what is held back
    List(list::Args),
    /// End a silence before its time
    End(end::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Add(args) => add::run(args).await,
            Self::List(args) => list::run(args).await,
            Self::End(args) => end::run(args).await,
        }
    }
}
