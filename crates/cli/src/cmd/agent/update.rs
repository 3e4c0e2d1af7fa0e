//! `lockstep agent update`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use lockstep_agent::State;
use lockstep_agent::local::{WorkerAnswer, WorkerRequest};
use lockstep_host::Layout;
use lockstep_model::{Outcome, RunId, Version};
use lockstep_plan::update::Step;

use super::{RootArgs, local};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep agent update --check   exit 4 if nothing is to be done\n  \
    lockstep agent update --to 1.4.0\n  \
    lockstep agent update --bundle /media/stick/repo/targets/lockstep/1.4.0/HASH.lockstep-1.4.0-linux-x86_64.tar.zst\n\
    A version that is chosen by hand stays until the server gives a newer order."
)]
pub(crate) struct Args {
    /// Only say whether another version is wanted
    #[arg(long, conflicts_with = "to")]
    check: bool,
    /// Update to this version, whatever the server wants
    #[arg(long, value_name = "VERSION")]
    to: Option<Version>,
    /// Update to the version in this file, without a server; metadata that lists it must lie beside it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "to"])]
    bundle: Option<PathBuf>,
    /// Where that metadata lies: a directory that "release mirror" wrote [default: above the file, or what is stored]
    #[arg(long, value_name = "DIR", requires = "bundle")]
    metadata: Option<PathBuf>,
    /// Return as soon as the run has begun
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    root: RootArgs,
}

/// How often the journal is looked at while a person waits for the end of the run.
const LOOK: Duration = Duration::from_millis(200);

/// Orders the update and waits for its end.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let request = match (args.check, args.bundle, args.to) {
        (true, _, _) => WorkerRequest::CheckUpdate,
        // A relative path must mean the same to the worker.
        (false, Some(bundle), _) => WorkerRequest::UpdateFrom {
            bundle: std::path::absolute(bundle)?,
            metadata: args.metadata.map(std::path::absolute).transpose()?,
        },
        (false, None, to) => WorkerRequest::Update { to },
    };
    match local::ask_worker(&layout, &request).await? {
        WorkerAnswer::Nothing { hold } => {
            out::line(format_args!("nothing to do: {hold}"));
            Ok(Exit::Nothing)
        }
        WorkerAnswer::Wanted {
            version,
            hold: None,
        } => {
            out::line(format_args!("version {version} is wanted"));
            Ok(Exit::Done)
        }
        WorkerAnswer::Wanted {
            version,
            hold: Some(hold),
        } => {
            out::line(format_args!("version {version} is wanted, but: {hold}"));
            Ok(if args.check {
                Exit::Done
            } else {
                Exit::Refused
            })
        }
        WorkerAnswer::Begun { run, version } => {
            out::line(format_args!("run {run} to version {version} has begun"));
            if args.no_wait {
                Ok(Exit::Done)
            } else {
                wait(&layout, run).await
            }
        }
        _ => bail!("the worker's answer is not understood"),
    }
}

/// Follows the journal, which outlives every worker.
async fn wait(layout: &Layout, run: RunId) -> anyhow::Result<Exit> {
    let state = State::new(layout);
    let mut shown = None;
    loop {
        let Some(journal) = state.journal()?.filter(|journal| journal.id == run) else {
            bail!("run {run} gave way to another one; \"lockstep agent status\" shows it");
        };
        if let Step::Over { outcome, reason } = journal.step {
            let why = reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            out::line(format_args!("{outcome}{why}"));
            return Ok(if outcome == Outcome::Done {
                Exit::Done
            } else {
                Exit::Failed
            });
        }
        let phase = journal.step.phase();
        if shown != Some(phase) {
            out::note(format_args!("{phase} …"));
            shown = Some(phase);
        }
        tokio::time::sleep(LOOK).await;
    }
}
