//! `lockstep run list`.

use lockstep_model::HostName;
use lockstep_model::api::operator::RunView;
use lockstep_net::Clock;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep run list --host web1.example.org")]
pub(crate) struct Args {
    /// Only the runs of this host
    #[arg(long)]
    host: Option<HostName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows runs.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = args
        .host
        .map_or("runs".into(), |host| format!("runs?host={host}"));
    let runs: Vec<RunView> = Operator::open(&args.operator)?.get(&path).await?;
    if args.json {
        out::json(&runs)?;
        return Ok(Exit::Done);
    }
    let now = Clock::system().now();
    let rows = runs.iter().map(|run| {
        let record = &run.record;
        vec![
            record.id.to_string(),
            run.host.to_string(),
            record.what(),
            record
                .outcome
                .map_or(record.phase.to_string(), |outcome| outcome.to_string()),
            out::ago(record.at, now),
            record
                .reason
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]
    });
    out::table(
        &["run", "host", "change", "state", "when", "why"],
        rows.collect(),
        "no runs yet",
    );
    Ok(Exit::Done)
}
