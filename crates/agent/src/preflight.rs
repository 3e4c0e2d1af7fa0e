//! The rehearsal: would this version run here?
//!
//! `lockstep agent preflight` is run from the new slot, by the version that is still in charge, before the new one
//! is tried, and from the slot before, when the host is to go back there. It reads what a supervisor and a worker read
//! when they start (configuration, journals, memory, identity, TLS) and changes nothing: a file that a start would move
//! aside is what this version would not run with. It is never held to that alone, see [`crate::rehearsal`].

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use lockstep_host::exec::Exec;
use lockstep_host::slots::Slot;
use lockstep_host::{Layout, fs};
use lockstep_model::{Check, Interval, Version};
use lockstep_net::Clock;
use lockstep_plan::run::RunJournal;
use lockstep_plan::update::{Journal, Memory};
use serde::Deserialize;

use crate::config::AgentConfig;
use crate::state::look;
use crate::{Error, Identity, words};

/// The command by which a slot of the agent rehearses its start.
pub(crate) fn command() -> Check {
    Check {
        command: [Slot::PROGRAM, "agent", "preflight"]
            .map(String::from)
            .into(),
        timeout: Interval::from_secs(30),
    }
}

/// Runs a check in a slot, for `most` at most. The error is how it ended and the last that it said, on one line.
pub(crate) async fn run_check(
    slot: &Slot,
    check: &Check,
    layout: &Layout,
    most: Duration,
) -> Result<(), String> {
    let Some((program, args)) = check.command.split_first() else {
        // A manifest that names no program is not read.
        return Ok(());
    };
    let exec = Exec::new(slot.dir.join(program), check.timeout.duration().min(most))
        .args(args)
        .cwd(&slot.dir)
        .env("LOCKSTEP_ROOT", layout.root());
    match exec.run().await {
        Ok(finished) if finished.succeeded() => Ok(()),
        Ok(finished) => Err(format!("{}: {}", finished.how(), end_of(&finished.output))),
        Err(error) => Err(words(&error)),
    }
}

/// The last line that says something, for a reason that is read on one line.
fn end_of(output: &str) -> &str {
    output
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it said nothing")
}

/// Rehearses a start; returns what was found, one line for each thing.
pub fn preflight(layout: &Layout, clock: &Clock) -> Result<Vec<String>, Error> {
    let config = AgentConfig::load(&layout.config())?;
    let identity = Identity::load(layout)?;
    let version = Version::of_this_program();
    for server in &config.servers {
        identity.client(server, &version, clock)?;
    }
    let free = fs::free_bytes(&layout.state_dir())?;
    let mut found = vec![
        format!("configuration: {} server(s)", config.servers.len()),
        format!(
            "identity: {}, valid until {:.0}",
            identity.host, identity.not_after
        ),
    ];
    found.extend(state_of(layout)?);
    found.push(format!("free space: {} MB", free / 1_000_000));
    Ok(found)
}

/// What the host's state says to this version, or the first file of it that it cannot read.
fn state_of(layout: &Layout) -> Result<Vec<String>, Error> {
    let run = look::<Journal>(&layout.journal())?.map_or("none".into(), |run| {
        format!("{} ({})", run.id, run.step.phase())
    });
    let memory = look::<Memory>(&layout.memory())?.unwrap_or_default();
    Ok(vec![
        format!("run: {run}"),
        format!("runs of packages under way: {}", runs_under_way(layout)?),
        format!(
            "memory: generation {}, {} release(s) not tried again",
            memory.generation,
            memory.skipped.len()
        ),
    ])
}

/// How many runs of packages, of the system, and of restarts this version would have to go on with. One that it cannot
/// read would be nobody's, and its lock would stay held. The journal of a run that is over is of no such weight.
fn runs_under_way(layout: &Layout) -> Result<usize, Error> {
    let unlisted = |source| Error::System {
        doing: "list the journals of runs",
        source,
    };
    let entries = match std::fs::read_dir(layout.runs_dir()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        other => other.map_err(unlisted)?,
    };
    let mut under_way = 0;
    for entry in entries {
        let path = entry.map_err(unlisted)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
            && !is_over(&path)
        {
            let unread = |why: String| Error::NotUnderstood {
                path: path.clone(),
                why: format!(
                    "{why}; end this run first: \"lockstep run list\" names it, \"lockstep run retry\" or \"run skip\" \
                     ends one that has stopped"
                ),
            };
            let journal = look::<RunJournal>(&path).map_err(|error| match error {
                Error::NotUnderstood { why, .. } => unread(why),
                other => other,
            })?;
            match journal.map(|journal| journal.format) {
                None => {}
                Some(RunJournal::FORMAT) => under_way += 1,
                Some(other) => return Err(unread(format!("it has format {other}"))),
            }
        }
    }
    Ok(under_way)
}

/// True if a journal says so, in whatever words it says the rest.
fn is_over(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct AnyJournal {
        step: AnyStep,
    }
    #[derive(Deserialize)]
    struct AnyStep {
        step: String,
    }
    look::<AnyJournal>(path)
        .ok()
        .flatten()
        .is_some_and(|journal| matches!(journal.step.step.as_str(), "over" | "nothing"))
}

#[cfg(test)]
mod tests;
