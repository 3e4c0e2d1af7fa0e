//! Is there a place for who asks, and would the fleet bear to lose it?

use std::collections::BTreeSet;

use jiff::Timestamp;
use lockstep_model::{
    AtLeast, Counted, Holder, HostName, LockHolder, LockRefusal, LockRule, LockWaiter, Need, Taken,
};

use super::{Fleet, HostFacts, LONG_WAIT, after};

/// The fleet as one lock sees it, at one moment.
pub(super) struct Admission<'a> {
    rule: &'a LockRule,
    fleet: &'a Fleet<'a>,
    now: Timestamp,
    holders: &'a [LockHolder],
    places: usize,
    /// Hosts that hold the lock, or were given it in thought.
    held: BTreeSet<&'a HostName>,
    /// Hosts that stand in the queue: a run that waits for this lock is not at work.
    waiting: BTreeSet<&'a HostName>,
    /// How many places are taken, those given in thought among them.
    count: usize,
    /// The parts of all conditions, in the order of the rule.
    needs: Vec<Vec<Part<'a>>>,
}

/// One part of a condition, with its figures.
struct Part<'a> {
    wanted: &'a AtLeast,
    needed: usize,
    fit: usize,
    /// Hosts of the group that were granted the lock less than [`LONG_WAIT`] ago.
    recent: usize,
}

impl<'a> Admission<'a> {
    pub(super) fn new(
        rule: &'a LockRule,
        holders: &'a [LockHolder],
        waiters: &'a [LockWaiter],
        fleet: &'a Fleet<'a>,
        now: Timestamp,
    ) -> Self {
        let members = fleet.hosts.iter().filter(|it| is_of(rule, it)).count();
        let mut admission = Self {
            rule,
            fleet,
            now,
            holders,
            places: rule.capacity.places(members),
            held: holders.iter().filter_map(|it| it.holder.host()).collect(),
            waiting: waiters.iter().filter_map(|it| it.holder.host()).collect(),
            count: 0,
            needs: Vec::new(),
        };
        admission.count = holders.len() + admission.counted().count();
        let parts = |need: &'a Need| need.0.iter().map(|it| admission.part(it)).collect();
        admission.needs = rule.needs.iter().map(parts).collect();
        admission
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// True if the lock is for such as this one.
    pub(super) fn may(&self, who: &Holder) -> bool {
        match (&self.rule.group, who) {
            (None, _) | (_, Holder::Operator(_)) => true,
            (Some(_), Holder::Host(name)) => {
                self.fleet.host(name).is_some_and(|it| is_of(self.rule, it))
            }
        }
    }

    /// Is one granted a place who does not hold one? `waiters` is the whole queue.
    pub(super) fn judge(
        mut self,
        who: &Holder,
        waiters: &'a [LockWaiter],
    ) -> Result<(), LockRefusal> {
        if let (Some(group), false) = (&self.rule.group, self.may(who)) {
            return Err(LockRefusal::NotOfGroup {
                group: group.clone(),
            });
        }
        if !self.has_place_for(who) {
            return Err(LockRefusal::Full {
                places: self.places,
                taken: self.taken(Some(who)),
            });
        }
        if let Some(unmet) = self.first_unmet(who) {
            return Err(unmet);
        }
        let ahead = waiters.iter().take_while(|it| it.holder != *who);
        let (ahead, holds_back) = self.serve(ahead);
        if !holds_back && self.has_place_for(who) && self.are_needs_met(who, false) {
            return Ok(());
        }
        let ahead = ahead.into_iter().cloned().collect();
        Err(LockRefusal::Turn { ahead })
    }

    /// All who take a place, but for the one who asks.
    pub(super) fn taken(&self, who: Option<&Holder>) -> Vec<Taken> {
        let holders = self.holders.iter().map(|it| Taken {
            by: it.holder.clone(),
            counted: Counted::Holds,
        });
        let counted = self.counted().map(|(host, counted)| Taken {
            by: Holder::Host(host.name.clone()),
            counted,
        });
        let all = holders.chain(counted);
        all.filter(|it| Some(&it.by) != who).collect()
    }

    /// The conditions that do not hold for one who is no part of the fleet.
    pub(super) fn unmet(&self) -> Vec<LockRefusal> {
        let needs = self.needs.iter().zip(&self.rule.needs);
        let unmet = needs.filter(|(parts, _)| !parts.iter().any(|it| it.fit >= it.needed));
        unmet
            .map(|(parts, need)| self.needs_refusal(need, parts, None))
            .collect()
    }

    /// Gives the free places, in thought, to waiters in their order. Answers with those who were given one; the last of
    /// them, if the second value is true, was not, but nobody behind it may be.
    fn serve(&mut self, waiters: impl Iterator<Item = &'a LockWaiter>) -> (Vec<&'a Holder>, bool) {
        let mut served = Vec::new();
        for waiter in waiters {
            // With one more than there are, there is none left even for a host that takes one already.
            if self.count > self.places {
                break;
            }
            let who = &waiter.holder;
            if !self.may(who) || !self.has_place_for(who) {
                continue;
            }
            if self.are_needs_met(who, false) {
                served.push(who);
                self.give(who);
            } else if after(waiter.since, LONG_WAIT.duration()) <= self.now
                && self.are_needs_met(who, true)
            {
                served.push(who);
                return (served, true);
            }
        }
        (served, false)
    }

    fn give(&mut self, who: &'a Holder) {
        self.count += usize::from(!self.is_counted(who));
        let Some(host) = who.host().and_then(|name| self.fleet.host(name)) else {
            return;
        };
        let wanted = self.needs.iter().flatten().map(|it| it.wanted);
        let fits: Vec<bool> = wanted.map(|it| self.fits(it, host)).collect();
        for (part, fits) in self.needs.iter_mut().flatten().zip(fits) {
            part.fit -= usize::from(fits);
        }
        self.held.insert(&host.name);
    }

    fn has_place_for(&self, who: &Holder) -> bool {
        self.count - usize::from(self.is_counted(who)) < self.places
    }

    /// True if it takes a place without holding one.
    fn is_counted(&self, who: &Holder) -> bool {
        let host = who.host().and_then(|name| self.fleet.host(name));
        host.is_some_and(|host| self.counts(host).is_some())
    }

    /// Why a host takes a place although it does not hold one.
    fn counts(&self, host: &HostFacts) -> Option<Counted> {
        if !is_of(self.rule, host) || self.held.contains(&host.name) {
            return None;
        }
        let counts = &self.rule.counts;
        match counts.level {
            _ if counts.silent && host.silent => Some(Counted::Silent),
            _ if counts.running && self.is_running(host) => Some(Counted::Running),
            Some(level) if host.level >= level => Some(Counted::Level(host.level)),
            _ => None,
        }
    }

    fn counted(&self) -> impl Iterator<Item = (&HostFacts, Counted)> {
        let hosts = self.fleet.hosts.iter();
        hosts.filter_map(|host| Some((host, self.counts(host)?)))
    }

    fn part(&self, wanted: &'a AtLeast) -> Part<'a> {
        let (mut size, mut fit) = (0, 0);
        for host in self
            .fleet
            .hosts
            .iter()
            .filter(|it| it.is_of(Some(&wanted.group)))
        {
            size += 1;
            fit += usize::from(self.unfit(wanted, host).is_none());
        }
        let recent = self.holders.iter().filter(|it| {
            let host = it.holder.host().and_then(|name| self.fleet.host(name));
            after(it.since, LONG_WAIT.duration()) > self.now
                && host.is_some_and(|host| host.is_of(Some(&wanted.group)))
        });
        Part {
            wanted,
            needed: wanted.share.of(size),
            fit,
            recent: recent.count(),
        }
    }

    /// True if all conditions hold without this one; if all recent holders were well and done, if so asked.
    fn are_needs_met(&self, who: &Holder, without_recent: bool) -> bool {
        let holds = |part: &Part<'_>| {
            let recent = if without_recent { part.recent } else { 0 };
            self.fit_beside(part, Some(who)) + recent >= part.needed
        };
        self.needs.iter().all(|parts| parts.iter().any(holds))
    }

    /// How many hosts of a part are well, without this one.
    fn fit_beside(&self, part: &Part<'_>, who: Option<&Holder>) -> usize {
        let host = who
            .and_then(Holder::host)
            .and_then(|name| self.fleet.host(name));
        part.fit - usize::from(host.is_some_and(|host| self.fits(part.wanted, host)))
    }

    fn first_unmet(&self, who: &Holder) -> Option<LockRefusal> {
        let holds = |part: &Part<'_>| self.fit_beside(part, Some(who)) >= part.needed;
        let mut needs = self.needs.iter().zip(&self.rule.needs);
        let (parts, need) = needs.find(|(parts, _)| !parts.iter().any(holds))?;
        Some(self.needs_refusal(need, parts, Some(who)))
    }

    /// The refusal for a condition, with the figures of the part that is nearest to be true.
    fn needs_refusal(&self, need: &Need, parts: &[Part<'_>], who: Option<&Holder>) -> LockRefusal {
        let missing = |part: &&Part<'_>| part.needed.saturating_sub(self.fit_beside(part, who));
        let nearest = parts.iter().min_by_key(missing);
        let mut refused = Vec::new();
        if let Some(part) = nearest {
            let others = self.fleet.hosts.iter().filter(|it| {
                it.is_of(Some(&part.wanted.group)) && who.and_then(Holder::host) != Some(&it.name)
            });
            let named =
                others.filter_map(|it| Some((it.name.clone(), self.unfit(part.wanted, it)?)));
            refused.extend(named.take(LockRefusal::MOST_NAMED));
        }
        LockRefusal::Needs {
            need: need.clone(),
            fit: nearest.map_or(0, |part| self.fit_beside(part, who)),
            unfit: refused,
        }
    }

    /// True if the host helps to fulfil a condition.
    fn fits(&self, wanted: &AtLeast, host: &HostFacts) -> bool {
        host.is_of(Some(&wanted.group)) && self.unfit(wanted, host).is_none()
    }

    /// Why a host of a condition's group does not help to fulfil it; none if it does.
    fn unfit(&self, wanted: &AtLeast, host: &HostFacts) -> Option<Counted> {
        match () {
            () if self.held.contains(&host.name) => Some(Counted::Holds),
            () if host.silent => Some(Counted::Silent),
            () if self.is_running(host) => Some(Counted::Running),
            () if host.level.is_worse_than(wanted.level) => Some(Counted::Level(host.level)),
            () => None,
        }
    }

    fn is_running(&self, host: &HostFacts) -> bool {
        host.running && !self.waiting.contains(&host.name)
    }
}

/// True if the lock protects this host.
fn is_of(rule: &LockRule, host: &HostFacts) -> bool {
    host.is_of(rule.group.as_deref())
}
