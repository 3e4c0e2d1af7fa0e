//! Many simulations of one rollout, as a curve with a band: how far it had come at each time.

use std::time::Duration;

use lockstep_model::Strategy;

use super::fleet::Fleet;
use super::outcome::{End, Outcome};
use super::settings::Settings;
use super::simulate;

/// The share of the hosts that have proven the release, over time, in several simulations of a release without fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Simulations that were made.
    pub runs: usize,
    /// Of them, those in which the rollout was done.
    pub done: usize,
    /// Times after the beginning, evenly spaced. Behind the last one nine of ten simulations change no more.
    pub times: Vec<Duration>,
    /// The share at each time that is exceeded in nine of ten simulations.
    pub p10: Vec<f64>,
    /// The share in the median.
    pub median: Vec<f64>,
    /// The share that is exceeded in one of ten.
    pub p90: Vec<f64>,
    /// After how long the rollout was done, in the median; none if it was not done in half of the simulations.
    pub end: Option<Duration>,
}

impl Band {
    /// Simulates so many rollouts, and says how far they had come at so many times. `goes_on` is asked before each one:
    /// once it says no, there is no answer. Equal seeds give equal answers.
    #[must_use]
    pub fn of(
        fleet: &Fleet,
        strategy: &Strategy,
        settings: &Settings,
        runs: usize,
        points: usize,
        seed: u64,
        goes_on: impl Fn() -> bool,
    ) -> Option<Self> {
        let settings = Settings {
            breaks: 0.0,
            ..settings.clone()
        };
        let mut ways = Vec::new();
        for run in 0..runs.max(1) as u64 {
            if !goes_on() {
                return None;
            }
            let outcome = simulate(fleet, strategy, &settings, seed.wrapping_add(run));
            ways.push(Way::of(outcome));
        }
        Some(Self::over(&mut ways, fleet.len(), points.max(2)))
    }

    fn over(ways: &mut [Way], hosts: usize, points: usize) -> Self {
        let mut ends: Vec<Duration> = ways.iter().filter_map(|way| way.done_after).collect();
        ends.sort_unstable();
        let done = ends.len();
        // Those that were not done come last.
        let end = ends.get(rank(0.5, ways.len())).copied();
        let mut lasts: Vec<Duration> = ways.iter().map(Way::last).collect();
        lasts.sort_unstable();
        // What comes to rest at once, because nobody is let go, still is a line.
        let last = lasts[rank(0.9, lasts.len())].max(Duration::from_secs(1));
        let times: Vec<Duration> = (0..points)
            .map(|point| last.mul_f64(point as f64 / (points - 1) as f64))
            .collect();
        let mut band = Self {
            runs: ways.len(),
            done,
            times: Vec::new(),
            p10: Vec::new(),
            median: Vec::new(),
            p90: Vec::new(),
            end,
        };
        for time in &times {
            let mut shares: Vec<f64> = ways.iter().map(|way| way.share(*time, hosts)).collect();
            shares.sort_unstable_by(f64::total_cmp);
            band.p10.push(shares[rank(0.1, shares.len())]);
            band.median.push(shares[rank(0.5, shares.len())]);
            band.p90.push(shares[rank(0.9, shares.len())]);
        }
        Self { times, ..band }
    }
}

/// What of one simulation matters here.
#[derive(Debug)]
struct Way {
    /// When hosts had proven the release, in their order.
    proven: Vec<Duration>,
    done_after: Option<Duration>,
}

impl Way {
    fn of(outcome: Outcome) -> Self {
        Self {
            done_after: (outcome.end == End::Done).then(|| outcome.took()),
            proven: outcome.proven,
        }
    }

    fn last(&self) -> Duration {
        self.proven.last().copied().unwrap_or_default()
    }

    fn share(&self, time: Duration, hosts: usize) -> f64 {
        let proven = self.proven.partition_point(|at| *at <= time);
        proven as f64 / hosts.max(1) as f64
    }
}

/// Where this share of so many, sorted, is reached.
fn rank(share: f64, count: usize) -> usize {
    ((count as f64 * share).ceil() as usize)
        .saturating_sub(1)
        .min(count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use lockstep_model::{RolloutId, Version};

    use super::*;

    fn band(runs: usize, seed: u64) -> Band {
        let strategy = Strategy::default();
        let fleet = Fleet::invented(200, &strategy, RolloutId(7));
        let start = "2026-11-21T09:00:00Z".parse().unwrap();
        let version = Version::parse("1.4.2").unwrap();
        let settings = Settings::new(start, version);
        Band::of(&fleet, &strategy, &settings, runs, 50, seed, || true).unwrap()
    }

    #[test]
    fn the_band_lies_around_the_median_and_grows() {
        let band = band(11, 7);
        assert_eq!((band.runs, band.times.len()), (11, 50));
        assert!(band.done > 5, "{}", band.done);
        for point in 0..50 {
            let (low, middle, high) = (band.p10[point], band.median[point], band.p90[point]);
            assert!(low <= middle && middle <= high, "{low} {middle} {high}");
        }
        for curve in [&band.p10, &band.median, &band.p90] {
            assert!(curve.windows(2).all(|pair| pair[0] <= pair[1]));
        }
        assert!(band.median[0] < 0.01, "nobody has it at once");
        assert!(band.median[49] > 0.95, "{}", band.median[49]);
        let end = band.end.unwrap();
        assert!(end >= band.times[40], "{end:?} {:?}", band.times);
    }

    #[test]
    fn equal_seeds_give_equal_bands_and_one_run_is_a_line() {
        let one = band(1, 7);
        assert_eq!(one, band(1, 7));
        assert_ne!(one, band(1, 8));
        assert_eq!(one.p10, one.p90);
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let strategy = Strategy::default();
        let fleet = Fleet::invented(10, &strategy, RolloutId(1));
        let start = "2026-11-21T09:00:00Z".parse().unwrap();
        let settings = Settings::new(start, Version::parse("1.4.2").unwrap());
        let none = Band::of(&fleet, &strategy, &settings, 3, 10, 1, || false);
        assert_eq!(none, None);
    }
}
