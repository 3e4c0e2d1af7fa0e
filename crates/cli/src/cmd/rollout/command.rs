//! `lockstep rollout pause | resume | skip-wave | halt | rollback`.

use lockstep_model::RolloutId;
use lockstep_model::api::operator::RolloutView;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep rollout pause 7")]
pub(crate) struct Args {
    /// The rollout's number
    #[arg(value_parser = parse_id)]
    id: RolloutId,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Parses a rollout's number.
pub(crate) fn parse_id(text: &str) -> Result<RolloutId, String> {
    text.parse().map(RolloutId).map_err(|_| {
        format!("{text:?} is not a rollout's number; \"lockstep rollout list\" shows them")
    })
}

/// Gives the command.
pub(crate) async fn run(args: Args, command: &str) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let path = format!("rollouts/{}/{command}", args.id);
    let rollout: RolloutView = operator.post(&path, &serde_json::json!({})).await?;
    out::line(format_args!(
        "rollout {} is {}: {}",
        rollout.id,
        rollout.state,
        out::printable(&rollout.why)
    ));
    Ok(Exit::Done)
}
