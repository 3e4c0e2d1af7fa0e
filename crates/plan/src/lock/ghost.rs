//! Holders that will not give a lock back by themselves.

use jiff::Timestamp;
use lockstep_model::{
    Ghost, Holder, Interval, Level, LockHolder, Outcome, Phase, RunReason, RunRecord,
};

use super::after;

/// How long a machine may take from the order to restart until it is back.
pub const REBOOT_PATIENCE: Interval = Interval::from_secs(15 * 60);

/// A run that is at work says something more often than this: it renews its grant.
const QUIET: Interval = Interval::from_secs(5 * 60);

/// What is known of a host that holds a lock.
#[derive(Debug, Clone, PartialEq)]
pub struct HolderFacts {
    /// True if it is enrolled.
    pub enrolled: bool,
    /// When it was heard of last, if it is silent.
    pub silent_since: Option<Timestamp>,
    /// The worst of its items.
    pub level: Level,
    /// Its boot id now, as far as it has said.
    pub boot_id: Option<String>,
    /// The newest record of the run that it holds the lock for.
    pub run: Option<RunRecord>,
}

/// Why it is doubtful that a holder is still at work; none for one that is, and for operators: of a person nobody knows.
///
/// The first that is true, in this order: it is decommissioned; its run has stopped; its run is over; it was told to
/// restart more than [`REBOOT_PATIENCE`] ago and has the boot id of the grant; it has restarted and is sick or worse;
/// it is silent, and its run is, too. A record of another run than the one that the lock is held for says nothing.
#[must_use]
pub fn ghost(holder: &LockHolder, facts: &HolderFacts, now: Timestamp) -> Option<Ghost> {
    if matches!(holder.holder, Holder::Operator(_)) {
        return None;
    }
    if !facts.enrolled {
        return Some(Ghost::Decommissioned);
    }
    let run = facts.run.as_ref().filter(|run| holder.run == Some(run.id));
    if let Some(ghost) = run.and_then(of_run) {
        return Some(ghost);
    }
    let has_restarted = match (&holder.boot_id, &facts.boot_id) {
        (Some(then), Some(now)) => Some(then != now),
        _ => None,
    };
    let reboot = run.filter(|run| run.phase == Phase::Reboot);
    match (reboot, has_restarted) {
        (Some(run), Some(false)) if after(run.at, REBOOT_PATIENCE.duration()) < now => {
            return Some(Ghost::NeverRebooted { since: run.at });
        }
        (_, Some(true)) if facts.level >= Level::SICK => {
            return Some(Ghost::RebootedUnfit { level: facts.level });
        }
        _ => {}
    }
    let silent_since = facts.silent_since?;
    // A run speaks for its host also where no agent does: by its records, and by what it says of the lock.
    let spoke_at = run.map_or(holder.renewed_at, |run| run.at.max(holder.renewed_at));
    let since = silent_since.max(spoke_at);
    (after(since, QUIET.duration()) < now).then_some(Ghost::Unreachable { since })
}

/// What the end of its run says of the holder.
fn of_run(run: &RunRecord) -> Option<Ghost> {
    match run.outcome? {
        Outcome::Stopped => Some(Ghost::Stopped {
            run: run.id,
            why: run
                .reason
                .as_ref()
                .map_or_else(|| format!("in phase {}", run.phase), RunReason::to_string),
        }),
        Outcome::Done | Outcome::RolledBack | Outcome::Failed | Outcome::Postponed => {
            Some(Ghost::RunOver {
                run: run.id,
                since: run.at,
            })
        }
    }
}
