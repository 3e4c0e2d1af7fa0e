//! `lockstep user token list`.

use lockstep_model::api::operator::ApiTokenView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user token list\nAdmins see everybody's.")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows API tokens.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let tokens: Vec<ApiTokenView> = Operator::open(&args.operator)?
        .list("api-tokens", MOST)
        .await?;
    if args.json {
        out::json(&tokens)?;
        return Ok(Exit::Done);
    }
    let rows = tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            token.user.to_string(),
            token.role.to_string(),
            format!("{:.0}", token.created_at),
            out::or_dash(token.used_at.map(|at| format!("{at:.0}"))),
            out::or_dash(token.expires_at.map(|at| format!("{at:.0}"))),
            token.label.clone(),
        ]
    });
    let header = ["id", "user", "role", "made", "used", "ends", "for"];
    out::table(&header, rows.collect(), "there are no API tokens");
    Ok(Exit::Done)
}
