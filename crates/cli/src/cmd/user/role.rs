//! `lockstep user role`.

use lockstep_model::api::operator::{SetRole, UserView};
use lockstep_model::{Role, UserName};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user role ann operator\n\
    It counts at once, for every session and token of the user. It needs the role admin; the last admin stays one.")]
pub(crate) struct Args {
    /// The user's name
    name: UserName,
    /// What the user may do: viewer, operator or admin
    role: Role,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Says what a user may do.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = format!("users/{}/role", args.name);
    let set = SetRole { role: args.role };
    let user: UserView = Operator::open(&args.operator)?.put(&path, &set).await?;
    if args.json {
        out::json(&user)?;
    } else {
        out::line(format_args!(
            "user {} has the role {}",
            user.name, user.role
        ));
    }
    Ok(Exit::Done)
}
