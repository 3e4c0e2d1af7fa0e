//! `lockstep host history`.

use lockstep_model::api::operator::HistoryView;
use lockstep_model::{HistoryQuery, HostName, ItemName, View};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::{out, series};

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host history web1.example.org cpu_load --view week\nThe host has its history; when \
    it does not answer, the server shows what it keeps itself: the last day, coarse."
)]
pub(crate) struct Args {
    /// The host
    host: HostName,
    /// The item
    item: ItemName,
    /// hour, day, week, month or year
    #[arg(long, value_name = "VIEW", default_value = "day")]
    view: View,
    /// So many points at most, up to 2000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(HistoryQuery::MOST_POINTS)))]
    points: Option<u32>,
    /// Print JSON
    #[arg(long, conflicts_with = "plot")]
    json: bool,
    /// Draw a plot though the output is no terminal
    #[arg(long)]
    plot: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows an item's history.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = question(
        &format!("hosts/{}/history", args.host),
        [
            ("item", Some(args.item.to_string())),
            ("view", Some(args.view.to_string())),
            ("points", args.points.map(|points| points.to_string())),
        ],
    );
    let history: HistoryView = Operator::open(&args.operator)?.get(&path).await?;
    if args.json {
        out::json(&history)?;
        return Ok(Exit::Done);
    }
    if let Some(why) = &history.why_not {
        out::note(format_args!(
            "{why}; this is what the server keeps itself: the last day, coarse"
        ));
    }
    series::show(&history.series, args.plot);
    Ok(Exit::Done)
}
