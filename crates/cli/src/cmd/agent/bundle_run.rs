//! `lockstep agent bundle-run`: one run of a package of others. The worker begins it, and goes on with it; a person says
//! by it how one goes on that has stopped.

use lockstep_agent::run::{Begin, Ended, Engine, Toward};
use lockstep_model::PackageName;
use lockstep_net::Clock;

use super::RootArgs;
use crate::cmd::by_hand::{GoingOn, Told, tell, whoever_asks};
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent bundle-run driveclient --retry\n\nExit codes: 0 done, or nothing to do; 1 failed, or stopped until a person says how it goes on; 3 another process\nis at it."
)]
pub(crate) struct Args {
    /// The package
    package: PackageName,
    #[command(flatten)]
    going_on: GoingOn,
    /// Who asks for it, for the record
    #[arg(long, value_name = "TEXT", hide = true)]
    by: Option<String>,
    #[command(flatten)]
    root: RootArgs,
}

/// Runs it.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let by = args.by.unwrap_or_else(whoever_asks);
    let ended = one(&args.root, args.package, Toward::Wanted, by, &args.going_on);
    tell(&ended.await?, false)
}

/// One run of a package of others, to its end, or until the process is asked to end.
pub(super) async fn one(
    root: &RootArgs,
    package: PackageName,
    toward: Toward,
    by: String,
    going_on: &GoingOn,
) -> anyhow::Result<Ended> {
    let layout = root.layout()?;
    let clock = Clock::system();
    let told = Told::listen()?;
    let begin = Begin {
        layout: &layout,
        clock: &clock,
        by,
        reentry: going_on.reentry(),
        stop: told.stop,
        news: told.news,
    };
    match Engine::bundle(begin, package, toward)? {
        Some(engine) => going_on.run(engine).await,
        None => Ok(Ended::Nothing),
    }
}
