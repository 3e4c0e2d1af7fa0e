//! One look at a rollout: how does it go on, and why?

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::{HostName, Rollout, RolloutState, WaveState};

use super::command::stop_open_waves;
use super::desired::is_let_go;
use super::draw::{Replace, replace, start};
use super::facts::{HostFacts, Standing};
use super::why::{Decision, Names, Place, Why};

/// How a rollout goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The rollout as it shall be stored.
    pub rollout: Rollout,
    /// What was decided, in words, in its order; empty when only the figures have changed.
    pub decisions: Vec<String>,
    /// The same for programs.
    pub reasons: Vec<Decision>,
}

impl Step {
    pub(super) fn to(
        mut rollout: Rollout,
        state: RolloutState,
        why: &Why,
        decision: Decision,
    ) -> Self {
        rollout.state = state;
        rollout.why = why.to_string();
        Self::of(rollout, vec![decision])
    }

    fn of(rollout: Rollout, reasons: Vec<Decision>) -> Self {
        Self {
            rollout,
            decisions: reasons.iter().map(ToString::to_string).collect(),
            reasons,
        }
    }
}

/// Looks at a rollout and at the hosts that follow its channel, and says how it goes on; none when nothing changes.
///
/// `hosts` must hold the facts of every host of the fleet that follows the channel: who is missing counts as gone.
/// A rollout without waves gets them here, drawn from these hosts.
#[must_use]
pub fn tick(rollout: &Rollout, hosts: &[HostFacts], now: Timestamp) -> Option<Step> {
    if rollout.state.is_over() || rollout.state == RolloutState::Halted {
        return None;
    }
    let facts: HashMap<&HostName, &HostFacts> =
        hosts.iter().map(|host| (&host.name, host)).collect();
    let mut course = Course {
        rollout: rollout.clone(),
        facts,
        now,
        reasons: Vec::new(),
    };
    // It ends: a turn that goes on has drawn, replaced, proven or opened a wave, and each of that happens once.
    let (state, why) = loop {
        if let Some(stand) = course.turn() {
            break stand;
        }
    };
    course.rollout.state = state;
    course.rollout.why = why.to_string();
    (course.rollout != *rollout).then(|| Step::of(course.rollout, course.reasons))
}

/// A rollout on its way from one tick to the next.
struct Course<'a> {
    rollout: Rollout,
    facts: HashMap<&'a HostName, &'a HostFacts>,
    now: Timestamp,
    reasons: Vec<Decision>,
}

/// The hosts of one or more waves that are in the fleet, by how they stand.
#[derive(Default)]
struct Tally<'a> {
    hosts: usize,
    proven: usize,
    failed: Vec<&'a HostName>,
    silent: Vec<&'a HostName>,
    /// Neither proven nor failed nor silent.
    unsettled: Vec<&'a HostName>,
}

impl<'a> Tally<'a> {
    fn of(hosts: impl Iterator<Item = &'a HostFacts>, rollout: &Rollout) -> Self {
        let mut tally = Self::default();
        for host in hosts {
            tally.hosts += 1;
            match host.standing(&rollout.version) {
                Standing::Proven => tally.proven += 1,
                Standing::Failed => tally.failed.push(&host.name),
                Standing::Silent => tally.silent.push(&host.name),
                Standing::Ordered | Standing::Running => tally.unsettled.push(&host.name),
            }
        }
        tally
    }
}

impl<'a> Course<'a> {
    /// Makes one move, or says where the rollout stands when there is none to make.
    fn turn(&mut self) -> Option<(RolloutState, Why)> {
        if self.rollout.state == RolloutState::RollingBack {
            return Some(self.take_back());
        }
        if self.rollout.waves.is_empty() {
            return self.begin();
        }
        let all: usize = self.rollout.waves.iter().map(|wave| wave.hosts.len()).sum();
        if self.present(0..self.rollout.waves.len()).next().is_none() {
            return Some(self.hold(Why::NobodyLeft { hosts: all }));
        }
        let Some(current) = self.rollout.waves.iter().rposition(is_let_go) else {
            return self.open(0);
        };
        if self.present(current..current + 1).next().is_none()
            && self.rollout.waves[current].state == WaveState::Open
            && self.replace(current, Replace::Gone)
        {
            self.rollout.waves[current].opened_at = Some(self.now);
            return None;
        }
        let let_go = Tally::of(self.present(0..current + 1), &self.rollout);
        let strategy = &self.rollout.strategy;
        let wave = self.place(current);
        if exceeds(let_go.failed.len(), strategy.max_failed) {
            let (failed, limit) = (Names::of(let_go.failed), strategy.max_failed);
            return Some(self.stop(Why::TooManyFailed {
                wave,
                failed,
                hosts: let_go.hosts,
                limit,
            }));
        }
        if exceeds(let_go.silent.len(), strategy.max_silent) {
            let (silent, limit) = (Names::of(let_go.silent), strategy.max_silent);
            return Some(self.hold(Why::TooManySilent {
                wave,
                silent,
                hosts: let_go.hosts,
                limit,
            }));
        }
        self.gate_agrees(wave);
        if !let_go.unsettled.is_empty() {
            let waiting_for = Names::of(let_go.unsettled);
            let Tally { proven, hosts, .. } =
                Tally::of(self.present(current..current + 1), &self.rollout);
            return Some(self.go_on(Why::Waits {
                wave,
                proven,
                hosts,
                waiting_for,
            }));
        }
        if self.rollout.waves[current].state != WaveState::Proven {
            return self.prove(current);
        }
        self.go_beyond(current)
    }

    /// Draws the waves.
    fn begin(&mut self) -> Option<(RolloutState, Why)> {
        if let Some(by) = self.rollout.paused_by.clone() {
            return Some((RolloutState::Holding, Why::Paused { by }));
        }
        let candidates: Vec<HostName> = self.facts.keys().map(|&host| host.clone()).collect();
        self.rollout.waves = start(&self.rollout.strategy, &candidates, self.rollout.id);
        if self.rollout.waves.is_empty() {
            return Some(self.finish());
        }
        None
    }

    /// The newest wave has proven the release; what comes next?
    fn go_beyond(&mut self, current: usize) -> Option<(RolloutState, Why)> {
        if let Some(by) = self.rollout.paused_by.clone() {
            return Some((RolloutState::Holding, Why::Paused { by }));
        }
        let next = current + 1;
        if next == self.rollout.waves.len() {
            return Some(self.finish());
        }
        let proven_at = self.rollout.waves[current].proven_at.unwrap_or(self.now);
        let bake = self.rollout.strategy.bake.duration();
        let until = proven_at.checked_add(bake).unwrap_or(Timestamp::MAX);
        if self.now < until {
            let wave = self.place(current);
            return Some(self.go_on(Why::Bakes { wave, until }));
        }
        self.open(next)
    }

    /// Lets a wave go.
    fn open(&mut self, index: usize) -> Option<(RolloutState, Why)> {
        if let Some(by) = self.rollout.paused_by.clone() {
            return Some((RolloutState::Holding, Why::Paused { by }));
        }
        if index == 0 {
            let waves = self.rollout.waves.len();
            let hosts = self.rollout.waves.iter().map(|wave| wave.hosts.len()).sum();
            self.reasons.push(Decision::Begun { hosts, waves });
        }
        self.replace(index, Replace::SilentOrGone);
        let wave = &mut self.rollout.waves[index];
        wave.state = WaveState::Open;
        wave.opened_at = Some(self.now);
        let hosts = Names::of(&wave.hosts);
        let wave = self.place(index);
        self.reasons.push(Decision::Opened { wave, hosts });
        None
    }

    /// Every host of the wave has come to a good end, or to one that the limits allow.
    fn prove(&mut self, index: usize) -> Option<(RolloutState, Why)> {
        let Tally { proven, hosts, .. } = Tally::of(self.present(index..index + 1), &self.rollout);
        let wave = &mut self.rollout.waves[index];
        wave.state = WaveState::Proven;
        wave.proven_at = Some(self.now);
        let wave = self.place(index);
        self.reasons.push(Decision::Proven {
            wave,
            proven,
            hosts,
        });
        None
    }

    fn finish(&mut self) -> (RolloutState, Why) {
        let tally = Tally::of(self.present(0..self.rollout.waves.len()), &self.rollout);
        let why = Why::Done {
            version: self.rollout.version.clone(),
            proven: tally.proven,
            hosts: tally.hosts,
            failed: tally.failed.len(),
            silent: tally.silent.len(),
        };
        self.reasons.push(Decision::Ended(why.clone()));
        (RolloutState::Done, why)
    }

    /// Ends a hold of the gate's own.
    fn gate_agrees(&mut self, wave: Place) {
        if self.rollout.state == RolloutState::Holding && self.rollout.paused_by.is_none() {
            self.rollout.state = RolloutState::Running;
            self.reasons.push(Decision::WentOn { wave });
        }
    }

    /// It takes its time. A person's word stands above that.
    fn go_on(&self, why: Why) -> (RolloutState, Why) {
        match self.rollout.paused_by.clone() {
            Some(by) => (RolloutState::Holding, Why::Paused { by }),
            None => (RolloutState::Running, why),
        }
    }

    /// The gate says wait.
    fn hold(&mut self, why: Why) -> (RolloutState, Why) {
        if let Some(by) = self.rollout.paused_by.clone() {
            return (RolloutState::Holding, Why::Paused { by });
        }
        if self.rollout.state != RolloutState::Holding {
            self.reasons.push(Decision::Held(why.clone()));
        }
        (RolloutState::Holding, why)
    }

    fn stop(&mut self, why: Why) -> (RolloutState, Why) {
        stop_open_waves(&mut self.rollout);
        self.reasons.push(Decision::Halted(why.clone()));
        (RolloutState::Halted, why)
    }

    /// Waits until nobody runs the version any more. A host that never got it need not go anywhere.
    fn take_back(&mut self) -> (RolloutState, Why) {
        let from = self.rollout.version.clone();
        let hosts: Vec<&HostFacts> = self.present(0..self.rollout.waves.len()).collect();
        let still = |host: &&&HostFacts| host.running || host.version.as_ref() == Some(&from);
        let still = Names::of(hosts.iter().filter(still).map(|host| &host.name));
        if still.count > 0 {
            return (
                RolloutState::RollingBack,
                Why::TakesBack {
                    from,
                    still,
                    hosts: hosts.len(),
                },
            );
        }
        let why = Why::TakenBack { from };
        self.reasons.push(Decision::Ended(why.clone()));
        (RolloutState::Cancelled, why)
    }

    /// Puts other hosts in the place of those in wave `index` that can show nothing. True if there were any.
    fn replace(&mut self, index: usize, which: Replace) -> bool {
        let (left, came) = replace(
            &mut self.rollout.waves,
            index,
            self.rollout.id,
            &self.facts,
            which,
        );
        if left.is_empty() {
            return false;
        }
        let wave = self.place(index);
        self.reasons.push(Decision::Replaced {
            wave,
            left: Names::of(&left),
            came: Names::of(&came),
        });
        true
    }

    /// The hosts of some waves that are in the fleet.
    fn present(&self, waves: std::ops::Range<usize>) -> impl Iterator<Item = &'a HostFacts> {
        self.rollout.waves[waves]
            .iter()
            .flat_map(|wave| &wave.hosts)
            .filter_map(|host| self.facts.get(host).copied())
    }

    fn place(&self, index: usize) -> Place {
        Place {
            number: index + 1,
            of: self.rollout.waves.len(),
        }
    }
}

fn exceeds(count: usize, limit: u32) -> bool {
    u32::try_from(count).map_or(true, |count| count > limit)
}
