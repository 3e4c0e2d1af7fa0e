//! After the change: is the host as well as before?

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{Outcome, RunKind, RunReason};

use super::{RunJournal, Step, Wait, seconds};

/// The health of a host is looked at this often after the change.
const LOOK_AT_HEALTH: Duration = Duration::from_secs(5);
/// Longer than this between two looks, and nobody has looked: the engine was away, or the clock was set.
const LONGEST_BLINK: SignedDuration = SignedDuration::from_secs(60);

/// It is.
pub(super) fn well(journal: &RunJournal, now: Timestamp) -> RunJournal {
    let watched = watched(journal, now);
    let since = match watched.step {
        Step::Verify {
            well_since: Some(since),
        } => since,
        _ => now,
    };
    let well_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    if well_for >= journal.job.rules.verify_for {
        return watched.release(Outcome::Done, None, now);
    }
    let why = "the host is well, and is watched for a while".to_owned();
    look_again(&watched, Some(since), why, now)
}

/// It is not. For a while that is what a change is like.
pub(super) fn not_well(journal: &RunJournal, reason: RunReason, now: Timestamp) -> RunJournal {
    judge(&watched(journal, now), reason, now)
}

fn judge(watched: &RunJournal, reason: RunReason, now: Timestamp) -> RunJournal {
    let job = &watched.job;
    let watched_for = now.duration_since(watched.changed_at);
    let watched_for = Duration::try_from(watched_for).unwrap_or_default();
    if watched_for >= job.rules.verify_within {
        let can_return = job.kind == RunKind::Package && job.from.is_some();
        return match can_return {
            true => watched.at(Step::Return { reason }, now),
            false => watched.stop(reason, now),
        };
    }
    let why = reason.to_string();
    look_again(watched, None, why, now)
}

/// Nobody can say.
pub(super) fn nobody_to_ask(journal: &RunJournal, now: Timestamp) -> RunJournal {
    if journal.baseline.is_none() {
        // Nobody could say before either: there is nothing to hold it against.
        return journal.release(Outcome::Done, None, now);
    }
    let watched = watched(journal, now);
    let waited_s = seconds(now.duration_since(watched.changed_at));
    judge(&watched, RunReason::NobodyToVerify { waited_s }, now)
}

fn look_again(
    journal: &RunJournal,
    well_since: Option<Timestamp>,
    why: String,
    now: Timestamp,
) -> RunJournal {
    let entered_at = journal.changed_at;
    let looked = journal.at(Step::Verify { well_since }, now);
    RunJournal {
        changed_at: entered_at,
        ..looked.wait(Wait::Well { why }, LOOK_AT_HEALTH, now)
    }
}

/// The same journal without the time in which nobody looked: the step begins later by that time, and the host has to be
/// well anew. A machine whose clock is wrong until it has reached a time server has not been ill for years.
fn watched(journal: &RunJournal, now: Timestamp) -> RunJournal {
    let looked_at = match &journal.waiting {
        Some(waiting) => waiting.from,
        None => journal.changed_at,
    };
    let unseen = now.duration_since(looked_at);
    if (SignedDuration::ZERO..=LONGEST_BLINK).contains(&unseen) {
        return journal.clone();
    }
    let seen = looked_at.duration_since(journal.changed_at);
    RunJournal {
        step: Step::Verify { well_since: None },
        changed_at: now.checked_sub(seen).unwrap_or(now),
        waiting: None,
        ..journal.clone()
    }
}
