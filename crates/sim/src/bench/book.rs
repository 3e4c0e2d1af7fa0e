//! All agents as they will be kept: identities, and what they remember.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockstep_net::client::Identity;

use super::Error;
use super::remembered::{Carried, Remembered, Shard};

/// Where shards are kept. A shard is replaced whole, and holds private keys.
pub trait Keep: Send + Sync + std::fmt::Debug {
    /// Writes a shard, so that it survives a crash.
    ///
    /// # Errors
    /// Why it could not be written, in words.
    fn save(&self, shard: &Shard) -> Result<(), String>;
}

/// The agents, by their numbers.
#[derive(Debug)]
pub(super) struct Book {
    pages: Mutex<Pages>,
    keep: Arc<dyn Keep>,
}

#[derive(Debug)]
struct Pages {
    agents: Vec<Remembered>,
    changed: BTreeSet<u32>,
}

impl Book {
    /// `agents` are in the order of their numbers, from 1 on without a gap.
    pub(super) fn new(agents: Vec<Remembered>, keep: Arc<dyn Keep>) -> Self {
        let changed = BTreeSet::new();
        Self {
            pages: Mutex::new(Pages { agents, changed }),
            keep,
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<Remembered> {
        self.lock().agents.get(index(number)).cloned()
    }

    /// The certificate and key of an agent that is enrolled, and its authority.
    pub(super) fn identity(&self, number: u32) -> Option<Identity> {
        let pages = self.lock();
        let agent = pages.agents.get(index(number))?;
        Some(Identity {
            cert_pem: agent.certificate.clone()?,
            key_pem: agent.key.clone(),
        })
    }

    /// Changes an agent; it is written with the next [`save`](Self::save).
    pub(super) fn change(&self, number: u32, change: impl FnOnce(&mut Remembered)) {
        let mut pages = self.lock();
        if let Some(agent) = pages.agents.get_mut(index(number)) {
            change(agent);
            pages.changed.insert(Shard::of(number));
        }
    }

    /// What an agent carries now.
    pub(super) fn carries(&self, number: u32, carried: &[Carried]) {
        self.change(number, |agent| agent.carried = carried.to_vec());
    }

    /// Writes everything that has changed since it was written last.
    pub(super) async fn save(self: &Arc<Self>) -> Result<(), Error> {
        let changed = std::mem::take(&mut self.lock().changed);
        for number in changed {
            let book = Arc::clone(self);
            let saved = tokio::task::spawn_blocking(move || book.save_shard(number)).await;
            saved.map_err(|error| Error::Keep {
                why: error.to_string(),
            })??;
        }
        Ok(())
    }

    fn save_shard(&self, number: u32) -> Result<(), Error> {
        let of_shard = |agent: &&Remembered| Shard::of(agent.number) == number;
        let agents = self
            .lock()
            .agents
            .iter()
            .filter(of_shard)
            .cloned()
            .collect();
        let shard = Shard { number, agents };
        self.keep.save(&shard).map_err(|why| {
            self.lock().changed.insert(number);
            Error::Keep { why }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX)
}
