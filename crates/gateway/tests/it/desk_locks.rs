//! The locks of the server that is not there. It decides no better than a real one would at its simplest: places, the
//! switch of an operator, and one sentence by which a rollout says no.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lockstep_gateway::seams::{
    Green, LockAsk, LockGiven, LockSaid, LockSeen, LockSeenHolder, Locks, Trouble,
};
use lockstep_model::{Fence, Holder, HostName, LockName};

use crate::desk::Desk;

/// All locks.
#[derive(Debug, Default)]
pub(crate) struct Book {
    locks: BTreeMap<LockName, LockSeen>,
    /// Locks with more than one place.
    pub(crate) places: BTreeMap<LockName, usize>,
    /// What is said to whoever has no place yet, instead of deciding.
    pub(crate) refusal: Option<(&'static str, String)>,
    /// What the server cannot do now, whatever is asked.
    pub(crate) trouble: Option<Trouble>,
    /// Hosts that are not fine.
    pub(crate) sick: BTreeSet<HostName>,
    /// What was done, as `acquire LOCK HOST` and `release LOCK HOST`.
    pub(crate) done: Vec<String>,
    fence: u64,
}

impl Book {
    fn lock(&mut self, name: &LockName) -> &mut LockSeen {
        let new = || LockSeen {
            name: name.clone(),
            holders: Vec::new(),
            enabled: true,
        };
        self.locks.entry(name.clone()).or_insert_with(new)
    }

    fn check(&self) -> Result<(), Trouble> {
        self.trouble.clone().map_or(Ok(()), Err)
    }

    fn acquire(&mut self, ask: &LockAsk, now: Timestamp) -> LockSaid {
        let places = self.places.get(&ask.lock).copied().unwrap_or(1);
        let (refusal, fence) = (self.refusal.clone(), Fence(self.fence + 1));
        let lock = self.lock(&ask.lock);
        let mut holders = lock.holders.iter_mut();
        if let Some(mine) = holders.find(|one| one.holder.host() == Some(&ask.host)) {
            (mine.renewed_at, mine.steady) = (now, false);
            return LockSaid::Granted(LockGiven {
                fence: mine.fence,
                since: mine.since,
                again: true,
            });
        }
        let refused = |code, words| LockSaid::Refused { code, words };
        if let Some((code, words)) = refusal {
            return refused(code, words);
        }
        if !lock.enabled {
            return refused("disabled", format!("{} is disabled: no changes", ask.lock));
        }
        if lock.holders.len() >= places {
            let names: Vec<String> = lock
                .holders
                .iter()
                .map(|one| one.holder.to_string())
                .collect();
            return refused(
                "held",
                format!("{} is held by {}", ask.lock, names.join(", ")),
            );
        }
        lock.holders.push(LockSeenHolder {
            holder: Holder::Host(ask.host.clone()),
            fence,
            since: now,
            renewed_at: now,
            steady: false,
        });
        self.fence = fence.0;
        self.done.push(format!("acquire {} {}", ask.lock, ask.host));
        LockSaid::Granted(LockGiven {
            fence,
            since: now,
            again: false,
        })
    }

    fn release(&mut self, ask: &LockAsk, green: Green) -> bool {
        let waits = matches!(green, Green::Within(_)) && self.sick.contains(&ask.host);
        let lock = self.lock(&ask.lock);
        let mut holders = lock.holders.iter();
        let Some(at) = holders.position(|one| one.holder.host() == Some(&ask.host)) else {
            return false;
        };
        if waits {
            lock.holders[at].steady = true;
            return true;
        }
        lock.holders.remove(at);
        self.done.push(format!("release {} {}", ask.lock, ask.host));
        true
    }
}

impl Desk {
    pub(crate) fn lock_name(name: &str) -> LockName {
        LockName::parse(name).unwrap()
    }

    /// An operator disables a lock, or enables it.
    pub(crate) fn enable(&self, name: &str, enabled: bool) {
        let mut locks = self.locks.lock().unwrap();
        locks.lock(&Self::lock_name(name)).enabled = enabled;
    }

    /// Who holds a lock.
    pub(crate) fn holders(&self, name: &str) -> Vec<String> {
        let mut locks = self.locks.lock().unwrap();
        let lock = locks.lock(&Self::lock_name(name));
        lock.holders
            .iter()
            .map(|one| one.holder.to_string())
            .collect()
    }

    /// What was done since this was asked last.
    pub(crate) fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.locks.lock().unwrap().done)
    }
}

impl Locks for Desk {
    fn lock_time(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn acquire(&self, ask: LockAsk) -> Result<LockSaid, Trouble> {
        let now = self.lock_time();
        let mut locks = self.locks.lock().unwrap();
        locks.check()?;
        Ok(locks.acquire(&ask, now))
    }

    async fn release(&self, ask: LockAsk, green: Green) -> Result<bool, Trouble> {
        let mut locks = self.locks.lock().unwrap();
        locks.check()?;
        Ok(locks.release(&ask, green))
    }

    async fn look(&self, lock: &LockName) -> Result<Option<LockSeen>, Trouble> {
        let locks = self.locks.lock().unwrap();
        locks.check()?;
        Ok(locks.locks.get(lock).cloned())
    }

    async fn list(&self) -> Result<Vec<LockSeen>, Trouble> {
        let locks = self.locks.lock().unwrap();
        locks.check()?;
        Ok(locks.locks.values().cloned().collect())
    }

    async fn mention(&self, lock: &LockName) -> Result<(), Trouble> {
        let mut locks = self.locks.lock().unwrap();
        locks.check()?;
        locks.lock(lock);
        Ok(())
    }
}
