//! `lockstep user passwd`.

use std::path::PathBuf;

use lockstep_model::api::operator::{Me, SetPassword};
use lockstep_model::{Role, UserName};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;
use crate::passphrase::{PasswordArgs, old_password};

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep user passwd ann\n  lockstep user passwd admin --password-file new.password\n\
    An admin's token sets everybody's password. Others set their own, and tell the old one.\n\
    It ends all sessions of the user."
)]
pub(crate) struct Args {
    /// The user's name
    name: UserName,
    /// A file whose first line is the password so far, where it is needed; without it the terminal is asked
    #[arg(long, value_name = "FILE")]
    old_password_file: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Gives a user a password.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let me: Me = operator.get("me").await?;
    let old = match me.role {
        Role::Admin => None,
        _ => Some(old_password(args.old_password_file.as_ref())?),
    };
    let set = SetPassword {
        password: args.password.new_one()?,
        old,
    };
    let path = format!("users/{}/password", args.name);
    let _: serde_json::Value = operator.put(&path, &set).await?;
    out::line(format_args!(
        "user {} has a new password; whoever was signed in as {} has to sign in again",
        args.name, args.name
    ));
    Ok(Exit::Done)
}
