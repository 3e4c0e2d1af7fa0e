//! Locks: who gets a place, who gives it back, and what operators do about them.
//!
//! Who gets a place is decided by `plan::lock`, within the transaction that stores it, so that of two hosts that ask
//! at the same moment, at two servers, too, the second one is decided with the first one as a holder. What operators
//! change, and every grant that somebody did not give back by himself, is in the audit trail; ordinary grants are in
//! the log only.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use lockstep_model::api::operator::{FreeLock, LockFreed};
use lockstep_model::api::{LockAnswer, LockReleased, LockRequest, LockStanding};
use lockstep_model::{
    Fence, Holder, HostName, LockHolder, LockName, LockRefusal, LockRule, LockState, LockWaiter,
    lease_until,
};
use lockstep_plan::lock::{self, ASK_AGAIN, WAITER_PATIENCE};
use lockstep_store::MOST_LOCKS;

use super::audit;
use super::lock_facts::LockFacts;
use crate::app::App;
use crate::web::Refusal;

/// Locks at most before new ones must be named in the fleet file: for as many as a fleet file may name there is room always.
const MOST_UNNAMED: usize = MOST_LOCKS as usize / 10 * 8;
/// Longest boot id, in bytes; the kernel's has 36.
const LONGEST_BOOT_ID: usize = 64;
/// Longest reason of an operator, in bytes.
const LONGEST_WHY: usize = 500;
/// Waiting hosts that are told at once that there is a place.
const MOST_HINTED: usize = 100;
/// Who takes a place away whose lease has ended.
const SERVER: &str = "lockstep";

/// The locks that this server knows to be kept already.
#[derive(Debug, Default)]
pub(crate) struct SeenLocks(Mutex<HashSet<LockName>>);

impl SeenLocks {
    fn has(&self, name: &LockName) -> bool {
        self.names().contains(name)
    }

    fn add(&self, name: &LockName) {
        let mut names = self.names();
        if names.len() >= MOST_LOCKS as usize {
            names.clear();
        }
        names.insert(name.clone());
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashSet<LockName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What changes of one lock are decided by.
#[derive(Debug, Clone)]
struct Known {
    facts: Arc<LockFacts>,
    rule: LockRule,
    now: Timestamp,
}

impl Known {
    async fn read(app: &App, name: &LockName, now: Timestamp) -> Result<Self, Refusal> {
        let facts = app.lock_facts.read(app, now).await?;
        Ok(Self::of(facts, name, now))
    }

    fn of(facts: Arc<LockFacts>, name: &LockName, now: Timestamp) -> Self {
        let rule = facts.rule(name);
        Self { facts, rule, now }
    }

    /// The hosts that would get the places that are free, if they asked now.
    fn next(&self, state: &LockState) -> HashSet<HostName> {
        if state.waiters.is_empty() {
            return HashSet::new();
        }
        let stand = lock::stand(&self.rule, state, &self.facts.fleet(), self.now);
        let free = stand.places.saturating_sub(stand.taken.len());
        let waiters = state.waiters.iter().filter(|it| still_asks(it, self.now));
        let hosts = waiters.filter_map(|it| it.holder.host().cloned());
        hosts.take(free.min(MOST_HINTED)).collect()
    }
}

/// True if the lease of a grant has ended. The next one who asks takes it out of the lock.
pub(super) fn is_over(grant: &LockHolder, rule: &LockRule, now: Timestamp) -> bool {
    lease_until(grant, rule.lease).is_some_and(|until| until <= now)
}

fn still_asks(waiter: &LockWaiter, now: Timestamp) -> bool {
    let patience = ASK_AGAIN.duration().saturating_mul(WAITER_PATIENCE);
    waiter
        .asked_at
        .checked_add(patience)
        .is_ok_and(|end| now < end)
}

/// What is to be stored: nothing where nothing has changed.
fn if_changed(before: &LockState, after: LockState) -> Option<LockState> {
    (after != *before).then_some(after)
}

/// The grants of `before` that are not in `after`.
fn lost(before: &LockState, after: &LockState) -> Vec<LockHolder> {
    let is_there = |it: &LockHolder| after.holders.iter().any(|kept| kept.fence == it.fence);
    let gone = before.holders.iter().filter(|it| !is_there(it));
    gone.cloned().collect()
}

/// Asks for a place. Whoever has one already keeps it, and is known to be at work still.
pub(crate) async fn acquire(
    app: &App,
    name: &LockName,
    who: Holder,
    request: LockRequest,
    now: Timestamp,
) -> Result<LockAnswer, Refusal> {
    check(&request)?;
    // Places must not be given by an older fleet file than the one in force; whoever has one keeps it.
    let is_behind = app.fleet.is_behind();
    let facts = match who.host() {
        Some(host) => app.lock_facts.read_for(app, host, now).await?,
        None => app.lock_facts.read(app, now).await?,
    };
    let known = Known::of(facts, name, now);
    find_room(app, name, &known.facts).await?;
    let asker = who.clone();
    let change = move |state: &LockState| {
        let held = state.held_by(&who);
        if is_behind && held.is_none_or(|grant| is_over(grant, &known.rule, known.now)) {
            return (None, None);
        }
        let fleet = known.facts.fleet();
        let (after, answer) = lock::acquire(&known.rule, state, &who, &request, &fleet, known.now);
        let over = lost(state, &after);
        // A place that nobody gave back may be somebody else's turn.
        let next = match over.is_empty() {
            true => HashSet::new(),
            false => known.next(&after),
        };
        (if_changed(state, after), Some((answer, over, next)))
    };
    let Some((answer, over, next)) = app.store.change_lock(name, change).await? else {
        return Err(Refusal::busy(
            "this server does not understand the fleet file in force, and gives no locks",
            ASK_AGAIN.duration(),
        ));
    };
    match &answer {
        LockAnswer::Granted {
            fence,
            again: false,
            ..
        } => tracing::info!(lock = %name, who = %asker, %fence, "a lock was granted"),
        LockAnswer::Granted { fence, .. } => {
            tracing::debug!(lock = %name, who = %asker, %fence, "a lock is still held");
        }
        LockAnswer::Refused { why, position, .. } => {
            tracing::debug!(lock = %name, who = %asker, %why, position, "a lock was refused");
        }
    }
    for grant in over {
        let what = format!(
            "ended the lease of {}, last heard of at {:.0}",
            words(name, &grant),
            grant.renewed_at
        );
        audit::note(app, SERVER, &what, now).await;
    }
    app.hints.report(next);
    Ok(answer)
}

fn check(request: &LockRequest) -> Result<(), Refusal> {
    let too_long = |what: &str, max: usize, bytes: usize| {
        Err(Refusal::bad_request(format!(
            "{what}: at most {max} bytes are taken, this has {bytes}"
        )))
    };
    if request.reason.len() > LockRequest::LONGEST_REASON {
        return too_long("reason", LockRequest::LONGEST_REASON, request.reason.len());
    }
    match &request.boot_id {
        Some(boot_id) if boot_id.len() > LONGEST_BOOT_ID => {
            too_long("boot_id", LONGEST_BOOT_ID, boot_id.len())
        }
        _ => Ok(()),
    }
}

/// Refuses a lock that is new and for which there is no room. Locks are never forgotten, for the sake of the numbers
/// of their grants, so one that was seen once need not be looked for again.
async fn find_room(app: &App, name: &LockName, facts: &LockFacts) -> Result<(), Refusal> {
    if app.seen_locks.has(name) || facts.is_named(name) {
        return Ok(());
    }
    if app.store.lock(name).await?.is_none() && app.store.locks().await?.len() >= MOST_UNNAMED {
        return Err(Refusal::conflict(format!(
            "there are {MOST_UNNAMED} locks already; use one of them, or name {name} in the fleet file"
        )));
    }
    app.seen_locks.add(name);
    Ok(())
}

/// Gives a place back, or leaves the queue. With a fence only that grant is given back.
pub(crate) async fn release(
    app: &App,
    name: &LockName,
    who: Holder,
    fence: Option<Fence>,
    now: Timestamp,
) -> Result<LockReleased, Refusal> {
    let known = Known::read(app, name, now).await?;
    let asker = who.clone();
    let change = move |state: &LockState| {
        let (after, was_held) = lock::release(state, &who, fence);
        let after = if_changed(state, after);
        let next = after.as_ref().map(|after| known.next(after));
        (after, (was_held, next.unwrap_or_default()))
    };
    let (was_held, next) = app.store.change_lock(name, change).await?;
    if was_held {
        tracing::info!(lock = %name, who = %asker, "a lock was released");
    }
    app.hints.report(next);
    Ok(LockReleased { was_held })
}

/// Keeps the place of a holder that is done until it is fine, or until that time.
pub(crate) async fn keep_until_fine(
    app: &App,
    name: &LockName,
    who: Holder,
    until: Timestamp,
) -> Result<bool, Refusal> {
    let change = move |state: &LockState| {
        let (after, was_held) = lock::steady(state, &who, until);
        (if_changed(state, after), was_held)
    };
    Ok(app.store.change_lock(name, change).await?)
}

/// Makes a lock known that nobody has asked for yet.
pub(crate) async fn mention(app: &App, name: &LockName, now: Timestamp) -> Result<(), Refusal> {
    let facts = app.lock_facts.read(app, now).await?;
    find_room(app, name, &facts).await?;
    if app.store.lock(name).await?.is_none() {
        let change = |state: &LockState| (Some(state.clone()), ());
        app.store.change_lock(name, change).await?;
    }
    Ok(())
}

/// A refusal's stable code.
pub(crate) fn code(why: &LockRefusal) -> &'static str {
    match why {
        LockRefusal::Full { .. } => "held",
        LockRefusal::Turn { .. } => "turn",
        LockRefusal::Needs { .. } => "fleet-unhealthy",
        LockRefusal::Disabled { .. } => "disabled",
        LockRefusal::NotOfGroup { .. } => "not-of-group",
    }
}

/// How somebody stands to a lock. A grant whose lease has ended is none.
pub(crate) async fn standing(
    app: &App,
    name: &LockName,
    who: &Holder,
    now: Timestamp,
) -> Result<LockStanding, Refusal> {
    let known = Known::read(app, name, now).await?;
    let state = app.store.lock(name).await?.unwrap_or_default();
    let grant = state
        .held_by(who)
        .filter(|grant| !is_over(grant, &known.rule, now));
    Ok(LockStanding {
        fence: grant.map(|grant| grant.fence),
        since: grant.map(|grant| grant.since),
    })
}

/// Takes a place away from whoever has it. What he does meanwhile is not stopped by it.
pub(crate) async fn free(
    app: &App,
    name: &LockName,
    order: FreeLock,
    by: &str,
    now: Timestamp,
) -> Result<LockFreed, Refusal> {
    let why = given(&order.why)?;
    let known = Known::read(app, name, now).await?;
    let change = move |state: &LockState| match lock::free(state, order.holder.as_ref()) {
        Ok((after, freed)) => {
            let next = known.next(&after);
            (if_changed(state, after), Ok((freed, next)))
        }
        Err(refused) => (None, Err(refused)),
    };
    let freed = app.store.change_lock(name, change).await?;
    let (freed, next) =
        freed.map_err(|refused| Refusal::conflict(format!("lock {name}: {refused}")))?;
    let what = format!("freed {}: {why}", words(name, &freed));
    audit::note(app, by, &what, now).await;
    app.hints.report(next);
    Ok(LockFreed { freed })
}

/// Lets a lock give no places. Those that are given stay.
pub(crate) async fn disable(
    app: &App,
    name: &LockName,
    why: &str,
    by: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let why = given(why)?;
    must_exist(app, name, now).await?;
    let (said, who) = (why.clone(), by.to_owned());
    let change = move |state: &LockState| {
        let is_so = |it: &lockstep_model::Disabled| it.why == said && it.by == who;
        if state.disabled.as_ref().is_some_and(is_so) {
            return (None, false);
        }
        let after = lock::disable(state, &said, &who, now);
        (if_changed(state, after), true)
    };
    if app.store.change_lock(name, change).await? {
        audit::note(app, by, &format!("disabled lock {name}: {why}"), now).await;
    }
    Ok(())
}

/// Lets it give places again.
pub(crate) async fn enable(
    app: &App,
    name: &LockName,
    by: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    must_exist(app, name, now).await?;
    let known = Known::read(app, name, now).await?;
    let change = move |state: &LockState| {
        let after = lock::enable(state);
        let next = known.next(&after);
        let was_disabled = state.disabled.is_some();
        (if_changed(state, after), (was_disabled, next))
    };
    let (was_disabled, next) = app.store.change_lock(name, change).await?;
    if was_disabled {
        audit::note(app, by, &format!("enabled lock {name}"), now).await;
        app.hints.report(next);
    }
    Ok(())
}

/// A lock that was never asked for and that the fleet file does not name is rather a slip of the pen.
async fn must_exist(app: &App, name: &LockName, now: Timestamp) -> Result<(), Refusal> {
    let facts = app.lock_facts.read(app, now).await?;
    if facts.is_named(name) || app.store.lock(name).await?.is_some() {
        return Ok(());
    }
    Err(unknown(name))
}

pub(super) fn unknown(name: &LockName) -> Refusal {
    Refusal::not_found(format!(
        "there is no lock {name}: the fleet file does not name it, and nobody ever asked for it"
    ))
}

/// Lets go of everything that a host holds or waits for, because it is removed. True if there was something.
///
/// A request of the host that is being answered at this moment may still be granted; the lock is then shown as held by
/// a host that is not enrolled.
pub(crate) async fn forget_host(
    app: &App,
    host: &HostName,
    by: &str,
    now: Timestamp,
) -> Result<bool, Refusal> {
    app.lock_facts.forget();
    let who = Holder::Host(host.clone());
    let mut found = false;
    for (name, state) in app.store.locks().await? {
        let waits = state.waiters.iter().any(|waiter| waiter.holder == who);
        if !waits && state.held_by(&who).is_none() {
            continue;
        }
        found = true;
        let known = Known::read(app, &name, now).await?;
        let who = who.clone();
        let change = move |state: &LockState| {
            let after = lock::forget(state, &who);
            let (gone, next) = (lost(state, &after), known.next(&after));
            (if_changed(state, after), (gone, next))
        };
        let (gone, next) = app.store.change_lock(&name, change).await?;
        for grant in gone {
            let what = format!("freed {}: the host was removed", words(&name, &grant));
            audit::note(app, by, &what, now).await;
        }
        app.hints.report(next);
    }
    Ok(found)
}

/// A grant in words: `lock db of web1 (grant 7, since …, for …)`.
fn words(name: &LockName, grant: &LockHolder) -> String {
    let LockHolder {
        holder,
        fence,
        since,
        reason,
        ..
    } = grant;
    let what_for = match reason.as_str() {
        "" => String::new(),
        reason => format!(", for {reason}"),
    };
    format!("lock {name} of {holder} (grant {fence}, since {since:.0}{what_for})")
}

/// A reason, which must be there.
fn given(why: &str) -> Result<String, Refusal> {
    let why = why.trim();
    if why.is_empty() || why.len() > LONGEST_WHY {
        return Err(Refusal::bad_request(format!(
            "why: a reason of 1 to {LONGEST_WHY} bytes is needed, this has {}",
            why.len()
        )));
    }
    Ok(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(name: &str, fence: u64) -> LockHolder {
        LockHolder {
            holder: Holder::Host(HostName::parse(name).unwrap()),
            fence: Fence(fence),
            since: Timestamp::UNIX_EPOCH,
            renewed_at: Timestamp::UNIX_EPOCH,
            reason: "driveclient → 1.20.3".into(),
            run: None,
            boot_id: None,
            steady_until: None,
        }
    }

    #[test]
    fn a_grant_that_was_replaced_is_lost_although_its_holder_has_another() {
        let with = |holders| LockState {
            holders,
            ..LockState::default()
        };
        let before = with(vec![grant("web1", 1), grant("web2", 2)]);
        let after = with(vec![grant("web1", 3), grant("web2", 2)]);
        assert_eq!(lost(&before, &after), [grant("web1", 1)]);
        assert_eq!(if_changed(&before, before.clone()), None);
    }

    #[test]
    fn the_trail_says_whose_grant_it_was() {
        let name = LockName::parse("db").unwrap();
        assert_eq!(
            words(&name, &grant("web1", 7)),
            "lock db of web1 (grant 7, since 1970-01-01T00:00:00Z, for driveclient → 1.20.3)"
        );
    }
}
