//! `lockstep user view …`

mod add;
mod list;
mod remove;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about saved views.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show saved views: one's own, and those that others share
    List(list::Args),
    /// Keep the filters of a page under a name
    Add(add::Args),
    /// Forget a view
    Remove(remove::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Add(args) => add::run(args).await,
            Self::Remove(args) => remove::run(args).await,
        }
    }
}
