//! The rehearsal: would this version run here?
//!
//! `lockstep agent preflight` is run from the new slot, by the version that is still in charge, before the new one
//! is tried. It loads all that a supervisor and a worker load when they start (configuration, journal, memory,
//! identity, TLS, the repository's metadata) and changes nothing.

use lockstep_host::{Layout, fs};
use lockstep_model::Version;
use lockstep_net::Clock;

use crate::config::AgentConfig;
use crate::state::State;
use crate::{Error, Identity};

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
