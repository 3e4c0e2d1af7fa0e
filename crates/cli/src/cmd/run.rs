//! `lockstep run …`

mod command;
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
    /// Let a run that has stopped go on: it enters the phase that failed once more
    Retry(command::RetryArgs),
    /// Give a run that has stopped up: the host stays as it is, and the lock is freed
    Skip(command::SkipArgs),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Show(args) => show::run(args).await,
            Self::Retry(args) => command::retry(args).await,
            Self::Skip(args) => command::skip(args).await,
        }
    }
}
