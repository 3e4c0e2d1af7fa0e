//! `lockstep user token revoke`.

use crate::cmd::user::segment;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep user token revoke 3fa90c17aa01be5d\nOne's own; admins revoke everybody's."
)]
pub(crate) struct Args {
    /// The token, as `user token list` shows it
    id: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes an API token worthless.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let id = segment(&args.id);
    Operator::open(&args.operator)?
        .delete(&format!("api-tokens/{id}"))
        .await?;
    out::line(format_args!("revoked token {id}"));
    Ok(Exit::Done)
}
