//! Two hosts upgrade their operating systems under one lock, and the first one fails.
//!
//! What is upgraded is nothing: the scripts only look whether another host is at it, and whether they shall fail.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use lockstep_host::Layout;
use lockstep_host::fs::{self, Mode};
use lockstep_host::scripts::ScriptDir;
use lockstep_model::api::operator::RunView;
use lockstep_model::{Outcome, Phase, RunKind};

use super::releases::text;
use super::stage::Stage;
use super::watch::{View, Watch};

/// The pace of a demo, and a lock.
const UPDATE: &str = "lock = \"os\"\n[limits]\nlock_again = \"500ms\"\n[verify]\nfor = \"0s\"\n";
/// There are updates, always.
const NEEDS_UPDATE: &str = "#!/bin/sh\nexit 1\n";
/// The machine need not be restarted.
const NEEDS_REBOOT: &str = "#!/bin/sh\nexit 0\n";

/// Plays it.
pub(crate) async fn play(
    stage: &mut Stage,
    watch: &mut Watch<'_>,
    patience: Duration,
) -> anyhow::Result<()> {
    let dir = stage.watched_dir()?;
    let (inside, broken) = (dir.join("upgrading"), dir.join("broken"));
    for name in ["host1", "host2"] {
        prepare(&Layout::below(stage.path(name)), &inside, &broken)?;
    }
    fs::write_durable(&broken, b"", Mode::Public)?;

    let root = text(&stage.path("host1"));
    stage.start(&["update", "--root", &root])?;
    let view = watch
        .until(
            "host1 failed in its last phase, has stopped, and keeps the lock",
            patience,
            |view| upgrade(view, "host1").is_some_and(has_stopped),
        )
        .await?;
    let run = upgrade(&view, "host1")
        .context("host1 has no run")?
        .record
        .id;

    let root = text(&stage.path("host2"));
    stage.start(&["update", "--root", &root])?;
    watch
        .until(
            "host2 waits for the lock, so that it cannot fail in the same way",
            patience,
            |view| upgrade(view, "host2").is_some_and(waits_for_the_lock),
        )
        .await?;
    let shown = stage.command(&["lock", "show", "os"]).await?;
    watch.facts.quote(&shown);
    watch.facts.check(
        shown.contains("has stopped") && shown.contains("run retry"),
        "the lock is shown with its ghost, the reason, and what is safe to do",
    );

    fs::remove_durable(&broken)?;
    let run = run.to_string();
    stage
        .command(&["run", "retry", &run, "--why", "mended"])
        .await?;
    let done = |view: &View, host: &str| {
        upgrade(view, host).is_some_and(|run| run.record.outcome == Some(Outcome::Done))
    };
    watch
        .until(
            "host1 went on where it had failed, and is done",
            patience,
            |view| done(view, "host1"),
        )
        .await?;
    watch
        .until(
            "host2 got the lock after it, and is done",
            patience,
            |view| done(view, "host2"),
        )
        .await?;
    let verified = stage.command(&["audit", "verify"]).await?;
    watch.facts.quote(&verified);
    watch.facts.check(
        verified.starts_with("the chain is whole"),
        "every step of every run is in a chain that nobody can change unseen",
    );
    Ok(())
}

/// Gives a host its scripts.
fn prepare(layout: &Layout, inside: &Path, broken: &Path) -> anyhow::Result<()> {
    let (inside, broken) = (inside.display(), broken.display());
    let update = format!(
        "#!/bin/sh\nmkdir '{inside}' || {{ echo two hosts at once; exit 1; }}\nsleep 0.2\nrmdir '{inside}'\n"
    );
    let post_update = format!("#!/bin/sh\n[ ! -e '{broken}' ]\n");
    fs::write_durable(&layout.update_config(), UPDATE.as_bytes(), Mode::Public)?;
    for (kind, script) in [
        (ScriptDir::NeedsUpdate, NEEDS_UPDATE),
        (ScriptDir::Update, &update),
        (ScriptDir::NeedsReboot, NEEDS_REBOOT),
        (ScriptDir::PostUpdate, &post_update),
    ] {
        let dir = layout.script_dir(kind);
        fs::create_dir(&dir)?;
        fs::write_durable(&dir.join("10-demo"), script.as_bytes(), Mode::Executable)?;
    }
    Ok(())
}

/// The newest upgrade of a host.
fn upgrade<'a>(view: &'a View, host: &str) -> Option<&'a RunView> {
    view.runs
        .iter()
        .find(|run| run.host.as_str() == host && run.record.kind == RunKind::System)
}

fn has_stopped(run: &RunView) -> bool {
    run.record.outcome == Some(Outcome::Stopped)
        && run.record.phase == Phase::Post
        && run.record.lock.is_some()
}

fn waits_for_the_lock(run: &RunView) -> bool {
    let waits = run.record.waits.as_deref().unwrap_or_default();
    run.record.phase == Phase::Lock && waits.contains("host1")
}
