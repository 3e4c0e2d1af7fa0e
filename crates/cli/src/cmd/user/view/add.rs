//! `lockstep user view add`.

use lockstep_model::api::operator::{NewView, SavedView, ViewAddress};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep user view add 'sick web servers' --address '/hosts?q=web&level=2'\n  \
    lockstep user view add today --address '/events?since=24h' --shared\n\
    It stands in the menu of its page. One of yours with the same page and name is replaced."
)]
pub(crate) struct Args {
    /// What it is called
    name: String,
    /// The page's address behind the server's name: of /, /hosts, /items or /events
    #[arg(long, value_name = "ADDRESS")]
    address: ViewAddress,
    /// Let everybody see it
    #[arg(long)]
    shared: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Keeps a view.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let new = NewView {
        name: args.name,
        address: args.address,
        shared: args.shared,
    };
    let kept: SavedView = Operator::open(&args.operator)?.post("views", &new).await?;
    out::line(format_args!(
        "kept view {} {} of {}",
        kept.id,
        out::printable(&kept.name),
        kept.address
    ));
    Ok(Exit::Done)
}
