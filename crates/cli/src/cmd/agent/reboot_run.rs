//! `lockstep agent reboot-run`: the run that restarts the machine because an operator wishes it. The worker begins it, and
//! goes on with it; a person says by it how one goes on that has stopped.

use lockstep_agent::run::config::UpgradeConfig;
use lockstep_agent::run::{Begin, Ended, Engine};
use lockstep_net::Clock;

use super::RootArgs;
use crate::cmd::by_hand::{GoingOn, Told, tell, whoever_asks};
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent reboot-run --skip --why 'restarted by hand'\n\nNothing is restarted that no operator wishes: lockstep host reboot NAME.\n\nExit codes: 0 done, or nothing to do; 1 failed, or stopped until a person says how it goes on; 3 not permitted, or\nanother process is at it."
)]
pub(crate) struct Args {
    #[command(flatten)]
    going_on: GoingOn,
    #[command(flatten)]
    root: RootArgs,
}

/// Runs it.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let config = UpgradeConfig::load(&layout.update_config(), false)?;
    let clock = Clock::system();
    let told = Told::listen()?;
    let begin = Begin {
        layout: &layout,
        clock: &clock,
        by: whoever_asks(),
        reentry: args.going_on.reentry(),
        stop: told.stop,
        news: told.news,
    };
    let ended = match Engine::reboot(begin, config)? {
        Some(engine) => args.going_on.run(engine).await?,
        None => Ended::Nothing,
    };
    tell(&ended, false)
}
