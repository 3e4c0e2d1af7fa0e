//! `lockstep user token …`

mod create;
mod list;
mod revoke;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show API tokens: one's own, or all for admins
    List(list::Args),
    /// Make an API token
    Create(create::Args),
    /// Make an API token worthless
    Revoke(revoke::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Create(args) => create::run(args).await,
            Self::Revoke(args) => revoke::run(args).await,
        }
    }
}
