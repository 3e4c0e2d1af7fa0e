//! What follows from what came of an act.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ItemName, Level, LockRefusal, Outcome, PackageVersion, RunLock, RunReason};

use super::next::{Facts, has_left_its_hours, has_restarted};
use super::{RunJournal, Step, Wait, grant, health, rest, seconds, wished};

/// The server may ask for so much patience, and no more.
const LONGEST_AGAIN: Duration = Duration::from_secs(3600);

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
    /// The server says that the grant is over. Also right when the lock was to be given back.
    LockLost,
    /// The server did not answer whether the grant is there, or whether it was given back.
    LockUnknown {
        /// Why.
        why: String,
    },
    /// The work of the step is done.
    Succeeded,
    /// It failed. Before anything was done to the host this is the same as [`NotNow`](Self::NotNow).
    Failed(RunReason),
    /// It did not work now, and is tried again: nothing is held against anybody.
    Again {
        /// What did not work.
        why: String,
        /// In which time; none for the run's own.
        after: Option<Duration>,
    },
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
    use Happened::{Failed, Later, NotNow, Succeeded, Waited};
    let now = facts.now;
    if happened == Waited
        && !has_restarted(&journal.step, facts.boot_id)
        && let Some(turned) = wished::turn(journal, facts)
    {
        return turned;
    }
    match (&journal.step, happened) {
        (Step::Check, Happened::NothingToDo) => journal.at(Step::Nothing, now),
        (Step::Check, Happened::SomethingToDo { from, to, moment }) => {
            let mut begun = journal.at(Step::Spread { until: moment }, now);
            begun.job.from = from.or(begun.job.from);
            begun.job.to = to.or(begun.job.to);
            rest::spread(&begun, moment, facts)
        }
        (Step::Fetch, Succeeded) => journal.at(Step::Idle, now),
        // The release is at fault, and nothing was done to the host.
        (Step::Fetch, Failed(reason)) => journal.release(Outcome::Failed, Some(reason), now),
        (Step::Fetch | Step::Commit, Happened::Again { why, after }) => {
            let after = after.filter(|time| !time.is_zero());
            let after = after.unwrap_or(journal.job.rules.again).min(LONGEST_AGAIN);
            journal.wait(Wait::Again { why }, after, now)
        }
        (Step::Fetch, NotNow(reason)) => journal.release(Outcome::Postponed, Some(reason), now),
        // Nothing was done to the host, and nothing is held against the version.
        (Step::Check | Step::Idle, NotNow(reason) | Failed(reason))
        | (Step::Spread { .. }, NotNow(reason)) => {
            journal.release(Outcome::Postponed, Some(reason), now)
        }
        (Step::Lock { .. } | Step::Hold { .. }, NotNow(reason) | Failed(reason))
            if !journal.begun =>
        {
            journal.release(Outcome::Postponed, Some(reason), now)
        }
        (
            Step::Pre
            | Step::Rebooting {
                ordered_at: None, ..
            },
            NotNow(reason),
        ) if journal.job.wish.is_some() => wished::given_up(journal, reason, facts),
        (Step::Spread { until }, Waited) => rest::spread(journal, *until, facts),
        (_, Waited) if has_left_its_hours(journal, facts) => rest::leave(journal, facts),
        (Step::Idle, Happened::Rest { baseline }) => rest::rested(journal, baseline, now),
        (Step::Hold { then }, Happened::Rest { baseline }) => {
            rest::held(journal, then, baseline, now)
        }
        (Step::Hold { .. }, Failed(reason)) => rest::busy(journal, reason.to_string(), now),
        (Step::Idle | Step::Hold { .. }, Happened::Busy { why }) => rest::busy(journal, why, now),

        (Step::Lock { then }, Happened::LockGranted(lock)) => {
            grant::granted(journal, then, lock, now)
        }
        (
            Step::Lock { .. },
            Happened::LockRefused {
                why,
                position,
                retry_after,
            },
        ) => grant::refused(journal, why, position, retry_after, now),
        (Step::Lock { .. }, Happened::LockFailed { why }) => grant::failed(journal, why, now),
        (_, Happened::LockLost) => grant::lost(journal, now),
        (_, Happened::LockUnknown { why }) => grant::unknown(journal, why, now),
        (_, Happened::LockReleased) => grant::released(journal, now),

        (Step::Pre, Succeeded) if wished::is_to_begin(journal) => wished::begins(journal, facts),
        // Nothing is to be changed, and the restart is what is wanted.
        (Step::Pre, Succeeded) if journal.job.wish.is_some() => reboot(&begun(journal), facts),
        (Step::Pre, Succeeded) => begun(journal).at(Step::Apply, now),
        (Step::Apply, Succeeded) => journal.at(Step::NeedsReboot, now),
        (Step::NeedsReboot, Succeeded) => journal.at(Step::Post, now),
        (Step::NeedsReboot, Happened::RebootNeeded) => reboot(journal, facts),
        (
            Step::Rebooting {
                boot_id,
                ordered_at: None,
            },
            Happened::RebootOrdered,
        ) => ordered(journal, boot_id, now),
        (step @ Step::Rebooting { .. }, Waited) if has_restarted(step, facts.boot_id) => {
            journal.at(Step::Post, now)
        }
        (step @ Step::Stopped { .. }, Waited) if has_restarted(step, facts.boot_id) => {
            journal.at(journal.held_for(Step::Post), now)
        }
        (
            Step::Rebooting {
                boot_id,
                ordered_at: Some(ordered_at),
            },
            Waited,
        ) => match now < *ordered_at {
            // The clock was set back: nobody knows how long it has been, so the time begins anew.
            true => ordered(journal, boot_id, now),
            false => {
                let waited_s = seconds(now.duration_since(*ordered_at));
                journal.stop(RunReason::RebootNeverCame { waited_s }, now)
            }
        },
        (Step::Post, Succeeded) => match journal.job.rules.verify_for.is_zero() {
            true => health::proven(journal, now),
            false => journal.at(Step::Verify { well_since: None }, now),
        },
        (Step::Verify { .. }, Happened::Well) => health::well(journal, now),
        (Step::Verify { .. }, Happened::Worse(reason)) => health::not_well(journal, reason, now),
        (Step::Verify { .. }, Happened::NobodyToAsk) => health::nobody_to_ask(journal, now),
        (Step::Commit, Succeeded) => journal.release(Outcome::Done, None, now),
        (Step::Return { reason }, Succeeded) => {
            journal.release(health::outcome_of_return(reason), Some(reason.clone()), now)
        }
        // The slot before is there still: nobody has to be asked.
        (Step::Apply | Step::Post, Failed(reason)) if journal.is_bundle() => {
            begun(journal).at(Step::Return { reason }, now)
        }
        // What is to be mended is what was wrong before.
        (Step::Return { reason }, Failed(_)) => journal.stop(reason.clone(), now),
        (step, Failed(reason)) if step.needs_lock() => begun(journal).stop(reason, now),
        (step, Later { script }) if step.needs_lock() => later(&begun(journal), script, now),
        _ => journal.clone(),
    }
}

/// What a starting engine makes of the journal that it finds: what was confirmed is to be confirmed again, which the
/// engine does by itself; a restart that has come meanwhile is noticed; and a step that changes the host may have begun. For a
/// wish it has not before that was noted.
#[must_use]
pub fn resume(journal: &RunJournal, facts: &Facts<'_>) -> RunJournal {
    if has_restarted(&journal.step, facts.boot_id) {
        return after(journal, Happened::Waited, facts);
    }
    match journal.step.needs_lock() && !wished::is_to_begin(journal) {
        true => begun(journal),
        false => journal.clone(),
    }
}

fn begun(journal: &RunJournal) -> RunJournal {
    RunJournal {
        begun: true,
        ..journal.clone()
    }
}

fn reboot(journal: &RunJournal, facts: &Facts<'_>) -> RunJournal {
    if facts.boot_id.is_empty() {
        let why = wished::BLIND.into();
        return journal.stop(RunReason::HostFailed { why }, facts.now);
    }
    let step = Step::Rebooting {
        boot_id: facts.boot_id.to_owned(),
        ordered_at: None,
    };
    journal.at(step, facts.now)
}

fn ordered(journal: &RunJournal, boot_id: &str, now: Timestamp) -> RunJournal {
    let step = Step::Rebooting {
        boot_id: boot_id.to_owned(),
        ordered_at: Some(now),
    };
    let within = journal.job.rules.reboot_within;
    journal.at(step, now).wait(Wait::Reboot, within, now)
}

fn later(journal: &RunJournal, script: String, now: Timestamp) -> RunJournal {
    let rules = &journal.job.rules;
    let times = journal.later.saturating_add(1);
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
