//! `lockstep demo`: a whole fleet on this machine, in one directory, without privileges.
//!
//! A server and N agents run as processes of their own, everything is done through the commands that an operator
//! would use, and what is shown is what the server and the hosts say. The story:
//!
//! 1. N hosts are provisioned from a bundle of version 1.0.0, enrolled, and report;
//! 2. a fleet file says what is watched and who is told; an item becomes sick and well again, and both is told;
//! 3. 2.0.0, the same program under another version, is published and rolled out: one canary first, then the rest, and
//!    nobody is told anything;
//! 4. 3.0.0, whose worker dies after its start, is promoted: the canary returns to 2.0.0 by itself, the rollout halts;
//! 5. 4.0.0, which runs but takes so much memory that a gated item becomes worse: the same;
//! 6. two hosts upgrade their systems under one lock; the first one fails, and the second one waits until it is mended;
//! 7. the host draws the history of the item.
//!
//! [`stage`] runs the processes, [`releases`] makes the bundles, [`watch`] looks at the fleet, [`watched`] is what the
//! fleet file is about, [`upgrade`] the upgrades, [`facts`] holds what must have been seen.

mod facts;
mod releases;
mod stage;
mod upgrade;
mod watch;
mod watched;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use lockstep_model::{Outcome, RolloutState, RunId, RunReason};
use lockstep_net::Clock;
use tokio::signal::unix::{SignalKind, signal};

use self::facts::Facts;
use self::releases::Releases;
use self::stage::Stage;
use self::watch::{View, Watch};
use self::watched::{Told, Watched, blame};
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
    if let Ok(watched) = &played
        && !args.exit
    {
        stage.invite(args.dir.is_none(), &watched.history_command());
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
const WELL: &str = "nothing is wrong on any host";

async fn play(args: &Args, stage: &mut Stage, facts: &mut Facts) -> anyhow::Result<Watched> {
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
        .chapter("A fleet file: what is watched, and who is told");
    let watched = Watched::begin(stage, &mut watch, PATIENCE).await?;
    watch.facts.chapter("An item becomes sick, and well again");
    watched.sick_and_well(stage, &mut watch, PATIENCE).await?;

    watch
        .facts
        .chapter("2.0.0: the same program under another version");
    let told = Told::after(&watch.view().await?);
    let before_update = Clock::system().now();
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
    let view = watch.wait(WELL, PATIENCE, View::is_well).await?;
    watch.facts.check(
        told.since(&view).is_empty(),
        "nobody was told anything: an update that goes well is no news",
    );

    watch
        .facts
        .chapter("3.0.0: its worker dies after its start");
    let told = Told::after(&view);
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

    // What is sick no longer is not told later.
    let view = watch.wait(WELL, PATIENCE, View::is_well).await?;
    let runs = &view.runs;
    let tried = |version: &str| {
        runs.iter()
            .filter(|run| {
                run.record
                    .to
                    .as_ref()
                    .is_some_and(|to| to.as_str() == version)
            })
            .count()
    };
    let failed: Vec<RunId> = runs
        .iter()
        .filter(|run| run.record.outcome.is_some_and(Outcome::blames_release))
        .map(|run| run.record.id)
        .collect();
    watch.facts.check(
        tried("3.0.0") == 1 && tried("4.0.0") == 1 && failed.len() == 2,
        "each bad release ran on one host, once",
    );
    let messages = told.since(&view);
    let what = match messages.len() {
        0 => "nobody was told of the bad releases: their hosts were well again on their own",
        _ => "what was told of the bad releases names their runs as the cause",
    };
    watch.facts.check(blame(&messages, &failed), what);
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

    watch
        .facts
        .chapter("Two hosts upgrade their systems under one lock; the first one fails");
    upgrade::play(stage, &mut watch, PATIENCE).await?;
    watch.wait(WELL, PATIENCE, View::is_well).await?;

    watch
        .facts
        .chapter("The item's history, which its host has");
    watched
        .draw_history(&mut watch, before_update, PATIENCE)
        .await?;
    Ok(watched)
}
