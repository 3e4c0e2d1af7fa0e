//! `lockstep rollout …`

mod bars;
mod command;
mod list;
mod picture;
mod show;
mod simulate;
mod skip_host;
mod watch;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about rollouts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show all rollouts, newest first
    List(list::Args),
    /// Show one rollout: its waves, what its gates see, and the newest decisions
    Show(show::Args),
    /// Watch a rollout until it is over: its waves as they fill
    Watch(watch::Args),
    /// Simulate one before it starts: waves, times, the server's load, and how far a bad release would get
    Simulate(Box<simulate::Args>),
    /// Let nobody else go until it is resumed
    Pause(command::Args),
    /// Go on with a rollout that a person paused
    Resume(command::Args),
    /// Let the next wave go without waiting for the gate of the newest one
    SkipWave(command::Args),
    /// Leave one host out of it: it is not ordered to begin, and not waited for
    SkipHost(skip_host::SkipArgs),
    /// Take a host in again that was left out
    UnskipHost(skip_host::UnskipArgs),
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
            Self::Watch(args) => watch::run(args).await,
            Self::Simulate(args) => simulate::run(*args).await,
            Self::Pause(args) => command::run(args, "pause").await,
            Self::Resume(args) => command::run(args, "resume").await,
            Self::SkipWave(args) => command::run(args, "skip-wave").await,
            Self::SkipHost(args) => skip_host::skip(args).await,
            Self::UnskipHost(args) => skip_host::unskip(args).await,
            Self::Halt(args) => command::run(args, "halt").await,
            Self::Rollback(args) => command::run(args, "rollback").await,
        }
    }
}
