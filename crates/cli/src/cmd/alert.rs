//! `lockstep alert …`

mod list;
mod test;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a test to a user or receiver, by each of its ways
    Test(test::Args),
    /// Show what was sent to whom, and what waits or failed
    List(list::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Test(args) => test::run(args).await,
            Self::List(args) => list::run(args).await,
        }
    }
}
