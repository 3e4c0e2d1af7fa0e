//! `lockstep user add`.

use lockstep_model::api::operator::{NewUser, UserView};
use lockstep_model::{Role, UserName};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;
use crate::passphrase::PasswordArgs;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lockstep user add ann --role operator\n  \
    lockstep user add bob --role viewer --password-file bob.password\n  \
    lockstep user add prometheus --role viewer --no-password   works by tokens only\n\
    It needs the role admin. A password has at least 15 characters; several words make a good one.")]
pub(crate) struct Args {
    /// The user's name
    name: UserName,
    /// What the user may do: viewer, operator or admin
    #[arg(long)]
    role: Role,
    /// The user cannot sign in to the pages
    #[arg(long, conflicts_with = "password_file")]
    no_password: bool,
    #[command(flatten)]
    password: PasswordArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes a user.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let password = match args.no_password {
        true => None,
        false => Some(args.password.new_one()?),
    };
    let new = NewUser {
        name: args.name,
        role: args.role,
        password,
    };
    let made: UserView = operator.post("users", &new).await?;
    if args.json {
        out::json(&made)?;
    } else {
        out::line(format_args!("made user {}, role {}", made.name, made.role));
    }
    Ok(Exit::Done)
}
