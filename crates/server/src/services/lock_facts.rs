//! The facts by which places of locks are given: how every host stands, and what the fleet file says.
//!
//! They are read at most once a second and shared by all who ask. Facts that are a second old are good enough: a host
//! is silent after three reports that it missed, its level came with a report or an event of a while ago, and what it
//! will say in the next second nobody knows. So nothing that was safe by them becomes unsafe by their age alone. What
//! must be exact is exact all the same: who holds a lock and who waits for it is read in the transaction that writes it
//! (`Store::change_lock`), so of two hosts that ask at the same moment, at different servers, too, the second one sees
//! the first. Rule and groups are of one and the same fleet file.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{HostName, Level, LockName, LockRule, PackageName};
use lockstep_plan::lock::{Fleet, HostFacts};

use super::events;
use super::fleet::Accepted;
use super::fresh::Fresh;
use crate::app::App;

/// What is known of the fleet at one moment, as far as locks go by it.
#[derive(Debug)]
pub(crate) struct LockFacts {
    /// By name, as `plan` wants them.
    hosts: Vec<HostFacts>,
    /// When each of them was heard of last, in the same order.
    heard: Vec<Option<Timestamp>>,
    accepted: Option<Arc<Accepted>>,
}

/// The facts, read when they are needed.
#[derive(Debug, Default)]
pub(crate) struct LockFactsNow(Fresh<LockFacts>);

impl LockFactsNow {
    /// The facts as they are now, or were a moment ago.
    pub(crate) async fn read(
        &self,
        app: &App,
        now: Timestamp,
    ) -> Result<Arc<LockFacts>, lockstep_store::Error> {
        self.0.read(now, LockFacts::load(app, now)).await
    }

    /// As [`Self::read`], for a host that is certainly enrolled: one that came a moment ago is among them.
    pub(crate) async fn read_for(
        &self,
        app: &App,
        host: &HostName,
        now: Timestamp,
    ) -> Result<Arc<LockFacts>, lockstep_store::Error> {
        let facts = self.read(app, now).await?;
        if facts.host(host).is_some() {
            return Ok(facts);
        }
        self.forget();
        self.read(app, now).await
    }

    /// They have changed: the next one who asks reads them anew.
    pub(crate) fn forget(&self) {
        self.0.forget();
    }
}

impl LockFacts {
    async fn load(app: &App, now: Timestamp) -> Result<Self, lockstep_store::Error> {
        let accepted = app.fleet.accepted();
        let troubles = app.store.troubles().await?;
        let mut levels: HashMap<HostName, Level> = HashMap::new();
        let mut dead: HashMap<HostName, Timestamp> = HashMap::new();
        for trouble in troubles {
            if !events::is_of_the_server(&trouble.item) {
                let worst = levels.entry(trouble.host).or_default();
                *worst = trouble.level.max(*worst);
            } else if trouble.level == Level::DEAD {
                dead.insert(trouble.host, trouble.since);
            }
        }
        let mut standings = app.store.standings(&PackageName::lockstep()).await?;
        // A database may sort by the rules of a language.
        standings.sort_by(|a, b| a.host.cmp(&b.host));
        let heard = standings.iter().map(|standing| standing.last_seen);
        let heard = heard.collect();
        let hosts = standings.into_iter().map(|standing| {
            let (name, seen) = (standing.host, standing.last_seen);
            // A server that was started a moment ago misses nobody yet, but whoever was missed before it is away still.
            let was_missed = dead
                .get(&name)
                .is_some_and(|since| seen.is_none_or(|seen| seen < *since));
            let silent = was_missed || app.is_silent(&name, seen, standing.enrolled_at, now);
            HostFacts {
                groups: accepted
                    .as_ref()
                    .map_or_else(Vec::new, |accepted| accepted.groups_of(&name)),
                silent,
                running: standing.in_run,
                level: levels.get(&name).copied().unwrap_or_default(),
                name,
            }
        });
        Ok(Self {
            hosts: hosts.collect(),
            heard,
            accepted,
        })
    }

    /// The hosts, for a decision.
    pub(crate) fn fleet(&self) -> Fleet<'_> {
        Fleet { hosts: &self.hosts }
    }

    /// A host, and when it was heard of last; none if it is not enrolled.
    pub(crate) fn host(&self, name: &HostName) -> Option<(&HostFacts, Option<Timestamp>)> {
        let found = self
            .hosts
            .binary_search_by(|host| host.name.cmp(name))
            .ok()?;
        Some((self.hosts.get(found)?, *self.heard.get(found)?))
    }

    /// What holds for a lock.
    pub(crate) fn rule(&self, name: &LockName) -> LockRule {
        let accepted = self.accepted.as_ref();
        accepted.map_or_else(LockRule::default, |it| it.fleet.lock_rule(name))
    }

    /// The locks that the fleet file names.
    pub(crate) fn names(&self) -> Vec<&LockName> {
        let accepted = self.accepted.as_ref();
        accepted.map_or_else(Vec::new, |it| it.fleet.lock_names())
    }

    /// True for a lock that the fleet file names.
    pub(crate) fn is_named(&self, name: &LockName) -> bool {
        self.names().contains(&name)
    }
}
