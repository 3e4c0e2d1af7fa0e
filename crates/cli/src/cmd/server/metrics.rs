//! `lockstep server metrics`.

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep server metrics | promtool check metrics\n\
    Prometheus itself asks https://SERVER:7443/metrics with an operator's token as its bearer token."
)]
pub(crate) struct Args {
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Largest answer that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Prints the figures.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let figures = operator
        .client()
        .get_capped("/api/v1/metrics", MAX_BYTES)
        .await?;
    out::line(String::from_utf8_lossy(&figures).trim_end());
    Ok(Exit::Done)
}
