//! `lockstep release clear`.

use lockstep_model::api::operator::ClearSuspect;
use lockstep_model::{PackageName, Version};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep release clear lockstep 1.4.0 --why \"the switch was to blame\"\n\
    A rollout of the version that holds because it is suspect goes on; one that was halted stays so."
)]
pub(crate) struct Args {
    /// The package
    package: PackageName,
    /// The version
    version: Version,
    /// Why it is not suspect any more, for the audit trail
    #[arg(long, value_name = "WHY")]
    why: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Takes the mark off the version.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let order = ClearSuspect {
        package: args.package,
        version: args.version,
        why: args.why,
    };
    let operator = Operator::open(&args.operator)?;
    operator
        .post::<serde_json::Value>("suspects/clear", &order)
        .await?;
    out::line(format_args!(
        "{} {} is not suspect any more",
        order.package, order.version
    ));
    Ok(Exit::Done)
}
