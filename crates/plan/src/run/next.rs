//! What is to be done now.

use jiff::Timestamp;
use lockstep_model::Phase;

use super::{RunJournal, Step, Wait, wished};

/// What the engine knows beside the journal.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The host's clock.
    pub now: Timestamp,
    /// The machine's boot id; empty if it cannot be read, which is taken for no restart.
    pub boot_id: &'a str,
    /// True if the server has confirmed the grant of the lock since the journal was written last.
    pub lock_is_confirmed: bool,
    /// The hours in which a run may begin, if there are any and it is none of them.
    pub outside_of_hours: Option<&'a str>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Do {
    /// Look whether anything is to be done: [`Happened::NothingToDo`], [`Happened::SomethingToDo`] or
    /// [`Happened::NotNow`].
    ///
    /// [`Happened::NothingToDo`]: super::Happened::NothingToDo
    /// [`Happened::SomethingToDo`]: super::Happened::SomethingToDo
    /// [`Happened::NotNow`]: super::Happened::NotNow
    Check,
    /// Wait until then, until the machine has restarted, or until a person says something.
    Wait {
        /// Until when.
        until: Timestamp,
        /// What for.
        why: Wait,
    },
    /// The waiting is over: [`Happened::Waited`].
    ///
    /// [`Happened::Waited`]: super::Happened::Waited
    GoOn,
    /// Bring the bundle into its slot and check it there: `Succeeded`, `Again`, `Failed` if the release is at fault, or
    /// `NotNow` if it is not wanted any more.
    Fetch,
    /// Look whether the host is at rest: `Rest`, `Busy` or `NotNow`.
    AskWhetherIdle,
    /// Acquire the lock: `LockGranted`, `LockRefused`, `LockFailed` or `NotNow`.
    AcquireLock,
    /// Ask whether the grant is still there: then ask again what is to be done, or give `LockLost` or `LockUnknown`.
    ConfirmLock,
    /// Look whether the host is still at rest, and hold still what works on it, if the job holds something: `Rest`,
    /// `Busy` or `NotNow`. The levels of this look are those before the change.
    Hold,
    /// Note that something may be done to the host from now on, for a wish: `Succeeded`, or `NotNow` if it is not wished or
    /// not permitted any more.
    Begin,
    /// Do the work of a phase (`pre`, `apply` or `post`): `Succeeded`, `Failed` or `Later`; `NotNow` before `pre` of a wish
    /// that is not permitted any more.
    Work(Phase),
    /// Ask whether the machine must be restarted: `RebootNeeded`, `Succeeded` for no, or `Failed`.
    AskWhetherReboot,
    /// Run the command that restarts the machine: `RebootOrdered` or `Failed`; `NotNow` for a wish that is not permitted any
    /// more.
    Reboot,
    /// Ask how the items are: `Well`, `Worse` or `NobodyToAsk`.
    AskHealth,
    /// Go back to the version before: `Succeeded` or `Failed`.
    Return,
    /// Keep the bundle that has proven itself: `Succeeded` or `Again`.
    Commit,
    /// Free the lock: `LockReleased` or `LockUnknown`. A journal without a grant is one whose grant may not have been
    /// heard of: ask how the host stands to the lock of the job, and free what it has.
    ReleaseLock,
    /// Nothing goes on until a person says how.
    AskPerson,
    /// The run is over.
    End,
}

/// What is to be done now.
#[must_use]
pub fn next(journal: &RunJournal, facts: &Facts<'_>) -> Do {
    let has_turned = || wished::turn(journal, facts).is_some();
    if has_restarted(&journal.step, facts.boot_id) || has_turned() {
        return Do::GoOn;
    }
    if let Some(waiting) = &journal.waiting
        && !waiting.is_over(facts.now)
    {
        let (until, why) = (waiting.until, waiting.why.clone());
        return Do::Wait { until, why };
    }
    let is_unconfirmed = journal.job.lock.is_some() && !facts.lock_is_confirmed;
    if journal.step.needs_lock() && is_unconfirmed {
        return Do::ConfirmLock;
    }
    match &journal.step {
        _ if has_left_its_hours(journal, facts) => Do::GoOn,
        Step::Check => Do::Check,
        // The moment was decided when the run began, so it is waited for by the journal's own word.
        Step::Spread { .. } => Do::GoOn,
        Step::Fetch => Do::Fetch,
        Step::Idle => Do::AskWhetherIdle,
        Step::Lock { .. } => Do::AcquireLock,
        Step::Hold { .. } => Do::Hold,
        Step::Yield { .. } | Step::Release { .. } => Do::ReleaseLock,
        Step::Pre if wished::is_to_begin(journal) => Do::Begin,
        Step::Pre => Do::Work(Phase::Pre),
        Step::Apply => Do::Work(Phase::Apply),
        Step::NeedsReboot => Do::AskWhetherReboot,
        Step::Rebooting {
            ordered_at: None, ..
        } => Do::Reboot,
        // The time for it is over.
        Step::Rebooting { .. } => Do::GoOn,
        Step::Post => Do::Work(Phase::Post),
        Step::Verify { .. } => Do::AskHealth,
        Step::Return { .. } => Do::Return,
        Step::Commit => Do::Commit,
        Step::Stopped { .. } => Do::AskPerson,
        Step::Over { .. } | Step::Nothing => Do::End,
    }
}

/// True if the restart that the step waits for has come, be it by a person's hand.
pub(super) fn has_restarted(step: &Step, now: &str) -> bool {
    let is_known = !now.is_empty();
    match step {
        Step::Rebooting { boot_id, .. } => is_known && boot_id != now,
        Step::Stopped { boot_id, .. } => {
            is_known && boot_id.as_deref().is_some_and(|before| before != now)
        }
        _ => false,
    }
}

/// True if the hours have passed before anything was done to the host.
pub(super) fn has_left_its_hours(journal: &RunJournal, facts: &Facts<'_>) -> bool {
    let can_still_wait = matches!(
        journal.step,
        Step::Idle | Step::Lock { .. } | Step::Hold { .. }
    );
    can_still_wait && !journal.begun && facts.outside_of_hours.is_some()
}
