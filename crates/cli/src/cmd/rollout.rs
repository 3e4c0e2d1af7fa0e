//! `lockstep rollout …`

mod command;
mod list;
mod show;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about rollouts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show all rollouts, newest first
    List(list::Args),
    /// Show one rollout: its waves, hosts and every decision
    Show(show::Args),
    /// Let nobody else go until it is resumed
    Pause(command::Args),
    /// Go on with a rollout that a person paused
    Resume(command::Args),
    /// Stop it for good
    Halt(command::Args),
    /// Take its hosts back to the version before
    Rollback(command::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Show(args) => show::run(args).await,
            Self::Pause(args) => command::run(args, "pause").await,
            Self::Resume(args) => command::run(args, "resume").await,
            Self::Halt(args) => command::run(args, "halt").await,
            Self::Rollback(args) => command::run(args, "rollback").await,
        }
    }
}
