//! `lockstep user session …`

mod end;
mod list;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who has signed in: one's own sessions, or all for admins
    List(list::Args),
    /// End a session
    End(end::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::End(args) => end::run(args).await,
        }
    }
}
