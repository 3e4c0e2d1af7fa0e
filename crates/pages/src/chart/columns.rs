//! From an item's history to what is drawn: buckets in order, numbers that are numbers, and no more columns than the
//! drawing has room for.

use jiff::Timestamp;
use lockstep_model::{Bucket, Series};

use super::scale::LARGEST;

/// A column of a drawing: the samples of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column {
    /// Its place on the grid, from 0.
    pub(super) place: i64,
    pub(super) at: Timestamp,
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// The columns of a series, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// How long one is, in milliseconds.
    pub(super) each_ms: i64,
    pub(super) columns: Vec<Column>,
}

/// Figures of all samples together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) last: f64,
    pub(super) last_at: Timestamp,
    pub(super) least: f64,
    pub(super) greatest: f64,
    pub(super) mean: f64,
}

impl Columns {
    /// Buckets that are too many for `most` columns are put together: means are weighted, extremes kept. Buckets in any
    /// order, outside of the series' time, or with numbers that are none do no harm.
    pub(super) fn of(series: &Series, most: i64) -> Self {
        let (from, to) = (series.from.min(series.to), series.from.max(series.to));
        let span = to
            .as_millisecond()
            .saturating_sub(from.as_millisecond())
            .max(1);
        let bucket = i64::try_from(series.bucket_ms).unwrap_or(i64::MAX).max(1);
        let slots = span / bucket + i64::from(span % bucket > 0);
        let together = slots / most + i64::from(slots % most > 0);
        let each_ms = bucket.saturating_mul(together.max(1));
        let place = |at: Timestamp| {
            let after = at.as_millisecond().saturating_sub(from.as_millisecond());
            after.div_euclid(each_ms)
        };
        let mut columns: Vec<Column> = series
            .buckets
            .iter()
            .filter(|it| [it.mean, it.min, it.max].iter().all(|it| it.is_finite()))
            .filter(|it| {
                let end = it.at.as_millisecond().saturating_add(bucket);
                it.at < to && end > from.as_millisecond()
            })
            .map(|it| column(it, place(it.at)))
            .collect();
        columns.sort_by_key(|it| it.at);
        columns.dedup_by(|later, first| {
            let same = later.place == first.place;
            if same {
                *first = together_with(first, later);
            }
            same
        });
        Self {
            from,
            to,
            each_ms,
            columns,
        }
    }

    /// Stretches without a gap. Where samples come rarely, a gap is what is longer than half as much again as the usual
    /// distance.
    pub(super) fn runs(&self) -> Vec<&[Column]> {
        let mut distances: Vec<i64> = self
            .columns
            .windows(2)
            .map(|it| it[1].place - it[0].place)
            .collect();
        distances.sort_unstable();
        // Two or three samples say nothing about what is usual.
        let usual = match distances.len() {
            0..4 => 1,
            count => distances[count / 2],
        };
        self.columns
            .chunk_by(|a, b| b.place - a.place <= usual + usual / 2)
            .collect()
    }

    /// None without samples.
    pub(super) fn figures(&self) -> Option<Figures> {
        let last = self.columns.last()?;
        let all = || self.columns.iter();
        let count: f64 = all().map(|it| it.count as f64).sum();
        Some(Figures {
            last: last.mean,
            last_at: last.at,
            least: all().map(|it| it.min).fold(f64::INFINITY, f64::min),
            greatest: all().map(|it| it.max).fold(f64::NEG_INFINITY, f64::max),
            mean: all().map(|it| it.mean * (it.count as f64 / count)).sum(),
        })
    }
}

fn column(bucket: &Bucket, place: i64) -> Column {
    let guarded = |value: f64| value.clamp(-LARGEST, LARGEST);
    let (min, max) = (guarded(bucket.min), guarded(bucket.max));
    let (min, max) = (min.min(max), min.max(max));
    Column {
        place,
        at: bucket.at,
        count: bucket.count.max(1),
        mean: guarded(bucket.mean).clamp(min, max),
        min,
        max,
    }
}

fn together_with(first: &Column, later: &Column) -> Column {
    let count = first.count.saturating_add(later.count);
    let share = later.count as f64 / count as f64;
    Column {
        place: first.place,
        at: first.at,
        count,
        mean: first.mean * (1.0 - share) + later.mean * share,
        min: first.min.min(later.min),
        max: first.max.max(later.max),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bucket, series};
    use super::*;

    #[test]
    fn buckets_become_columns_in_order() {
        let columns = Columns::of(
            &series(10, &[bucket(3, 3.0), bucket(1, 1.0), bucket(2, 2.0)]),
            100,
        );
        let means: Vec<f64> = columns.columns.iter().map(|it| it.mean).collect();
        assert_eq!(means, [1.0, 2.0, 3.0]);
        let figures = columns.figures().unwrap();
        assert_eq!(
            (figures.last, figures.least, figures.greatest),
            (3.0, 0.5, 3.5)
        );
        assert!((figures.mean - 2.0).abs() < 1e-9);
    }

    #[test]
    fn too_many_buckets_are_put_together() {
        let many: Vec<Bucket> = (0..2_000).map(|it| bucket(it, it as f64)).collect();
        let columns = Columns::of(&series(2_000, &many), 200);
        assert_eq!(columns.columns.len(), 200);
        assert_eq!(columns.each_ms, 600_000);
        let first = columns.columns[0];
        assert_eq!((first.count, first.min, first.max), (100, -0.5, 9.5));
        assert!((first.mean - 4.5).abs() < 1e-9);
    }

    #[test]
    fn nonsense_does_no_harm() {
        let mut bad = bucket(1, f64::NAN);
        bad.at = Timestamp::MIN;
        let mut turned = bucket(2, 5.0);
        (turned.min, turned.max, turned.count) = (9.0, 1.0, 0);
        let columns = Columns::of(&series(10, &[bad, bucket(1, f64::INFINITY), turned]), 100);
        assert_eq!(columns.columns.len(), 1);
        let column = columns.columns[0];
        assert_eq!(
            (column.min, column.mean, column.max, column.count),
            (1.0, 5.0, 9.0, 1)
        );
        let mut empty = series(10, &[bucket(1, 1.0)]);
        (empty.to, empty.bucket_ms) = (empty.from, 0);
        assert_eq!(Columns::of(&empty, 100).figures(), None);
    }

    #[test]
    fn gaps_part_runs() {
        let lengths = |minutes: &[i64]| -> Vec<usize> {
            let buckets: Vec<Bucket> = minutes.iter().map(|it| bucket(*it, 1.0)).collect();
            let columns = Columns::of(&series(100, &buckets), 200);
            columns.runs().iter().map(|it| it.len()).collect()
        };
        assert_eq!(lengths(&[0, 1, 2, 4, 5]), [3, 2]);
        assert_eq!(lengths(&[0]), [1]);
        assert!(lengths(&[]).is_empty());
        // An item that is asked every five minutes has no gap at each of four.
        assert_eq!(lengths(&[0, 5, 10, 15, 20, 30, 35]), [5, 2]);
    }
}
