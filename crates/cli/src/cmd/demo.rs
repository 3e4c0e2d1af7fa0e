//! `lockstep demo`: a whole fleet on this machine, in one directory, without privileges.
//!
//! A server and N agents run as processes of their own, everything is done through the commands that an operator
//! would use, and what is shown is what the server and the hosts say. The story:
//!
//! 1. N hosts are provisioned from a bundle of version 1.0.0, enrolled, and report;
//! 2. 2.0.0, the same program under another version, is published and rolled out: one canary first, then the rest;
//! 3. 3.0.0, whose worker dies after its start, is promoted: the canary returns to 2.0.0 by itself, the rollout halts;
//! 4. 4.0.0, which runs but takes so much memory that a gated item becomes worse: the same.
//!
//! [`stage`] runs the processes, [`releases`] makes the bundles, [`watch`] looks at the fleet, [`facts`] holds what
//! must have been seen.

mod facts;
mod releases;
mod stage;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use lockstep_model::{Outcome, RolloutState, RunReason};
use tokio::signal::unix::{SignalKind, signal};

use self::facts::Facts;
use self::releases::Releases;
use self::stage::Stage;
use self::watch::Watch;
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep demo --agents 5 --exit")]
pub(crate) struct Args {
    /// How many hosts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=200))]
    agents: u16,
    /// End after the story: exit 0 only if every fact was observed
    #[arg(long)]
    exit: bool,
    /// Keep everything in this directory, which must be empty, and leave it there [default: a temporary directory
    /// that is removed]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Plays the story. However it ends, by a signal too, every process is ended and the directory is removed.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (dir, _temporary) = match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("failed to create {}", dir.display()))?;
            let dir = std::path::absolute(dir)?;
            let empty = std::fs::read_dir(&dir)?.next().is_none();
            ensure!(
                empty,
                "{} is not empty; the demo needs a directory of its own",
                dir.display()
            );
            (dir, None)
        }
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("lockstep-demo-")
                .tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut stage = Stage::new(&dir)?;
    let mut facts = Facts::begin();
    let played = tokio::select! {
        played = play(&args, &mut stage, &mut facts) => played,
        _ = terminate.recv() => Err(anyhow::anyhow!("ended by a signal")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("ended by a signal")),
    };
    if let Err(error) = &played {
        facts.note(format_args!("the story broke off: {error:#}"));
    }
    facts.summary();
    if played.is_ok() && !args.exit {
        stage.invite(args.dir.is_none());
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    stage.end().await;
    Ok(if played.is_ok() && facts.all_seen() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// A rollout on this machine is over within this time, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(45);

async fn play(args: &Args, stage: &mut Stage, facts: &mut Facts) -> anyhow::Result<()> {
    let hosts = usize::from(args.agents);

    facts.chapter("A server, and a publisher whose keys it never sees");
    stage.start_server().await?;
    stage.command(&["keys", "init", "keys"]).await?;
    let releases = Releases::build(stage).await?;
    facts.saw("the server started with no configuration but its addresses and pace, and the publisher's keys are made");

    facts.chapter(format_args!(
        "{hosts} hosts, provisioned from a bundle and enrolled"
    ));
    stage.publish(&releases.v1).await?;
    for number in 1..=hosts {
        stage.start_host(number, &releases.v1).await?;
    }
    let mut watch = Watch::new(stage.operator()?, facts);
    watch
        .until("every host reports version 1.0.0", PATIENCE, |view| {
            view.all_proven(hosts, "1.0.0")
        })
        .await?;
    let supervisors = stage.supervisors().await?;

    watch
        .facts
        .chapter("2.0.0: the same program under another version");
    stage.publish(&releases.v2).await?;
    stage
        .command(&["release", "promote", "lockstep", "2.0.0", "--to", "stable"])
        .await?;
    watch
        .until("the rollout is done", PATIENCE, |view| {
            view.rollout_is("2.0.0", RolloutState::Done)
        })
        .await?;
    let canary_first = watch.canary_was_alone("2.0.0");
    watch.facts.check(
        canary_first,
        "one canary proved 2.0.0 before any other host was let go",
    );
    watch
        .until("every host runs 2.0.0, proven", PATIENCE, |view| {
            view.all_proven(hosts, "2.0.0")
        })
        .await?;
    let same = stage.supervisors().await? == supervisors;
    watch.facts.check(
        same,
        "every supervisor executed itself anew in place: no process id changed",
    );

    watch
        .facts
        .chapter("3.0.0: its worker dies after its start");
    stage.publish(&releases.v3).await?;
    stage
        .command(&["release", "promote", "lockstep", "3.0.0", "--to", "stable"])
        .await?;
    watch
        .until("the rollout is halted", PATIENCE, |view| {
            view.rollout_is("3.0.0", RolloutState::Halted)
        })
        .await?;
    let died = |reason: &RunReason| matches!(reason, RunReason::WorkerExited { .. });
    watch
        .until_failed(
            "3.0.0",
            "its worker died, and the canary went back by itself",
            PATIENCE,
            died,
        )
        .await?;
    watch
        .until("every host runs 2.0.0", PATIENCE, |view| {
            view.all_proven(hosts, "2.0.0")
        })
        .await?;

    watch
        .facts
        .chapter("4.0.0: it runs, but makes a gated item worse");
    stage.publish(&releases.v4).await?;
    stage
        .command(&["release", "promote", "lockstep", "4.0.0", "--to", "stable"])
        .await?;
    watch
        .until("the rollout is halted", PATIENCE, |view| {
            view.rollout_is("4.0.0", RolloutState::Halted)
        })
        .await?;
    let worse = |reason: &RunReason| matches!(reason, RunReason::ItemWorse { item, .. } if item.as_str() == "agent_memory");
    watch
        .until_failed(
            "4.0.0",
            "agent_memory became worse, and the canary went back by itself",
            PATIENCE,
            worse,
        )
        .await?;
    watch
        .until("every host runs 2.0.0", PATIENCE, |view| {
            view.all_proven(hosts, "2.0.0")
        })
        .await?;

    let runs = watch.view().await?.runs;
    let tried = |version: &str| {
        runs.iter()
            .filter(|run| run.record.to.to_string() == version)
            .count()
    };
    let failed = runs
        .iter()
        .filter(|run| run.record.outcome.is_some_and(Outcome::blames_release))
        .count();
    watch.facts.check(
        tried("3.0.0") == 1 && tried("4.0.0") == 1 && failed == 2,
        "each bad release ran on one host, once",
    );
    let linked = stage
        .current_versions()?
        .iter()
        .all(|version| version == "2.0.0");
    watch
        .facts
        .check(linked, "on disk, \"current\" of every host points at 2.0.0");
    let same = stage.supervisors().await? == supervisors;
    watch.facts.check(
        same,
        "every supervisor is the process that it was at the beginning",
    );
    Ok(())
}
