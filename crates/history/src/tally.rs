//! Samples of a stretch of time, told together.

/// How many samples, their extremes and their sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) sum: f64,
}

impl Tally {
    /// Of no samples.
    pub(crate) const EMPTY: Self = Self {
        count: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
    };

    /// Of one sample.
    pub(crate) fn one(value: f64) -> Self {
        Self {
            count: 1,
            min: value,
            max: value,
            sum: value,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }

    /// None without samples.
    pub(crate) fn mean(&self) -> Option<f64> {
        // The mean lies between the extremes, whatever the sum was rounded to.
        (self.count > 0).then(|| (self.sum / self.count as f64).max(self.min).min(self.max))
    }
}
