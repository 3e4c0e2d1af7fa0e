//! Many simulations of one rollout: how far a bad release gets, and how often a good one is stopped.

use std::time::Duration;

use lockstep_model::Strategy;
use lockstep_plan::stats::binomial_upper;

use super::fleet::Fleet;
use super::outcome::{End, Outcome};
use super::settings::Settings;
use super::simulate;

/// Hosts that are simulated for each figure, at most, all runs together, if nothing else is asked for. It keeps the
/// figures for a million hosts within seconds.
const HOSTS: usize = 1_000_000;
/// Bounds hold with this confidence.
pub const CONFIDENCE: f64 = 0.95;

/// What a release that breaks some of the hosts comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposure {
    /// The share of the hosts that it breaks.
    pub breaks: f64,
    /// Simulations that were made.
    pub runs: usize,
    /// Of them, those in which the rollout was stopped, or a gate held it for good.
    pub stopped: usize,
    /// Hosts that were let go until then, in the median; all of them where it was not stopped.
    pub hosts: usize,
    /// Hosts that were let go in the worst but one of twenty runs.
    pub hosts_95: usize,
    /// How long that took, in the median.
    pub took: Duration,
}

/// What a release without fault comes to.
#[derive(Debug, Clone)]
pub struct Healthy {
    /// Simulations that were made.
    pub runs: usize,
    /// Of them, those in which the rollout was done.
    pub done: usize,
    /// Those in which a gate stopped it for good.
    pub stopped: usize,
    /// Those in which nothing would have moved it any more.
    pub stuck: usize,
    /// The chance that it is not done is below this, with [`CONFIDENCE`] (Clopper and Pearson).
    pub chance_below: f64,
    /// The first run in which it was done; where there is none, the first one.
    pub plan: Outcome,
    /// The number of that run, from 1 on.
    pub plan_run: usize,
}

/// How many simulations are made for each figure: as many as are asked for, or fewer where the fleet is large.
#[must_use]
pub fn runs(asked: usize, hosts: usize) -> usize {
    asked.min(HOSTS / hosts.max(1)).max(1)
}

impl Exposure {
    /// Simulates a release that breaks this share of the hosts.
    #[must_use]
    pub fn of(
        fleet: &Fleet,
        strategy: &Strategy,
        settings: &Settings,
        breaks: f64,
        runs: usize,
        seed: u64,
    ) -> Self {
        let settings = Settings {
            breaks,
            ..settings.clone()
        };
        let mut stopped = 0;
        let mut ends: Vec<(usize, Duration)> = (0..runs.max(1) as u64)
            .map(|run| {
                let outcome = simulate(fleet, strategy, &settings, seed.wrapping_add(run));
                stopped += usize::from(outcome.end != End::Done);
                (outcome.let_go, outcome.took())
            })
            .collect();
        ends.sort_unstable();
        let hosts = |share: f64| ends[rank(share, ends.len())].0;
        let (median, hosts_95) = (hosts(0.5), hosts(0.95));
        let mut times: Vec<Duration> = ends.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        Self {
            breaks,
            runs: ends.len(),
            stopped,
            hosts: median,
            hosts_95,
            took: times[rank(0.5, times.len())],
        }
    }
}

impl Healthy {
    /// Simulates a release without fault.
    #[must_use]
    pub fn of(
        fleet: &Fleet,
        strategy: &Strategy,
        settings: &Settings,
        runs: usize,
        seed: u64,
    ) -> Self {
        let settings = Settings {
            breaks: 0.0,
            ..settings.clone()
        };
        let run = |number: u64| simulate(fleet, strategy, &settings, seed.wrapping_add(number));
        let mut healthy = Self {
            runs: 0,
            done: 0,
            stopped: 0,
            stuck: 0,
            chance_below: 1.0,
            plan: run(0),
            plan_run: 1,
        };
        healthy.count(healthy.plan.end);
        for number in 1..runs as u64 {
            let outcome = run(number);
            healthy.count(outcome.end);
            if outcome.end == End::Done && healthy.plan.end != End::Done {
                (healthy.plan, healthy.plan_run) = (outcome, healthy.runs);
            }
        }
        let (missed, runs) = ((healthy.runs - healthy.done) as u64, healthy.runs as u64);
        healthy.chance_below = binomial_upper(missed, runs, CONFIDENCE);
        healthy
    }

    fn count(&mut self, end: End) {
        self.runs += 1;
        match end {
            End::Done => self.done += 1,
            End::Stopped => self.stopped += 1,
            End::Stuck => self.stuck += 1,
        }
    }
}

/// Where this share of so many, sorted, is reached.
fn rank(share: f64, count: usize) -> usize {
    ((count as f64 * share).ceil() as usize)
        .saturating_sub(1)
        .min(count.saturating_sub(1))
}

/// Why a strategy can never finish with so many hosts, as far as that is clear before anything is simulated.
#[must_use]
pub fn impossible(strategy: &Strategy, hosts: usize, settings: &Settings) -> Option<String> {
    if strategy.windows.opens(settings.start).is_none() {
        return Some(
            "hours and blackouts: no window opens within a year after the start; nobody would ever be let go".into(),
        );
    }
    let demanded = strategy.fit?;
    (demanded.of(hosts) >= hosts).then(|| {
        format!(
            "fit = \"{demanded}\": {} of {hosts} hosts must stay fit and at rest, so no fit host can ever be let go",
            demanded.of(hosts)
        )
    })
}
