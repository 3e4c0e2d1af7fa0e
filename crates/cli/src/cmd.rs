//! The commands, one file each.

#[cfg(feature = "server")]
mod ack;
#[cfg(feature = "agent")]
mod agent;
#[cfg(feature = "server")]
mod alert;
#[cfg(feature = "server")]
mod audit;
#[cfg(feature = "server")]
mod bench;
#[cfg(feature = "agent")]
mod by_hand;
#[cfg(feature = "server")]
mod completions;
#[cfg(all(feature = "agent", feature = "server"))]
mod demo;
#[cfg(feature = "server")]
mod event;
#[cfg(feature = "server")]
mod explain;
#[cfg(feature = "server")]
mod fleet;
#[cfg(feature = "server")]
mod host;
#[cfg(feature = "server")]
mod keys;
#[cfg(any(feature = "agent", feature = "server"))]
mod lock;
#[cfg(feature = "server")]
mod man;
#[cfg(feature = "agent")]
mod package_update;
#[cfg(feature = "server")]
mod problems;
#[cfg(feature = "server")]
mod release;
#[cfg(feature = "server")]
mod repo_client;
#[cfg(feature = "server")]
mod rollout;
#[cfg(feature = "server")]
mod run;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod silence;
#[cfg(feature = "server")]
mod token;
#[cfg(feature = "agent")]
mod update;
#[cfg(feature = "server")]
mod user;
#[cfg(feature = "server")]
mod whoami;

use std::future::Future;

use anyhow::Context;
use clap::Subcommand;
use tracing::level_filters::LevelFilter;

use crate::exit::Exit;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(all(feature = "agent", feature = "server"))]
    /// A whole fleet on this machine: see releases rolled out, and bad ones caught
    Demo(demo::Args),
    #[cfg(feature = "server")]
    /// The server: run it, look at it, back it up
    #[command(subcommand)]
    Server(server::Command),
    #[cfg(feature = "agent")]
    /// The agent of this host: run it, enrol it, update it
    #[command(subcommand)]
    Agent(agent::Command),
    #[cfg(feature = "agent")]
    /// Upgrade this host's operating system: one run, now
    Update(update::Args),
    #[cfg(feature = "agent")]
    /// Keep one package of this host's package manager current
    PackageUpdate(package_update::Args),
    #[cfg(feature = "server")]
    /// The publisher's keys, which never touch the server
    #[command(subcommand)]
    Keys(keys::Command),
    #[cfg(feature = "server")]
    /// Releases: build, sign, publish, promote
    #[command(subcommand)]
    Release(release::Command),
    #[cfg(feature = "server")]
    /// Rollouts: watch them, hold them, stop them
    #[command(subcommand)]
    Rollout(rollout::Command),
    #[cfg(feature = "server")]
    /// Runs: what was changed on which host, and how it ended
    #[command(subcommand)]
    Run(run::Command),
    #[cfg(any(feature = "agent", feature = "server"))]
    /// Locks: hold them, see who does, run commands under them
    #[command(subcommand)]
    Lock(lock::Command),
    #[cfg(feature = "server")]
    /// Hosts: how each one stands
    #[command(subcommand)]
    Host(host::Command),
    #[cfg(feature = "server")]
    /// What is not well, worst first
    Problems(problems::Args),
    #[cfg(feature = "server")]
    /// Events: what happened to items
    #[command(subcommand)]
    Event(event::Command),
    #[cfg(feature = "server")]
    /// Silences: alerts that are held back for a time
    #[command(subcommand)]
    Silence(silence::Command),
    #[cfg(feature = "server")]
    /// Say that somebody is on a problem
    Ack(ack::Args),
    #[cfg(feature = "server")]
    /// Alerts: prove the way to a person, see what was sent
    #[command(subcommand)]
    Alert(alert::Command),
    #[cfg(feature = "server")]
    /// What was done by whom, and that nothing of it was changed afterwards
    #[command(subcommand)]
    Audit(audit::Command),
    #[cfg(feature = "server")]
    /// The fleet file: check it, see what it says and what it would change
    #[command(subcommand)]
    Fleet(fleet::Command),
    #[cfg(feature = "server")]
    /// Why a host does not run a version, or why an item is judged on it as it is
    Explain(explain::Args),
    #[cfg(feature = "server")]
    /// Tokens that let hosts enrol
    #[command(subcommand)]
    Token(token::Command),
    #[cfg(feature = "server")]
    /// Users: who may do what, by which tokens and sessions
    #[command(subcommand)]
    User(user::Command),
    #[cfg(feature = "server")]
    /// As whom the command line asks the server, and what that user may do
    Whoami(whoami::Args),
    #[cfg(feature = "server")]
    /// Benches: how much a server bears
    #[command(subcommand)]
    Bench(bench::Command),
    #[cfg(feature = "server")]
    /// A TUF client with the command line of the public conformance suite
    RepoClient(repo_client::Args),
    #[cfg(feature = "server")]
    /// Print the completions of a shell
    Completions(completions::Args),
    #[cfg(feature = "server")]
    /// Write the manual pages into a directory
    Man(man::Args),
}

/// How the program ends on a command line that cannot be understood, where that is not by the parser's own words and code.
pub(crate) fn misused(error: &clap::Error) -> Option<Exit> {
    #[cfg(feature = "server")]
    {
        let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
        problems::misused(&words, error)
    }
    #[cfg(not(feature = "server"))]
    {
        let _ = error;
        None
    }
}

impl Command {
    /// What is logged unless the environment says otherwise: all of a day's story for what stays, only what is wrong
    /// for what a person waits for.
    pub(crate) fn log_level(&self) -> LevelFilter {
        match self {
            #[cfg(feature = "server")]
            Self::Server(server::Command::Run(_)) => LevelFilter::INFO,
            #[cfg(feature = "agent")]
            Self::Agent(agent::Command::Run(_) | agent::Command::Worker(_)) => LevelFilter::INFO,
            #[cfg(feature = "agent")]
            Self::Update(_) | Self::Agent(agent::Command::BundleRun(_)) => update::log_level(),
            #[cfg(feature = "agent")]
            Self::PackageUpdate(args) if args.verbose => LevelFilter::INFO,
            #[cfg(feature = "agent")]
            Self::PackageUpdate(_) => update::log_level(),
            _ => LevelFilter::ERROR,
        }
    }

    /// What its daily log files are called, if it runs for long.
    pub(crate) fn log_name(&self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "server")]
            Self::Server(server::Command::Run(_)) => Some("server"),
            #[cfg(feature = "agent")]
            Self::Agent(agent::Command::Run(_) | agent::Command::Worker(_)) => Some("agent"),
            #[cfg(feature = "agent")]
            Self::Update(_) => Some("update"),
            #[cfg(feature = "agent")]
            Self::Agent(agent::Command::BundleRun(_)) => Some("bundle-run"),
            #[cfg(feature = "agent")]
            Self::PackageUpdate(_) => Some("package-update"),
            _ => None,
        }
    }

    /// The file that its log is written to as well, if one was named.
    pub(crate) fn log_file(&self) -> Option<&std::path::Path> {
        match self {
            #[cfg(feature = "agent")]
            Self::PackageUpdate(args) => args.log.as_deref(),
            _ => None,
        }
    }

    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        match self {
            #[cfg(all(feature = "agent", feature = "server"))]
            Self::Demo(args) => block_on(demo::run(args)),
            #[cfg(feature = "server")]
            Self::Server(command) => command.run(),
            #[cfg(feature = "agent")]
            Self::Agent(command) => command.run(),
            #[cfg(feature = "agent")]
            Self::Update(args) => block_on(update::run(args)),
            #[cfg(feature = "agent")]
            Self::PackageUpdate(args) => block_on(package_update::run(args)),
            #[cfg(feature = "server")]
            Self::Keys(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Release(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Rollout(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Run(command) => block_on(command.run()),
            #[cfg(any(feature = "agent", feature = "server"))]
            Self::Lock(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Host(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Problems(args) => block_on(problems::run(args)),
            #[cfg(feature = "server")]
            Self::Event(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Silence(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Ack(args) => block_on(ack::run(args)),
            #[cfg(feature = "server")]
            Self::Alert(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Audit(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Fleet(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Explain(args) => block_on(explain::run(args)),
            #[cfg(feature = "server")]
            Self::Token(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::User(command) => block_on(command.run()),
            #[cfg(feature = "server")]
            Self::Whoami(args) => block_on(whoami::run(args)),
            #[cfg(feature = "server")]
            Self::Bench(command) => command.run(),
            #[cfg(feature = "server")]
            Self::RepoClient(args) => block_on(repo_client::run(args)),
            #[cfg(feature = "server")]
            Self::Completions(args) => completions::run(&args),
            #[cfg(feature = "server")]
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
