//! What is known of those who hold locks, so that one who has died with a lock is told from one who is at work.

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::api::operator::GhostView;
use lockstep_model::{HostName, Level, LockHolder, LockState, RunId, RunRecord};
use lockstep_plan::lock::{HolderFacts, ghost};

use super::lock_facts::LockFacts;
use crate::app::App;

/// Holders that are looked after in one answer: each may cost two questions to the database. Of more than these, the
/// rest is shown without a word on how it is.
const MOST: usize = 1_000;

/// What is known of the holders of some locks.
#[derive(Debug)]
pub(crate) struct Witnesses {
    hosts: HashMap<HostName, Host>,
    runs: HashMap<(HostName, RunId), RunRecord>,
}

#[derive(Debug)]
struct Host {
    enrolled: bool,
    silent: bool,
    heard: Option<Timestamp>,
    level: Level,
    boot_id: Option<String>,
}

impl Witnesses {
    /// Asks for everything that matters to the holders of these locks.
    pub(crate) async fn read(
        app: &App,
        facts: &LockFacts,
        locks: &[&LockState],
    ) -> Result<Self, lockstep_store::Error> {
        let mut witnesses = Self {
            hosts: HashMap::new(),
            runs: HashMap::new(),
        };
        let grants = locks.iter().flat_map(|state| &state.holders);
        let of_hosts = grants.filter_map(|grant| Some((grant.holder.host()?, grant)));
        for (host, grant) in of_hosts.take(MOST) {
            if !witnesses.hosts.contains_key(host) {
                let known = Host::read(app, facts, host).await?;
                witnesses.hosts.insert(host.clone(), known);
            }
            let Some(run) = grant.run else { continue };
            // What a host says of another's run is no word on its own.
            if let Some(found) = app.store.run(&run).await?
                && found.host == *host
            {
                witnesses.runs.insert((host.clone(), run), found.record);
            }
        }
        Ok(witnesses)
    }

    /// The holders of a lock of whom it is doubtful that they are still at work.
    pub(crate) fn ghosts(&self, state: &LockState, now: Timestamp) -> Vec<GhostView> {
        let ghosts = state.holders.iter().filter_map(|grant| {
            let ghost = ghost(grant, &self.facts(grant)?, now)?;
            Some(GhostView {
                holder: grant.holder.clone(),
                action: ghost.action(),
                ghost,
            })
        });
        ghosts.collect()
    }

    fn facts(&self, grant: &LockHolder) -> Option<HolderFacts> {
        let name = grant.holder.host()?;
        let host = self.hosts.get(name)?;
        let run = grant.run.map(|run| (name.clone(), run));
        Some(HolderFacts {
            enrolled: host.enrolled,
            silent_since: host.silent.then(|| host.heard.unwrap_or(grant.since)),
            level: host.level,
            boot_id: host.boot_id.clone(),
            run: run.and_then(|run| self.runs.get(&run).cloned()),
        })
    }
}

impl Host {
    async fn read(
        app: &App,
        facts: &LockFacts,
        name: &HostName,
    ) -> Result<Self, lockstep_store::Error> {
        let row = app.store.host(name).await?;
        let report = row.as_ref().and_then(|row| row.report.as_ref());
        let boot_id = report.map(|report| report.boot_id.clone());
        let (known, heard) = facts.host(name).unzip();
        Ok(Self {
            enrolled: row.is_some(),
            silent: known.is_some_and(|it| it.silent),
            heard: heard.flatten(),
            level: known.map_or_else(Level::default, |it| it.level),
            boot_id: boot_id.filter(|it| !it.is_empty()),
        })
    }
}
