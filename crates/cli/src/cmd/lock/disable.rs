//! `lockstep lock disable | enable`.

use lockstep_model::LockName;
use lockstep_model::api::operator::DisableLock;

use super::words;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options of `disable`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep lock disable db --why 'no changes during the audit'\n\
    Who has the lock keeps it; nobody else gets it until \"lockstep lock enable db\"."
)]
pub(crate) struct Args {
    /// The lock
    name: LockName,
    /// Why, for those who are refused
    #[arg(long, value_name = "TEXT", value_parser = words::parse_why)]
    why: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Options of `enable`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep lock enable db")]
pub(crate) struct EnableArgs {
    /// The lock
    name: LockName,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Lets the lock give no places.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let name = &args.name;
    let why = DisableLock { why: args.why };
    let _: serde_json::Value = Operator::open(&args.operator)?
        .put(&format!("locks/{name}/disabled"), &why)
        .await?;
    out::line(format_args!(
        "the lock {name} gives no places until: lockstep lock enable {name}"
    ));
    Ok(Exit::Done)
}

/// Lets the lock give places again.
pub(crate) async fn enable(args: EnableArgs) -> anyhow::Result<Exit> {
    let name = &args.name;
    Operator::open(&args.operator)?
        .delete(&format!("locks/{name}/disabled"))
        .await?;
    out::line(format_args!("the lock {name} gives places again"));
    Ok(Exit::Done)
}
