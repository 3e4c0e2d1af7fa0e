//! `lockstep agent reboot-run`: the run that restarts the machine because an operator wishes it. The worker begins it, and
//! goes on with it; a person says by it how one goes on that has stopped.

use lockstep_agent::run::config::UpgradeConfig;
use lockstep_agent::run::{Begin, Ended, Engine, Reentry};
use lockstep_model::RunVerb;
use lockstep_net::Clock;

use super::RootArgs;
use crate::cmd::update::{Told, go_on, tell, whoever_asks};
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent reboot-run --skip --why 'restarted by hand'\n\nNothing is restarted that no operator wishes: lockstep host reboot NAME.\n\nExit codes: 0 done, or nothing to do; 1 failed, or stopped until a person says how it goes on; 3 not permitted, or\nanother process is at it."
)]
pub(crate) struct Args {
    /// Only go on with a run that is under way
    #[arg(long)]
    resume: bool,
    /// Enter the phase in which the run has stopped once more
    #[arg(long, conflicts_with = "skip")]
    retry: bool,
    /// Give the run that has stopped up, leave the host as it is, and free its lock
    #[arg(long, requires = "why")]
    skip: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    root: RootArgs,
}

/// Runs it.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let verb = match (args.retry, args.skip) {
        (true, _) => Some(RunVerb::Retry),
        (_, true) => Some(RunVerb::Skip),
        _ => None,
    };
    let reentry = match args.resume || verb.is_some() {
        true => Reentry::OnlyUnderWay,
        false => Reentry::Any,
    };
    let layout = args.root.layout()?;
    let config = UpgradeConfig::load(&layout.update_config(), false)?;
    let clock = Clock::system();
    let told = Told::listen()?;
    let begin = Begin {
        layout: &layout,
        clock: &clock,
        by: whoever_asks(),
        reentry,
        stop: told.stop,
        news: told.news,
    };
    let ended = match Engine::reboot(begin, config)? {
        Some(engine) => go_on(engine, verb, args.why.as_deref()).await?,
        None => Ended::Nothing,
    };
    tell(&ended, false)
}
