//! `lockstep whoami`.

use lockstep_model::api::operator::Me;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep whoami --json")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Says as whom the command line asks.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let me: Me = Operator::open(&args.operator)?.get("me").await?;
    if args.json {
        out::json(&me)?;
    } else {
        out::line(format_args!("{}, role {}", me.name, me.role));
        out::note(format_args!("the server has version {}", me.server));
    }
    Ok(Exit::Done)
}
