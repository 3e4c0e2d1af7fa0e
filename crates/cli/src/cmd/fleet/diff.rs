//! `lockstep fleet diff`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lockstep_model::HostName;

use super::{FILE, load};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep fleet diff new/fleet.toml --against /etc/lockstep/fleet.toml"
)]
pub(crate) struct Args {
    /// The fleet file that is to be
    file: PathBuf,
    /// The fleet file that is
    #[arg(long, default_value = FILE)]
    against: PathBuf,
    /// Look at these hosts, too: both files name them by patterns only
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<HostName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows what would change, for the hosts that either of the files names.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (old, new) = match (load(&args.against), load(&args.file)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(exit), _) | (_, Err(exit)) => return Ok(exit),
    };
    let hosts: BTreeSet<&HostName> = old.hosts().chain(new.hosts()).chain(&args.hosts).collect();
    let diff = old.diff(&new, hosts);
    if args.json {
        out::json(&diff)?;
    } else {
        out::line(diff);
    }
    Ok(Exit::Done)
}
