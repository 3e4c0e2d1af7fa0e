//! `lockstep user remove`.

use lockstep_model::UserName;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user remove bob\n\
    The user's sessions and tokens end at once. It needs the role admin; the last admin cannot be removed.")]
pub(crate) struct Args {
    /// The user's name
    name: UserName,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Removes a user.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    Operator::open(&args.operator)?
        .delete(&format!("users/{}", args.name))
        .await?;
    out::line(format_args!(
        "removed user {}, with all sessions and tokens",
        args.name
    ));
    Ok(Exit::Done)
}
