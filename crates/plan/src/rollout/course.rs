//! The one thing to do next, decided from numbers: what the decider and the simulator have in common.

use jiff::Timestamp;
use lockstep_model::{Gate, RolloutState, Strategy, Then, Version, WaveState};

use super::compare::{compare, due};
use super::look::{Look, Tally};
use super::why::{Decision, Place, Verdict, Why};

/// A rollout, without the names of its hosts.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// How it shall go.
    pub strategy: &'a Strategy,
    /// The version that it brings.
    pub version: &'a Version,
    /// Where it stands.
    pub state: RolloutState,
    /// The person who paused it.
    pub paused_by: Option<&'a str>,
    /// Its waves; none before they are drawn.
    pub waves: &'a [Lane],
}

/// A wave, without the names of its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Where it stands.
    pub state: WaveState,
    /// When its first hosts could be let go.
    pub opened_at: Option<Timestamp>,
    /// When all of its hosts had come to a good end.
    pub proven_at: Option<Timestamp>,
    /// How often its hosts have been compared with others.
    pub looks: u32,
    /// True if a person let the next one go without waiting for its gate.
    pub skipped: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// Waves are to be drawn.
    Draw,
    /// Nobody is left of this wave, or whoever is keeps itself out of it or was left out of it: others take the place of its hosts, and it
    /// begins anew. Where nobody is left to stand in, it is proven.
    Replace(usize),
    /// This wave is to be opened.
    Open(usize),
    /// This wave has proven the release.
    Prove(usize),
    /// So many comparisons of this wave have been made.
    Looked {
        /// Which.
        wave: usize,
        /// How many, all in all.
        looks: u32,
        /// What the last one said, where it is worth a word.
        said: Option<Verdict>,
    },
    /// A gate says no for good.
    End {
        /// What happens.
        then: Then,
        /// Why.
        why: Why,
    },
    /// Nothing is to be done now.
    Stand {
        /// Where it stands.
        state: RolloutState,
        /// Why.
        why: Why,
        /// What is worth a word in the record, if it was not said before.
        decision: Option<Decision>,
    },
}

/// The next thing to do. Asked again after each, it comes to [`Turn::Stand`] or [`Turn::End`] in the end: a turn that
/// goes on has drawn, replaced, opened, proven or compared, and each of that happens once.
#[must_use]
pub fn next(course: &Course<'_>, look: &Look, now: Timestamp) -> Turn {
    if course.state == RolloutState::RollingBack {
        return take_back(course, look);
    }
    if course.waves.is_empty() {
        return unless_paused(course, Turn::Draw);
    }
    let all = look.sum(0..course.waves.len());
    if all.hosts == 0 {
        return hold(course, Why::NobodyLeft);
    }
    let Some(current) = newest_open(course.waves) else {
        // Moments count from the opening: opened in doubt, all of them could be over when the doubt is.
        return match &look.suspect {
            Some(why) => hold(course, Why::Suspect { why: why.clone() }),
            None => open(course, 0, now),
        };
    };
    // With nobody but hosts that are kept or left out of it, the wave would pass without any evidence.
    let tally = &look.waves[current];
    if tally.hosts == tally.kept + tally.skipped && course.waves[current].state == WaveState::Open {
        return Turn::Replace(current);
    }
    let wave = place(course, current);
    let open_waves = gated(course, look, current);
    let said = exceeded(course.strategy, &open_waves, wave)
        .or_else(|| failed_in_all(course, look, current));
    if let Some((gate, why)) = said {
        return match gate.then {
            Then::Hold => hold(course, why),
            then => Turn::End { then, why },
        };
    }
    if let Some(why) = &look.suspect {
        return hold(course, Why::Suspect { why: why.clone() });
    }
    if let Some(turn) = look_closely(course, look, current, now) {
        return turn;
    }
    let lane = &course.waves[current];
    if !lane.skipped && (open_waves.unsettled.count > 0 || open_waves.pending.count > 0) {
        let tally = &look.waves[current];
        return go_on(
            course,
            Why::Waits {
                wave,
                proven: tally.proven,
                hosts: tally.hosts,
                waiting_for: open_waves.unsettled.clone(),
                pending: open_waves.pending.count,
                short: None,
            },
        );
    }
    if lane.state != WaveState::Proven {
        return Turn::Prove(current);
    }
    go_beyond(course, look, current, now)
}

/// The newest wave that is open, proven or stopped.
pub(super) fn newest_open(waves: &[Lane]) -> Option<usize> {
    waves
        .iter()
        .rposition(|wave| wave.state != WaveState::Waiting)
}

/// The hosts that gates look at: those of the waves that are open, without waves that a person let pass.
fn gated(course: &Course<'_>, look: &Look, current: usize) -> Tally {
    let waves = Look {
        waves: (0..=current)
            .filter(|&wave| !course.waves[wave].skipped)
            .map(|wave| look.waves[wave].clone())
            .collect(),
        ..Look::default()
    };
    waves.sum(0..waves.waves.len())
}

/// What failed in waves that a person let pass counts all the same where it ends the rollout: they let it pass in spite
/// of what was known then, and not of what comes.
fn failed_in_all(course: &Course<'_>, look: &Look, current: usize) -> Option<(Gate, Why)> {
    let gate = course.strategy.failed;
    let all = look.sum(0..current + 1);
    (gate.then != Then::Hold)
        .then(|| too_many_failed(gate, &all, place(course, current)))
        .flatten()
}

fn too_many_failed(gate: Gate, tally: &Tally, wave: Place) -> Option<(Gate, Why)> {
    let hosts = tally.let_go.max(tally.failed.count);
    let limit = gate.limit.of(hosts);
    let why = Why::TooManyFailed {
        wave,
        failed: tally.failed.clone(),
        hosts,
        limit,
        cluster: None,
    };
    (tally.failed.count > limit).then_some((gate, why))
}

/// The gate that says no. What speaks loudest against the release comes first.
fn exceeded(strategy: &Strategy, tally: &Tally, wave: Place) -> Option<(Gate, Why)> {
    let limit = |gate: Gate, of: usize, count: usize| {
        let limit = gate.limit.of(of);
        (count > limit).then_some(limit)
    };
    if let Some(said) = too_many_failed(strategy.failed, tally, wave) {
        return Some(said);
    }
    let (let_go, hosts) = (tally.let_go.max(tally.failed.count), tally.hosts);
    if let Some(limit) = limit(strategy.worse, let_go, tally.worse.count) {
        let why = Why::TooManyWorse {
            wave,
            worse: tally.worse.clone(),
            hosts: let_go,
            limit,
            cluster: None,
        };
        return Some((strategy.worse, why));
    }
    let limit = limit(strategy.silent, hosts, tally.silent.count)?;
    let why = Why::TooManySilent {
        wave,
        silent: tally.silent.clone(),
        hosts,
        limit,
    };
    Some((strategy.silent, why))
}

/// The comparison that is due, if one is.
fn look_closely(course: &Course<'_>, look: &Look, wave: usize, now: Timestamp) -> Option<Turn> {
    let asked = course.strategy.compare?;
    let lane = &course.waves[wave];
    let is_last = wave + 1 == course.waves.len();
    if lane.skipped || is_last || lane.state == WaveState::Stopped {
        return None;
    }
    let looks = due(&look.waves[wave], lane.proven_at, course.strategy.bake, now);
    if looks <= lane.looks {
        return None;
    }
    let verdict = compare(asked, course.waves.len(), look.treated, look.control);
    match verdict {
        Verdict::Worse { .. } if asked.then != Then::Hold => Some(Turn::End {
            then: asked.then,
            why: Why::WorseThanOthers {
                wave: place(course, wave),
                verdict,
                cluster: None,
            },
        }),
        // Not ticked off: it is made again at each look until it agrees, or a person has spoken.
        Verdict::Worse { .. } => Some(hold(
            course,
            Why::WorseThanOthers {
                wave: place(course, wave),
                verdict,
                cluster: None,
            },
        )),
        _ => Some(Turn::Looked {
            wave,
            looks,
            said: (looks == super::compare::LOOKS).then_some(verdict),
        }),
    }
}

/// The newest wave has proven the release; what comes next?
fn go_beyond(course: &Course<'_>, look: &Look, current: usize, now: Timestamp) -> Turn {
    if let Some(by) = course.paused_by {
        return paused(by);
    }
    let next = current + 1;
    if next == course.waves.len() {
        return Turn::Stand {
            state: RolloutState::Done,
            why: done(course, look),
            decision: Some(Decision::Ended(done(course, look))),
        };
    }
    let lane = &course.waves[current];
    let proven_at = lane.proven_at.unwrap_or(now);
    let bake = course.strategy.bake.duration();
    let until = proven_at.checked_add(bake).unwrap_or(Timestamp::MAX);
    if !lane.skipped && now < until {
        let wave = place(course, current);
        return go_on(course, Why::Bakes { wave, until });
    }
    open(course, next, now)
}

fn open(course: &Course<'_>, wave: usize, now: Timestamp) -> Turn {
    if let Some(by) = course.paused_by {
        return paused(by);
    }
    let windows = &course.strategy.windows;
    if windows.is_open(now) {
        return Turn::Open(wave);
    }
    let wave = place(course, wave);
    let opens = windows.opens(now);
    go_on(course, Why::Shut { wave, opens })
}

fn done(course: &Course<'_>, look: &Look) -> Why {
    let tally = look.sum(0..course.waves.len());
    Why::Done {
        version: course.version.clone(),
        proven: tally.proven,
        hosts: tally.hosts,
        failed: tally.failed.count,
        silent: tally.silent.count,
        kept: tally.kept,
        skipped: tally.skipped,
    }
}

/// Waits until nobody runs the version any more. A host that never got it need not go anywhere.
fn take_back(course: &Course<'_>, look: &Look) -> Turn {
    let from = course.version.clone();
    if look.still.count > 0 {
        let hosts = look.sum(0..course.waves.len()).hosts;
        let why = Why::TakesBack {
            from,
            still: look.still.clone(),
            hosts,
        };
        return Turn::Stand {
            state: RolloutState::RollingBack,
            why,
            decision: None,
        };
    }
    let why = Why::TakenBack { from };
    Turn::Stand {
        state: RolloutState::Cancelled,
        decision: Some(Decision::Ended(why.clone())),
        why,
    }
}

fn unless_paused(course: &Course<'_>, turn: Turn) -> Turn {
    match course.paused_by {
        Some(by) => paused(by),
        None => turn,
    }
}

fn paused(by: &str) -> Turn {
    Turn::Stand {
        state: RolloutState::Holding,
        why: Why::Paused { by: by.into() },
        decision: None,
    }
}

/// It takes its time. A person's word stands above that.
fn go_on(course: &Course<'_>, why: Why) -> Turn {
    if let Some(by) = course.paused_by {
        return paused(by);
    }
    Turn::Stand {
        state: RolloutState::Running,
        why,
        decision: None,
    }
}

/// The gate says wait.
fn hold(course: &Course<'_>, why: Why) -> Turn {
    if let Some(by) = course.paused_by {
        return paused(by);
    }
    let decision = (course.state != RolloutState::Holding).then(|| Decision::Held(why.clone()));
    Turn::Stand {
        state: RolloutState::Holding,
        why,
        decision,
    }
}

fn place(course: &Course<'_>, index: usize) -> Place {
    Place {
        number: index + 1,
        of: course.waves.len(),
    }
}
