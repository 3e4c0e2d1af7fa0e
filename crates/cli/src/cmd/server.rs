//! `lockstep server …`

mod backup;
mod init;
mod metrics;
mod rescue;
mod run;
mod status;
mod updates;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use lockstep_server::{FirstStart, ServerConfig};

use super::block_on;
use crate::exit::Exit;
use crate::out;

/// Commands about the server.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server; the first start makes all that it needs and prints the command that enrols a host
    Run(run::Args),
    /// Make all that a server needs, without running it
    Init(init::Args),
    /// How a server stands
    Status(status::Args),
    /// Print the figures that the server answers at /metrics
    Metrics(metrics::Args),
    /// Switch updates on or off for the whole fleet
    Updates(updates::Args),
    /// Give the user admin a new password, when nobody can sign in any more
    Rescue(rescue::Args),
    /// Write everything that the server keeps into one file
    Backup(backup::Args),
    /// Restore a backup into an empty data directory
    Restore(backup::RestoreArgs),
}

impl Command {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Run(args) => run::run(&args),
            Self::Init(args) => block_on(init::run(args)),
            Self::Status(args) => block_on(status::run(args)),
            Self::Metrics(args) => block_on(metrics::run(args)),
            Self::Updates(args) => block_on(updates::run(args)),
            Self::Rescue(args) => block_on(rescue::run(args)),
            Self::Backup(args) => block_on(backup::run(args)),
            Self::Restore(args) => block_on(backup::restore(args)),
        }
    }
}

/// Which server of this machine is meant.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The configuration; without it every setting has its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory, in place of the configuration's
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Where the server listens, in place of the configuration's addresses.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ListenArgs {
    /// Address for agents; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS")]
    listen_agents: Option<SocketAddr>,
    /// Address for people and programs
    #[arg(long, value_name = "ADDRESS")]
    listen_operators: Option<SocketAddr>,
}

impl ConfigArgs {
    fn load(&self, listen: &ListenArgs) -> anyhow::Result<ServerConfig> {
        let mut config = match &self.config {
            Some(path) => ServerConfig::load(path)?,
            None => ServerConfig::default(),
        };
        if let Some(data) = &self.data {
            config.data = data.clone();
        }
        config.data = std::path::absolute(&config.data)?;
        if let Some(address) = listen.listen_agents {
            config.listen.agents = address;
        }
        if let Some(address) = listen.listen_operators {
            config.listen.operators = address;
        }
        config.check().map_err(anyhow::Error::msg)?;
        Ok(config)
    }
}

/// Tells a person how to go on after the first start.
fn show_first_start(first: &FirstStart) {
    out::line("This is the server's first start. To enrol a host, run on it:");
    out::line("");
    out::line(format_args!("  {}", first.enrolment.command));
    out::line("");
    out::line(format_args!(
        "The token works once, until {:.0}. \"lockstep token create\" makes more.",
        first.enrolment.expires_at
    ));
    out::line("");
    out::line(format_args!(
        "The pages are at {}. Sign in as {} with the password in {}.",
        first.pages,
        first.user,
        first.password_file.display()
    ));
    show_operator_file(&first.operator_file);
}

fn show_operator_file(path: &Path) {
    out::line(format_args!(
        "To work as an operator: export {}={}",
        crate::env::OPERATOR,
        path.display()
    ));
}
