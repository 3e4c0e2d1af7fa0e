//! `lockstep run show`.

use lockstep_model::RunId;
use lockstep_model::api::operator::RunView;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep run show 019b0a5c-2d00-7abc-8def-0123456789ab")]
pub(crate) struct Args {
    /// The run
    id: RunId,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows one run.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let run: RunView = Operator::open(&args.operator)?
        .get(&format!("runs/{}", args.id))
        .await?;
    if args.json {
        out::json(&run)?;
        return Ok(Exit::Done);
    }
    let record = &run.record;
    out::line(format_args!("run {} on {}", record.id, run.host));
    match &record.hash {
        Some(hash) => out::line(format_args!("{} ({hash})", record.what())),
        None => out::line(record.what()),
    }
    let by = match record.by.as_str() {
        "" => format!("under order {}", record.generation),
        by => format!("by {by}"),
    };
    out::line(format_args!("began {:.0}, {by}", record.started_at));
    if let Some(lock) = &record.lock {
        out::line(format_args!(
            "holds the lock {} since {:.0} (grant {})",
            lock.name, lock.since, lock.fence
        ));
    }
    if let Some(waits) = &record.waits {
        out::line(format_args!("waits: {waits}"));
    }
    match record.outcome {
        Some(outcome) => out::line(format_args!("{outcome} at {:.0}", record.at)),
        None => out::line(format_args!(
            "in phase {} since {:.0}",
            record.phase, record.at
        )),
    }
    if let Some(reason) = &record.reason {
        out::line(format_args!("because {reason}"));
    }
    if !record.log.is_empty() {
        out::line("");
        out::line(record.log.trim_end());
    }
    Ok(Exit::Done)
}
