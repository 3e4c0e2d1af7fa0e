//! The lock: asked for, granted, lost, asked for again, and given back.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{LockRefusal, Outcome, RunLock, RunReason};

use super::{RunJournal, Step, Wait, rest};

/// The server may ask for so much patience, and no more.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// A grant that nobody heard of is given back in so many attempts. If it was one, the server shows it as a ghost, and the
/// next run of this host finds it; the run itself has done nothing, and need not wait for a server that is away.
const MOST_BLIND_RELEASES: u32 = 3;

pub(super) fn granted(
    journal: &RunJournal,
    then: &Step,
    lock: RunLock,
    now: Timestamp,
) -> RunJournal {
    RunJournal {
        lock: Some(lock),
        later: journal.later,
        ..journal.at(then.clone(), now)
    }
}

pub(super) fn refused(
    journal: &RunJournal,
    why: LockRefusal,
    position: Option<u32>,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> RunJournal {
    let Some(lock) = journal.job.lock.clone() else {
        return journal.clone();
    };
    // The server's word is how late one may ask without losing its turn; this host's own may be sooner.
    let own = journal.job.rules.lock_again;
    let again = retry_after
        .filter(|time| !time.is_zero())
        .map_or(own, |server| server.min(own))
        .min(LONGEST_RETRY_AFTER);
    let wait = Wait::Lock {
        lock,
        why,
        position,
    };
    RunJournal {
        // The host was at rest, and waits for others now.
        busy_since: None,
        ..journal.wait(wait, again, now)
    }
}

/// Before anything was done an error ends the run; in the middle of it the lock is asked for until it is there. So it is for
/// a wish, to its end: nobody would call again but the worker, with another run each time.
pub(super) fn failed(journal: &RunJournal, why: String, now: Timestamp) -> RunJournal {
    let Some(lock) = journal.job.lock.clone() else {
        return journal.clone();
    };
    if !journal.begun && journal.job.wish.is_none() {
        let reason = RunReason::LockFailed { lock, why };
        return journal.release(Outcome::Postponed, Some(reason), now);
    }
    let again = journal.job.rules.again;
    journal.wait(Wait::LockServer { lock, why }, again, now)
}

/// A lock that was lost is asked for again before anything else, whatever the step was about to do.
pub(super) fn lost(journal: &RunJournal, now: Timestamp) -> RunJournal {
    if matches!(journal.step, Step::Yield { .. } | Step::Release { .. }) {
        return released(journal, now);
    }
    if journal.job.lock.is_none() || !journal.step.needs_lock() {
        return journal.clone();
    }
    let then = match journal.begun {
        true => journal.step.clone(),
        // The host may have become busy by the time the lock is there.
        false => journal.first_step(),
    };
    let step = Step::Lock {
        then: Box::new(then),
    };
    RunJournal {
        lock: None,
        later: journal.later,
        ..journal.at(step, now)
    }
}

/// The server did not answer: it is asked again.
pub(super) fn unknown(journal: &RunJournal, why: String, now: Timestamp) -> RunJournal {
    let Some(lock) = journal.job.lock.clone() else {
        return journal.clone();
    };
    let again = journal.job.rules.again;
    let gives_back = matches!(journal.step, Step::Yield { .. } | Step::Release { .. });
    if !gives_back && !journal.step.needs_lock() {
        return journal.clone();
    }
    let waits = journal.wait(Wait::LockServer { lock, why }, again, now);
    if !gives_back {
        return waits;
    }
    let times = journal.later.saturating_add(1);
    if journal.lock.is_none() && times >= MOST_BLIND_RELEASES {
        return released(journal, now);
    }
    RunJournal {
        later: times,
        ..waits
    }
}

/// The lock was given back.
pub(super) fn released(journal: &RunJournal, now: Timestamp) -> RunJournal {
    let free = RunJournal {
        lock: None,
        ..journal.clone()
    };
    match &journal.step {
        Step::Yield { busy } => {
            let idle = free.at(Step::Idle, now);
            match busy {
                Some(why) => rest::busy(&idle, why.clone(), now),
                None => idle,
            }
        }
        Step::Release { outcome, reason } => {
            let over = Step::Over {
                outcome: *outcome,
                reason: reason.clone(),
            };
            free.at(over, now)
        }
        _ => journal.clone(),
    }
}
