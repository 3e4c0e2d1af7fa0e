//! `lockstep update`: one upgrade of this host's operating system, from a person, cron, a timer or the agent.

use std::io::IsTerminal;
use std::path::PathBuf;

use lockstep_agent::run::config::UpgradeConfig;
use lockstep_agent::run::{Begin, Ended, Engine, Reentry};
use lockstep_net::Clock;
use tracing::level_filters::LevelFilter;

use super::agent::RootArgs;
use super::by_hand::{GoingOn, Told, tell, whoever_asks};
use crate::env;
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep update\nExample, from a unit that starts at boot: lockstep update --after-reboot\n\nExit codes: 0 done, or nothing to do; 1 failed, or stopped until a person says how it goes on; 3 another process\nis at it."
)]
pub(crate) struct Args {
    /// The configuration; etc/lockstep/update.toml below the root if it is left out
    #[arg(long, alias = "cfg", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only go on with a run that waits for the machine's restart, or is behind it
    #[arg(long, alias = "after_reboot", conflicts_with_all = ["resume", "retry", "skip"])]
    after_reboot: bool,
    #[command(flatten)]
    going_on: GoingOn,
    /// Who asks for it, for the record
    #[arg(long, value_name = "TEXT")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    root: RootArgs,
}

/// Everything for a person who looks on and for a log that is kept; what is wrong for cron, which sends mail.
pub(crate) fn log_level() -> LevelFilter {
    let is_kept = [env::LOG_DIR, "JOURNAL_STREAM"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    match is_kept || std::io::stderr().is_terminal() {
        true => LevelFilter::INFO,
        false => LevelFilter::WARN,
    }
}

/// Runs it.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let config = match &args.config {
        Some(path) => UpgradeConfig::load(path, true)?,
        None => UpgradeConfig::load(&layout.update_config(), false)?,
    };
    let clock = Clock::system();
    let told = Told::listen()?;
    let begin = Begin {
        layout: &layout,
        clock: &clock,
        by: args.by.clone().unwrap_or_else(whoever_asks),
        reentry: match args.after_reboot {
            true => Reentry::AfterReboot,
            false => args.going_on.reentry(),
        },
        stop: told.stop,
        news: told.news,
    };
    let Some(engine) = Engine::system(begin, config)? else {
        return tell(&Ended::Nothing, args.json);
    };
    let ended = args.going_on.run(engine).await?;
    tell(&ended, args.json)
}
