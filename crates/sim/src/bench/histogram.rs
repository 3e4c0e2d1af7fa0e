//! How long things took, in few bytes: a histogram whose buckets grow with what they hold.
//!
//! Each power of two of microseconds has 32 buckets, so that what is read from it is at most 3 % too large. The idea is
//! that of the HDR histogram (Gil Tene).

use std::time::Duration;

/// Bits of a number that tell buckets of one power of two apart.
const FINE_BITS: u32 = 5;
const FINE: usize = 1 << FINE_BITS;
/// Powers of two: the last one is longer than an hour.
const POWERS: usize = 28;

/// A histogram of durations.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Box<[u32]>,
    count: u64,
    max: Duration,
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buckets: vec![0; POWERS * FINE].into(),
            count: 0,
            max: Duration::ZERO,
        }
    }

    /// Counts one.
    pub fn record(&mut self, took: Duration) {
        let index = index(took).min(self.buckets.len() - 1);
        self.buckets[index] = self.buckets[index].saturating_add(1);
        self.count += 1;
        self.max = self.max.max(took);
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.max) = (0, Duration::ZERO);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Which duration this share of all, from 0 to 1, does not exceed; none when nothing was counted.
    #[must_use]
    pub fn at(&self, share: f64) -> Option<Duration> {
        let rank = ((self.count as f64) * share).ceil().max(1.0);
        let mut seen = 0_u64;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if *count > 0 && seen as f64 >= rank {
                return Some(upper(index).min(self.max));
            }
        }
        None
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

fn index(took: Duration) -> usize {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // Below two rounds of fine buckets each microsecond has its own.
    let power = (us >> FINE_BITS).checked_ilog2().unwrap_or(0);
    let fine = usize::try_from(us >> power).unwrap_or(usize::MAX);
    fine.saturating_add(power as usize * FINE)
}

/// The longest duration of a bucket.
fn upper(index: usize) -> Duration {
    let power = (index / FINE).saturating_sub(1);
    let fine = index - power * FINE;
    Duration::from_micros((((fine as u64) + 1) << power) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_of_a_thousand() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.at(0.5), None);
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        let near = |share, ms: f64| {
            let found = histogram.at(share).unwrap().as_secs_f64() * 1000.0;
            assert!(found >= ms && found <= ms * 1.04, "{share}: {found}");
        };
        near(0.5, 500.0);
        near(0.9, 900.0);
        near(0.99, 990.0);
        assert_eq!(histogram.at(1.0), Some(Duration::from_secs(1)));
        let mut twice = histogram.clone();
        twice.add(&histogram);
        assert_eq!((twice.count(), twice.at(0.5)), (2000, histogram.at(0.5)));
        twice.clear();
        assert_eq!((twice.count(), twice.at(0.5)), (0, None));
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_a_thirtieth_too_large(us in 0_u64..3_000_000_000) {
            let took = Duration::from_micros(us);
            let shown = upper(index(took));
            prop_assert!(shown >= took && shown.as_micros() <= u128::from(us) + u128::from(us) / 30 + 1);
        }

        #[test]
        fn nothing_is_too_long(seconds: u64) {
            let mut histogram = Histogram::new();
            histogram.record(Duration::from_secs(seconds));
            prop_assert!(histogram.at(0.5).is_some());
        }
    }
}
