//! What holds whatever hosts ask for and however they are.
//!
//! The judge is written down a second time here, slowly and by the letter: every figure is counted anew from the hosts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use lockstep_model::{Capacity, Counts};
use proptest::prelude::*;

use super::tests::*;
use super::*;

const HOSTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug, Clone)]
enum Act {
    Ask(usize, bool),
    Release(usize),
    /// With the fence of the grant, or with another one near to it.
    ReleaseGrant(usize, u64),
    Free(Option<usize>),
    Forget(usize),
    Facts(usize, bool, bool, u8),
    Regroup(usize, u8),
    Capacity(u32),
    Disable(bool),
}

#[derive(Debug, Clone)]
struct Setting {
    /// Bit by bit: is the host in `g`, is it in `h`?
    groups: [u8; 6],
    of_group: bool,
    counts: Counts,
    needs: Vec<&'static str>,
    lease: Option<u64>,
}

fn setting() -> impl Strategy<Value = Setting> {
    let counts = (any::<bool>(), any::<bool>(), proptest::option::of(1u8..5));
    let counts = counts.prop_map(|(silent, running, level)| Counts {
        silent,
        running,
        level: level.map(|rank| Level::ALL[usize::from(rank)]),
    });
    let needs = proptest::sample::subsequence(
        vec![
            "1 of 2 of g fine",
            "2 of g soso or 1 of h fine",
            "1 of h critical",
        ],
        0..=3,
    );
    let lease = proptest::option::weighted(0.3, 100u64..1000);
    let groups = proptest::array::uniform6(0u8..4);
    (groups, any::<bool>(), counts, needs, lease).prop_map(
        |(groups, of_group, counts, needs, lease)| Setting {
            groups,
            of_group,
            counts,
            needs,
            lease,
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    // The last one is an operator.
    let who = 0..=HOSTS.len();
    prop_oneof![
        12 => (who.clone(), proptest::bool::weighted(0.8)).prop_map(|(who, wait)| Act::Ask(who, wait)),
        3 => who.clone().prop_map(Act::Release),
        2 => (who.clone(), 0u64..3).prop_map(|(who, back)| Act::ReleaseGrant(who, back)),
        1 => proptest::option::of(who.clone()).prop_map(Act::Free),
        1 => who.prop_map(Act::Forget),
        3 => (0..HOSTS.len(), proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), 0u8..5)
            .prop_map(|(host, silent, running, level)| Act::Facts(host, silent, running, level)),
        3 => (0..HOSTS.len(), 0u8..4).prop_map(|(host, mask)| Act::Regroup(host, mask)),
        1 => (1u32..5).prop_map(Act::Capacity),
        1 => proptest::bool::weighted(0.3).prop_map(Act::Disable),
    ]
}

fn groups(mask: u8) -> Vec<String> {
    let names = ["g", "h"].iter().enumerate();
    let names = names.filter(|(bit, _)| mask >> bit & 1 == 1);
    names.map(|(_, name)| name.to_string()).collect()
}

fn new_world(setting: &Setting) -> World {
    let hosts = HOSTS.iter().zip(setting.groups);
    let hosts = hosts.map(|(name, mask)| HostFacts {
        groups: groups(mask),
        ..fine(name, &[])
    });
    let rule = LockRule {
        capacity: Capacity::Number(2),
        group: setting.of_group.then(|| "g".to_string()),
        counts: setting.counts,
        needs: setting.needs.iter().map(|it| need(it)).collect(),
        lease: setting.lease.map(Interval::from_secs),
        disabled: None,
    };
    World::new(rule, hosts.collect())
}

fn who(number: usize) -> Holder {
    HOSTS.get(number).map_or_else(ann, |name| host(name))
}

/// The judge by the letter, of a state without grants that are over.
impl World {
    fn places(&self) -> usize {
        let group = self.rule.group.as_deref();
        let members = self.hosts.iter().filter(|it| it.is_of(group));
        self.rule.capacity.places(members.count())
    }
    fn is_running(&self, host: &HostFacts) -> bool {
        let mut waiters = self.state.waiters.iter();
        host.running && !waiters.any(|it| it.holder.host() == Some(&host.name))
    }
    fn taken_beside(&self, who: &Holder) -> usize {
        let counts = self.rule.counts;
        let down = self.hosts.iter().filter(|it| {
            it.is_of(self.rule.group.as_deref())
                && (counts.silent && it.silent
                    || counts.running && self.is_running(it)
                    || counts.level.is_some_and(|level| it.level >= level))
        });
        let mut taken: BTreeSet<Holder> = down.map(|it| Holder::Host(it.name.clone())).collect();
        taken.extend(self.state.holders.iter().map(|it| it.holder.clone()));
        taken.remove(who);
        taken.len()
    }
    fn needs_hold_without(&self, who: &Holder) -> bool {
        self.rule.needs.iter().all(|need| {
            need.0.iter().any(|part| {
                let group = self
                    .hosts
                    .iter()
                    .filter(|it| it.groups.contains(&part.group));
                let group: Vec<_> = group.collect();
                let fit = group.iter().filter(|it| {
                    let holder = Holder::Host(it.name.clone());
                    holder != *who
                        && self.state.held_by(&holder).is_none()
                        && !it.silent
                        && !self.is_running(it)
                        && it.level <= part.level
                });
                fit.count() >= part.share.of(group.len())
            })
        })
    }
    fn may(&self, who: &Holder) -> bool {
        let facts = self.hosts.iter().find(|it| Some(&it.name) == who.host());
        facts.is_none_or(|it| it.is_of(self.rule.group.as_deref()))
    }
    /// Grants that are over and waiters that gave up are gone.
    fn tidied(&self) -> World {
        let mut state = self.state.clone();
        let (rule, now) = (&self.rule, self.now);
        state.holders.retain(|it| {
            rule.lease
                .is_none_or(|lease| it.renewed_at + lease.duration() > now)
        });
        state
            .waiters
            .retain(|it| now.duration_since(it.asked_at) < SignedDuration::from_secs(180));
        World {
            rule: rule.clone(),
            state,
            hosts: self.hosts.clone(),
            now,
        }
    }
    /// Those of the waiters that would be served now if they asked one after the other.
    fn served(&self, waiters: &[LockWaiter]) -> BTreeSet<Holder> {
        let mut world = self.tidied();
        let mut served = BTreeSet::new();
        for waiter in waiters {
            if let LockAnswer::Granted { .. } = world.ask(&waiter.holder, &waits()) {
                served.insert(waiter.holder.clone());
            }
        }
        served
    }
    /// Asks, and holds the answer against the letter.
    fn ask_and_check(&mut self, who: &Holder, wait: bool, fences: &mut u64) {
        let before = self.tidied();
        let request = LockRequest { wait, ..peeks() };
        let untidied = self.state.clone();
        let answer = self.ask(who, &request);
        let after = &self.state;
        let is_disabled = before.state.disabled.is_some();
        let is_free = before.taken_beside(who) < before.places();
        let needs_hold = before.needs_hold_without(who);
        match answer {
            LockAnswer::Granted {
                fence, again: true, ..
            } => {
                let held = before.state.held_by(who).expect("it was held");
                assert_eq!(held.fence, fence);
                let mut expected = untidied;
                let it = expected.holders.iter_mut().find(|it| it.holder == *who);
                it.unwrap().renewed_at = self.now;
                assert_eq!(*after, expected);
            }
            LockAnswer::Granted {
                fence,
                again: false,
                ..
            } => {
                assert!(before.state.held_by(who).is_none());
                assert!(is_free && needs_hold && before.may(who) && !is_disabled);
                assert!(fence.0 > *fences && fence == after.fence);
                *fences = fence.0;
                assert_eq!(after.holders.len(), before.state.holders.len() + 1);
                assert!(after.holders.len() <= before.places());
                let mut rest = after.clone();
                rest.holders.pop();
                rest.fence = before.state.fence;
                let mut expected = before.state.clone();
                expected.waiters.retain(|it| it.holder != *who);
                assert_eq!(rest, expected);
                // Nobody who came earlier is refused for that.
                let waiters = before.state.waiters.clone();
                let earlier: Vec<_> = waiters
                    .into_iter()
                    .take_while(|it| it.holder != *who)
                    .collect();
                let (then, now) = (before.served(&earlier), self.served(&earlier));
                assert!(then.is_subset(&now), "{who}: {then:?} {now:?}");
            }
            LockAnswer::Refused {
                why,
                position,
                retry_after,
            } => {
                assert!(before.state.held_by(who).is_none());
                assert!(!why.to_string().trim().is_empty());
                assert_eq!(retry_after, ASK_AGAIN);
                assert_eq!(
                    (&after.holders, after.fence),
                    (&before.state.holders, before.state.fence)
                );
                let place = after.waiters.iter().position(|it| it.holder == *who);
                assert_eq!(position, place.map(|it| it as u32 + 1));
                assert!(place.is_none_or(|place| after.waiters[place].asked_at == before.now));
                let had_place = before.state.waiters.iter().position(|it| it.holder == *who);
                if before.may(who) {
                    assert_eq!(place.is_some(), wait || had_place.is_some());
                    assert!(had_place.is_none() || place == had_place);
                    let others = |state: &LockState| {
                        let names = state.waiters.iter().map(|it| it.holder.clone());
                        names.filter(|it| it != who).collect::<Vec<_>>()
                    };
                    assert_eq!(others(after), others(&before.state));
                } else {
                    assert_eq!(place, None);
                }
                // It is refused for a reason, and told the true one.
                match why {
                    LockRefusal::Disabled { .. } => assert!(is_disabled),
                    LockRefusal::NotOfGroup { .. } => assert!(!before.may(who)),
                    LockRefusal::Full { places, taken } => {
                        assert!(!is_free);
                        assert_eq!(
                            (places, taken.len()),
                            (before.places(), before.taken_beside(who))
                        );
                    }
                    LockRefusal::Needs { fit, need, .. } => {
                        assert!(!needs_hold && before.rule.needs.contains(&need));
                        assert!(fit < HOSTS.len());
                    }
                    LockRefusal::Turn { ahead } => {
                        assert!(is_free && needs_hold && !ahead.is_empty());
                        for one in ahead {
                            let its = before.state.waiters.iter().position(|it| it.holder == one);
                            assert!(its.is_some_and(|its| had_place.is_none_or(|own| its < own)));
                        }
                        // With all of them served there would not be a place either.
                        let own = had_place.unwrap_or(before.state.waiters.len());
                        let mut until_own = before.state.waiters[..own].to_vec();
                        until_own.push(LockWaiter {
                            holder: who.clone(),
                            since: before.now,
                            asked_at: before.now,
                            reason: String::new(),
                            run: None,
                        });
                        assert!(!before.served(&until_own).contains(who));
                    }
                }
            }
        }
    }
    fn perform(&mut self, act: &Act, fences: &mut u64) {
        let before = self.state.clone();
        match *act {
            Act::Ask(number, wait) => return self.ask_and_check(&who(number), wait, fences),
            Act::Release(number) => {
                let (state, was_held) = release(&before, &who(number), None);
                assert_eq!(was_held, before.held_by(&who(number)).is_some());
                self.state = state;
                self.only_without(&before, &who(number));
            }
            Act::ReleaseGrant(number, back) => {
                let held = before.held_by(&who(number)).map(|it| it.fence);
                let fence = Fence(held.unwrap_or(before.fence).0.saturating_sub(back));
                let (state, was_held) = release(&before, &who(number), Some(fence));
                assert_eq!(was_held, held == Some(fence));
                self.state = state;
                if was_held {
                    assert_eq!(self.state.waiters, before.waiters);
                    self.only_without(&before, &who(number));
                } else {
                    assert_eq!(self.state, before);
                }
            }
            Act::Free(number) => match free(&before, number.map(who).as_ref()) {
                Ok((state, freed)) => {
                    assert!(number.is_none_or(|number| who(number) == freed.holder));
                    assert!(before.holders.contains(&freed));
                    self.state = state;
                    assert_eq!(self.state.waiters, before.waiters);
                    self.only_without(&before, &freed.holder);
                }
                Err(why) => {
                    assert!(!why.to_string().is_empty());
                    let holders = before.holders.len();
                    assert!(match number {
                        Some(number) => before.held_by(&who(number)).is_none(),
                        None => holders != 1,
                    });
                }
            },
            Act::Forget(number) => {
                self.state = forget(&before, &who(number));
                self.only_without(&before, &who(number));
            }
            Act::Facts(number, silent, running, level) => {
                self.hosts[number].silent = silent;
                self.hosts[number].running = running;
                self.hosts[number].level = Level::ALL[usize::from(level)];
            }
            Act::Regroup(number, mask) => self.hosts[number].groups = groups(mask),
            Act::Capacity(places) => self.rule.capacity = Capacity::Number(places),
            Act::Disable(true) => self.state = disable(&before, "why", "ann", self.now),
            Act::Disable(false) => self.state = enable(&before),
        }
        assert_eq!(self.state.fence, before.fence);
    }
    /// Nothing is gone but what is of this one.
    fn only_without(&self, before: &LockState, who: &Holder) {
        let mut expected = before.clone();
        expected.holders.retain(|it| it.holder != *who);
        assert_eq!(self.state.holders, expected.holders);
        let of_others = |state: &LockState| {
            let waiters = state.waiters.iter().filter(|it| it.holder != *who);
            waiters.cloned().collect::<Vec<_>>()
        };
        assert_eq!(of_others(&self.state), of_others(before));
    }
    /// A look agrees with the letter.
    fn check_stand(&self) {
        let fleet = Fleet { hosts: &self.hosts };
        let stand = stand(&self.rule, &self.state, &fleet, self.now);
        let tidied = self.tidied();
        // A stranger, who takes no place and is in no group.
        let nobody = Holder::Operator("nobody".into());
        // `stand` is no asking: the queue is looked at as it was written.
        let looked = World {
            state: LockState {
                waiters: self.state.waiters.clone(),
                ..tidied.state.clone()
            },
            ..tidied
        };
        assert_eq!(stand.places, looked.places());
        assert_eq!(stand.taken.len(), looked.taken_beside(&nobody));
        assert_eq!(stand.unmet.is_empty(), looked.needs_hold_without(&nobody));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn places_are_given_by_the_letter(
        setting in setting(),
        acts in proptest::collection::vec((act(), 0u16..70), 1..80),
    ) {
        let mut world = new_world(&setting);
        let mut fences = 0;
        for (act, seconds) in acts {
            world.now += SignedDuration::from_secs(seconds.into());
            world.perform(&act, &mut fences);
            world.check_stand();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// All want the lock all the time, hold it for up to half an hour, and are well: nobody waits longer than it takes
    /// not to be passed over any more, and to come to its turn behind all others.
    #[test]
    fn whoever_asks_regularly_comes_to_its_turn(
        groups in proptest::array::uniform6(0u8..4),
        capacity in 1u32..4,
        holds in proptest::collection::vec(1u8..30, 50),
        starts in proptest::array::uniform6(0u16..60),
        conditions in any::<bool>(),
    ) {
        let mut setting = Setting { groups, of_group: false, counts: Counts::default(), needs: Vec::new(), lease: None };
        if conditions {
            setting.needs = vec!["1 of 2 of g fine", "1 of 2 of h fine"];
        }
        let mut world = new_world(&setting);
        world.rule.capacity = Capacity::Number(capacity);
        // One that could not even be served alone is not of those that are promised anything.
        let alone: Vec<usize> = (0..HOSTS.len()).filter(|&it| world.needs_hold_without(&who(it))).collect();
        let mut until: BTreeMap<usize, i64> = BTreeMap::new();
        let mut waits_since: BTreeMap<usize, i64> = BTreeMap::new();
        let mut holds = holds.into_iter().cycle();
        for minute in 0i64..720 {
            world.now = at(minute * 60);
            for number in 0..HOSTS.len() {
                if until.get(&number) == Some(&minute) {
                    until.remove(&number);
                    world.hosts[number].running = false;
                    world.state = release(&world.state, &who(number), None).0;
                }
            }
            for number in 0..HOSTS.len() {
                if until.contains_key(&number) || i64::from(starts[number]) > minute {
                    continue;
                }
                match world.ask(&who(number), &waits()) {
                    LockAnswer::Granted { .. } => {
                        until.insert(number, minute + i64::from(holds.next().unwrap()));
                        waits_since.remove(&number);
                        world.hosts[number].running = true;
                    }
                    LockAnswer::Refused { .. } => {
                        let since = *waits_since.entry(number).or_insert(minute);
                        let longest = 60 + 6 * 31;
                        prop_assert!(minute - since <= longest || !alone.contains(&number), "{} at {minute}", HOSTS[number]);
                    }
                }
            }
        }
    }
}
