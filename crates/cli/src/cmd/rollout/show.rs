//! `lockstep rollout show`.

use lockstep_model::RolloutId;
use lockstep_model::api::operator::RolloutView;

use super::command::parse_id;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep rollout show 7")]
pub(crate) struct Args {
    /// The rollout's number
    #[arg(value_parser = parse_id)]
    id: RolloutId,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows one rollout.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let rollout: RolloutView = Operator::open(&args.operator)?
        .get(&format!("rollouts/{}", args.id))
        .await?;
    if args.json {
        out::json(&rollout)?;
        return Ok(Exit::Done);
    }
    let from = out::or_dash(rollout.from.as_ref());
    out::line(format_args!(
        "rollout {} · {} {from} → {} · {}",
        rollout.id, rollout.package, rollout.version, rollout.channel
    ));
    out::line(format_args!("{} · {}", rollout.state, rollout.why));
    for (number, wave) in rollout.waves.iter().enumerate() {
        let state = serde_json::to_value(wave.state)?;
        out::line("");
        out::line(format_args!(
            "wave {} · {} · {} hosts",
            number + 1,
            state.as_str().unwrap_or("?"),
            wave.hosts.len()
        ));
        for host in &wave.hosts {
            out::line(format_args!("  {:<8}  {}", host.state, host.name));
        }
    }
    out::line("");
    for decision in &rollout.decisions {
        out::line(format_args!("{:.0}  {}", decision.at, decision.words));
    }
    Ok(Exit::Done)
}
