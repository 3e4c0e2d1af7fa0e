//! `lockstep lock free`.

use lockstep_model::api::operator::{FreeLock, LockFreed};
use lockstep_model::{Holder, LockName};

use super::words;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep lock free db --why 'web1 was scrapped'\n  \
    lockstep lock free db --holder operator:ann --why 'ann is on holiday'\n\
    A holder that is silent may be in the middle of its change: look at \"lockstep lock show NAME\" first. What was freed, \
    by whom and why is in the audit trail."
)]
pub(crate) struct Args {
    /// The lock
    name: LockName,
    /// Whose place: a host's name, or operator:NAME; may be left out if there is one holder only
    #[arg(long, value_name = "HOLDER", value_parser = words::parse_holder)]
    holder: Option<Holder>,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = words::parse_why)]
    why: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Takes the place away.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let order = FreeLock {
        holder: args.holder,
        why: args.why,
    };
    let freed: LockFreed = Operator::open(&args.operator)?
        .post(&format!("locks/{}/free", args.name), &order)
        .await?;
    if args.json {
        out::json(&freed)?;
    } else {
        let was = &freed.freed;
        out::line(format_args!(
            "{} does not have the lock {} any more (grant {} of {:.0})",
            out::printable(&was.holder.to_string()),
            args.name,
            was.fence,
            was.since
        ));
    }
    Ok(Exit::Done)
}
