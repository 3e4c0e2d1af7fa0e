//! `lockstep agent bundle-run`: one run of a package of others. The worker begins it, and goes on with it; a person says
//! by it how one goes on that has stopped.

use lockstep_agent::run::{Begin, Ended, Engine, Reentry, Toward};
use lockstep_model::{PackageName, RunVerb};
use lockstep_net::Clock;

use super::RootArgs;
use crate::cmd::update::{Told, go_on, tell, whoever_asks};
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent bundle-run driveclient --retry\n\nExit codes: 0 done, or nothing to do; 1 failed, or stopped until a person says how it goes on; 3 another process\nis at it."
)]
pub(crate) struct Args {
    /// The package
    package: PackageName,
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
    /// Who asks for it, for the record
    #[arg(long, value_name = "TEXT", hide = true)]
    by: Option<String>,
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
    let by = args.by.unwrap_or_else(whoever_asks);
    let ended = one(
        &args.root,
        args.package,
        Toward::Wanted,
        (reentry, by),
        (verb, args.why.as_deref()),
    );
    tell(&ended.await?, false)
}

/// One run of a package of others, to its end, or until the process is asked to end.
pub(super) async fn one(
    root: &RootArgs,
    package: PackageName,
    toward: Toward,
    (reentry, by): (Reentry, String),
    (verb, why): (Option<RunVerb>, Option<&str>),
) -> anyhow::Result<Ended> {
    let layout = root.layout()?;
    let clock = Clock::system();
    let told = Told::listen()?;
    let begin = Begin {
        layout: &layout,
        clock: &clock,
        by,
        reentry,
        stop: told.stop,
        news: told.news,
    };
    match Engine::bundle(begin, package, toward)? {
        Some(engine) => go_on(engine, verb, why).await,
        None => Ok(Ended::Nothing),
    }
}
