//! `lockstep audit list`.

use lockstep_model::api::operator::AuditView;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep audit list --limit 20")]
pub(crate) struct Args {
    /// How many entries [default: what the server sends unasked]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows the audit trail.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let most = usize::try_from(args.limit.unwrap_or(100))?;
    let limit = args.limit.map(|limit| limit.to_string());
    let entries: Vec<AuditView> = Operator::open(&args.operator)?
        .take(&question("audit", [("limit", limit)]), most)
        .await?;
    if args.json {
        out::json(&entries)?;
        return Ok(Exit::Done);
    }
    let rows = entries.into_iter().map(|entry| {
        let at = format!("{:.0}", entry.at);
        vec![at, entry.who, entry.what]
    });
    out::table(
        &["at", "who", "what"],
        rows.collect(),
        "nothing has been done",
    );
    Ok(Exit::Done)
}
