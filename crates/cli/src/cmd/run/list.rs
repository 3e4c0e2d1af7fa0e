//! `lockstep run list`.

use jiff::Timestamp;
use lockstep_model::api::operator::RunView;
use lockstep_model::{HostName, Outcome};
use lockstep_net::Clock;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep run list --host web1.example.org\n  lockstep run list --stopped\n\
    A run that has stopped is marked with \"!\": it waits for a person, and keeps its lock."
)]
pub(crate) struct Args {
    /// Only the runs of this host
    #[arg(long)]
    host: Option<HostName>,
    /// Only those that have stopped and wait for a person
    #[arg(long)]
    stopped: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// How many runs are asked for at once when all of them are looked through.
const PAGE: usize = 1_000;
/// How far back is looked for runs that have stopped.
const FAR: usize = 20_000;

/// Shows runs.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = question(
        "runs",
        [
            ("host", args.host.as_ref().map(ToString::to_string)),
            ("limit", args.stopped.then(|| PAGE.to_string())),
        ],
    );
    let operator = Operator::open(&args.operator)?;
    let mut runs: Vec<RunView> = match args.stopped {
        true => operator.list(&path, FAR).await?,
        false => operator.get(&path).await?,
    };
    runs.retain(|run| !args.stopped || has_stopped(run));
    if args.json {
        out::json(&runs)?;
        return Ok(Exit::Done);
    }
    let now = Clock::system().now();
    let rows = runs.iter().map(|run| row(run, now));
    let empty = match args.stopped {
        true => "no run waits for a person",
        false => "no runs yet",
    };
    let header = [
        "run", "host", "kind", "change", "state", "lock", "when", "why",
    ];
    out::table(&header, rows.collect(), empty);
    Ok(Exit::Done)
}

fn has_stopped(run: &RunView) -> bool {
    run.record.outcome == Some(Outcome::Stopped)
}

fn row(run: &RunView, now: Timestamp) -> Vec<String> {
    let record = &run.record;
    let state = match record.outcome {
        Some(Outcome::Stopped) => format!("! stopped in {}", record.phase),
        Some(outcome) => outcome.to_string(),
        None => record.phase.to_string(),
    };
    let lock = record
        .lock
        .as_ref()
        .map(|lock| format!("{} #{}", lock.name, lock.fence));
    // What is over does not wait, and what waits has not ended for a reason.
    let waits = record.waits.as_ref().map(|waits| format!("waits: {waits}"));
    let why = record.reason.as_ref().map(ToString::to_string).or(waits);
    vec![
        record.id.to_string(),
        run.host.to_string(),
        record.kind.to_string(),
        record.what(),
        state,
        out::or_dash(lock),
        out::ago(record.at, now),
        why.unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::show::tests::{at, stopped};
    use super::*;

    #[test]
    fn a_run_shows_its_lock_and_what_it_waits_for_and_a_stopped_one_is_marked() {
        let mut run = stopped();
        assert_eq!(
            row(&run, at(1_060))[2..],
            [
                "package",
                "driveclient 1.19 → 1.20",
                "! stopped in post",
                "db #7",
                "60 s ago",
                "30-check of phase post failed: exit status: 1",
            ]
        );
        run.record.outcome = None;
        run.record.reason = None;
        run.record.lock = None;
        run.record.waits = Some("its place of the lock db".into());
        assert_eq!(
            row(&run, at(1_060))[4..],
            ["post", "-", "60 s ago", "waits: its place of the lock db"]
        );
    }
}
