//! `lockstep host …`

mod filter;
mod history;
mod list;
mod probes;
mod processes;
mod remove;
mod report;
mod show;
mod watch;
mod wish;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show all hosts, or those that a filter finds
    List(list::Args),
    /// Show one host with its items
    Show(show::Args),
    /// How an item of a host went, as a plot or in numbers
    History(history::Args),
    /// Watch an item of a host, a value each second
    Watch(watch::Args),
    /// The busiest processes at a host's last problem
    Processes(processes::Args),
    /// The plugins and scripts that hosts run, with the hashes of their files
    Probes(probes::Args),
    /// Ask a host to report now
    Report(report::Args),
    /// Restart a machine: a run under its lock, if the host permits it
    Reboot(wish::RebootArgs),
    /// Have the agent of a host started again
    RestartAgent(wish::RestartArgs),
    /// Remove a host and revoke its certificates
    Remove(remove::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Show(args) => show::run(args).await,
            Self::History(args) => history::run(args).await,
            Self::Watch(args) => watch::run(args).await,
            Self::Processes(args) => processes::run(args).await,
            Self::Probes(args) => probes::run(args).await,
            Self::Report(args) => report::run(args).await,
            Self::Reboot(args) => wish::reboot(args).await,
            Self::RestartAgent(args) => wish::restart(args).await,
            Self::Remove(args) => remove::run(args).await,
        }
    }
}
