//! `lockstep agent status`.

use anyhow::bail;
use jiff::Timestamp;
use lockstep_agent::local::{
    SupervisorAnswer, SupervisorRequest, SupervisorStatus, WorkerAnswer, WorkerRequest,
    WorkerStatus,
};
use lockstep_agent::run::journals::Journals;
use lockstep_model::PackageName;
use lockstep_net::Clock;
use lockstep_plan::run::{RunJournal, Step};
use serde_json::json;

use super::{RootArgs, local};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep agent status --json | jq .worker.hold")]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows how this host stands. Without a worker it shows what the supervisor knows.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let SupervisorAnswer::Status(supervisor) =
        local::ask_supervisor(&layout, &SupervisorRequest::Status).await?
    else {
        bail!("the supervisor's answer is not understood");
    };
    let worker = match local::ask_worker(&layout, &WorkerRequest::Status).await {
        Ok(WorkerAnswer::Status(worker)) => Some(worker),
        Ok(_) => bail!("the worker's answer is not understood"),
        Err(_) => None,
    };
    if args.json {
        out::json(&json!({ "supervisor": supervisor, "worker": worker }))?;
        return Ok(Exit::Done);
    }
    show_supervisor(&supervisor);
    show_runs(&Journals::new(&layout).all()?);
    match worker {
        Some(worker) => show_worker(&worker, Clock::system().now()),
        None => out::line(
            "worker       does not answer; it is being started, or fails: see the agent's log",
        ),
    }
    Ok(Exit::Done)
}

fn show_supervisor(status: &SupervisorStatus) {
    let current = out::or_dash(status.current.as_ref());
    match &status.previous {
        Some(previous) => out::line(format_args!(
            "version      {current} (before it {previous})"
        )),
        None => out::line(format_args!("version      {current}")),
    }
    out::line(format_args!("supervisor   pid {}", status.pid));
    if let Some(pid) = status.worker {
        out::line(format_args!("worker       pid {pid}"));
    }
    if let Some(trial) = &status.trial {
        let why = out::or_dash(trial.why.as_ref());
        out::line(format_args!(
            "on probation {} for {} s: {why}",
            trial.version, trial.for_s
        ));
    }
    if let Some(run) = &status.run {
        let record = run.record(run.changed_at, String::new());
        let end = record
            .outcome
            .map_or(format!("in phase {}", record.phase), |outcome| {
                outcome.to_string()
            });
        let why = record
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        out::line(format_args!(
            "last run     {} at {:.0}, {end}{why}",
            record.what(),
            run.changed_at
        ));
    }
}

/// Upgrades of the system and of packages that are not over.
fn show_runs(journals: &[RunJournal]) {
    for journal in journals.iter().filter(|journal| !journal.is_over()) {
        let (package, phase) = (&journal.job.package, journal.step.phase());
        let state = match (&journal.step, &journal.waiting) {
            (Step::Stopped { reason, .. }, _) => format!("stopped in phase {phase}: {reason}"),
            (_, Some(waiting)) => format!("in phase {phase}: {}", waiting.why),
            (_, None) => format!("in phase {phase}"),
        };
        out::line(format_args!("run of {package:<5} {state}"));
    }
}

fn show_worker(status: &WorkerStatus, now: Timestamp) {
    out::line(format_args!("host         {}", status.host));
    out::line(format_args!(
        "server       {}: {}",
        status.server, status.link
    ));
    if let Some(at) = status.reported_at {
        out::line(format_args!("reported     {}", out::ago(at, now)));
    }
    out::line(format_args!(
        "certificate  valid until {:.0}",
        status.certificate_until
    ));
    if let Some(desired) = &status.desired {
        let hold = status
            .hold
            .as_ref()
            .map(|hold| format!(": {hold}"))
            .unwrap_or_default();
        out::line(format_args!("wanted       {desired}{hold}"));
    }
    if let Some(waits) = &status.waits {
        out::line(format_args!("waits        {waits}"));
    }
    show_packages(status);
    out::line("");
    out::items(&status.items, "no samples yet");
}

/// Packages of others, and why orders for them are not followed. That of the agent itself is shown already.
fn show_packages(status: &WorkerStatus) {
    for installed in &status.packages {
        let (package, version) = (&installed.package, &installed.version);
        let before = installed.previous.as_ref();
        let before = before.map(|before| format!(" (before it {before})"));
        let proven = match installed.proven {
            true => "",
            false => ", not proven yet",
        };
        out::line(format_args!(
            "package      {package} {version}{}{proven}",
            before.unwrap_or_default()
        ));
    }
    let own = PackageName::lockstep();
    for kept in status.kept.iter().filter(|kept| kept.package != own) {
        out::line(format_args!(
            "wanted       {} {}: {}",
            kept.package, kept.version, kept.words
        ));
    }
}
