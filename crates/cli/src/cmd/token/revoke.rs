//! `lockstep token revoke`.

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep token revoke 3fa90c17aa01be5d\nHosts that enrolled with it stay enrolled."
)]
pub(crate) struct Args {
    /// The token, as `token list` shows it
    id: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes an enrolment token worthless.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    // What else was typed is nobody's identity, and does not belong into a path.
    let id: String = args
        .id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    Operator::open(&args.operator)?
        .delete(&format!("tokens/{id}"))
        .await?;
    out::line(format_args!("revoked enrolment token {id}"));
    Ok(Exit::Done)
}
