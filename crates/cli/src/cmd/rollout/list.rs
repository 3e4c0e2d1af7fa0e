//! `lockstep rollout list`.

use std::collections::HashSet;

use lockstep_model::api::operator::RolloutView;
use lockstep_model::{ChannelName, PackageName};

use super::bars::{self, Paint};
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep rollout list")]
pub(crate) struct Args {
    /// Print JSON, with the hosts of all waves
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Cells of a bar: all hosts of the rollout, whatever their number.
const CELLS: usize = 12;

/// Shows all rollouts.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let hosts = (!args.json).then(|| "none".to_owned());
    let path = question("rollouts", [("hosts", hosts)]);
    let rollouts: Vec<RolloutView> = Operator::open(&args.operator)?.get(&path).await?;
    if args.json {
        out::json(&rollouts)?;
        return Ok(Exit::Done);
    }
    // Hosts have moved on from an earlier rollout of a channel: how they stand now says nothing of how it went.
    let mut newer: HashSet<(&PackageName, &ChannelName)> = HashSet::new();
    let rows = rollouts.iter().map(|rollout| {
        let is_newest = newer.insert((&rollout.package, &rollout.channel));
        let all = bars::sum(rollout.waves.iter().map(|it| &it.figures));
        let now = |text: String| if is_newest { text } else { "-".into() };
        vec![
            rollout.id.to_string(),
            format!("{} {}", rollout.package, rollout.version),
            out::or_dash(rollout.from.as_ref()),
            rollout.channel.to_string(),
            rollout.state.to_string(),
            now(bars::bar(&all, CELLS, Paint::Plain)),
            now(format!("{}/{}", all.proven, all.hosts)),
            rollout.why.clone(),
        ]
    });
    let empty = "no rollouts; \"lockstep release promote PACKAGE VERSION --to CHANNEL\" starts one";
    out::table(
        &[
            "id", "release", "from", "channel", "state", "hosts", "proven", "why",
        ],
        rows.collect(),
        empty,
    );
    Ok(Exit::Done)
}
