//! `lockstep explain`.

use std::path::PathBuf;

use lockstep_model::{HostName, ItemName};

use super::fleet::{FILE, load};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep explain web1.example.org disk_usage:/var --fleet fleet.toml"
)]
pub(crate) struct Args {
    /// The host
    host: HostName,
    /// The item
    item: ItemName,
    /// The fleet file
    #[arg(long, default_value = FILE)]
    fleet: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows which line of the fleet file made the item what it is on the host.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let fleet = match load(&args.fleet) {
        Ok(fleet) => fleet,
        Err(exit) => return Ok(exit),
    };
    let explanation = fleet.explain(&args.host, &args.item);
    if args.json {
        out::json(&explanation)?;
    } else {
        out::line(explanation);
    }
    Ok(Exit::Done)
}
