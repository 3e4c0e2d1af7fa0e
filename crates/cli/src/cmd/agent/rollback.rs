//! `lockstep agent rollback`.

use lockstep_agent::local::SupervisorRequest;
use lockstep_agent::run::Toward;
use lockstep_model::PackageName;

use super::{RootArgs, bundle_run, local};
use crate::cmd::by_hand::{GoingOn, tell, whoever_asks};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep agent rollback\n\
    Example: lockstep agent rollback --package driveclient\n\
    The version that is left is not tried again until the server gives a newer order.")]
pub(crate) struct Args {
    /// A package of others; the agent itself if it is left out
    #[arg(long, value_name = "NAME")]
    package: Option<PackageName>,
    #[command(flatten)]
    root: RootArgs,
}

/// Asks the supervisor to go back, or takes a package of others back with a run of its own.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let others = args.package.filter(|it| *it != PackageName::lockstep());
    if let Some(package) = others {
        let going_on = GoingOn::default();
        let ended = bundle_run::one(
            &args.root,
            package,
            Toward::Before,
            whoever_asks(),
            &going_on,
        );
        return tell(&ended.await?, false);
    }
    let layout = args.root.layout()?;
    local::ask_supervisor(&layout, &SupervisorRequest::Rollback).await?;
    out::line("going back to the version before; \"lockstep agent status\" shows how it went");
    Ok(Exit::Done)
}
