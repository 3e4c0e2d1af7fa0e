//! Figures over time, in a bounded number of buckets that grow wider as time goes on.

/// Most buckets of a curve.
const MOST: usize = 1024;

/// A curve. Times are nanoseconds since its beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    width: u64,
    values: Vec<f64>,
    kind: Kind,
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What was added in its time.
    Sum,
    /// The last value of its time; the one before it goes on where there is none.
    Last,
}

impl Curve {
    pub(super) fn sum() -> Self {
        Self {
            width: 1_000_000_000,
            values: Vec::new(),
            kind: Kind::Sum,
        }
    }

    pub(super) fn last() -> Self {
        Self {
            kind: Kind::Last,
            ..Self::sum()
        }
    }

    /// Adds what happened at that time.
    pub(super) fn add(&mut self, at: u64, value: f64) {
        let bucket = self.bucket(at);
        self.values[bucket] += value;
    }

    /// Adds something that went on evenly from one time to another.
    pub(super) fn add_evenly(&mut self, from: u64, to: u64, value: f64) {
        self.bucket(to);
        let length = to.saturating_sub(from);
        if length == 0 {
            return self.add(from, value);
        }
        let mut begin = from;
        while begin < to {
            let end = ((begin / self.width + 1) * self.width).min(to);
            let share = (end - begin) as f64 / length as f64;
            let bucket = (begin / self.width) as usize;
            self.values[bucket] += value * share;
            begin = end;
        }
    }

    /// From that time on it is this.
    pub(super) fn set(&mut self, at: u64, value: f64) {
        let bucket = self.bucket(at);
        self.values[bucket] = value;
    }

    /// The bucket of a time; there is one afterwards.
    fn bucket(&mut self, at: u64) -> usize {
        while at / self.width >= MOST as u64 {
            self.widen();
        }
        let bucket = (at / self.width) as usize;
        while self.values.len() <= bucket {
            let before = match self.kind {
                Kind::Sum => 0.0,
                Kind::Last => self.values.last().copied().unwrap_or(0.0),
            };
            self.values.push(before);
        }
        bucket
    }

    /// Two buckets become one.
    fn widen(&mut self) {
        self.width *= 2;
        let kind = self.kind;
        self.values = self
            .values
            .chunks(2)
            .map(|pair| match (kind, pair) {
                (Kind::Sum, pair) => pair.iter().sum(),
                (Kind::Last, [.., last]) => *last,
                (Kind::Last, []) => 0.0,
            })
            .collect();
    }

    /// How long a bucket is, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.width as f64 / 1e9
    }

    /// What the buckets hold.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

/// How much comes in one second, at most.
#[derive(Debug, Clone, Default)]
pub(super) struct Peak {
    second: u64,
    sum: f64,
    peak: f64,
}

impl Peak {
    /// Adds what happened at that time, in nanoseconds; times never go back by a second.
    pub(super) fn add(&mut self, at: u64, value: f64) {
        let second = at / 1_000_000_000;
        if second > self.second {
            (self.second, self.sum) = (second, 0.0);
        }
        self.sum += value;
        self.peak = self.peak.max(self.sum);
    }

    pub(super) fn peak(&self) -> f64 {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn nothing_is_lost_when_buckets_grow() {
        let mut curve = Curve::sum();
        for second in 0..10_000 {
            curve.add(second * SECOND, 1.0);
        }
        curve.add_evenly(500 * SECOND, 1500 * SECOND, 100.0);
        assert!(curve.values().len() <= MOST);
        assert!((curve.values().iter().sum::<f64>() - 10_100.0).abs() < 1e-6);
        assert!((curve.values()[0] - curve.seconds()).abs() < 1e-9);
        let lifted = curve.values()[(1000.0 / curve.seconds()) as usize];
        assert!((lifted - 1.1 * curve.seconds()).abs() < 1e-6, "{lifted}");
    }

    #[test]
    fn the_last_value_goes_on() {
        let mut curve = Curve::last();
        curve.set(0, 3.0);
        curve.set(5 * SECOND, 4.0);
        assert_eq!(curve.values(), [3.0, 3.0, 3.0, 3.0, 3.0, 4.0]);
        curve.set(5000 * SECOND, 9.0);
        assert_eq!(curve.values().first(), Some(&4.0));
        assert_eq!(curve.values().last(), Some(&9.0));
    }

    #[test]
    fn the_fullest_second_counts() {
        let mut peak = Peak::default();
        for (at, value) in [(0.1, 2.0), (0.9, 3.0), (1.0, 4.0), (7.5, 1.0)] {
            peak.add((at * 1e9) as u64, value);
        }
        assert!((peak.peak() - 5.0).abs() < 1e-9);
    }
}
