//! `lockstep fleet reload`.

use lockstep_model::api::operator::FleetView;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep fleet reload\n\
    The server does it by itself when the file changes, and on SIGHUP. A file with mistakes changes nothing.")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Has the server read its fleet file.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let fleet: FleetView = Operator::open(&args.operator)?
        .post("fleet/reload", &serde_json::json!({}))
        .await?;
    if args.json {
        out::json(&fleet)?;
    } else {
        out::line(format_args!(
            "fleet file {} is in force since {:.0}",
            fleet.version, fleet.accepted_at
        ));
    }
    Ok(Exit::Done)
}
