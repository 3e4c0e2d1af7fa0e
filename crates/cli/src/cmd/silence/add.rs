//! `lockstep silence add`.

use anyhow::bail;
use jiff::Timestamp;
use lockstep_model::alert::Silence;
use lockstep_model::api::operator::NewSilence;
use lockstep_model::{Glob, Interval};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep silence add --host 'db*' --for 2h --why 'moving the racks'\n  \
    lockstep silence add --group web --item 'http:*' --from 2026-12-01T02:00:00Z --for 1h --why 'new certificates'\n\
    What is still bad at the end is told then."
)]
pub(crate) struct Args {
    /// Hosts; may be repeated, and be a pattern
    #[arg(long, value_name = "HOST", value_parser = Glob::parse)]
    host: Vec<Glob>,
    /// Groups of the fleet file; may be repeated
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Items; may be repeated, and be a pattern; all if left out
    #[arg(long, value_name = "ITEM", value_parser = Glob::parse)]
    item: Vec<Glob>,
    /// Silence the whole fleet
    #[arg(long, conflicts_with_all = ["host", "group"])]
    all: bool,
    /// From when; now if left out
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// For how long, 30 days at most
    #[arg(long = "for", value_name = "INTERVAL")]
    lasts: Interval,
    /// Why
    #[arg(long)]
    why: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes a silence.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    if args.host.is_empty() && args.group.is_empty() && !args.all {
        bail!(
            "name hosts with --host or groups with --group, or silence the whole fleet with --all"
        );
    }
    let new = NewSilence {
        hosts: args.host,
        groups: args.group,
        items: args.item,
        starts_at: args.from,
        lasts: args.lasts,
        reason: args.why,
    };
    let silence: Silence = Operator::open(&args.operator)?
        .post("silences", &new)
        .await?;
    if args.json {
        out::json(&silence)?;
    } else {
        out::line(format_args!(
            "silence {} holds until {:.0}; to end it earlier: lockstep silence end {}",
            silence.id, silence.ends_at, silence.id
        ));
    }
    Ok(Exit::Done)
}
