//! `lockstep silence end`.

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep silence end 3fa90c17\nWhat it held back and is still bad is told then."
)]
pub(crate) struct Args {
    /// The silence, as `silence list` shows it
    id: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Ends a silence.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let id: String = args
        .id
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    Operator::open(&args.operator)?
        .delete(&format!("silences/{id}"))
        .await?;
    out::line(format_args!("ended silence {id}"));
    Ok(Exit::Done)
}
