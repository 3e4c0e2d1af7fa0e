//! `lockstep run …`

mod list;
mod show;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show runs, newest first
    List(list::Args),
    /// Show one run with its output
    Show(show::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Show(args) => show::run(args).await,
        }
    }
}
