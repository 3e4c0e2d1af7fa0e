//! The rehearsal: would this version run here?
//!
//! `lockstep agent preflight` is run from the new slot, by the version that is still in charge, before the new one
//! is tried. It loads all that a supervisor and a worker load when they start (configuration, journal, memory,
//! identity, TLS, the repository's metadata) and changes nothing.

use std::time::Duration;

use lockstep_host::exec::Exec;
use lockstep_host::slots::Slot;
use lockstep_host::{Layout, fs};
use lockstep_model::{Check, Interval, Version};
use lockstep_net::Clock;

use crate::config::AgentConfig;
use crate::state::State;
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
    let state = State::new(layout);
    let run = state.journal()?.map_or("none".into(), |run| {
        format!("{} ({})", run.id, run.step.phase())
    });
    let memory = state.memory()?;
    let free = fs::free_bytes(&layout.state_dir())?;
    Ok(vec![
        format!("configuration: {} server(s)", config.servers.len()),
        format!(
            "identity: {}, valid until {:.0}",
            identity.host, identity.not_after
        ),
        format!("run: {run}"),
        format!(
            "memory: generation {}, {} release(s) not tried again",
            memory.generation,
            memory.skipped.len()
        ),
        format!("free space: {} MB", free / 1_000_000),
    ])
}
