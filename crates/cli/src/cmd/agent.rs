//! `lockstep agent …`

mod bundle_run;
mod clientupdate;
mod enroll;
mod history;
mod install;
mod items;
mod level;
mod local;
mod preflight;
mod reboot_run;
mod rollback;
mod run;
mod status;
mod stop;
mod update;
mod witness;
mod worker;

use std::path::PathBuf;

use clap::Subcommand;
use lockstep_host::Layout;

use super::block_on;
use crate::env;
use crate::exit::Exit;

/// Commands about the agent of this host.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent: the supervisor, which starts the worker
    Run(run::Args),
    /// Enrol this host with a server
    Enroll(enroll::Args),
    /// Provision a new host from a bundle alone
    Install(install::Args),
    /// How this host stands
    Status(status::Args),
    /// How this host's items stand
    Items(items::Args),
    /// How an item went, as a plot or in numbers
    History(history::Args),
    /// Installed versions
    Level(level::Args),
    /// This host's own update, now
    Update(update::Args),
    /// Go back to the version before, at once
    Rollback(rollback::Args),
    /// Read the configuration again
    Reload(stop::ReloadArgs),
    /// Stop the agent
    Stop(stop::Args),
    /// Would this version run here? Changes nothing
    Preflight(preflight::Args),
    /// One run of a package of others: begun by the agent, gone on with after a stop by a person
    BundleRun(bundle_run::Args),
    /// The restart of the machine that an operator wishes: begun by the agent, gone on with after a stop by a person
    RebootRun(reboot_run::Args),
    /// In place of Xymon's clientupdate: the version of a Xymon client on this host
    Clientupdate(clientupdate::Args),
    /// The part of the agent that its supervisor starts
    #[command(hide = true)]
    Worker(worker::Args),
    /// Does this version reach the server? Asked by the supervisor
    #[command(hide = true)]
    Witness(witness::Args),
}

/// The root of all of the agent's paths.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RootArgs {
    /// The root below which the agent keeps everything
    #[arg(long, value_name = "DIR", env = env::ROOT, default_value = "/")]
    pub(crate) root: PathBuf,
}

impl RootArgs {
    /// The agent's paths.
    pub(crate) fn layout(&self) -> anyhow::Result<Layout> {
        // A relative root must mean the same to the supervisor, its worker and whoever asks them.
        Ok(Layout::below(std::path::absolute(&self.root)?))
    }
}

impl Command {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Run(args) => run::run(&args),
            Self::BundleRun(args) => block_on(bundle_run::run(args)),
            Self::RebootRun(args) => block_on(reboot_run::run(args)),
            Self::Clientupdate(args) => block_on(clientupdate::run(args)),
            Self::Worker(args) => block_on(worker::run(args)),
            Self::Enroll(args) => block_on(enroll::run(args)),
            Self::Install(args) => install::run(&args),
            Self::Status(args) => block_on(status::run(args)),
            Self::Items(args) => block_on(items::run(args)),
            Self::History(args) => block_on(history::run(args)),
            Self::Level(args) => level::run(&args),
            Self::Update(args) => block_on(update::run(args)),
            Self::Rollback(args) => block_on(rollback::run(args)),
            Self::Reload(args) => block_on(stop::reload(args)),
            Self::Stop(args) => block_on(stop::run(args)),
            Self::Preflight(args) => preflight::run(&args),
            Self::Witness(args) => block_on(witness::run(args)),
        }
    }
}
