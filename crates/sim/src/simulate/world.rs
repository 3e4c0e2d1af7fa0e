//! The hosts and the network around a rollout: one event after the other, in the order of their times.
//!
//! A host's reports are not events, for a million hosts would send too many: when the next one comes is computed. What
//! happens to hosts by themselves, falling silent and getting worse, comes from one stream of events for all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{RolloutState, Strategy};
use lockstep_plan::rollout::{SILENT_AFTER_REPORTS, Short, Why};

use super::conductor::{Conductor, Looked};
use super::curve::{Curve, Peak};
use super::dice::{Dice, Draw};
use super::downloads::Server;
use super::fleet::Fleet;
use super::outcome::{Cause, End, Outcome, WaveOutcome};
use super::settings::{AWAY, Settings, UNWELL};
use super::standing::Standing;

/// After so long without any news of it, a rollout is taken for stuck, in nanoseconds.
const STUCK: u64 = 14 * 86_400 * SECOND;
/// After what was written down the server looks again, if nothing happens before.
const AFTERWARDS: u64 = SECOND / 20;
/// After so many looks the least time between two is doubled, and again after as many more.
const LOOKS: u64 = 50_000;
const SECOND: u64 = 1_000_000_000;
/// A hint reaches a host, and its question the server, within so many seconds.
const HINT_S: f64 = 5.0;
/// How far times of applying and of probation spread.
const SIGMA_APPLY: f64 = 0.5;
const SIGMA_PROBATION: f64 = 0.1;
const SIGMA_SHOWS: f64 = 0.5;

/// What happens to a host, or to one of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It hears of the order and asks for the bundle.
    Learns,
    /// It has the bundle.
    Fetched,
    /// Probation is over, one way or the other.
    Ends,
    /// An item gets sick, because the release broke it.
    Sickens,
    /// It is taken for silent.
    Silent,
    /// It is heard of again.
    Back,
    /// The item that got worse by itself is well again.
    Well,
    /// Somebody who was sent away asks again.
    Asks,
    /// Any host falls silent.
    AnyAway,
    /// Any host gets worse.
    AnyWorse,
}

type Event = Reverse<(u64, u32, Kind)>;

/// One simulation. Times are nanoseconds since its start.
pub(super) struct World<'a, W> {
    settings: &'a Settings,
    fleet: &'a Fleet,
    dice: Dice,
    luck: fastrand::Rng,
    events: BinaryHeap<Event>,
    conductor: Conductor<'a>,
    server: Server,
    /// The second after which a host that is away is back; 0 for one that is not away.
    away: Vec<u32>,
    watch: W,
    pace: Pace,
    why: Option<Why>,
    cause: Option<Cause>,
    /// When the rollout last came any further.
    moved_at: u64,
    waves: Vec<WaveOutcome>,
    proven: Vec<Duration>,
    failed: usize,
    reports: Peak,
    going: Curve,
    done: Curve,
    in_flight: usize,
    fewest_fit: usize,
}

/// When it is looked at the rollout.
#[derive(Debug)]
struct Pace {
    step: u64,
    looks: u64,
    looked_at: u64,
    /// Since when there is news.
    news: Option<u64>,
    /// When to look again even without news.
    again: Option<u64>,
    longest: u64,
}

impl Pace {
    fn next(&self) -> Option<u64> {
        let wanted = match (self.news, self.again) {
            (Some(news), Some(again)) => news.min(again),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return None,
        };
        let earliest = if self.looks == 0 {
            0
        } else {
            self.looked_at + self.step
        };
        Some(wanted.max(earliest))
    }
}

/// Who looks over the shoulder of a simulation.
pub(super) trait Watch {
    /// Before each look.
    fn before(&mut self, _conductor: &Conductor<'_>, _now: Timestamp) {}
    /// After each look.
    fn after(&mut self, _conductor: &Conductor<'_>, _looked: &Looked, _now: Timestamp) {}
}

/// Nobody does.
pub(super) struct Nobody;
impl Watch for Nobody {}

impl<'a, W: Watch> World<'a, W> {
    pub(super) fn new(
        fleet: &'a Fleet,
        strategy: &'a Strategy,
        settings: &'a Settings,
        seed: u64,
        watch: W,
    ) -> Self {
        let dice = Dice(seed);
        let is_away = |host| dice.unit(Draw::Offline, host) < settings.offline;
        let conductor = Conductor::new(fleet, strategy, settings, is_away);
        let mut world = Self {
            settings,
            fleet,
            dice,
            luck: fastrand::Rng::with_seed(seed),
            events: BinaryHeap::new(),
            server: Server::new(settings),
            away: vec![0; fleet.len()],
            watch,
            pace: Pace {
                step: nanoseconds(settings.step.as_secs_f64()),
                looks: 0,
                looked_at: 0,
                news: None,
                again: Some(0),
                longest: nanoseconds(settings.longest.as_secs_f64()),
            },
            why: None,
            cause: None,
            moved_at: 0,
            waves: fleet.sizes().into_iter().map(WaveOutcome::new).collect(),
            proven: Vec::new(),
            failed: 0,
            reports: Peak::default(),
            going: Curve::last(),
            done: Curve::last(),
            in_flight: 0,
            fewest_fit: conductor.strength.fit,
            conductor,
        };
        for host in (0_u32..).take(fleet.len()).filter(|host| is_away(*host)) {
            world.go_away(host, 0);
        }
        world.any(Kind::AnyAway, 0);
        world.any(Kind::AnyWorse, 0);
        world
    }

    /// Runs until the rollout is over, or nothing will move it any more.
    pub(super) fn run(mut self) -> (Outcome, W) {
        let end = loop {
            let look_at = self.pace.next();
            let event_at = self.events.peek().map(|Reverse((at, ..))| *at);
            let Some(now) = [look_at, event_at].into_iter().flatten().min() else {
                break End::Stuck;
            };
            if now > self.pace.longest || (self.pace.again.is_none() && now > self.moved_at + STUCK)
            {
                break End::Stuck;
            }
            if event_at == Some(now) {
                if let Some(Reverse((at, host, kind))) = self.events.pop()
                    && self.happen(at, host, kind)
                {
                    self.pace.news.get_or_insert(at);
                }
                continue;
            }
            self.look(now);
            match self.conductor.state {
                RolloutState::Done => break End::Done,
                RolloutState::Halted => break End::Stopped,
                _ if self.never() => break End::Stuck,
                _ => {}
            }
        };
        self.end(end)
    }

    /// True if the rollout waits for a window and none opens.
    fn never(&self) -> bool {
        matches!(
            &self.why,
            Some(
                Why::Shut { opens: None, .. }
                    | Why::Waits {
                        short: Some(Short::Shut { opens: None }),
                        ..
                    }
            )
        )
    }

    fn look(&mut self, now: u64) {
        let at = self.timestamp(now);
        self.watch.before(&self.conductor, at);
        let wave = self.conductor.newest().unwrap_or(0);
        if let (Some(cause), Some(wave)) = (self.cause, self.waves.get_mut(wave)) {
            wave.waited[cause as usize] += Duration::from_nanos(now - self.pace.looked_at);
        }
        let looked = self.conductor.look(at);
        self.watch.after(&self.conductor, &looked, at);
        if !looked.let_go.is_empty() || self.conductor.newest() != Some(wave) {
            self.moved_at = now;
        }
        for &host in &looked.let_go {
            self.waves[self.conductor.wave_of(host)].let_go_at = Some(at);
            let learns = self.asks_next(host, now);
            self.at(learns, host, Kind::Learns);
        }
        if !looked.let_go.is_empty() {
            self.going.set(now, self.conductor.let_go_so_far() as f64);
        }
        let reconsiders = looked.wrote && self.conductor.state == RolloutState::Holding;
        self.cause = Some(Cause::of(self.conductor.state, &looked.why));
        self.why = Some(looked.why);
        self.in_flight = self.in_flight.max(self.conductor.strength.in_flight);
        self.fewest_fit = self.fewest_fit.min(self.conductor.strength.fit);
        let pace = &mut self.pace;
        pace.looks += 1;
        if pace.looks.is_multiple_of(LOOKS) {
            pace.step *= 2;
        }
        pace.looked_at = now;
        pace.news = None;
        let start = self.settings.start;
        pace.again = looked.again.map(|again| {
            let later = again.duration_since(start).as_nanos();
            u64::try_from(later).unwrap_or(u64::MAX).max(now + 1)
        });
        if reconsiders {
            pace.again = Some(pace.again.unwrap_or(u64::MAX).min(now + AFTERWARDS));
        }
    }

    /// Something happens. True if the rollout should be looked at.
    fn happen(&mut self, now: u64, host: u32, kind: Kind) -> bool {
        let place = host as usize;
        let lives = matches!(kind, Kind::Learns | Kind::Ends | Kind::Sickens);
        if lives && self.away[place] != 0 {
            // It goes on when it is back.
            let back = u64::from(self.away[place] + 1) * SECOND;
            self.at(back.max(now + 1), host, kind);
            return false;
        }
        match kind {
            Kind::Learns => {
                self.reports.add(now, 1.0);
                self.conductor.hosts[place].now |= Standing::RUNNING;
                let site = self.fleet.sites[place];
                if let Some(through) = self.server.ask(host, site, now) {
                    self.at(through, host, Kind::Fetched);
                }
                false
            }
            Kind::Fetched => {
                self.server.finish(now);
                self.fill_places(now);
                self.try_it(host, now);
                false
            }
            Kind::Asks => {
                let draw = self.luck.usize(..);
                let sites = &self.fleet.sites;
                let question = self.server.question(now, draw, |host| sites[host as usize]);
                if let Some((host, through)) = question {
                    self.at(through, host, Kind::Fetched);
                }
                self.fill_places(now);
                false
            }
            Kind::Ends => {
                self.reports.add(now, 1.0);
                self.moved_at = now;
                if self.conductor.hosts[place].is(Standing::DOOMED) {
                    self.failed += 1;
                    self.conductor
                        .learn(host, Standing::FAILED, Standing::RUNNING);
                } else {
                    self.proven.push(Duration::from_nanos(now));
                    self.done.set(now, self.proven.len() as f64);
                    self.conductor
                        .learn(host, Standing::PROVEN, Standing::RUNNING);
                }
                true
            }
            Kind::Sickens => {
                self.conductor
                    .learn(host, Standing::AILING | Standing::BROKEN, 0);
                true
            }
            Kind::Silent => {
                self.conductor.learn(host, Standing::SILENT, 0);
                true
            }
            Kind::Back => {
                self.away[place] = 0;
                self.reports.add(now, 1.0);
                let was_silent = self.conductor.hosts[place].is(Standing::SILENT);
                if was_silent {
                    self.conductor.learn(host, 0, Standing::SILENT);
                }
                was_silent
            }
            Kind::Well => {
                let broken = self.conductor.hosts[place].is(Standing::BROKEN);
                if !broken {
                    self.conductor.learn(host, 0, Standing::AILING);
                }
                !broken
            }
            Kind::AnyAway => {
                let any = self.any_host();
                self.any(Kind::AnyAway, now);
                if self.away[any as usize] == 0 {
                    self.go_away(any, now);
                }
                false
            }
            Kind::AnyWorse => {
                let any = self.any_host();
                self.any(Kind::AnyWorse, now);
                let known = self.away[any as usize] == 0;
                let worse = known && !self.conductor.hosts[any as usize].is(Standing::AILING);
                if worse {
                    self.conductor.learn(any, Standing::AILING, 0);
                    let well = now + self.exponential(UNWELL.as_secs_f64());
                    self.at(well, any, Kind::Well);
                }
                worse
            }
        }
    }

    /// A host has the bundle and tries it. How that ends is clear from here on.
    fn try_it(&mut self, host: u32, now: u64) {
        let (dice, settings) = (self.dice, self.settings);
        let time = |median: Duration, draw, sigma| {
            nanoseconds(median.as_secs_f64() * dice.log_normal(draw, host, sigma))
        };
        let applied = now + time(settings.apply, Draw::Apply, SIGMA_APPLY);
        let ends = applied + time(settings.probation, Draw::Probation, SIGMA_PROBATION);
        let broken = dice.unit(Draw::Breaks, host) < settings.breaks;
        let shows = applied + time(settings.shows_after, Draw::Shows, SIGMA_SHOWS);
        let standing = &mut self.conductor.hosts[host as usize];
        if broken && shows < ends {
            standing.now |= Standing::DOOMED;
            return self.at(shows, host, Kind::Ends);
        }
        if dice.unit(Draw::Fate, host) < settings.fail {
            standing.now |= Standing::DOOMED;
        } else if broken {
            self.at(shows, host, Kind::Sickens);
        }
        self.at(ends, host, Kind::Ends);
    }

    fn fill_places(&mut self, now: u64) {
        let unit = 1.0 - self.luck.f64();
        if let Some(at) = self.server.next_question(now, unit) {
            self.at(at, 0, Kind::Asks);
        }
    }

    /// When a host that is let go now hears of it.
    fn asks_next(&self, host: u32, now: u64) -> u64 {
        if self.settings.push {
            return now + nanoseconds(HINT_S * self.dice.unit(Draw::Hint, host));
        }
        let since = self.since_report(host, now);
        now + nanoseconds(self.settings.report.as_secs_f64()) - since
    }

    /// How long ago the last report of a host was, if it is there: less than the time between two.
    fn since_report(&self, host: u32, now: u64) -> u64 {
        let period = nanoseconds(self.settings.report.as_secs_f64()).max(1);
        let phase = (self.dice.unit(Draw::Phase, host) * period as f64) as u64;
        (now + period - phase.min(period - 1)) % period
    }

    /// A host is away from now on. It is taken for silent when enough reports are missing.
    fn go_away(&mut self, host: u32, now: u64) {
        let back = now + self.exponential(AWAY.as_secs_f64()).max(SECOND);
        self.away[host as usize] = u32::try_from(back / SECOND).unwrap_or(u32::MAX - 1).max(1);
        self.at(back, host, Kind::Back);
        let period = nanoseconds(self.settings.report.as_secs_f64());
        let silent = (now + u64::from(SILENT_AFTER_REPORTS) * period)
            .saturating_sub(self.since_report(host, now));
        let is_known = self.conductor.hosts[host as usize].is(Standing::SILENT);
        if silent < back && !is_known {
            self.at(silent, host, Kind::Silent);
        }
    }

    /// The next time at which this happens to any host.
    fn any(&mut self, kind: Kind, now: u64) {
        let (offline, noise) = (self.settings.offline, self.settings.noise);
        let rate = match kind {
            Kind::AnyAway => offline / (1.0 - offline).max(1e-6) / AWAY.as_secs_f64(),
            _ => noise / 3600.0,
        };
        let rate = rate * self.fleet.len() as f64;
        if rate > 0.0 {
            let at = now + self.exponential(1.0 / rate);
            self.at(at, 0, kind);
        }
    }

    fn any_host(&mut self) -> u32 {
        self.luck
            .u32(..u32::try_from(self.fleet.len()).unwrap_or(u32::MAX).max(1))
    }

    fn exponential(&mut self, mean_s: f64) -> u64 {
        nanoseconds(-mean_s * (1.0 - self.luck.f64()).ln()).max(1)
    }

    fn at(&mut self, at: u64, host: u32, kind: Kind) {
        self.events.push(Reverse((at, host, kind)));
    }

    fn timestamp(&self, now: u64) -> Timestamp {
        let after = jiff::SignedDuration::from_nanos(i64::try_from(now).unwrap_or(i64::MAX));
        self.settings
            .start
            .checked_add(after)
            .unwrap_or(Timestamp::MAX)
    }

    fn end(mut self, end: End) -> (Outcome, W) {
        for (wave, lane) in self.waves.iter_mut().zip(&self.conductor.lanes) {
            wave.take_over(lane);
        }
        // Where nothing moves any more, it is over since it last came any further.
        let over = match end {
            End::Stuck => self.moved_at,
            _ => self.pace.looked_at,
        };
        let outcome = Outcome {
            end,
            start: self.settings.start,
            ended_at: self.timestamp(over),
            why: self.why.map(|why| why.to_string()).unwrap_or_default(),
            waves: self.waves,
            let_go: self.conductor.let_go_so_far(),
            proven: self.proven,
            failed: self.failed,
            load: self.server.into_load(),
            reports: self.reports.peak()
                + self.fleet.len() as f64 / self.settings.report.as_secs_f64().max(1e-3),
            in_flight: self.in_flight,
            fewest_fit: self.fewest_fit,
            going: self.going,
            done: self.done,
            looks: self.pace.looks,
            decisions: self.conductor.decisions,
        };
        (outcome, self.watch)
    }
}

/// Seconds as nanoseconds; what is too long is as long as it gets.
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
