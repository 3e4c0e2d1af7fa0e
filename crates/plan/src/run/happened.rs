//! What follows from what came of an act.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{
    ItemName, Level, LockRefusal, Outcome, PackageVersion, Phase, RunCommand, RunKind, RunLock,
    RunReason, RunVerb,
};

use super::next::{Facts, has_left_its_hours, has_restarted};
use super::{RunJournal, Step, Wait};

/// Hours are looked at again after this time.
const LOOK_AT_HOURS: Duration = Duration::from_secs(60);
/// The health of a host is looked at this often after the change.
const LOOK_AT_HEALTH: Duration = Duration::from_secs(5);

/// What came of an act.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// The host is as it should be.
    NothingToDo,
    /// It is not.
    SomethingToDo {
        /// The version that is installed.
        from: Option<PackageVersion>,
        /// The version that is to come.
        to: Option<PackageVersion>,
        /// The host's own moment; now for at once.
        moment: Timestamp,
    },
    /// Whether there is something to do could not be found out, or cannot be done now: nothing is held against it.
    NotNow(RunReason),
    /// The waiting is over.
    Waited,
    /// The host is at rest, or is now held so. With the levels of the gated items before the change, if somebody
    /// could say them.
    Rest {
        /// The levels.
        baseline: Option<BTreeMap<ItemName, Level>>,
    },
    /// The host is not at rest.
    Busy {
        /// What keeps it.
        why: String,
    },
    /// The lock was granted.
    LockGranted(RunLock),
    /// There is no place now.
    LockRefused {
        /// Why.
        why: LockRefusal,
        /// The place in the queue.
        position: Option<u32>,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The lock could not be asked for.
    LockFailed {
        /// Why.
        why: String,
    },
    /// The server says that the grant is over.
    LockLost,
    /// The server did not answer whether the grant is there, or whether it was given back.
    LockUnknown {
        /// Why.
        why: String,
    },
    /// The work of the step is done.
    Succeeded,
    /// It failed.
    Failed(RunReason),
    /// A script asked for another time.
    Later {
        /// Which.
        script: String,
    },
    /// The machine must be restarted.
    RebootNeeded,
    /// The command to restart it ended well.
    RebootOrdered,
    /// The host is as well as before.
    Well,
    /// It is not.
    Worse(RunReason),
    /// Nobody could say how it is.
    NobodyToAsk,
    /// The lock was given back, or was not held any more.
    LockReleased,
}

/// The journal after an act. Something that cannot come of the act that the step asks for leaves it as it is.
#[must_use]
pub fn after(journal: &RunJournal, happened: Happened, facts: &Facts<'_>) -> RunJournal {
    let now = facts.now;
    let rules = &journal.job.rules;
    // A lock that was lost is asked for again before anything else, whatever the step was about to do.
    if happened == Happened::LockLost {
        return match journal.step.needs_lock() {
            true => {
                let then = Box::new(journal.step.clone());
                let lost = journal.at(Step::Lock { then }, now);
                RunJournal { lock: None, ..lost }
            }
            false => journal.clone(),
        };
    }
    if let Happened::LockUnknown { why } = &happened
        && let Some(lock) = journal.job.lock.clone()
    {
        let why = why.clone();
        return journal.wait(Wait::LockServer { lock, why }, rules.again, now);
    }
    match (&journal.step, happened) {
        (Step::Check, Happened::NothingToDo) => journal.at(Step::Nothing, now),
        (Step::Check, Happened::SomethingToDo { from, to, moment }) => {
            let mut begun = journal.at(Step::Spread { until: moment }, now);
            begun.job.from = from.or(begun.job.from);
            begun.job.to = to.or(begun.job.to);
            spread(&begun, moment, facts)
        }
        (
            Step::Check | Step::Spread { .. } | Step::Idle | Step::Lock { .. } | Step::Hold,
            Happened::NotNow(reason),
        ) => journal.release(Outcome::Postponed, Some(reason), now),
        // Nobody is told of a look that failed a moment before there was anything to tell.
        (Step::Check, Happened::Failed(reason)) => {
            journal.release(Outcome::Postponed, Some(reason), now)
        }
        (Step::Spread { until }, Happened::Waited) => spread(journal, *until, facts),
        (Step::Idle | Step::Lock { .. }, Happened::Waited)
            if has_left_its_hours(journal, facts) =>
        {
            spread(&journal.at(Step::Spread { until: now }, now), now, facts)
        }
        (Step::Idle, Happened::Rest { baseline }) => {
            let first = first_step(journal);
            let rested = match journal.job.lock {
                Some(_) => journal.at(
                    Step::Lock {
                        then: Box::new(first),
                    },
                    now,
                ),
                None => journal.at(first, now),
            };
            RunJournal { baseline, ..rested }
        }
        (Step::Idle, Happened::Busy { why }) => busy(journal, why, now),
        (Step::Lock { then }, Happened::LockGranted(lock)) => {
            let granted = journal.at((**then).clone(), now);
            RunJournal {
                lock: Some(lock),
                ..granted
            }
        }
        (
            Step::Lock { .. },
            Happened::LockRefused {
                why,
                position,
                retry_after,
            },
        ) => match journal.job.lock.clone() {
            Some(lock) => {
                let again = retry_after.unwrap_or(rules.lock_again);
                let wait = Wait::Lock {
                    lock,
                    why,
                    position,
                };
                journal.wait(wait, again, now)
            }
            None => journal.clone(),
        },
        (Step::Lock { then }, Happened::LockFailed { why }) => lock_failed(journal, then, why, now),
        (Step::Hold, Happened::Rest { .. }) => journal.at(Step::Pre, now),
        (Step::Hold, Happened::Busy { why }) => {
            let waits = Wait::Busy { why };
            match journal.lock {
                Some(_) => journal.at(Step::Yield, now),
                None => journal
                    .at(Step::Idle, now)
                    .wait(waits, rules.busy_again, now),
            }
        }
        (Step::Yield, Happened::LockReleased) => {
            let idle = journal.at(Step::Idle, now);
            RunJournal { lock: None, ..idle }
        }
        (Step::Pre, Happened::Succeeded) => journal.at(Step::Apply, now),
        (Step::Apply, Happened::Succeeded) => journal.at(Step::NeedsReboot, now),
        (Step::NeedsReboot, Happened::Succeeded) => journal.at(Step::Post, now),
        (Step::NeedsReboot, Happened::RebootNeeded) => {
            let boot_id = facts.boot_id.to_owned();
            journal.at(
                Step::Rebooting {
                    boot_id,
                    ordered_at: None,
                },
                now,
            )
        }
        (Step::Rebooting { boot_id, .. }, Happened::RebootOrdered) => {
            let ordered = journal.at(
                Step::Rebooting {
                    boot_id: boot_id.clone(),
                    ordered_at: Some(now),
                },
                now,
            );
            ordered.wait(Wait::Reboot, rules.reboot_within, now)
        }
        (step @ (Step::Rebooting { .. } | Step::Stopped { .. }), Happened::Waited)
            if has_restarted(step, facts.boot_id) =>
        {
            journal.at(Step::Post, now)
        }
        (
            Step::Rebooting {
                ordered_at: Some(ordered_at),
                ..
            },
            Happened::Waited,
        ) => {
            let waited_s = now.duration_since(*ordered_at).as_secs_f64();
            journal.stop(RunReason::RebootNeverCame { waited_s }, now)
        }
        (Step::Post, Happened::Succeeded) => match rules.verify_for.is_zero() {
            true => journal.release(Outcome::Done, None, now),
            false => journal.at(Step::Verify { well_since: None }, now),
        },
        (Step::Verify { well_since }, Happened::Well) => well(journal, *well_since, now),
        (Step::Verify { .. }, Happened::Worse(reason)) => not_well(journal, reason, now),
        (Step::Verify { .. }, Happened::NobodyToAsk) => match journal.baseline {
            // Nobody could say before either: there is nothing to hold it against.
            None => journal.release(Outcome::Done, None, now),
            Some(_) => {
                let waited_s = now.duration_since(journal.changed_at).as_secs_f64();
                not_well(journal, RunReason::NobodyToVerify { waited_s }, now)
            }
        },
        (Step::Return { reason }, Happened::Succeeded) => {
            journal.release(Outcome::RolledBack, Some(reason.clone()), now)
        }
        (Step::Return { reason }, Happened::Failed(_)) => {
            // What is to be mended is what was wrong before.
            journal.stop(reason.clone(), now)
        }
        (Step::Release { outcome, reason }, Happened::LockReleased) => {
            let over = Step::Over {
                outcome: *outcome,
                reason: reason.clone(),
            };
            let over = journal.at(over, now);
            RunJournal { lock: None, ..over }
        }
        (step, Happened::Failed(reason)) if step.needs_lock() => journal.stop(reason, now),
        (step, Happened::Later { script }) if step.needs_lock() => later(journal, script, now),
        _ => journal.clone(),
    }
}

/// What a starting engine makes of the journal that it finds: what was confirmed is to be confirmed again, which the
/// engine does by itself, and a restart that has come meanwhile is noticed.
#[must_use]
pub fn resume(journal: &RunJournal, facts: &Facts<'_>) -> RunJournal {
    match has_restarted(&journal.step, facts.boot_id) {
        true => after(journal, Happened::Waited, facts),
        false => journal.clone(),
    }
}

/// What a person's word makes of a run that has stopped. A command that was obeyed before, or is about another run or one
/// that has not stopped, changes nothing.
#[must_use]
pub fn command(journal: &RunJournal, command: &RunCommand, now: Timestamp) -> RunJournal {
    let Step::Stopped { phase, boot_id, .. } = &journal.step else {
        return journal.clone();
    };
    if command.run != journal.id || command.number <= journal.commanded {
        return journal.clone();
    }
    let obeyed = RunJournal {
        commanded: command.number,
        ..journal.clone()
    };
    match command.verb {
        RunVerb::Retry => obeyed.at(entry(*phase, boot_id.as_ref()), now),
        RunVerb::Skip => {
            let (by, why) = (command.by.clone(), command.why.clone());
            obeyed.release(Outcome::Failed, Some(RunReason::Skipped { by, why }), now)
        }
    }
}

/// The step by which a phase that failed is entered again.
fn entry(phase: Phase, boot_id: Option<&String>) -> Step {
    match phase {
        Phase::Apply => Step::Apply,
        Phase::Reboot => match boot_id {
            Some(boot_id) => Step::Rebooting {
                boot_id: boot_id.clone(),
                ordered_at: None,
            },
            None => Step::NeedsReboot,
        },
        Phase::Post => Step::Post,
        Phase::Verify => Step::Verify { well_since: None },
        _ => Step::Pre,
    }
}

fn first_step(journal: &RunJournal) -> Step {
    match journal.job.holds {
        true => Step::Hold,
        false => Step::Pre,
    }
}

/// Waits for the moment, then for the hours.
fn spread(journal: &RunJournal, until: Timestamp, facts: &Facts<'_>) -> RunJournal {
    let now = facts.now;
    // The moment counts from the beginning of the step, so that a clock set back makes nobody wait for years.
    let is_due = now >= until || now < journal.changed_at;
    if !is_due {
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        return journal.wait(Wait::Spread { until }, left, now);
    }
    match facts.outside_of_hours {
        Some(hours) => {
            let hours = hours.to_owned();
            journal.wait(Wait::Hours { hours }, LOOK_AT_HOURS, now)
        }
        None => journal.at(Step::Idle, now),
    }
}

fn busy(journal: &RunJournal, why: String, now: Timestamp) -> RunJournal {
    let rules = &journal.job.rules;
    let waited = now.duration_since(journal.changed_at);
    let longest = rules
        .busy_longest
        .and_then(|longest| longest.try_into().ok());
    if longest.is_some_and(|longest| waited >= longest) {
        let waited_s = waited.as_secs_f64();
        let reason = RunReason::Busy { waited_s, why };
        return journal.release(Outcome::Postponed, Some(reason), now);
    }
    journal.wait(Wait::Busy { why }, rules.busy_again, now)
}

/// Before anything was done an error ends the run; in the middle of it the lock is asked for until it is there.
fn lock_failed(journal: &RunJournal, then: &Step, why: String, now: Timestamp) -> RunJournal {
    let Some(lock) = journal.job.lock.clone() else {
        return journal.clone();
    };
    if then.is_the_first() {
        let reason = RunReason::LockFailed { lock, why };
        return journal.release(Outcome::Postponed, Some(reason), now);
    }
    let again = journal.job.rules.again;
    journal.wait(Wait::LockServer { lock, why }, again, now)
}

fn later(journal: &RunJournal, script: String, now: Timestamp) -> RunJournal {
    let rules = &journal.job.rules;
    let times = journal.later + 1;
    if times >= rules.later_most {
        let phase = journal.step.phase();
        let reason = RunReason::LaterTooOften {
            phase,
            script,
            times,
        };
        return journal.stop(reason, now);
    }
    let waits = journal.wait(Wait::Later { script, times }, rules.later_again, now);
    RunJournal {
        later: times,
        ..waits
    }
}

fn well(journal: &RunJournal, since: Option<Timestamp>, now: Timestamp) -> RunJournal {
    // A clock that was set back begins the time anew.
    let since = since.filter(|&since| since <= now).unwrap_or(now);
    let well_for = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    if well_for >= journal.job.rules.verify_for {
        return journal.release(Outcome::Done, None, now);
    }
    let step = Step::Verify {
        well_since: Some(since),
    };
    let why = "the host is well, and is watched for a while".to_owned();
    let entered_at = journal.changed_at;
    let looked = journal
        .at(step, now)
        .wait(Wait::Well { why }, LOOK_AT_HEALTH, now);
    RunJournal {
        changed_at: entered_at,
        ..looked
    }
}

fn not_well(journal: &RunJournal, reason: RunReason, now: Timestamp) -> RunJournal {
    let within = journal.job.rules.verify_within;
    let watched = Duration::try_from(now.duration_since(journal.changed_at)).unwrap_or_default();
    if watched >= within {
        let can_return = journal.job.kind == RunKind::Package && journal.job.from.is_some();
        return match can_return {
            true => journal.at(Step::Return { reason }, now),
            false => journal.stop(reason, now),
        };
    }
    let why = reason.to_string();
    let step = Step::Verify { well_since: None };
    let entered_at = journal.changed_at;
    let looked = journal
        .at(step, now)
        .wait(Wait::Well { why }, LOOK_AT_HEALTH, now);
    RunJournal {
        changed_at: entered_at,
        ..looked
    }
}
