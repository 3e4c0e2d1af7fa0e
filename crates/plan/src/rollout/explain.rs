//! Why a host does not run what it is wanted to: the one thing that keeps it from that.
//!
//! Each host and package has exactly one gate at a time: the first one that blocks, in the order in which it would be
//! met on the way from the fleet file to the host. What lasts whatever a rollout does (a pin, no release, a host that
//! keeps itself out of it, a failure) is told before what passes by itself.

mod gate;

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::api::{Kept, Updates};
use lockstep_model::{
    Follow, PackageVersion, Phase, Platform, Rollout, RolloutState, Version, WaveState,
};

use super::admit::short_of;
use super::course::{Lane, newest_open};
use super::desired::{Asker, Ordered, Seat, desired_version};
use super::facts::HostFacts;
use super::hops::NoWay;
use super::look::Look;
use super::tick::lane;
use super::why::Place;

pub use gate::{After, Gate};

/// All that is known of one host and one package.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// What the host follows for the package; none if it follows nothing.
    pub follow: Option<&'a Follow>,
    /// Whether hosts may update at all.
    pub updates: Updates,
    /// The versions of the package that are listed.
    pub listed: &'a [Listed<'a>],
    /// The rollouts of the package and the channel, the newest first.
    pub rollouts: &'a [Ordered],
    /// What was found wanting in the version of the newest rollout.
    pub suspect: Option<&'a str>,
    /// The host, by its last report.
    pub host: &'a HostFacts,
    /// All hosts that follow the channel, as the newest rollout sees them: figures of waves and limits come from these.
    pub fleet: &'a [HostFacts],
    /// What the host is, as it said last.
    pub platform: Option<&'a Platform>,
    /// Why its run by the newest order failed, in words.
    pub failure: Option<&'a str>,
    /// The run that changes the package on it, as far as something is known of it.
    pub run: Option<Underway>,
    /// Why it does not follow an order for the package, by its last report.
    pub kept: Option<&'a Kept>,
    /// When its last report was received.
    pub last_seen: Option<Timestamp>,
    /// When its next report is expected at the latest.
    pub next_report: Option<Timestamp>,
    /// The way from its version to what it is wanted to run: the next version on it.
    pub hop: Option<Result<Version, NoWay>>,
    /// The time.
    pub now: Timestamp,
}

/// A version that is listed.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Which.
    pub version: &'a Version,
    /// True if it is for the host's platform.
    pub runs_here: bool,
}

/// A run in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Underway {
    /// To which version, if that is known.
    pub to: Option<PackageVersion>,
    /// Where it is.
    pub phase: Phase,
    /// What it waits for, in words, if it waits.
    pub waits: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// What a host is wanted to run, and what keeps it from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The version; none if nobody says any.
    pub wanted: Option<Version>,
    /// The one thing that keeps the host from it.
    pub gate: Gate,
    /// When that can be over, where it is known.
    pub opens: Option<Timestamp>,
}

/// The version that a host is wanted to run in the end, once all gates have opened; none if nobody says any.
#[must_use]
pub fn wanted(
    follow: &Follow,
    rollouts: &[Ordered],
    host: &HostFacts,
    now: Timestamp,
) -> Option<Version> {
    match &follow.pin {
        Some(pin) => Some(pin.clone()),
        None => Some(way(rollouts, host, now)?.0),
    }
}

/// Says what keeps a host from the version that it is wanted to run.
#[must_use]
pub fn explain(asked: &Asked<'_>) -> Explanation {
    let said = |wanted: Option<Version>, gate: Gate| Explanation {
        wanted,
        opens: gate.opens(),
        gate,
    };
    let Some(follow) = asked.follow else {
        return said(None, Gate::NotFollowed);
    };
    let promoted = way(asked.rollouts, asked.host, asked.now);
    let (wanted, way) = match (&follow.pin, promoted) {
        (Some(pin), Some((promoted, _))) if asked.runs(pin) && promoted != *pin => {
            let gate = Gate::Pinned {
                at: pin.clone(),
                rule: follow.rule.clone(),
            };
            return said(Some(promoted), gate);
        }
        (Some(pin), _) => (pin.clone(), Way::Pin),
        (None, Some((promoted, way))) => (promoted, way),
        (None, None) => {
            let channel = follow.channel.clone();
            return said(None, Gate::NothingPromoted { channel });
        }
    };
    let gate = asked
        .at_rest(&wanted)
        .or_else(|| match way {
            Way::Forward(newest) => asked.in_rollout(newest),
            Way::Back(_) | Way::Pin => None,
        })
        .unwrap_or_else(|| asked.on_the_host(&wanted, way));
    said(Some(wanted), gate)
}

/// Where the wish for a version comes from.
#[derive(Debug, Clone, Copy)]
enum Way<'a> {
    /// The fleet file holds the host there.
    Pin,
    /// A rollout brings it.
    Forward(&'a Ordered),
    /// A rollout takes its own version away again.
    Back(&'a Rollout),
}

/// What the newest rollout wants of a host in the end.
fn way<'a>(
    rollouts: &'a [Ordered],
    host: &HostFacts,
    now: Timestamp,
) -> Option<(Version, Way<'a>)> {
    let newest = rollouts.first()?;
    let rollout = &newest.rollout;
    let wave = newest
        .seat(&host.name)
        .and_then(|it| rollout.waves.get(it.wave));
    let taken_back = wave.is_some_and(|wave| wave.state == WaveState::TakenBack);
    let back = match rollout.state {
        RolloutState::RollingBack | RolloutState::Cancelled => true,
        RolloutState::Halted => taken_back && rollout.from.is_some(),
        _ => false,
    };
    if !back {
        return Some((rollout.version.clone(), Way::Forward(newest)));
    }
    let asker = Asker {
        name: &host.name,
        version: host.version.as_ref(),
        proven: host.proven,
        failed: host.failed,
        running: host.running,
    };
    let target = desired_version(&asker, rollouts, now)?;
    Some((target.version, Way::Back(rollout)))
}

impl Asked<'_> {
    fn runs(&self, version: &Version) -> bool {
        self.host.has_proven(version)
    }

    /// What lasts until somebody does something about it.
    fn at_rest(&self, wanted: &Version) -> Option<Gate> {
        let version = wanted.clone();
        if self.runs(wanted) {
            return Some(Gate::None { version });
        }
        let mut listed = self
            .listed
            .iter()
            .filter(|it| it.version == wanted)
            .peekable();
        if listed.peek().is_none() {
            return Some(Gate::Withdrawn { version });
        }
        if !listed.any(|it| it.runs_here) {
            let platform = self.platform.map(ToString::to_string);
            return Some(Gate::NoRelease { version, platform });
        }
        if let Some(Err(no_way)) = &self.hop {
            return Some(Gate::NoWay(no_way.clone()));
        }
        if self.updates == Updates::Off {
            return Some(Gate::UpdatesOff);
        }
        if self.host.kept {
            let by_hand = self.kept.filter(|kept| kept.is_by_hand());
            return Some(by_hand.map_or_else(
                || Gate::Kept {
                    words: "updates are switched off there".into(),
                    until: None,
                },
                kept,
            ));
        }
        None
    }

    /// What the rollout says; none if the host may run its version now.
    fn in_rollout(&self, newest: &Ordered) -> Option<Gate> {
        let rollout = &newest.rollout;
        let id = rollout.id;
        if self.host.failed {
            return Some(Gate::Failed {
                rollout: id,
                reason: self.failure.unwrap_or("its run says no reason").into(),
            });
        }
        if rollout.state != RolloutState::Halted
            && let Some(skipped) = rollout.skipped.get(&self.host.name)
            && !self.host.has_begun(&rollout.version)
        {
            return Some(Gate::Skipped {
                rollout: id,
                by: skipped.by.clone(),
                why: skipped.why.clone(),
            });
        }
        let seat = newest.seat(&self.host.name);
        match rollout.state {
            RolloutState::Done if newest.suspect => return Some(self.suspect()),
            RolloutState::Done => return self.let_go(rollout),
            RolloutState::Halted => {
                let why = rollout.why.clone();
                return Some(Gate::Halted { rollout: id, why });
            }
            _ => {}
        }
        if seat.is_some_and(|seat| seat.let_go) {
            return self.let_go(rollout);
        }
        if let Some(by) = &rollout.paused_by {
            let by = by.clone();
            return Some(Gate::Paused { rollout: id, by });
        }
        if newest.suspect {
            return Some(self.suspect());
        }
        match (rollout.state, seat) {
            (RolloutState::Planned, _) => Some(Gate::Planned {
                rollout: id,
                opens: self.shut_until(rollout).flatten(),
            }),
            (RolloutState::Holding, _) => Some(Gate::Holding {
                rollout: id,
                why: rollout.why.clone(),
            }),
            (_, None) => Some(Gate::LateJoiner {
                rollout: id,
                rule: rollout.strategy.late,
            }),
            (_, Some(seat)) => Some(self.waits(rollout, seat)),
        }
    }

    fn suspect(&self) -> Gate {
        Gate::Suspect {
            why: self
                .suspect
                .unwrap_or("an earlier rollout found it wanting")
                .into(),
        }
    }

    /// A host that was let go goes, unless the hours are over before it has begun.
    fn let_go(&self, rollout: &Rollout) -> Option<Gate> {
        let has_begun = self.host.running || self.host.version.as_ref() == Some(&rollout.version);
        match self.shut_until(rollout) {
            Some(opens) if !has_begun => Some(Gate::Shut { opens }),
            _ => None,
        }
    }

    /// When the strategy's hours open, if they are shut.
    fn shut_until(&self, rollout: &Rollout) -> Option<Option<Timestamp>> {
        let windows = &rollout.strategy.windows;
        (!windows.is_open(self.now)).then(|| windows.opens(self.now))
    }

    /// What a host of a running rollout waits for that was not let go.
    fn waits(&self, rollout: &Rollout, seat: Seat) -> Gate {
        let lanes: Vec<Lane> = rollout.waves.iter().map(lane).collect();
        let place = |wave: usize| Place {
            number: wave + 1,
            of: lanes.len(),
        };
        let facts: HashMap<_, _> = self.fleet.iter().map(|host| (&host.name, host)).collect();
        let wave = place(seat.wave);
        let is_open = |lane: &Lane| lane.state != WaveState::Waiting;
        if lanes.get(seat.wave).is_some_and(is_open) {
            if self.host.health.silent {
                let last_seen = self.last_seen;
                return Gate::Silent { last_seen };
            }
            let short = short_of(rollout, seat.wave, self.host, &facts, self.now);
            return Gate::InWave { wave, short };
        }
        let current = newest_open(&lanes);
        let proof = |wave: usize| {
            let look = Look::of(rollout, &facts, None);
            let tally = look.waves.get(wave).cloned().unwrap_or_default();
            After::Proof {
                wave: place(wave),
                proven: tally.proven,
                hosts: tally.hosts,
            }
        };
        let next = current.map_or(0, |current| current + 1);
        let after = match current {
            Some(current) if lanes[current].state != WaveState::Proven => proof(current),
            current => {
                let bake = current.and_then(|current| self.bake(rollout, &lanes[current]));
                match (current, bake) {
                    (Some(current), Some(until)) => After::Bake {
                        wave: place(current),
                        until,
                        opens: (next == seat.wave)
                            .then(|| rollout.strategy.windows.opens(until))
                            .flatten(),
                    },
                    _ if next != seat.wave => proof(next),
                    _ => match self.shut_until(rollout) {
                        Some(opens) => After::Window { opens },
                        None => After::NextLook,
                    },
                }
            }
        };
        Gate::Wave { wave, after }
    }

    /// Until when a proven wave is watched; none if it is not any more.
    fn bake(&self, rollout: &Rollout, lane: &Lane) -> Option<Timestamp> {
        let proven_at = lane.proven_at.filter(|_| !lane.skipped)?;
        let bake = rollout.strategy.bake.duration();
        let until = proven_at.checked_add(bake).unwrap_or(Timestamp::MAX);
        (self.now < until).then_some(until)
    }

    /// What is left between a host that is told to run a version and its running it.
    fn on_the_host(&self, wanted: &Version, way: Way<'_>) -> Gate {
        let host = self.host;
        if host.health.silent {
            return Gate::Silent {
                last_seen: self.last_seen,
            };
        }
        let on_probation = host.version.as_ref() == Some(wanted);
        if host.running || on_probation {
            let to = on_probation.then(|| wanted.into());
            return match self.run.clone() {
                Some(run) => Gate::OnItsWay {
                    to: run.to,
                    phase: Some(run.phase),
                    waits: run.waits,
                    since: run.since,
                },
                None => Gate::OnItsWay {
                    to,
                    phase: None,
                    waits: None,
                    since: None,
                },
            };
        }
        let next = match &self.hop {
            Some(Ok(next)) => next,
            _ => wanted,
        };
        // What it said of another order is not about this one.
        if let Some(said) = self.kept.filter(|kept| kept.version == *next) {
            return kept(said);
        }
        if let Way::Back(rollout) = way {
            return Gate::RollingBack {
                rollout: rollout.id,
                to: wanted.clone(),
                why: rollout.why.clone(),
            };
        }
        if next != wanted {
            return Gate::Hop {
                through: next.clone(),
                to: wanted.clone(),
            };
        }
        Gate::Told {
            version: wanted.clone(),
            by: self.next_report,
        }
    }
}

fn kept(kept: &Kept) -> Gate {
    let words = match kept.words.trim() {
        "" => &kept.code,
        words => words,
    };
    Gate::Kept {
        words: words.to_owned(),
        until: kept.until,
    }
}

#[cfg(test)]
mod tests;
