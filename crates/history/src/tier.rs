//! The three grains in which history is kept.
//!
//! Each grain is stored in batches. A batch holds one chunk for each series, and covers a stretch of time that no
//! other batch of its grain touches. Folding goes by whole windows: a day of samples becomes one batch of buckets
//! of 10 minutes, five days of those become one of buckets of an hour. So nothing is ever written twice, new rows
//! are always the last ones of the file, and that a batch is there says that its window is done.

/// A grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Samples as they came.
    Raw,
    /// Buckets of 10 minutes.
    Mid,
    /// Buckets of an hour.
    Long,
}

impl Tier {
    /// As it is stored.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::Mid => 1,
            Self::Long => 2,
        }
    }

    /// Length of a bucket in seconds; of samples, the least time between two.
    pub(crate) const fn step(self) -> i64 {
        match self {
            Self::Raw => 1,
            Self::Mid => 600,
            Self::Long => 3_600,
        }
    }

    /// Length of a window in seconds. Four hours hold 240 samples at the default pace; a chunk of a day's or of five
    /// days' buckets is about as long. No batch reaches over the edge of its window.
    pub(crate) const fn window(self) -> i64 {
        match self {
            Self::Raw => 4 * 3_600,
            Self::Mid => 86_400,
            Self::Long => 5 * 86_400,
        }
    }

    /// The beginning of the window that a moment lies in.
    pub(crate) fn window_of(self, second: i64) -> i64 {
        floor(second, self.window())
    }
}

/// The multiple of `step` at or before a moment.
pub(crate) fn floor(second: i64, step: i64) -> i64 {
    second.saturating_sub(second.rem_euclid(step))
}

/// The multiple of `step` at or behind a moment.
pub(crate) fn ceil(second: i64, step: i64) -> i64 {
    floor(second.saturating_add(step - 1), step)
}
