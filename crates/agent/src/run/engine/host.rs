//! The host of a run: at rest or busy, held still, taken for one run at a time, and waited for.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::idle_lock::{IdleLock, Tried};
use lockstep_host::run_lock::RunLock as HostLock;
use lockstep_plan::run::{Happened, Step, Wait};
use tracing::{debug, error, info};

use super::{Backend, Engine, own};
use crate::run::{health, package};
use crate::{Error, State, words};

/// While nothing happens it is looked this often whether the machine was restarted, or a person has said something.
const LOOK: Duration = Duration::from_secs(30);

/// How a pause ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// Its time is over, or the process is asked to end.
    Over,
    /// There is news.
    News,
}

impl Engine {
    pub(super) async fn ask_whether_idle(&mut self) -> Happened {
        let rest = match &self.backend {
            Backend::System(system) => system.rest(&self.journal, &self.output).await,
            Backend::Package(package) => package.rest(&self.journal),
            Backend::Bundle(bundle) => bundle.rest(&self.journal, &self.output).await,
        };
        match rest {
            Ok(()) => Happened::Rest {
                baseline: health::levels(&self.layout, &self.verify).await,
            },
            Err(why) => Happened::Busy { why },
        }
    }

    /// Looks once more whether the host is at rest, now that the lock is there, and creates the idle lock.
    pub(super) async fn hold(&mut self) -> Happened {
        let rest = self.ask_whether_idle().await;
        if matches!(rest, Happened::Busy { .. }) {
            return rest;
        }
        let Some(path) = self.idle_lock() else {
            return rest;
        };
        match IdleLock::try_hold(&path, self.journal.id) {
            Ok(Tried::Held(lock)) => {
                self.idle = Some(lock);
                rest
            }
            Ok(Tried::Busy { since, contents }) => Happened::Busy {
                why: package::busy(&path, since, &contents),
            },
            Err(error) => Happened::Busy { why: words(&error) },
        }
    }

    pub(super) fn idle_lock(&self) -> Option<PathBuf> {
        match &self.backend {
            Backend::System(_) => None,
            Backend::Package(package) => package.idle_lock(),
            Backend::Bundle(bundle) => bundle.idle_lock(&self.journal),
        }
    }

    /// Lets what works on the host go on.
    pub(super) fn leave(&mut self) {
        if let Some(idle) = self.idle.take()
            && let Err(error) = idle.release()
        {
            error!(
                error = words(&error),
                "the idle lock stays; remove it by hand"
            );
        }
    }

    /// One run on a host is at work at a time; what only waits keeps nobody else from working. True if the host was
    /// taken just now.
    pub(super) async fn take_or_leave_the_host(&mut self) -> Result<bool, Error> {
        if !self.journal.is_at_work() {
            self.at_work = None;
            return Ok(false);
        }
        while self.at_work.is_none() && !*self.stop.borrow() {
            match HostLock::acquire(&self.layout) {
                Ok(lock) if self.agent_is_at_work()? => drop(lock),
                Ok(lock) => {
                    self.at_work = Some(lock);
                    // What was confirmed before another run was at work must be confirmed anew.
                    self.lock_is_confirmed = false;
                    return Ok(true);
                }
                Err(lockstep_host::Error::LockHeld { pid, .. }) => {
                    debug!(?pid, "another run is at work on this host");
                }
                Err(error) => return Err(error.into()),
            }
            self.pause(Duration::from_secs(1)).await;
        }
        Ok(false)
    }

    /// True while the agent changes its own version. While it only fetches one, which may take for ever, it does not.
    pub(super) fn agent_is_at_work(&self) -> Result<bool, Error> {
        use lockstep_plan::update::Step;
        let journal = State::new(&self.layout).journal()?;
        Ok(journal.is_some_and(|journal| {
            !matches!(
                journal.step,
                Step::Fetch | Step::Unpack | Step::Preflight | Step::Over { .. }
            )
        }))
    }

    /// Waits, at most for [`LOOK`]. While a host waits for its own moment anybody may make the change at once; false if
    /// somebody has.
    pub(super) async fn wait(&mut self, until: Timestamp) -> Result<bool, Error> {
        let left = until.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or_default();
        if !matches!(self.journal.step, Step::Spread { .. }) {
            let waits = self.journal.waiting.as_ref().map(|waiting| &waiting.why);
            let waits_for_a_lock = matches!(waits, Some(Wait::Lock { .. }));
            // With news it is asked for at once: there may be a place.
            if self.pause(left.min(LOOK)).await == Pause::News && waits_for_a_lock {
                self.journal.waiting = None;
            }
            return Ok(true);
        }
        self.owner = None;
        self.pause(left.min(LOOK)).await;
        let package = self.journal.job.package.clone();
        loop {
            match own(&self.layout, &package) {
                Ok(owner) => break self.owner = Some(owner),
                Err(lockstep_host::Error::LockHeld { .. }) if !*self.stop.borrow() => {}
                Err(error) => return Err(error.into()),
            }
            self.pause(Duration::from_secs(1)).await;
        }
        let on_disk = self.journals.read(&package)?;
        let is_ours = on_disk.as_ref() == Some(&self.journal);
        if !is_ours {
            info!(run = %self.journal.id, "somebody else has gone on with the run meanwhile");
        }
        Ok(is_ours)
    }

    /// Sleeps, but not on when the process is asked to end, or there is news.
    pub(super) async fn pause(&mut self, time: Duration) -> Pause {
        let sleep = tokio::time::sleep(time);
        tokio::select! {
            () = sleep => Pause::Over,
            _ = self.stop.wait_for(|stop| *stop) => Pause::Over,
            Ok(()) = self.news.changed() => Pause::News,
        }
    }
}
