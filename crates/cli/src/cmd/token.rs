//! `lockstep token …`

mod create;
mod list;
mod revoke;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about enrolment tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token, and print the command that enrols a host with it
    Create(create::Args),
    /// Show who may still enrol with which token
    List(list::Args),
    /// Make a token worthless
    Revoke(revoke::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Create(args) => create::run(args).await,
            Self::List(args) => list::run(args).await,
            Self::Revoke(args) => revoke::run(args).await,
        }
    }
}
