//! `lockstep user session list`.

use lockstep_model::api::operator::SessionView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user session list\nAdmins see everybody's.")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows the open sessions.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let sessions: Vec<SessionView> = Operator::open(&args.operator)?
        .list("sessions", MOST)
        .await?;
    if args.json {
        out::json(&sessions)?;
        return Ok(Exit::Done);
    }
    let rows = sessions.iter().map(|session| {
        vec![
            session.user.to_string(),
            session.from.clone(),
            format!("{:.0}", session.created_at),
            format!("{:.0}", session.used_at),
            format!("{:.0}", session.expires_at),
            session.id.clone(),
        ]
    });
    let header = ["user", "from", "began", "used", "ends", "id"];
    out::table(&header, rows.collect(), "nobody has signed in");
    Ok(Exit::Done)
}
