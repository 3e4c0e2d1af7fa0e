//! The commands, one file each.

mod agent;
mod completions;
mod demo;
mod host;
mod keys;
mod man;
mod release;
mod repo_client;
mod rollout;
mod run;
mod server;
mod token;

use std::future::Future;

use anyhow::Context;
use clap::Subcommand;

use crate::exit::Exit;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A whole fleet on this machine: see releases rolled out, and bad ones caught
    Demo(demo::Args),
    /// The server: run it, look at it, back it up
    #[command(subcommand)]
    Server(server::Command),
    /// The agent of this host: run it, enrol it, update it
    #[command(subcommand)]
    Agent(agent::Command),
    /// The publisher's keys, which never touch the server
    #[command(subcommand)]
    Keys(keys::Command),
    /// Releases: build, sign, publish, promote
    #[command(subcommand)]
    Release(release::Command),
    /// Rollouts: watch them, hold them, stop them
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Runs: what was changed on which host, and how it ended
    #[command(subcommand)]
    Run(run::Command),
    /// Hosts: how each one stands
    #[command(subcommand)]
    Host(host::Command),
    /// Tokens that let hosts enrol
    #[command(subcommand)]
    Token(token::Command),
    /// A TUF client with the command line of the public conformance suite
    RepoClient(repo_client::Args),
    /// Print the completions of a shell
    Completions(completions::Args),
    /// Write the manual pages into a directory
    Man(man::Args),
}

impl Command {
    /// What is logged unless the environment says otherwise: all of a day's story for what stays, only what is wrong
    /// for what a person waits for.
    pub(crate) fn log_level(&self) -> &'static str {
        match self {
            Self::Server(server::Command::Run(_))
            | Self::Agent(agent::Command::Run(_) | agent::Command::Worker(_)) => "info",
            _ => "error",
        }
    }

    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Demo(args) => block_on(demo::run(args)),
            Self::Server(command) => command.run(),
            Self::Agent(command) => command.run(),
            Self::Keys(command) => block_on(command.run()),
            Self::Release(command) => block_on(command.run()),
            Self::Rollout(command) => block_on(command.run()),
            Self::Run(command) => block_on(command.run()),
            Self::Host(command) => block_on(command.run()),
            Self::Token(command) => block_on(command.run()),
            Self::RepoClient(args) => block_on(repo_client::run(args)),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}

/// Runs a command on this one thread: an agent and a command line have no use for more.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .context("failed to start the runtime")?
        .block_on(work)
}
