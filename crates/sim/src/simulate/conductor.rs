//! One rollout over hosts without names: asks `plan::rollout` what is to be done, and does it.
//!
//! It is to `plan::rollout::tick` what numbers are to names. Both ask [`next`], keep to [`Budget`] and [`moment`], and
//! the tests of this crate hold them against each other at each step. What differs is that `tick` counts all hosts anew
//! each time, and this keeps count: a look costs as much as has changed.

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::{RolloutState, Strategy, Version, WaveState};
use lockstep_plan::rollout::{
    Budget, Candidate, Course, Decision, Lane, Look, Names, Place, Sample, Short, Strength, Tally,
    Turn, Why, moment, next,
};

use super::fleet::Fleet;
use super::ready::{Key, Ready};
use super::settings::Settings;
use super::standing::{Standing, Step};

/// Most decisions that are kept.
const MOST_DECISIONS: usize = 1000;

/// A rollout on its way.
#[derive(Debug)]
pub(super) struct Conductor<'a> {
    fleet: &'a Fleet,
    strategy: &'a Strategy,
    version: &'a Version,
    /// What each host fetches.
    bytes: u64,
    pub(super) state: RolloutState,
    pub(super) lanes: Vec<Lane>,
    /// Hosts of each wave, by their turns once it is open.
    pub(super) waves: Vec<Vec<u32>>,
    pub(super) hosts: Vec<Standing>,
    /// Where each host stands; the number within the wave holds from its opening on.
    keys: Vec<Key>,
    look: Look,
    pub(super) strength: Strength,
    /// Bytes under way to each site.
    under_way: HashMap<u32, u64>,
    /// The newest wave that is not waiting.
    newest: Option<usize>,
    ready: Ready,
    /// Of each open wave, how many of its hosts have seen their moment come, and when the next one does.
    moments: Vec<(usize, Option<Timestamp>)>,
    /// Who was let go a moment ago.
    let_go: Vec<u32>,
    /// Whether a wave was opened in this look.
    opened: bool,
    /// What was decided, and when; the first thousand.
    pub(super) decisions: Vec<(Timestamp, Decision)>,
}

/// What a look came to.
#[derive(Debug)]
pub(super) struct Looked {
    /// Who was let go.
    pub(super) let_go: Vec<u32>,
    /// Why it stands where it stands.
    pub(super) why: Why,
    /// When to look again, if nothing happens before.
    pub(super) again: Option<Timestamp>,
    /// True if it was written down how hosts stood.
    pub(super) wrote: bool,
}

fn key(wave: usize, rank: usize) -> Key {
    (wave as u64) << 32 | rank as u64
}

impl<'a> Conductor<'a> {
    /// A rollout that has not begun. `silent` are hosts of which nothing is heard.
    pub(super) fn new(
        fleet: &'a Fleet,
        strategy: &'a Strategy,
        settings: &'a Settings,
        silent: impl Fn(u32) -> bool,
    ) -> Self {
        let mut hosts = vec![Standing::default(); fleet.len()];
        let mut keys = vec![0; fleet.len()];
        let mut look = Look::default();
        let mut strength = Strength::default();
        for (wave, members) in fleet.waves.iter().enumerate() {
            let mut tally = Tally::default();
            for (rank, &host) in members.iter().enumerate() {
                let standing = &mut hosts[host as usize];
                if silent(host) {
                    *standing = standing.with(Standing::SILENT, 0);
                }
                standing.count(&mut tally, Step::More);
                standing.weigh(&mut strength, Step::More);
                keys[host as usize] = key(wave, rank);
            }
            look.waves.push(tally);
        }
        let lane = Lane {
            state: WaveState::Waiting,
            opened_at: None,
            proven_at: None,
            looks: 0,
            skipped: false,
        };
        let sites = if strategy.site_bytes.is_some() && strategy.site.is_some() {
            fleet.site_count + 1
        } else {
            1
        };
        Self {
            fleet,
            strategy,
            version: &settings.version,
            bytes: settings.bytes,
            state: RolloutState::Planned,
            lanes: vec![lane; fleet.waves.len()],
            waves: fleet.waves.clone(),
            hosts,
            keys,
            look,
            strength,
            under_way: HashMap::new(),
            newest: None,
            ready: Ready::new(sites),
            moments: vec![(0, None); fleet.waves.len()],
            let_go: Vec::new(),
            opened: false,
            decisions: Vec::new(),
        }
    }

    /// The wave of a host.
    pub(super) fn wave_of(&self, host: u32) -> usize {
        (self.keys[host as usize] >> 32) as usize
    }

    /// The newest wave that is not waiting.
    pub(super) fn newest(&self) -> Option<usize> {
        self.newest
    }

    /// Hosts that have been let go.
    pub(super) fn let_go_so_far(&self) -> usize {
        self.look.waves.iter().map(|tally| tally.let_go).sum()
    }

    /// Something has become known of a host.
    pub(super) fn learn(&mut self, host: u32, on: u8, off: u8) {
        let before = self.hosts[host as usize];
        self.shift(host, before.with(on, off));
        let after = self.hosts[host as usize];
        if before.is_in_flight() && !after.is_in_flight() {
            self.is_off_the_line(host);
        }
        let is_ready = self.is_ready(host);
        if before.is(Standing::SILENT) && !after.is(Standing::SILENT) && is_ready {
            self.ready
                .push(self.queue_of(host), self.keys[host as usize]);
        }
        if is_ready {
            let ill = after.may_go() && !after.is_fit();
            self.ready.mark(self.keys[host as usize], ill);
        }
    }

    /// Looks at the rollout, and does what is to be done.
    pub(super) fn look(&mut self, now: Timestamp) -> Looked {
        self.opened = false;
        let mut all = Vec::new();
        let (why, short) = loop {
            let why = self.go(now);
            let short = self.admit(now);
            if self.let_go.is_empty() {
                break (why, short);
            }
            let mut let_go = std::mem::take(&mut self.let_go);
            self.note_let_go(&let_go);
            all.append(&mut let_go);
        };
        let again = self.again(&why, short.as_ref(), now);
        let why = match why {
            Why::Waits {
                wave,
                proven,
                hosts,
                waiting_for,
                pending,
                ..
            } => Why::Waits {
                wave,
                proven,
                hosts,
                waiting_for,
                pending,
                short,
            },
            other => other,
        };
        let wrote = self.opened || !all.is_empty();
        Looked {
            let_go: all,
            why,
            again,
            wrote,
        }
    }

    /// Does what is next, until there is nothing more to do now.
    fn go(&mut self, now: Timestamp) -> Why {
        loop {
            let course = Course {
                strategy: self.strategy,
                version: self.version,
                state: self.state,
                paused_by: None,
                waves: &self.lanes,
            };
            let turn = next(&course, &self.look, now);
            self.note_agreement(&turn, now);
            match turn {
                Turn::Open(wave) => self.open(wave, now),
                Turn::Prove(wave) => {
                    self.prove(wave, now);
                    let tally = &self.look.waves[wave];
                    let (proven, hosts) = (tally.proven, tally.hosts);
                    let wave = self.place(wave);
                    self.say(
                        now,
                        Decision::Proven {
                            wave,
                            proven,
                            hosts,
                        },
                    );
                }
                Turn::Looked { wave, looks, said } => {
                    self.lanes[wave].looks = looks;
                    if let Some(verdict) = said {
                        let wave = self.place(wave);
                        self.say(now, Decision::Compared { wave, verdict });
                    }
                }
                // Hosts do not leave a fleet that is simulated.
                Turn::Replace(wave) => self.prove(wave, now),
                // Waves are drawn before; without hosts there are none.
                Turn::Draw => {
                    let why = self.nobody();
                    self.state = RolloutState::Done;
                    self.say(now, Decision::Ended(why.clone()));
                    return why;
                }
                Turn::End { why, .. } => {
                    self.state = RolloutState::Halted;
                    self.say(now, Decision::Halted(why.clone()));
                    return why;
                }
                Turn::Stand {
                    state,
                    why,
                    decision,
                } => {
                    if let Some(decision) = decision {
                        self.say(now, decision);
                    }
                    self.state = state;
                    return why;
                }
            }
        }
    }

    fn nobody(&self) -> Why {
        Why::Done {
            version: self.version.clone(),
            proven: 0,
            hosts: 0,
            failed: 0,
            silent: 0,
            kept: 0,
            skipped: 0,
        }
    }

    fn note_agreement(&mut self, turn: &Turn, now: Timestamp) {
        let agrees = match turn {
            Turn::Stand { state, .. } => {
                matches!(state, RolloutState::Running | RolloutState::Done)
            }
            Turn::Open(_) | Turn::Prove(_) | Turn::Looked { .. } => true,
            Turn::Draw | Turn::Replace(_) | Turn::End { .. } => false,
        };
        if self.state == RolloutState::Holding && agrees {
            self.state = RolloutState::Running;
            let wave = self.place(self.newest.unwrap_or(0));
            self.say(now, Decision::WentOn { wave });
        }
    }

    fn prove(&mut self, wave: usize, now: Timestamp) {
        self.lanes[wave].state = WaveState::Proven;
        self.lanes[wave].proven_at = Some(now);
    }

    fn open(&mut self, wave: usize, now: Timestamp) {
        if wave == 0 {
            let (hosts, waves) = (self.fleet.len(), self.waves.len());
            self.say(now, Decision::Begun { hosts, waves });
        }
        self.replace_silent(wave, now);
        let mut members = std::mem::take(&mut self.waves[wave]);
        self.fleet.sort_by_turns(&mut members);
        for (rank, &host) in members.iter().enumerate() {
            self.keys[host as usize] = key(wave, rank);
        }
        let hosts = Names::unnamed(members.len());
        self.waves[wave] = members;
        self.lanes[wave].state = WaveState::Open;
        self.lanes[wave].opened_at = Some(now);
        self.newest = Some(wave);
        self.moments[wave] = (0, None);
        self.look.treated = Sample::default();
        self.note_waiting();
        self.opened = true;
        let wave = self.place(wave);
        self.say(now, Decision::Opened { wave, hosts });
    }

    /// Hosts of which nothing is heard would only block the wave: others of later waves stand in for them, the next
    /// ones in the draw first, as `plan::rollout` lets them.
    fn replace_silent(&mut self, wave: usize, now: Timestamp) {
        let is_silent = |host: &u32| self.hosts[*host as usize].is(Standing::SILENT);
        if !self.waves[wave].iter().any(is_silent) {
            return;
        }
        let mut members = self.waves[wave].clone();
        self.fleet.sort_by_turns(&mut members);
        let places: Vec<usize> = (0..members.len())
            .filter(|&place| is_silent(&members[place]))
            .collect();
        let mut able: Vec<(u64, usize, usize)> = Vec::new();
        for later in wave + 1..self.waves.len() {
            for (place, host) in self.waves[later].iter().enumerate() {
                if self.hosts[*host as usize].may_go() {
                    able.push((self.fleet.lots[*host as usize], later, place));
                }
            }
        }
        if able.len() > places.len() {
            able.select_nth_unstable(places.len());
            able.truncate(places.len());
        }
        able.sort_unstable();
        if able.is_empty() {
            return;
        }
        let count = able.len().min(places.len());
        for (place, (_, later, there)) in places.into_iter().zip(able) {
            let (left, came) = (members[place], self.waves[later][there]);
            self.count_out(left, wave);
            self.count_out(came, later);
            members[place] = came;
            self.waves[later][there] = left;
            self.count_in(left, later, there);
            self.count_in(came, wave, place);
        }
        self.waves[wave] = members;
        let wave = self.place(wave);
        let (left, came) = (Names::unnamed(count), Names::unnamed(count));
        self.say(now, Decision::Replaced { wave, left, came });
    }

    fn count_out(&mut self, host: u32, wave: usize) {
        self.hosts[host as usize].count(&mut self.look.waves[wave], Step::Less);
    }

    fn count_in(&mut self, host: u32, wave: usize, place: usize) {
        self.hosts[host as usize].count(&mut self.look.waves[wave], Step::More);
        self.keys[host as usize] = key(wave, place);
    }

    /// Lets hosts of open waves go, if the rollout runs. Says why nobody else was.
    fn admit(&mut self, now: Timestamp) -> Option<Short> {
        if self.state != RolloutState::Running {
            return None;
        }
        if !self.strategy.windows.is_open(now) {
            let opens = self.strategy.windows.opens(now);
            return Some(Short::Shut { opens });
        }
        let moment = self.come_of_age(now);
        let under_way = std::mem::take(&mut self.under_way);
        let mut budget = Budget::new(self.strategy, self.strength, under_way);
        let short = self.take(&mut budget);
        self.under_way = budget.into_under_way();
        short.or_else(|| moment.map(|at| Short::Moment { at }))
    }

    /// Hosts whose moment has come are ready. Says when the next one comes.
    fn come_of_age(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut soonest: Option<Timestamp> = None;
        for wave in 0..self.newest.map_or(0, |newest| newest + 1) {
            let opened_at = self.lanes[wave].opened_at.unwrap_or(now);
            let (mut rank, mut known) = self.moments[wave];
            while let Some(&host) = self.waves[wave].get(rank) {
                let turn = self.fleet.turns[host as usize];
                let at = known.unwrap_or_else(|| moment(self.strategy, opened_at, turn));
                if now < at {
                    known = Some(at);
                    soonest = Some(soonest.map_or(at, |it| it.min(at)));
                    break;
                }
                (rank, known) = (rank + 1, None);
                let standing = self.hosts[host as usize];
                if standing.may_go() {
                    let key = self.keys[host as usize];
                    self.ready.push(self.queue_of(host), key);
                    self.ready.mark(key, !standing.is_fit());
                }
            }
            self.moments[wave] = (rank, known);
        }
        soonest
    }

    /// Lets go whoever the budget allows. Says what was short first.
    fn take(&mut self, budget: &mut Budget<u32>) -> Option<Short> {
        let mut short = None;
        while let Some((key, queue)) = self.ready.next() {
            let host = self.at(key);
            let standing = self.hosts[host as usize];
            if !standing.may_go() {
                // It was let go when it was named before, or has fallen silent; then it is named again.
                self.ready.take(queue);
                continue;
            }
            match budget.take(self.candidate(host)) {
                Ok(()) => {
                    self.ready.take(queue);
                    self.ready.mark(key, false);
                    self.release(host);
                }
                Err(why) => {
                    let stops = matches!(why, Short::InFlight { .. });
                    let spares_the_sick = matches!(why, Short::Fit { .. });
                    short.get_or_insert(why);
                    if stops {
                        return short;
                    }
                    if spares_the_sick {
                        self.take_the_sick(key, budget);
                        return short;
                    }
                    self.ready.block(queue);
                }
            }
        }
        if short.is_none() && self.ready.is_any_full() {
            short = self.strategy.site_bytes.map(|bytes| Short::Sites { bytes });
        }
        short
    }

    /// No fit host can be spared, but those that are not fit can.
    fn take_the_sick(&mut self, from: Key, budget: &mut Budget<u32>) {
        let mut from = from;
        while let Some(key) = self.ready.ill_from(from) {
            from = key + 1;
            let host = self.at(key);
            match budget.take(self.candidate(host)) {
                Ok(()) => {
                    self.ready.mark(key, false);
                    self.release(host);
                }
                Err(Short::InFlight { .. }) => return,
                Err(_) => {}
            }
        }
    }

    fn candidate(&self, host: u32) -> Candidate<u32> {
        let site = self.fleet.sites[host as usize];
        Candidate {
            fit: self.hosts[host as usize].is_fit(),
            site: (self.strategy.site.is_some() && site != Fleet::NOWHERE).then_some(site),
            bytes: self.bytes,
        }
    }

    /// Lets a host go. The budget has counted its bytes.
    fn release(&mut self, host: u32) {
        let standing = self.hosts[host as usize];
        self.shift(host, standing.with(Standing::LET_GO, 0));
        self.let_go.push(host);
    }

    fn is_off_the_line(&mut self, host: u32) {
        let site = self.fleet.sites[host as usize];
        if let Some(bytes) = self.under_way.get_mut(&site) {
            *bytes = bytes.saturating_sub(self.bytes);
            self.ready.unblock(self.queue_of(host));
        }
    }

    /// Hosts that were let go are compared with how they stood then.
    fn note_let_go(&mut self, let_go: &[u32]) {
        for &host in let_go {
            let standing = self.hosts[host as usize];
            self.shift(host, standing.noted());
        }
    }

    /// Hosts that wait are compared with how they stood when the newest wave was opened.
    fn note_waiting(&mut self) {
        let mut control = Sample::default();
        for standing in &mut self.hosts {
            if !standing.is(Standing::LET_GO) {
                *standing = standing.noted();
                standing.compare(false, &mut Sample::default(), &mut control, Step::More);
            }
        }
        self.look.control = control;
    }

    /// Counts a host out as it stood and in as it stands.
    fn shift(&mut self, host: u32, to: Standing) {
        let wave = self.wave_of(host);
        let newest = self.newest == Some(wave);
        let from = std::mem::replace(&mut self.hosts[host as usize], to);
        for (standing, by) in [(from, Step::Less), (to, Step::More)] {
            standing.count(&mut self.look.waves[wave], by);
            standing.weigh(&mut self.strength, by);
            standing.compare(newest, &mut self.look.treated, &mut self.look.control, by);
        }
    }

    /// When the next look is due, if nothing happens before.
    fn again(&self, why: &Why, short: Option<&Short>, now: Timestamp) -> Option<Timestamp> {
        let by_why = match why {
            Why::Bakes { until, .. } => Some(*until),
            Why::Shut { opens, .. } => *opens,
            _ => None,
        };
        let by_short = match short {
            Some(Short::Shut { opens }) => *opens,
            Some(Short::InFlight { .. }) | None => None,
            Some(_) => self.moments.iter().filter_map(|(_, at)| *at).min(),
        };
        let middle = self.newest.and_then(|newest| {
            let proven_at = self.lanes[newest].proven_at?;
            let half = self.strategy.bake.duration() / 2;
            proven_at.checked_add(half).ok().filter(|at| now < *at)
        });
        [by_why, by_short, middle].into_iter().flatten().min()
    }

    fn at(&self, key: Key) -> u32 {
        self.waves[(key >> 32) as usize][key as u32 as usize]
    }

    /// True if a host's wave is open and its moment has come.
    fn is_ready(&self, host: u32) -> bool {
        let key = self.keys[host as usize];
        let wave = self.wave_of(host);
        let open = self.lanes[wave].state != WaveState::Waiting;
        open && ((key as u32) as usize) < self.moments[wave].0
    }

    /// The queue in which a host waits: its site's, where sites have limits.
    fn queue_of(&self, host: u32) -> usize {
        let queues = self.ready.len();
        let site = self.fleet.sites[host as usize] as usize;
        site.min(queues - 1)
    }

    fn place(&self, wave: usize) -> Place {
        Place {
            number: wave + 1,
            of: self.waves.len(),
        }
    }

    fn say(&mut self, now: Timestamp, decision: Decision) {
        if self.decisions.len() < MOST_DECISIONS {
            self.decisions.push((now, decision));
        }
    }
}
