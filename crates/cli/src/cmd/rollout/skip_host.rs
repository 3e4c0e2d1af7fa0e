//! `lockstep rollout skip-host | unskip-host`.

use lockstep_model::api::operator::{RolloutView, SkipHost};
use lockstep_model::{HostName, RolloutId};

use super::command::parse_id;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep rollout skip-host 7 web3 --why \"its disk is being replaced\"\n\
    What the host has begun it finishes. It keeps what it had until \"rollout unskip-host\" or the next rollout."
)]
pub(crate) struct SkipArgs {
    /// The rollout's number
    #[arg(value_parser = parse_id)]
    rollout: RolloutId,
    /// The host
    host: HostName,
    /// Why, for everybody who looks at the rollout
    #[arg(long, value_name = "WHY")]
    why: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep rollout unskip-host 7 web3")]
pub(crate) struct UnskipArgs {
    /// The rollout's number
    #[arg(value_parser = parse_id)]
    rollout: RolloutId,
    /// The host
    host: HostName,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Leaves the host out.
pub(crate) async fn skip(args: SkipArgs) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let (id, host) = (args.rollout, &args.host);
    let order = SkipHost { why: args.why };
    let rollout: RolloutView = operator.put(&path(id, host), &order).await?;
    out::line(format_args!(
        "{host} is left out of rollout {id}, which is {}: {}",
        rollout.state,
        out::printable(&rollout.why)
    ));
    Ok(Exit::Done)
}

/// Takes the host in again.
pub(crate) async fn unskip(args: UnskipArgs) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let (id, host) = (args.rollout, &args.host);
    operator.delete(&path(id, host)).await?;
    out::line(format_args!(
        "{host} is one of the hosts of rollout {id} again"
    ));
    Ok(Exit::Done)
}

fn path(id: RolloutId, host: &HostName) -> String {
    format!("rollouts/{id}/skipped/{host}")
}
