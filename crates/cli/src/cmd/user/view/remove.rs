//! `lockstep user view remove`.

use crate::cmd::user::segment;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep user view remove 3fa90c17aa01be5d\nOne's own; admins remove shared ones of others."
)]
pub(crate) struct Args {
    /// The view, as `user view list` shows it
    id: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Forgets a view.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let id = segment(&args.id);
    Operator::open(&args.operator)?
        .delete(&format!("views/{id}"))
        .await?;
    out::line(format_args!("removed view {id}"));
    Ok(Exit::Done)
}
