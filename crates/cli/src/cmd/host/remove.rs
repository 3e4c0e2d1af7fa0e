//! `lockstep host remove`.

use lockstep_model::HostName;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host remove web1.example.org\nIts next request is refused; it can be enrolled anew with a token."
)]
pub(crate) struct Args {
    /// The host
    name: HostName,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Removes a host.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    Operator::open(&args.operator)?
        .delete(&format!("hosts/{}", args.name))
        .await?;
    out::line(format_args!(
        "removed {}; its certificates are revoked",
        args.name
    ));
    Ok(Exit::Done)
}
