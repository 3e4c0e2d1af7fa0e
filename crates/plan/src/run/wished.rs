//! A restart of the machine that was wished for: the run that does it.
//!
//! It has neither `apply` nor a question whether a restart is needed. What it must never do is decided here, and looked
//! at before each act: it gives the command only in the boot in which the restart was wished, so never after any restart,
//! and never at or after the end of the wish. What is half done by then is brought to its end without it: `post` takes
//! back what `pre` has done.

use jiff::Timestamp;
use lockstep_model::{Outcome, RunReason};
use serde::{Deserialize, Serialize};

use super::next::Facts;
use super::{RunJournal, Step, Wait};

/// Why no machine is restarted whose boot nobody knows.
pub(super) const BLIND: &str =
    "its boot id cannot be read, so nobody could say whether it has restarted";

/// The wish of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wished {
    /// Its number.
    pub number: u64,
    /// The boot that is to end.
    pub boot_id: String,
    /// When the host heard of it, by its own clock.
    pub from: Timestamp,
    /// When it is void, by its own clock.
    pub until: Timestamp,
}

impl Wished {
    /// True from its end on; also when the clock was set back to before the host heard of it, for then nobody knows how
    /// much of its time has passed.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until || now < self.from
    }
}

/// True if the last run of this kind has used the number up. One that has done nothing to the host, and could not, leaves
/// it: a permit that comes and goes must not cost an operator his wish. One that has seen the wish's end does not: that
/// is final, wherever the clock goes from there.
#[must_use]
pub fn is_spent(last: Option<&RunJournal>, number: u64) -> bool {
    let Some((last, wish)) = last.and_then(|last| Some((last, last.job.wish.as_ref()?))) else {
        return false;
    };
    if wish.number != number {
        return wish.number > number;
    }
    match &last.step {
        Step::Over {
            outcome: Outcome::Postponed,
            reason,
        } => last.begun || matches!(reason, Some(RunReason::WishOver { .. })),
        _ => true,
    }
}

/// What has become of the run before its command was given, if anything has: the machine was restarted by somebody else,
/// or the wish is over.
pub(super) fn turn(journal: &RunJournal, facts: &Facts<'_>) -> Option<RunJournal> {
    let wish = journal.job.wish.as_ref()?;
    let now = facts.now;
    let has_restarted = !facts.boot_id.is_empty() && facts.boot_id != wish.boot_id;
    let is_over = wish.is_over(now);
    let orders_blindly = facts.boot_id.is_empty() && is_ordering(&journal.step);
    if !has_restarted && !is_over && !orders_blindly {
        return None;
    }
    let reason = (!has_restarted && is_over).then_some(RunReason::WishOver { until: wish.until });
    match (&journal.step, journal.begun) {
        // Nobody was told of it.
        (Step::Check, _) => Some(journal.at(Step::Nothing, now)),
        (
            Step::Spread { .. } | Step::Idle | Step::Lock { .. } | Step::Hold { .. } | Step::Pre,
            false,
        ) => {
            let outcome = match reason {
                None => Outcome::Done,
                Some(_) => Outcome::Postponed,
            };
            Some(journal.release(outcome, reason, now))
        }
        (step, true) if matches!(step, Step::Pre) || is_ordering(step) => {
            if orders_blindly {
                let reason = RunReason::HostFailed { why: BLIND.into() };
                return Some(journal.stop(reason, now));
            }
            Some(RunJournal {
                void: reason,
                ..journal.at(Step::Post, now)
            })
        }
        _ => None,
    }
}

/// What becomes of the run before its command was given once its wish was taken back or is not permitted any more: what has
/// done nothing ends, and what may have done something takes it back at `post`.
pub(super) fn given_up(journal: &RunJournal, reason: RunReason, facts: &Facts<'_>) -> RunJournal {
    if let Some(turned) = turn(journal, facts) {
        return turned;
    }
    match journal.begun {
        true => RunJournal {
            void: Some(reason),
            ..journal.at(Step::Post, facts.now)
        },
        false => journal.release(Outcome::Postponed, Some(reason), facts.now),
    }
}

/// True right before the first thing that is done to the host. That it is done is noted on the disk before, and told from
/// then on. Until then the wish can be taken back, and whoever goes on after a kill knows that nothing was done.
pub(super) fn is_to_begin(journal: &RunJournal) -> bool {
    journal.job.wish.is_some() && journal.step == Step::Pre && !journal.begun
}

/// Notes that something may be done to the host from now on. A host that does not know its boot is not drained for a restart
/// that would not be ordered.
pub(super) fn begins(journal: &RunJournal, facts: &Facts<'_>) -> RunJournal {
    if facts.boot_id.is_empty() {
        let why = BLIND.into();
        return journal.wait(Wait::Again { why }, journal.job.rules.again, facts.now);
    }
    RunJournal {
        begun: true,
        waiting: None,
        ..journal.clone()
    }
}

fn is_ordering(step: &Step) -> bool {
    matches!(
        step,
        Step::Rebooting {
            ordered_at: None,
            ..
        }
    )
}
