//! The lock of a run: asked for, confirmed before each step, renewed while one is at work, given back.

use std::time::Duration;

use lockstep_host::machine;
use lockstep_model::api::LockRequest;
use lockstep_model::{Counted, Holder, LockName, LockRefusal, Taken};
use lockstep_plan::run::{Happened, RunJournal};
use tracing::{debug, info, warn};

use super::Engine;
use crate::{Identity, words};

/// A grant is renewed this often: three times within the shortest lease.
const RENEW: Duration = Duration::from_secs(100);

impl Engine {
    pub(super) async fn acquire_lock(&mut self) -> Happened {
        let Some(lock) = self.journal.job.lock.clone() else {
            return Happened::Waited;
        };
        let request = self.lock_request(true);
        if let Some(refused) = self.held_by_another_run(&lock) {
            return refused;
        }
        match &self.locks {
            Some(locks) => {
                let happened = locks.acquire(&lock, &request).await;
                // The grant is as fresh as can be, but it has to be written down first.
                if let Happened::LockGranted(granted) = &happened {
                    info!(run = %self.journal.id, %lock, fence = %granted.fence, "the lock is granted");
                }
                happened
            }
            None => Happened::LockFailed {
                why: "this host is not enrolled, so no server grants it a lock".into(),
            },
        }
    }

    /// The server knows hosts, not runs: a lock that another run of this host holds, one that has stopped perhaps, would
    /// be granted to this one as well, and be given back by it.
    pub(super) fn held_by_another_run(&self, lock: &LockName) -> Option<Happened> {
        let others = match self.journals.all() {
            Ok(journals) => journals,
            Err(error) => return Some(Happened::LockFailed { why: words(&error) }),
        };
        let holds = |other: &RunJournal| {
            other.id != self.journal.id && other.lock.as_ref().is_some_and(|it| it.name == *lock)
        };
        let other = others.iter().find(|other| holds(other))?;
        info!(run = %self.journal.id, %lock, other = %other.id, package = %other.job.package, "another run of this host holds the lock");
        let host = Identity::load(&self.layout).ok()?.host;
        Some(Happened::LockRefused {
            why: LockRefusal::Full {
                places: 1,
                taken: vec![Taken {
                    by: Holder::Host(host),
                    counted: Counted::Holds,
                }],
            },
            position: None,
            retry_after: None,
        })
    }

    pub(super) async fn confirm_lock(&mut self) -> Option<Happened> {
        let Some(lock) = &self.journal.lock else {
            return Some(Happened::LockLost);
        };
        let is_held = match &self.locks {
            Some(locks) => locks.is_held(lock).await,
            None => Err("this host is not enrolled any more".into()),
        };
        match is_held {
            Ok(true) => {
                self.lock_is_confirmed = true;
                None
            }
            Ok(false) => {
                warn!(run = %self.journal.id, lock = %lock.name, fence = %lock.fence, "the lock is not held any more; asked for anew before anything else is done");
                Some(Happened::LockLost)
            }
            Err(why) => Some(Happened::LockUnknown { why }),
        }
    }

    /// Says again and again that the lock is in use, and never ends: a grant may be a lease, and a script may take longer.
    pub(super) fn renewing(&self) -> impl Future<Output = ()> + use<> {
        let held = self.journal.lock.clone().zip(self.locks.clone());
        let request = self.lock_request(false);
        async move {
            let Some((lock, locks)) = held else {
                return std::future::pending().await;
            };
            loop {
                tokio::time::sleep(RENEW).await;
                match locks.acquire(&lock.name, &request).await {
                    Happened::LockGranted(now) if now.fence == lock.fence => {}
                    // The next step asks before it does anything.
                    other => debug!(lock = %lock.name, ?other, "the grant could not be renewed"),
                }
            }
        }
    }

    pub(super) fn lock_request(&self, wait: bool) -> LockRequest {
        LockRequest {
            reason: format!("run of {}", self.journal.job.package),
            run: Some(self.journal.id),
            boot_id: machine::boot_id_below(&self.layout).ok(),
            wait,
        }
    }

    pub(super) async fn release_lock(&mut self) -> Happened {
        self.leave();
        let Some(lock) = self.journal.job.lock.clone() else {
            return Happened::LockReleased;
        };
        match self.give_back(&lock).await {
            Ok(was_held) => {
                info!(run = %self.journal.id, %lock, was_held, "the lock is given back");
                Happened::LockReleased
            }
            Err(why) => Happened::LockUnknown { why },
        }
    }

    /// Gives back what this run was granted, be it by an answer that was lost on the way. What another run of this host
    /// holds stays.
    pub(super) async fn give_back(&self, lock: &LockName) -> Result<bool, String> {
        let Some(locks) = &self.locks else {
            // Without a grant there was nobody to ask for one.
            return match self.journal.lock {
                Some(_) => Err("this host is not enrolled any more".into()),
                None => Ok(false),
            };
        };
        if let Some(granted) = &self.journal.lock {
            return locks.release(lock, granted.fence).await;
        }
        if self.held_by_another_run(lock).is_some() {
            return Ok(false);
        }
        match locks.standing(lock).await? {
            Some(fence) => locks.release(lock, fence).await,
            None => Ok(false),
        }
    }
}
