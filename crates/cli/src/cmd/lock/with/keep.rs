//! Keeping a lock while a command runs, and giving it back afterwards.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::foreground::Signals;
use lockstep_model::api::{LockAnswer, LockRequest};
use lockstep_model::{Fence, LockName};
use lockstep_net::client::CallError;
use lockstep_net::{Backoff, Clock};
use tokio::sync::Notify;

use super::super::queue::Grant;
use super::super::speaker::Speaker;
use crate::out;

/// How a lock went through the run of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It was held all the time, and is as it was before.
    All,
    /// It was not held all the time.
    Lost,
    /// It is still held, and should not be.
    NotGivenBack,
}

/// Keeps one grant.
pub(super) struct Keeper<'a> {
    speaker: &'a Speaker,
    lock: &'a LockName,
    reason: &'a str,
    grant: Grant,
    /// The newest grant that we have; none once it is lost.
    fence: Cell<Option<Fence>>,
    lost: Cell<bool>,
    stop: Notify,
}

/// The longest time between two looks at the lock, also for one without a lease: so late is it known that it was lost.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is tried to give a lock back, and how long at most is waited in between.
const TRIES: u32 = 6;
const BETWEEN_TRIES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(20));

/// What a renewal says.
#[derive(Debug, PartialEq, Eq)]
enum Renewed {
    /// The grant is still in force.
    Kept,
    /// It was over, and there is a new one; others may have had the lock in between.
    Regained(Fence),
    /// It is over.
    Lost,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        speaker: &'a Speaker,
        lock: &'a LockName,
        reason: &'a str,
        grant: Grant,
    ) -> Self {
        Self {
            speaker,
            lock,
            reason,
            grant,
            fence: Cell::new(Some(grant.fence)),
            lost: Cell::new(false),
            stop: Notify::new(),
        }
    }

    /// Ends [`keep`](Self::keep) as soon as no request is under way.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Renews a grant that has a lease, and looks after one that has none, until it is [stopped](Self::stop).
    pub(super) async fn keep(&self) {
        let pause = pause(&self.grant, Clock::system().now());
        let mut told_unheard = false;
        loop {
            tokio::select! {
                () = self.stop.notified() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let Some(fence) = self.fence.get() else {
                continue;
            };
            match self.look(fence).await {
                Ok(renewed) => {
                    told_unheard = false;
                    self.note(renewed);
                }
                Err(error) if told_unheard => {
                    tracing::debug!(%error, "the lock was not renewed");
                }
                Err(error) => {
                    told_unheard = true;
                    out::note(format_args!(
                        "nobody can say whether the lock {} is still held: {error}",
                        self.lock
                    ));
                }
            }
        }
    }

    async fn look(&self, fence: Fence) -> Result<Renewed, CallError> {
        if self.grant.lease_until.is_none() {
            return Ok(match self.speaker.still_has(self.lock, fence).await? {
                true => Renewed::Kept,
                false => Renewed::Lost,
            });
        }
        let request = LockRequest {
            reason: self.reason.into(),
            run: None,
            boot_id: self.speaker.boot_id(),
            wait: false,
        };
        Ok(renewed(
            fence,
            &self.speaker.ask(self.lock, &request).await?,
        ))
    }

    fn note(&self, renewed: Renewed) {
        let lock = self.lock;
        match renewed {
            Renewed::Kept => {}
            Renewed::Regained(fence) => {
                self.fence.set(Some(fence));
                self.lose(format_args!(
                    "the lock {lock} was lost for a while; others may have had it. It is held again as grant {fence}"
                ));
            }
            Renewed::Lost => {
                self.fence.set(None);
                self.lose(format_args!(
                    "the lock {lock} is lost; the command goes on without it"
                ));
            }
        }
    }

    fn lose(&self, words: std::fmt::Arguments<'_>) {
        self.lost.set(true);
        out::note(words);
    }

    /// Gives back what was granted for the command, and says how it went. A signal ends the trying.
    pub(super) async fn end(&self, signals: &mut Signals) -> Kept {
        let mut backoff = Backoff::new(
            BETWEEN_TRIES.0,
            BETWEEN_TRIES.1,
            u64::from(std::process::id()),
        );
        let Some(fence) = self.fence.get() else {
            return Kept::Lost;
        };
        for left in (0..TRIES).rev() {
            let had = if self.grant.ours {
                let released = self.speaker.give_back(self.lock, Some(fence)).await;
                released.map(|released| released.was_held)
            } else {
                self.speaker.still_has(self.lock, fence).await
            };
            let error = match had {
                Ok(had) => return self.judge(had),
                Err(error) => error,
            };
            let interrupted = left > 0
                && tokio::select! {
                    () = tokio::time::sleep(backoff.next_wait()) => false,
                    _ = signals.next() => true,
                };
            if left == 0 || interrupted {
                self.tell_kept(fence, &error);
            }
            if interrupted {
                break;
            }
        }
        Kept::NotGivenBack
    }

    fn judge(&self, had: bool) -> Kept {
        if !had {
            self.lose(format_args!(
                "the lock {} was lost while the command ran; others may have had it",
                self.lock
            ));
        }
        match self.lost.get() {
            true => Kept::Lost,
            false => Kept::All,
        }
    }

    fn tell_kept(&self, fence: Fence, error: &CallError) {
        let lock = self.lock;
        if self.grant.ours {
            out::note(format_args!(
                "the lock {lock} could not be given back: {error}; do it with: lockstep lock release {lock} --fence \
                 {fence} --as {}",
                self.speaker.word()
            ));
        } else {
            out::note(format_args!(
                "nobody can say whether the lock {lock} was held to the end: {error}"
            ));
        }
    }
}

/// A third of the lease, so that two requests may fail.
fn pause(grant: &Grant, now: Timestamp) -> Duration {
    let Some(until) = grant.lease_until else {
        return LONGEST_PAUSE;
    };
    // Both by the server's clock, where that is known.
    let from = if grant.ours { grant.since } else { now };
    let lease = Duration::try_from(until.duration_since(from)).unwrap_or_default();
    (lease / 3).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

fn renewed(held: Fence, answer: &LockAnswer) -> Renewed {
    match answer {
        LockAnswer::Granted { fence, .. } if *fence == held => Renewed::Kept,
        LockAnswer::Granted { fence, .. } => Renewed::Regained(*fence),
        LockAnswer::Refused { .. } => Renewed::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::{Interval, LockRefusal};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_lease_is_renewed_at_a_third_of_it() {
        let grant = |until: Option<i64>, ours| Grant {
            fence: Fence(1),
            since: at(1000),
            lease_until: until.map(at),
            ours,
        };
        let seconds = |grant, now| pause(&grant, at(now)).as_secs();
        assert_eq!(seconds(grant(None, true), 1000), 20);
        // This host's clock is hours away from the server's.
        assert_eq!(seconds(grant(Some(1045), true), 90_000), 15);
        assert_eq!(seconds(grant(Some(1090), false), 1060), 10);
        assert_eq!(seconds(grant(Some(1001), true), 1000), 1);
        assert_eq!(seconds(grant(Some(1001), false), 90_000), 1);
        assert_eq!(seconds(grant(Some(90_000), true), 1000), 20);
    }

    #[test]
    fn another_number_is_another_grant() {
        let granted = |fence, again| LockAnswer::Granted {
            fence: Fence(fence),
            since: at(1000),
            lease_until: None,
            again,
        };
        assert_eq!(renewed(Fence(7), &granted(7, true)), Renewed::Kept);
        assert_eq!(
            renewed(Fence(7), &granted(9, false)),
            Renewed::Regained(Fence(9))
        );
        let refused = LockAnswer::Refused {
            why: LockRefusal::Disabled { why: "x".into() },
            position: None,
            retry_after: Interval::from_secs(60),
        };
        assert_eq!(renewed(Fence(7), &refused), Renewed::Lost);
    }
}
