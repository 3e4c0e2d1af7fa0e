//! `lockstep user kiosk revoke`.

use crate::cmd::user::segment;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user kiosk revoke 3fa90c17aa01be5d")]
pub(crate) struct Args {
    /// The token, as `user kiosk list` shows it
    id: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes a kiosk token worthless.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let id = segment(&args.id);
    Operator::open(&args.operator)?
        .delete(&format!("kiosks/{id}"))
        .await?;
    out::line(format_args!("revoked kiosk token {id}"));
    Ok(Exit::Done)
}
