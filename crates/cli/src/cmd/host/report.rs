//! `lockstep host report`.

use lockstep_model::HostName;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host report web1.example.org\nWhat it says is seen by \"lockstep host show\" a moment later. A host without an agent is asked through the one that watches it."
)]
pub(crate) struct Args {
    /// The host
    name: HostName,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Asks a host to report.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    Operator::open(&args.operator)?
        .post::<serde_json::Value>(
            &format!("hosts/{}/report", args.name),
            &serde_json::json!({}),
        )
        .await?;
    out::line(format_args!(
        "{} is asked to report; to see what it says: lockstep host show {}",
        args.name, args.name
    ));
    Ok(Exit::Done)
}
