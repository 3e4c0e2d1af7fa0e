//! After the change: is the host as well as before?

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{Outcome, RunKind, RunReason};

use super::{RunJournal, Step, Trial, Wait, seconds};

/// The health of a host is looked at this often after the change.
const LOOK_AT_HEALTH: Duration = Duration::from_secs(5);
/// And not more often than this.
const SHORTEST_LOOK: Duration = Duration::from_millis(250);
/// Longer than this between two looks, and nobody has looked: the engine was away, or the clock was set.
const LONGEST_BLINK: SignedDuration = SignedDuration::from_secs(60);

/// It is.
pub(super) fn well(journal: &RunJournal, now: Timestamp) -> RunJournal {
    let mut watched = watched(journal, now);
    if let Some(trial) = &mut watched.trial {
        trial.ill_since = None;
    }
    let since = match watched.step {
        Step::Verify {
            well_since: Some(since),
        } => since,
        _ => now,
    };
    let well_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    if well_for >= journal.job.rules.verify_for {
        return proven(&watched, now);
    }
    let why = "the host is well, and is watched for a while".to_owned();
    look_again(&watched, Some(since), why, now)
}

/// It was so for long enough.
pub(super) fn proven(journal: &RunJournal, now: Timestamp) -> RunJournal {
    match (journal.is_bundle(), &journal.void) {
        (true, _) => journal.at(Step::Commit, now),
        (false, None) => journal.release(Outcome::Done, None, now),
        (false, Some(void)) => journal.release(Outcome::Postponed, Some(void.clone()), now),
    }
}

/// It is not. For a while that is what a change is like.
pub(super) fn not_well(journal: &RunJournal, reason: RunReason, now: Timestamp) -> RunJournal {
    let watched = watched(journal, now);
    match watched.is_bundle() {
        true => ill(&watched, reason, now),
        false => judge(&watched, reason, now),
    }
}

/// A bundle is on probation: what is ill for too long, or too often, goes back. A look that comes late says nothing of
/// the time before it, which `watched` has taken out.
fn ill(watched: &RunJournal, reason: RunReason, now: Timestamp) -> RunJournal {
    let rules = &watched.job.rules;
    let mut trial = watched.trial.unwrap_or_default();
    let since = trial.ill_since.filter(|&since| since <= now);
    let was_well = matches!(
        watched.step,
        Step::Verify {
            well_since: Some(_)
        }
    );
    if was_well {
        trial.flips = trial.flips.saturating_add(1);
    }
    let since = since.unwrap_or(now);
    trial.ill_since = Some(since);
    let ill_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let journal = RunJournal {
        trial: Some(trial),
        ..watched.clone()
    };
    if trial.flips > rules.max_flips {
        let reason = RunReason::Unsteady { flips: trial.flips };
        return journal.at(Step::Return { reason }, now);
    }
    if ill_for >= rules.worse_for {
        return journal.at(Step::Return { reason }, now);
    }
    judge(&journal, reason, now)
}

/// What a host could not do, or nobody could see, is not held against the release.
pub(super) fn outcome_of_return(reason: &RunReason) -> Outcome {
    match reason {
        RunReason::HostFailed { .. } | RunReason::NobodyToVerify { .. } => Outcome::Postponed,
        _ => Outcome::RolledBack,
    }
}

fn judge(watched: &RunJournal, reason: RunReason, now: Timestamp) -> RunJournal {
    let job = &watched.job;
    let watched_for = now.duration_since(watched.changed_at);
    let watched_for = Duration::try_from(watched_for).unwrap_or_default();
    if watched_for >= job.rules.verify_within {
        // A bundle that came to a host without one is taken away again.
        let can_return = watched.is_bundle() || job.kind == RunKind::Package && job.from.is_some();
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
    if journal.baseline.is_none() && !journal.is_bundle() {
        // Nobody could say before either: there is nothing to hold it against. A bundle has to show more than that, its
        // service and its check, and for a while.
        return proven(journal, now);
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
        ..looked.wait(Wait::Well { why }, look_after(journal), now)
    }
}

/// A probation that is short is looked at more often, so that it ends when its time has come.
fn look_after(journal: &RunJournal) -> Duration {
    match journal.is_bundle() {
        true => (journal.job.rules.verify_for / 4).clamp(SHORTEST_LOOK, LOOK_AT_HEALTH),
        false => LOOK_AT_HEALTH,
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
    let trial = journal.trial.map(|trial| Trial {
        ill_since: None,
        ..trial
    });
    RunJournal {
        step: Step::Verify { well_since: None },
        trial,
        changed_at: now.checked_sub(seen).unwrap_or(now),
        waiting: None,
        ..journal.clone()
    }
}
