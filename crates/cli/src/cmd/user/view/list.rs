//! `lockstep user view list`.

use lockstep_model::api::operator::SavedView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user view list")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows saved views.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let views: Vec<SavedView> = Operator::open(&args.operator)?.list("views", MOST).await?;
    if args.json {
        out::json(&views)?;
        return Ok(Exit::Done);
    }
    let rows = views.iter().map(|view| {
        vec![
            view.id.clone(),
            view.name.clone(),
            view.owner.to_string(),
            if view.shared { "yes" } else { "no" }.into(),
            view.address.to_string(),
        ]
    });
    let header = ["id", "name", "owner", "shared", "address"];
    out::table(&header, rows.collect(), "no views are kept");
    Ok(Exit::Done)
}
