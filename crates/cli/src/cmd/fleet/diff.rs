//! `lockstep fleet diff`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lockstep_model::HostName;

use super::{load, load_or_ask};
use crate::exit::Exit;
use crate::operator::OperatorArgs;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep fleet diff new/fleet.toml\n  lockstep fleet diff new/fleet.toml --against fleet.toml"
)]
pub(crate) struct Args {
    /// The fleet file that is to be
    file: PathBuf,
    /// The fleet file that is; the one in force on the server if left out
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Look at these hosts, too: both files name them by patterns only
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<HostName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows what would change, for the hosts that either of the files names.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let old = load_or_ask(args.against.as_deref(), &args.operator).await?;
    let (old, new) = match (old, load(&args.file)) {
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
