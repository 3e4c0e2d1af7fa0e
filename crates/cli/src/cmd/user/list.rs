//! `lockstep user list`.

use lockstep_model::api::operator::UserView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user list\nIt needs the role admin.")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows the users.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let users: Vec<UserView> = Operator::open(&args.operator)?.list("users", MOST).await?;
    if args.json {
        out::json(&users)?;
        return Ok(Exit::Done);
    }
    let rows = users.iter().map(|user| {
        let state = match (user.locked_until, user.has_password) {
            (Some(until), _) => format!("nobody can sign in until {until:.0}"),
            (None, true) => "can sign in".into(),
            (None, false) => "has no password".into(),
        };
        let signed_in = user.signed_in_at.map(|at| format!("{at:.0}"));
        vec![
            user.name.to_string(),
            user.role.to_string(),
            state,
            out::or_dash(signed_in),
            user.sessions.to_string(),
            user.tokens.to_string(),
        ]
    });
    let header = ["name", "role", "state", "signed in", "sessions", "tokens"];
    let empty = "there are no users; make one with: lockstep user add NAME --role ROLE";
    out::table(&header, rows.collect(), empty);
    Ok(Exit::Done)
}
