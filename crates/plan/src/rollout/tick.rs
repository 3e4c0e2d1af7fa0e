//! One look at a rollout: how does it go on, and why?

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::{Baseline, Health, HostName, Rollout, RolloutState, Then, Wave, WaveState};

use super::admit::admit;
use super::baseline::note;
use super::cluster::{Cluster, common};
use super::command::stop_open_waves;
use super::course::{Course, Lane, Turn, newest_open, next};
use super::draw::{Replace, replace, start};
use super::facts::HostFacts;
use super::look::Look;
use super::newcomers::take_in;
use super::why::{Decision, Names, Place, Short, Why};

/// How a rollout goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The rollout as it shall be stored.
    pub rollout: Rollout,
    /// What was decided, in words, in its order; empty when only the figures have changed.
    pub decisions: Vec<String>,
    /// The same for programs.
    pub reasons: Vec<Decision>,
    /// How hosts stood, to be kept with the rollout, in their order.
    pub baselines: Vec<Baseline>,
    /// What a gate has found wanting in the version, if it stopped the rollout for that.
    pub suspect: Option<String>,
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

    pub(super) fn of(rollout: Rollout, reasons: Vec<Decision>) -> Self {
        Self {
            rollout,
            decisions: reasons.iter().map(ToString::to_string).collect(),
            reasons,
            baselines: Vec::new(),
            suspect: None,
        }
    }
}

/// Looks at a rollout and at the hosts that follow its channel, and says how it goes on; none when nothing changes.
///
/// `hosts` must hold the facts of every host of the fleet that follows the channel: who is missing counts as gone.
/// A rollout without waves gets them here, drawn from these hosts. `suspect` is what another rollout found wanting in
/// the version.
#[must_use]
pub fn tick(
    rollout: &Rollout,
    hosts: &[HostFacts],
    suspect: Option<&str>,
    now: Timestamp,
) -> Option<Step> {
    if rollout.state.is_over() || rollout.state == RolloutState::Halted {
        return None;
    }
    let mut hosts = Cow::Borrowed(hosts);
    let mut course = Progress::of(rollout);
    let (mut why, short) = loop {
        let written = course.baselines.len();
        let mut tick = Tick {
            course,
            facts: hosts.iter().map(|host| (&host.name, host)).collect(),
            suspect,
            now,
        };
        let stand = tick.pass();
        course = tick.course;
        match stand {
            Some(stand) => break stand,
            // From here on hosts are compared with what was written down just now.
            None => note(&mut hosts, &course.rollout, &course.baselines[written..]),
        }
    };
    if let Why::Waits { short: told, .. } = &mut why {
        *told = short;
    }
    course.rollout.why = why.to_string();
    (course.rollout != *rollout).then(|| course.into_step())
}

/// A rollout on its way from one tick to the next, and what is said of it on the way.
struct Progress {
    rollout: Rollout,
    reasons: Vec<Decision>,
    baselines: Vec<Baseline>,
    found_wanting: Option<String>,
}

impl Progress {
    fn of(rollout: &Rollout) -> Self {
        Self {
            rollout: rollout.clone(),
            reasons: Vec::new(),
            baselines: Vec::new(),
            found_wanting: None,
        }
    }

    fn into_step(self) -> Step {
        Step {
            baselines: self.baselines,
            suspect: self.found_wanting,
            ..Step::of(self.rollout, self.reasons)
        }
    }
}

/// Looks at a rollout with the facts as they are.
struct Tick<'a> {
    course: Progress,
    facts: HashMap<&'a HostName, &'a HostFacts>,
    suspect: Option<&'a str>,
    now: Timestamp,
}

impl Tick<'_> {
    /// Does what is to be done. None as soon as something was written down that hosts are compared with from then on;
    /// otherwise where the rollout stands, and why nobody else is let go.
    fn pass(&mut self) -> Option<(Why, Option<Short>)> {
        self.take_in_newcomers();
        loop {
            let why = self.go()?;
            // A wave may have been proven just now, and with it the version for those who come.
            if self.take_in_newcomers() {
                continue;
            }
            // Whoever is let go may have the version already, and so a wave may be proven, and the next one open at once.
            return match self.let_go() {
                Ok(()) => None,
                Err(short) => Some((why, short)),
            };
        }
    }

    /// Does what is next, until there is nothing more to do now. None once a wave was opened.
    fn go(&mut self) -> Option<Why> {
        loop {
            let lanes: Vec<Lane> = self.course.rollout.waves.iter().map(lane).collect();
            let course = Course {
                strategy: &self.course.rollout.strategy,
                version: &self.course.rollout.version,
                state: self.course.rollout.state,
                paused_by: self.course.rollout.paused_by.as_deref(),
                waves: &lanes,
            };
            let look = Look::of(&self.course.rollout, &self.facts, self.suspect);
            let turn = next(&course, &look, self.now);
            self.note_agreement(&turn, &lanes);
            match turn {
                Turn::Draw => {
                    if !self.draw() {
                        return Some(self.finish_empty());
                    }
                }
                Turn::Replace(wave) => {
                    if self.begin_anew(wave) {
                        return None;
                    }
                }
                Turn::Open(wave) => {
                    self.open(wave);
                    return None;
                }
                Turn::Prove(wave) => self.prove(wave, &look),
                Turn::Looked { wave, looks, said } => {
                    self.course.rollout.waves[wave].looks = looks;
                    if let Some(verdict) = said {
                        let wave = self.place(wave);
                        self.course
                            .reasons
                            .push(Decision::Compared { wave, verdict });
                    }
                }
                // What a roll back waits for is told at once.
                Turn::End { then, why } => {
                    let why = self.end(then, why);
                    if self.course.rollout.state != RolloutState::RollingBack {
                        return Some(why);
                    }
                }
                Turn::Stand {
                    state,
                    why,
                    decision,
                } => {
                    let why = self.with_cluster(why);
                    if let Some(decision) = decision {
                        self.course.reasons.push(match decision {
                            Decision::Held(_) => Decision::Held(why.clone()),
                            other => other,
                        });
                    }
                    self.course.rollout.state = state;
                    return Some(why);
                }
            }
        }
    }

    /// Ends a hold of the gate's own, once the gate agrees again.
    fn note_agreement(&mut self, turn: &Turn, lanes: &[Lane]) {
        let agrees = match turn {
            Turn::Stand { state, .. } => {
                matches!(state, RolloutState::Running | RolloutState::Done)
            }
            Turn::Open(_) | Turn::Prove(_) | Turn::Looked { .. } => true,
            Turn::Draw | Turn::Replace(_) | Turn::End { .. } => false,
        };
        let holds = self.course.rollout.state == RolloutState::Holding
            && self.course.rollout.paused_by.is_none();
        if !holds || !agrees {
            return;
        }
        self.course.rollout.state = RolloutState::Running;
        let wave = self.place(newest_open(lanes).unwrap_or(0));
        self.course.reasons.push(Decision::WentOn { wave });
    }

    /// Draws the waves. False if there is nobody.
    fn draw(&mut self) -> bool {
        let domain = self.course.rollout.strategy.domain.as_ref();
        let candidates: Vec<(HostName, &str)> = self
            .facts
            .values()
            .map(|host| {
                let domain = domain.and_then(|label| host.labels.get(label));
                (host.name.clone(), domain.map_or("", String::as_str))
            })
            .collect();
        self.course.rollout.waves = start(
            &self.course.rollout.strategy,
            &candidates,
            self.course.rollout.id,
        );
        !self.course.rollout.waves.is_empty()
    }

    fn finish_empty(&mut self) -> Why {
        let why = Why::Done {
            version: self.course.rollout.version.clone(),
            proven: 0,
            hosts: 0,
            failed: 0,
            silent: 0,
            kept: 0,
            skipped: 0,
        };
        self.course.rollout.state = RolloutState::Done;
        self.course.reasons.push(Decision::Ended(why.clone()));
        why
    }

    /// True if hosts joined the group and were taken in.
    fn take_in_newcomers(&mut self) -> bool {
        let Some((wave, hosts)) = take_in(&mut self.course.rollout, &self.facts) else {
            return false;
        };
        let wave = self.place(wave);
        self.course.reasons.push(Decision::Joined { wave, hosts });
        true
    }

    /// Opens a wave: from now on its hosts may be let go.
    fn open(&mut self, index: usize) {
        if index == 0 {
            let waves = self.course.rollout.waves.len();
            let hosts = self
                .course
                .rollout
                .waves
                .iter()
                .map(|wave| wave.hosts.len())
                .sum();
            self.course.reasons.push(Decision::Begun { hosts, waves });
        }
        self.replace(index, Replace::Unable);
        let wave = &mut self.course.rollout.waves[index];
        wave.state = WaveState::Open;
        wave.opened_at = Some(self.now);
        wave.let_go = 0;
        let hosts = Names::of(&wave.hosts);
        let wave = self.place(index);
        self.course.reasons.push(Decision::Opened { wave, hosts });
        self.write_down_those_who_wait();
    }

    /// Nobody of an open wave is left: others go in their place, or, where there is nobody, it is proven. True if there
    /// were others.
    fn begin_anew(&mut self, index: usize) -> bool {
        let are_others = self.replace(index, Replace::Gone);
        if are_others {
            self.course.rollout.waves[index].opened_at = Some(self.now);
            self.write_down_those_who_wait();
        } else {
            let wave = &mut self.course.rollout.waves[index];
            wave.state = WaveState::Proven;
            wave.proven_at = Some(self.now);
        }
        are_others
    }

    /// Every host of the wave has come to a good end, or to one that the limits allow.
    fn prove(&mut self, index: usize, look: &Look) {
        let wave = &mut self.course.rollout.waves[index];
        wave.state = WaveState::Proven;
        wave.proven_at = Some(self.now);
        let wave = self.place(index);
        let tally = &look.waves[index];
        self.course.reasons.push(Decision::Proven {
            wave,
            proven: tally.proven,
            hosts: tally.hosts,
        });
    }

    /// A gate says no for good.
    fn end(&mut self, then: Then, why: Why) -> Why {
        let why = self.with_cluster(why);
        self.course.found_wanting = Some(format!("rollout {}: {why}", self.course.rollout.id));
        let back = self
            .course
            .rollout
            .from
            .clone()
            .filter(|_| then == Then::RollBack);
        // Without a version before there is nowhere to go back to.
        if then == Then::RollBackWave
            && self.course.rollout.from.is_some()
            && let Some(newest) = self
                .course
                .rollout
                .waves
                .iter_mut()
                .rfind(|wave| wave.state != WaveState::Waiting)
        {
            newest.state = WaveState::TakenBack;
        }
        stop_open_waves(&mut self.course.rollout);
        if let Some(to) = back {
            for wave in &mut self.course.rollout.waves {
                if wave.state != WaveState::Waiting {
                    wave.state = WaveState::Stopped;
                }
            }
            self.course.rollout.state = RolloutState::RollingBack;
            let why = Why::GateOrderedBack {
                why: Box::new(why),
                to,
            };
            self.course.reasons.push(Decision::Halted(why.clone()));
            return why;
        }
        self.course.rollout.state = RolloutState::Halted;
        self.course.reasons.push(Decision::Halted(why.clone()));
        why
    }

    /// Lets hosts of open waves go, if the rollout runs. Returns why nobody else was let go.
    fn let_go(&mut self) -> Result<(), Option<Short>> {
        if self.course.rollout.state != RolloutState::Running {
            return Err(None);
        }
        let admitted = admit(&mut self.course.rollout, &self.facts, self.now);
        if admitted.hosts.is_empty() {
            return Err(admitted.short);
        }
        let health = |name: &HostName| {
            let health = self.facts.get(name).map(|host| host.health.clone());
            (name.clone(), health.unwrap_or_default())
        };
        self.course.baselines.push(Baseline {
            opening: false,
            hosts: admitted.hosts.iter().map(health).collect(),
        });
        Ok(())
    }

    /// Writes down how those stand who are not let go: what updated hosts will be compared with.
    fn write_down_those_who_wait(&mut self) {
        let ill = |health: &Health| *health != Health::default();
        let waiting = self
            .course
            .rollout
            .waves
            .iter()
            .flat_map(|wave| wave.split().1);
        let hosts = waiting
            .filter_map(|name| self.facts.get(name))
            .filter(|host| ill(&host.health))
            .map(|host| (host.name.clone(), host.health.clone()));
        self.course.baselines.push(Baseline {
            opening: true,
            hosts: hosts.collect(),
        });
    }

    /// Puts other hosts in the place of those in wave `index` that can show nothing. True if there were any.
    fn replace(&mut self, index: usize, which: Replace) -> bool {
        let rollout = &mut self.course.rollout;
        let mut waves = std::mem::take(&mut rollout.waves);
        let (left, came) = replace(&mut waves, index, rollout, &self.facts, which);
        rollout.waves = waves;
        if left.is_empty() {
            return false;
        }
        let wave = self.place(index);
        self.course.reasons.push(Decision::Replaced {
            wave,
            left: Names::of(&left),
            came: Names::of(&came),
        });
        true
    }

    /// Looks what the hosts that speak against the release have in common.
    fn with_cluster(&self, mut why: Why) -> Why {
        match &mut why {
            Why::TooManyFailed { cluster, .. } => *cluster = self.common(|host| host.failed),
            Why::TooManyWorse { cluster, .. } | Why::WorseThanOthers { cluster, .. } => {
                *cluster = self.common(HostFacts::is_worse);
            }
            _ => {}
        }
        why
    }

    fn common(&self, is_bad: impl Fn(&HostFacts) -> bool) -> Option<Cluster> {
        common(&self.course.rollout, &self.facts, is_bad)
    }

    fn place(&self, index: usize) -> Place {
        Place {
            number: index + 1,
            of: self.course.rollout.waves.len(),
        }
    }
}

pub(super) fn lane(wave: &Wave) -> Lane {
    Lane {
        state: wave.state,
        opened_at: wave.opened_at,
        proven_at: wave.proven_at,
        looks: wave.looks,
        skipped: wave.skipped_by.is_some(),
    }
}
