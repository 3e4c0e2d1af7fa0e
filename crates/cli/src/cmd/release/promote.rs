//! `lockstep release promote`.

use lockstep_model::api::operator::{Promote, RolloutView};
use lockstep_model::{ChannelName, PackageName, Version};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep release promote lockstep 1.4.0 --to stable")]
pub(crate) struct Args {
    /// The package
    package: PackageName,
    /// The version
    version: Version,
    /// The channel
    #[arg(long, value_name = "CHANNEL")]
    to: ChannelName,
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
    out::line(format_args!("next: lockstep rollout show {}", rollout.id));
    Ok(Exit::Done)
}
