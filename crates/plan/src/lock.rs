//! Locks: who gets a place, who waits, and who has died with one.
//!
//! A lock protects the hosts of a group while some of them are changed. A place is taken by whoever holds the lock,
//! and, where its rule says so, by each host of the group that is silent, in a run, or unwell: such a host is down
//! already, and no other may go down beside it. [`acquire`] decides, [`stand()`] tells how a lock stands, and [`ghost()`]
//! finds the holders that will not give it back by themselves.
//!
//! Whatever is asked, in whatever order:
//!
//! * no place is granted when as many as there are are taken, or when a condition of the rule would not hold without
//!   whoever asks;
//! * each grant has a number that is larger than those of all grants before it;
//! * to ask again while one holds the lock changes nothing but the time at which one last did so;
//! * waiters are served in the order in which they came, see [`acquire`].
//!
//! As with `FleetLock`, asking again is a success, and without a rule there is one place, counted by holders alone and
//! kept for ever. Health, conditions, numbers, leases and turns are ours; only those stand in the queue who ask for it.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::{LockAnswer, LockRequest};
use lockstep_model::{
    Disabled, Fence, Holder, HostName, Interval, Level, LockHolder, LockRefusal, LockRule,
    LockState, LockWaiter, lease_until,
};

mod admission;
mod free;
mod ghost;
mod stand;

use admission::Admission;
pub use free::{FreeRefusal, free};
pub use ghost::{HolderFacts, REBOOT_PATIENCE, ghost};
pub use stand::{Stand, stand};

/// How often a waiter may leave out [`ASK_AGAIN`] before it loses its turn.
pub const WAITER_PATIENCE: u32 = 3;
/// How long who was refused waits before it asks again.
pub const ASK_AGAIN: Interval = Interval::from_secs(60);
/// Most waiters of one lock.
pub const MOST_WAITERS: usize = 10_000;
/// After so long a waiter whose condition does not hold is not passed over any more by whoever comes, see [`acquire`].
pub const LONG_WAIT: Interval = Interval::from_secs(3600);

/// What is known of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Its name.
    pub name: HostName,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// True while nobody hears of it.
    pub silent: bool,
    /// True while a run changes it, from behind its lock phase to its end. Should the run of a host that waits for the
    /// very lock count too, nothing is lost: in its queue nobody is taken for running.
    pub running: bool,
    /// The worst of its items; its last one while it is silent.
    pub level: Level,
}

/// All hosts that are enrolled.
#[derive(Debug, Clone, Copy)]
pub struct Fleet<'a> {
    /// The hosts, sorted by name, each once.
    pub hosts: &'a [HostFacts],
}

impl<'a> Fleet<'a> {
    /// The host of this name.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<&'a HostFacts> {
        let found = self.hosts.binary_search_by(|host| host.name.cmp(name)).ok();
        found.and_then(|index| self.hosts.get(index))
    }
}

impl HostFacts {
    /// True if it is in that group; in none, every host is.
    fn is_of(&self, group: Option<&str>) -> bool {
        group.is_none_or(|group| self.groups.iter().any(|it| it == group))
    }
}

/// Asks for a place. Answers with what is to be remembered from now on, and with what who asks is told.
///
/// **Again.** One who holds the lock is granted it again: same number, same beginning. The time of its last word becomes
/// `now`; reason and run become those of the request, where it names any. The boot id stays the one of the grant,
/// because it is held against the host's present one later, and is replaced only when the request names another run.
///
/// **Leases.** Where the rule has a lease, grants whose holders have not asked again in time are removed now. What they
/// still do is stopped by the number of the next grant. One whose own grant is over gets a new one, with a new number.
///
/// **Who may.** A lock of a group is for the hosts of that group. Operators may take it always: they are no part of the
/// fleet, and a place in a person's hand is the way to keep a group in peace. They take a place like anybody else.
///
/// **The queue.** One who is refused and wants to wait stands at the end of the queue, or stays where it stands. One
/// who does not want to wait is not put there, but does not lose its place by asking either. Whoever stands there and
/// has not asked for [`WAITER_PATIENCE`] times [`ASK_AGAIN`] is dropped. A disabled lock keeps its queue, and others may
/// join it. Who may not have the lock at all leaves it.
///
/// **Turns.** Free places are given, in thought, to the waiters in their order, as if each asked now; who asks is granted
/// a place only if one is left, and if the conditions hold without all of them. A waiter whose conditions do not hold is
/// passed over and keeps its turn: it is served before those behind it as soon as they hold. So that hosts which take
/// turns cannot keep them from holding for ever, one that has waited for [`LONG_WAIT`] does hold back those behind it,
/// if nothing but grants of less than [`LONG_WAIT`] ago stands in its way. A grant that nobody gives back becomes older
/// than that, so nobody is held back for ever either.
///
/// The lengths of `request` are bounded by whoever reads it from the network.
#[must_use]
pub fn acquire(
    rule: &LockRule,
    state: &LockState,
    who: &Holder,
    request: &LockRequest,
    fleet: &Fleet<'_>,
    now: Timestamp,
) -> (LockState, LockAnswer) {
    let mut next = state.clone();
    let held = next.holders.iter_mut().find(|it| it.holder == *who);
    if let Some(held) = held.filter(|it| !is_over(it, rule, now)) {
        renew(held, request, now);
        let answer = granted(held, rule, true);
        return (next, answer);
    }
    next.holders.retain(|it| !is_over(it, rule, now));
    next.waiters.retain(|it| is_patient(it, now));
    let admission = Admission::new(rule, &next.holders, &next.waiters, fleet, now);
    let may = admission.may(who);
    let disabled = next.disabled.as_ref().map(|it| &it.why);
    let verdict = match disabled.or(rule.disabled.as_ref()) {
        Some(why) => Err(LockRefusal::Disabled { why: why.clone() }),
        None => admission.judge(who, &next.waiters),
    };
    match verdict {
        Ok(()) => {
            let answer = grant(&mut next, rule, who, request, now);
            (next, answer)
        }
        Err(why) if may => {
            let answer = refuse(&mut next, why, who, request, now);
            (next, answer)
        }
        Err(why) => {
            next.waiters.retain(|it| it.holder != *who);
            (next, refused(why, None))
        }
    }
}

/// Gives a place back. With a fence, that grant alone: one that was followed by a later one is not there any more, and
/// nothing changes. Without one, whichever grant it is, and a turn in the queue with it. Answers with true if who asks
/// had what it gives back.
#[must_use]
pub fn release(state: &LockState, who: &Holder, fence: Option<Fence>) -> (LockState, bool) {
    let mut next = state.clone();
    let was_held = match fence {
        Some(fence) => {
            next.holders
                .retain(|it| it.holder != *who || it.fence != fence);
            next.holders.len() < state.holders.len()
        }
        None => {
            next = forget(state, who);
            state.held_by(who).is_some()
        }
    };
    (next, was_held)
}

/// Notes that a holder is done, and that its place is kept until it is fine, or until that time. A second word does not
/// move the time. False if it holds nothing.
#[must_use]
pub fn steady(state: &LockState, who: &Holder, until: Timestamp) -> (LockState, bool) {
    let mut next = state.clone();
    let held = next.holders.iter_mut().find(|it| it.holder == *who);
    let Some(held) = held else {
        return (next, false);
    };
    held.steady_until = Some(held.steady_until.unwrap_or(until).min(until));
    (next, true)
}

/// Removes one who is no more, from holders and waiters: a host that was decommissioned, a token that was revoked.
#[must_use]
pub fn forget(state: &LockState, who: &Holder) -> LockState {
    let mut next = state.clone();
    next.holders.retain(|it| it.holder != *who);
    next.waiters.retain(|it| it.holder != *who);
    next
}

/// Makes the lock give no places. Who holds it keeps it, who waits goes on waiting. One that is disabled already has the
/// new reason.
#[must_use]
pub fn disable(state: &LockState, why: &str, by: &str, now: Timestamp) -> LockState {
    let disabled = Disabled {
        why: why.into(),
        by: by.into(),
        at: now,
    };
    LockState {
        disabled: Some(disabled),
        ..state.clone()
    }
}

/// Makes the lock give places again, unless its rule says otherwise.
#[must_use]
pub fn enable(state: &LockState) -> LockState {
    LockState {
        disabled: None,
        ..state.clone()
    }
}

/// True if the lease of a grant is over.
fn is_over(holder: &LockHolder, rule: &LockRule, now: Timestamp) -> bool {
    lease_until(holder, rule.lease).is_some_and(|end| end <= now)
}

/// True if it has asked lately enough to keep its turn.
fn is_patient(waiter: &LockWaiter, now: Timestamp) -> bool {
    after(waiter.asked_at, ASK_AGAIN.duration() * WAITER_PATIENCE) > now
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

fn renew(held: &mut LockHolder, request: &LockRequest, now: Timestamp) {
    held.renewed_at = now;
    // Whoever asks again has something to do again.
    held.steady_until = None;
    if !request.reason.is_empty() {
        held.reason.clone_from(&request.reason);
    }
    let is_another_run = request.run.is_some() && request.run != held.run;
    if is_another_run {
        held.run = request.run;
    }
    if request.boot_id.is_some() && (is_another_run || held.boot_id.is_none()) {
        held.boot_id.clone_from(&request.boot_id);
    }
}

fn grant(
    next: &mut LockState,
    rule: &LockRule,
    who: &Holder,
    request: &LockRequest,
    now: Timestamp,
) -> LockAnswer {
    next.waiters.retain(|it| it.holder != *who);
    // One grant per nanosecond reaches the end of the numbers in 584 years.
    next.fence = Fence(next.fence.0.saturating_add(1));
    let holder = LockHolder {
        holder: who.clone(),
        fence: next.fence,
        since: now,
        renewed_at: now,
        reason: request.reason.clone(),
        run: request.run,
        boot_id: request.boot_id.clone(),
        steady_until: None,
    };
    let answer = granted(&holder, rule, false);
    next.holders.push(holder);
    answer
}

fn granted(holder: &LockHolder, rule: &LockRule, again: bool) -> LockAnswer {
    LockAnswer::Granted {
        fence: holder.fence,
        since: holder.since,
        lease_until: lease_until(holder, rule.lease),
        again,
    }
}

/// Refuses one who may have the lock another time, and gives it its place in the queue.
fn refuse(
    next: &mut LockState,
    why: LockRefusal,
    who: &Holder,
    request: &LockRequest,
    now: Timestamp,
) -> LockAnswer {
    let place = next.waiters.iter().position(|it| it.holder == *who);
    if let Some(waiter) = place.and_then(|place| next.waiters.get_mut(place)) {
        waiter.asked_at = now;
        if !request.reason.is_empty() {
            waiter.reason.clone_from(&request.reason);
        }
        waiter.run = request.run.or(waiter.run);
        return refused(why, place);
    }
    if !request.wait {
        return refused(why, None);
    }
    if next.waiters.len() >= MOST_WAITERS {
        let ahead = next.waiters.iter().map(|it| it.holder.clone()).collect();
        return refused(LockRefusal::Turn { ahead }, None);
    }
    next.waiters.push(LockWaiter {
        holder: who.clone(),
        since: now,
        asked_at: now,
        reason: request.reason.clone(),
        run: request.run,
    });
    refused(why, Some(next.waiters.len() - 1))
}

fn refused(why: LockRefusal, place: Option<usize>) -> LockAnswer {
    LockAnswer::Refused {
        why,
        position: place.and_then(|place| u32::try_from(place + 1).ok()),
        retry_after: ASK_AGAIN,
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
