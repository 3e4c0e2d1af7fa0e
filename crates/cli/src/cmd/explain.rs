//! `lockstep explain`.

use std::path::PathBuf;

use lockstep_model::api::operator::HostView;
use lockstep_model::{HostName, ItemName, ItemState};
use serde_json::json;

use super::fleet::load_or_ask;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep explain web1.example.org disk_usage:/var\n  lockstep explain web1.example.org disk_usage:/var --fleet fleet.toml"
)]
pub(crate) struct Args {
    /// The host
    host: HostName,
    /// The item
    item: ItemName,
    /// The fleet file; the one in force on the server if left out
    #[arg(long, value_name = "FILE")]
    fleet: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows which line of the fleet file made the item what it is on the host, and how it stands there.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let fleet = match load_or_ask(args.fleet.as_deref(), &args.operator).await? {
        Ok(fleet) => fleet,
        Err(exit) => return Ok(exit),
    };
    let explanation = fleet.explain(&args.host, &args.item);
    // A file at hand is about what would be; only the server knows what is.
    let state = match args.fleet {
        Some(_) => None,
        None => state(&args).await?,
    };
    if args.json {
        out::json(&json!({ "rules": explanation, "state": state }))?;
        return Ok(Exit::Done);
    }
    if let Some(state) = state {
        let level = out::level(state.level, state.no_data, state.flapping);
        let value = out::printable(&state.value.to_string());
        out::line(format_args!("{}: {level}, {value}", state.item));
        if !state.why.is_empty() {
            out::line(format_args!("  because {}", out::printable(&state.why)));
        }
        out::line(format_args!("  since {:.0}", state.since));
        out::line("");
    }
    out::line(explanation);
    Ok(Exit::Done)
}

/// How the item stands, by the host's last report.
async fn state(args: &Args) -> anyhow::Result<Option<ItemState>> {
    let host: HostView = Operator::open(&args.operator)?
        .get(&format!("hosts/{}", args.host))
        .await?;
    let mut states = host.items.into_iter();
    Ok(states.find(|state| state.item == args.item))
}
