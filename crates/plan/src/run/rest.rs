//! Before anything is done to the host: its moment, its hours, and its own work.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ItemName, Level, Outcome, RunReason};

use super::next::Facts;
use super::{RunJournal, Step, Wait, seconds};

/// Hours are looked at again after this time.
const LOOK_AT_HOURS: Duration = Duration::from_secs(60);

/// Waits for the moment, then for the hours.
pub(super) fn spread(journal: &RunJournal, until: Timestamp, facts: &Facts<'_>) -> RunJournal {
    let now = facts.now;
    let since = journal.changed_at;
    let length = until.duration_since(since);
    if now < since && length.is_positive() {
        // The clock was set back. Nobody knows how much of the time has passed, so it is waited for anew: at once would
        // be all hosts at once, and the old moment may be years away.
        let until = now.checked_add(length).unwrap_or(Timestamp::MAX);
        return moment(&journal.at(Step::Spread { until }, now), until, now);
    }
    if now < until && length.is_positive() {
        return moment(journal, until, now);
    }
    match facts.outside_of_hours {
        Some(hours) => {
            let hours = hours.to_owned();
            journal.wait(Wait::Hours { hours }, LOOK_AT_HOURS, now)
        }
        None => journal.at(journal.first_look(), now),
    }
}

fn moment(journal: &RunJournal, until: Timestamp, now: Timestamp) -> RunJournal {
    let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    journal.wait(Wait::Spread { until }, left, now)
}

/// The hours have passed while the run waited. What was asked for or given is given back before it waits for the next.
pub(super) fn leave(journal: &RunJournal, facts: &Facts<'_>) -> RunJournal {
    let now = facts.now;
    let patient = RunJournal {
        busy_since: None,
        ..journal.clone()
    };
    match journal.step {
        Step::Lock { .. } => patient.at(Step::Yield { busy: None }, now),
        Step::Hold { .. } if journal.lock.is_some() => patient.at(Step::Yield { busy: None }, now),
        _ => spread(&patient.at(Step::Spread { until: now }, now), now, facts),
    }
}

/// The host is at rest, as far as can be seen without the lock.
pub(super) fn rested(
    journal: &RunJournal,
    baseline: Option<BTreeMap<ItemName, Level>>,
    now: Timestamp,
) -> RunJournal {
    let first = journal.first_step();
    let step = match journal.job.lock {
        Some(_) => Step::Lock {
            then: Box::new(first),
        },
        None => first,
    };
    RunJournal {
        baseline,
        ..journal.at(step, now)
    }
}

/// The host is at rest, and is held so. Hours may have passed since it was looked at first, so this is how it was before
/// the change; if nobody can say now, what was known then is better than nothing.
pub(super) fn held(
    journal: &RunJournal,
    then: &Step,
    baseline: Option<BTreeMap<ItemName, Level>>,
    now: Timestamp,
) -> RunJournal {
    let baseline = match journal.begun {
        // This is not how it was before the change any more.
        true => journal.baseline.clone(),
        false => baseline.or_else(|| journal.baseline.clone()),
    };
    RunJournal {
        baseline,
        busy_since: None,
        ..journal.at(then.clone(), now)
    }
}

/// The host works. It is looked at again later, without keeping others from the lock meanwhile.
pub(super) fn busy(journal: &RunJournal, why: String, now: Timestamp) -> RunJournal {
    let rules = &journal.job.rules;
    if journal.begun {
        // In the middle of the change there is no way back, and the lock is kept.
        return journal.wait(Wait::Busy { why }, rules.busy_again, now);
    }
    // A clock that was set back begins the time anew.
    let since = journal.busy_since.filter(|&since| since <= now);
    let since = since.unwrap_or(now);
    let waited = now.duration_since(since);
    // A wish has an end of its own, and no next time.
    let longest = rules.busy_longest.filter(|_| journal.job.wish.is_none());
    let longest = longest.and_then(|longest| longest.try_into().ok());
    if longest.is_some_and(|longest| waited >= longest) {
        let waited_s = seconds(waited);
        let reason = RunReason::Busy { waited_s, why };
        return journal.release(Outcome::Postponed, Some(reason), now);
    }
    let busy = RunJournal {
        busy_since: Some(since),
        ..journal.clone()
    };
    if journal.lock.is_some() {
        let busy_with = Some(why);
        return busy.at(Step::Yield { busy: busy_with }, now);
    }
    let idle = match busy.step {
        Step::Idle => busy,
        _ => busy.at(Step::Idle, now),
    };
    idle.wait(Wait::Busy { why }, rules.busy_again, now)
}
