//! `lockstep alert list`.

use lockstep_model::api::operator::DeliveryView;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep alert list --limit 20")]
pub(crate) struct Args {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows the deliveries.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = question("deliveries", [("limit", Some(args.limit.to_string()))]);
    let most = usize::try_from(args.limit)?;
    let views: Vec<DeliveryView> = Operator::open(&args.operator)?.take(&path, most).await?;
    if args.json {
        out::json(&views)?;
        return Ok(Exit::Done);
    }
    let rows = views.iter().map(|view| {
        let first = view.notice.entries.first();
        let about = first.map_or(String::new(), |entry| {
            format!("{} {} {}", entry.kind.as_str(), entry.host, entry.item)
        });
        let others = view.notice.entries.len().saturating_sub(1) + view.notice.more as usize;
        vec![
            format!("{:.0}", view.created_at),
            view.notice.receiver.clone(),
            view.state.clone(),
            view.attempts.to_string(),
            match others {
                0 => about,
                others => format!("{about} and {others} more"),
            },
            view.error.clone().unwrap_or_default(),
        ]
    });
    let header = ["decided", "receiver", "state", "tries", "about", "error"];
    out::table(&header, rows.collect(), "nothing was sent yet");
    Ok(Exit::Done)
}
