//! Asking for a place until there is one, or until nobody wants it any more.

use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use lockstep_host::foreground::Signals;
use lockstep_host::process::Signal;
use lockstep_model::api::{LockAnswer, LockRequest};
use lockstep_model::{Fence, Interval, LockName, LockRefusal};
use lockstep_net::client::CallError;
use tokio::time::Instant;

use super::speaker::Speaker;
use crate::out;

/// For how long a place is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// For so long.
    For(Interval),
    /// Until it is there, or a signal comes.
    Forever,
}

/// A grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Its number.
    pub(super) fence: Fence,
    /// Since when.
    pub(super) since: Timestamp,
    /// When it ends unless it is renewed.
    pub(super) lease_until: Option<Timestamp>,
    /// True if it was made for this command; false if whoever asked had it before.
    pub(super) ours: bool,
}

/// How the asking ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// With a place.
    Granted(Grant),
    /// Without one, and without a place in the queue.
    Refused(LockRefusal),
    /// A signal came.
    Interrupted(Signal),
}

/// The wait before a server that did not answer is asked again.
const AFTER_AN_ERROR: Duration = Duration::from_secs(10);
/// The shortest wait, whatever the server says.
const SHORTEST: Duration = Duration::from_millis(200);

/// Asks for a place, and goes on asking as the server says for as long as `wait` allows. Says on standard error what is
/// waited for, whenever that changes.
///
/// A request is never given up while it is under way: whoever does not hear the answer does not know what it holds.
pub(super) async fn acquire(
    speaker: &Speaker,
    lock: &LockName,
    reason: &str,
    wait: Wait,
    signals: &mut Signals,
) -> anyhow::Result<End> {
    let deadline = match wait {
        // Far enough for any number that a person writes.
        Wait::For(time) => Instant::now().checked_add(time.duration()),
        _ => None,
    };
    let mut request = LockRequest {
        reason: reason.into(),
        run: None,
        boot_id: speaker.boot_id(),
        wait: wait != Wait::No,
    };
    let mut known = Known::default();
    let mut told = String::new();
    loop {
        let pause = match speaker.ask(lock, &request).await {
            Ok(LockAnswer::Granted {
                fence,
                since,
                lease_until,
                again,
            }) => {
                let ours = known.is_ours(again);
                let grant = Grant {
                    fence,
                    since,
                    lease_until,
                    ours,
                };
                return unless_interrupted(speaker, lock, grant, signals).await;
            }
            Ok(LockAnswer::Refused {
                why,
                position,
                retry_after,
            }) => {
                if !request.wait {
                    if wait != Wait::No {
                        leave(speaker, lock).await;
                    }
                    return Ok(End::Refused(why));
                }
                known.refused();
                let words = waiting(lock, &why, position);
                if words != told {
                    out::note(&words);
                    told = words;
                }
                retry_after.duration()
            }
            Err(error) if known.was_refused && is_passing(&error) => {
                known.unheard();
                out::note(format_args!("{error}; asking again"));
                error.retry_after().unwrap_or(AFTER_AN_ERROR)
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("failed to ask for the lock {lock}; \"lockstep lock show {lock}\" tells who has it")
                });
            }
        };
        let next = Instant::now() + pause.max(SHORTEST);
        // The last request takes what is free by then.
        let last = deadline.filter(|deadline| *deadline <= next);
        tokio::select! {
            () = tokio::time::sleep_until(last.unwrap_or(next)) => request.wait = last.is_none(),
            signal = signals.next() => {
                request.wait = false;
                give_up(speaker, lock, &request, known).await;
                return Ok(End::Interrupted(signal));
            }
        }
    }
}

/// What is known of earlier answers: whether the grant that one has "again" is a new one nevertheless.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// There was an answer by which whoever asks did not have the lock.
    was_refused: bool,
    /// A request after that answer was not answered, and may have been granted.
    was_unheard: bool,
}

impl Known {
    fn refused(&mut self) {
        *self = Self {
            was_refused: true,
            was_unheard: false,
        };
    }

    fn unheard(&mut self) {
        self.was_unheard = true;
    }

    fn is_ours(self, again: bool) -> bool {
        !again || (self.was_refused && self.was_unheard)
    }
}

/// A signal that came while the answer was under way counts as well.
async fn unless_interrupted(
    speaker: &Speaker,
    lock: &LockName,
    grant: Grant,
    signals: &mut Signals,
) -> anyhow::Result<End> {
    let Ok(signal) = tokio::time::timeout(Duration::ZERO, signals.next()).await else {
        return Ok(End::Granted(grant));
    };
    if grant.ours {
        speaker.give_back(lock, Some(grant.fence)).await?;
    }
    Ok(End::Interrupted(signal))
}

/// Gives up waiting. Asks once more before: if an answer was lost, or a place is free just now, there is a grant to be
/// given back.
async fn give_up(speaker: &Speaker, lock: &LockName, request: &LockRequest, known: Known) {
    match speaker.ask(lock, request).await {
        Ok(LockAnswer::Granted { fence, again, .. }) if known.is_ours(again) => {
            if let Err(error) = speaker.give_back(lock, Some(fence)).await {
                out::note(format_args!(
                    "the lock {lock} was granted at the last moment and could not be given back: {error}; do it with: \
                     lockstep lock release {lock} --fence {fence} --as {}",
                    speaker.word()
                ));
            }
        }
        Ok(LockAnswer::Refused { .. }) => leave(speaker, lock).await,
        // Whoever does not ask any more loses its turn.
        Ok(LockAnswer::Granted { .. }) | Err(_) => {}
    }
}

/// Leaves the queue. To be called right after a refusal: the request gives back whatever this host or operator has of the
/// lock, and another process of it may have been granted it meanwhile.
async fn leave(speaker: &Speaker, lock: &LockName) {
    if let Ok(released) = speaker.give_back(lock, None).await
        && released.was_held
    {
        out::note(format_args!(
            "another process of {speaker} was granted the lock {lock} at that moment and has lost it again"
        ));
    }
}

/// True if it may go better the next time.
fn is_passing(error: &CallError) -> bool {
    match error {
        CallError::Unreachable { .. } => true,
        other => matches!(other.status(), Some(429 | 500..)),
    }
}

fn waiting(lock: &LockName, why: &LockRefusal, position: Option<u32>) -> String {
    let place = position
        .map(|position| format!(" (place {position} in the queue)"))
        .unwrap_or_default();
    format!("waiting for the lock {lock}{place}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_that_was_not_heard_of_is_ours_and_one_of_before_is_not() {
        let mut known = Known::default();
        assert!(known.is_ours(false), "a new grant");
        assert!(!known.is_ours(true), "it was there before we came");
        known.refused();
        assert!(
            !known.is_ours(true),
            "another process of this host has got it since"
        );
        known.unheard();
        assert!(
            known.is_ours(true),
            "the request without an answer was granted"
        );
        known.refused();
        assert!(!known.is_ours(true), "that request was not granted");
    }

    #[test]
    fn what_is_waited_for_is_said_with_the_place_in_the_queue() {
        let lock = LockName::parse("db").unwrap();
        let why = LockRefusal::Disabled {
            why: "moving".into(),
        };
        assert_eq!(
            waiting(&lock, &why, Some(2)),
            "waiting for the lock db (place 2 in the queue): it is disabled: moving"
        );
    }
}
