//! `lockstep release promote`.

use lockstep_model::api::operator::{Promote, RolloutView};
use lockstep_model::{ChannelName, PackageName, Version};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep release promote lockstep 1.4.0 --to stable\n  \
    lockstep release promote lockstep 1.4.1 --to stable --urgent"
)]
pub(crate) struct Args {
    /// The package
    package: PackageName,
    /// The version
    version: Version,
    /// The channel
    #[arg(long, value_name = "CHANNEL")]
    to: ChannelName,
    /// It cannot wait: no windows, no spread, and the shorter bake time; waves and gates stay as they are
    #[arg(long)]
    urgent: bool,
    /// Also if a rollout has found the version wanting; it is not suspect any more then
    #[arg(long)]
    even_if_suspect: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Starts the rollout.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let promote = Promote {
        package: args.package,
        version: args.version,
        channel: args.to,
        urgent: args.urgent,
        even_if_suspect: args.even_if_suspect,
    };
    let rollout: RolloutView = operator.post("promote", &promote).await?;
    if args.json {
        out::json(&rollout)?;
        return Ok(Exit::Done);
    }
    let from = out::or_dash(rollout.from.as_ref());
    out::line(format_args!(
        "rollout {} brings {} from {from} to {}",
        rollout.id, rollout.package, rollout.version
    ));
    out::line(format_args!("next: lockstep rollout watch {}", rollout.id));
    Ok(Exit::Done)
}
