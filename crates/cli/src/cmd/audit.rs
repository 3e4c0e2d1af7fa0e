//! `lockstep audit …`

mod host_links;
mod list;
mod verify;
mod walk;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about what was done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who did what, newest first
    List(list::Args),
    /// Check that nothing was changed or left out
    Verify(verify::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Verify(args) => verify::run(args).await,
        }
    }
}
