//! `lockstep rollout list`.

use lockstep_model::api::operator::RolloutView;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep rollout list")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows all rollouts.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let rollouts: Vec<RolloutView> = Operator::open(&args.operator)?.get("rollouts").await?;
    if args.json {
        out::json(&rollouts)?;
        return Ok(Exit::Done);
    }
    let rows = rollouts.iter().map(|rollout| {
        vec![
            rollout.id.to_string(),
            format!("{} {}", rollout.package, rollout.version),
            out::or_dash(rollout.from.as_ref()),
            rollout.channel.to_string(),
            rollout.state.to_string(),
            rollout.why.clone(),
        ]
    });
    let empty = "no rollouts; \"lockstep release promote PACKAGE VERSION --to CHANNEL\" starts one";
    out::table(
        &["id", "release", "from", "channel", "state", "why"],
        rows.collect(),
        empty,
    );
    Ok(Exit::Done)
}
