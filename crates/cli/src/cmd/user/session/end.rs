//! `lockstep user session end`.

use crate::cmd::user::segment;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep user session end \"$ID\"\nOne's own; admins end everybody's."
)]
pub(crate) struct Args {
    /// The session, as `user session list` shows it
    id: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Ends a session.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let id = segment(&args.id);
    Operator::open(&args.operator)?
        .delete(&format!("sessions/{id}"))
        .await?;
    out::line("ended the session");
    Ok(Exit::Done)
}
