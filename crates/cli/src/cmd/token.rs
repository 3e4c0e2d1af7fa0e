//! `lockstep token …`

mod create;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about enrolment tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token, and print the command that enrols a host with it
    Create(create::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Create(args) => create::run(args).await,
        }
    }
}
