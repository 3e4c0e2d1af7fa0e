//! `lockstep user kiosk …`

mod create;
mod list;
mod revoke;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about kiosk tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show kiosk tokens
    List(list::Args),
    /// Make a kiosk token, by which a screen shows the problems and nothing else
    Create(create::Args),
    /// Make a kiosk token worthless
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
