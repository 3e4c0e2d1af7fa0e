//! A history, and beside it everything that it was told, to compare.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use lockstep_history::{History, Measured, quantise};
use lockstep_model::{
    Bucket, HistoryQuery, HostName, Interval, ItemName, Retention, Series, Span, View,
};
use tempfile::TempDir;

/// A second that begins a minute, an hour, a day, and a window of each grain: 1 700 352 000 = 3936 × 432 000.
pub(crate) const DAWN: i64 = 1_700_352_000;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn item(name: &str) -> ItemName {
    ItemName::parse(name).unwrap()
}

pub(crate) fn days(raw: u64, mid: u64, long: u64) -> Retention {
    let days = |count| Interval::from_secs(count * 86_400);
    Retention {
        raw: days(raw),
        mid: days(mid),
        long: days(long),
    }
}

pub(crate) struct World {
    pub(crate) history: History,
    pub(crate) path: PathBuf,
    /// Each series' samples as they are kept.
    pub(crate) told: BTreeMap<ItemName, Vec<(i64, f64)>>,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn new(retention: Retention) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.db");
        Self {
            history: History::open(&path, retention, at(DAWN)).await.unwrap(),
            path,
            told: BTreeMap::new(),
            _directory: directory,
        }
    }

    /// Closes it and opens it again.
    pub(crate) async fn reopen(&mut self, retention: Retention) {
        self.history.close().await;
        self.history = History::open(&self.path, retention, at(DAWN))
            .await
            .unwrap();
        assert_eq!(self.history.moved_aside(), None);
    }

    /// Records a round of one item.
    pub(crate) async fn record(&mut self, second: i64, name: &ItemName, value: f64) {
        self.round(second, &[(name.clone(), value, "")]).await;
    }

    /// Records a round, and notes what must be kept of it.
    pub(crate) async fn round(&mut self, second: i64, values: &[(ItemName, f64, &str)]) {
        let samples: Vec<_> = values
            .iter()
            .map(|(item, value, unit)| Measured {
                host: None,
                item,
                value: *value,
                unit,
            })
            .collect();
        let kept = self.history.record(at(second), &samples).await.unwrap();
        let mut expected = 0;
        for (item, value, unit) in values {
            let last = self.told.get(item).and_then(|series| series.last());
            let is_newer = last.is_none_or(|last| last.0 < second);
            if value.is_finite() && value.abs() <= 1e100 && is_newer {
                let series = self.told.entry(item.clone()).or_default();
                series.push((second, quantise(*value, unit)));
                expected += 1;
            }
        }
        assert_eq!(kept, expected, "at {second}: {values:?}");
    }

    pub(crate) async fn view(&self, name: &ItemName, view: View, now: i64) -> Series {
        self.ask(name, Span::View(view), None, now).await
    }

    pub(crate) async fn between(&self, name: &ItemName, from: i64, to: i64, points: u32) -> Series {
        let span = Span::Between {
            from: at(from),
            to: at(to),
        };
        self.ask(name, span, Some(points), to).await
    }

    pub(crate) async fn ask(
        &self,
        name: &ItemName,
        span: Span,
        points: Option<u32>,
        now: i64,
    ) -> Series {
        let query = HistoryQuery {
            host: None,
            item: name.clone(),
            span,
            points,
        };
        self.history.view(&query, at(now)).await.unwrap()
    }

    /// The buckets that the series should have, by adding up all samples.
    pub(crate) fn expected(&self, series: &Series) -> Vec<Bucket> {
        let width = i64::try_from(series.bucket_ms / 1000).unwrap();
        let (from, to) = (series.from.as_second(), series.to.as_second());
        let samples = self.told.get(&series.item).map_or(&[][..], Vec::as_slice);
        let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for &(second, value) in samples {
            if second >= from && second < to {
                let begin = from + (second - from) / width * width;
                buckets.entry(begin).or_default().push(value);
            }
        }
        let bucket = |(begin, values): (i64, Vec<f64>)| Bucket {
            at: at(begin),
            count: values.len() as u64,
            mean: values.iter().sum::<f64>() / values.len() as f64,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        buckets.into_iter().map(bucket).collect()
    }

    /// Panics unless the series is what adding up all samples gives.
    pub(crate) fn check(&self, series: &Series) {
        let expected = self.expected(series);
        let found = &series.buckets;
        assert_eq!(
            found.iter().map(|bucket| bucket.at).collect::<Vec<_>>(),
            expected.iter().map(|bucket| bucket.at).collect::<Vec<_>>(),
            "{} in buckets of {} ms",
            series.item,
            series.bucket_ms
        );
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(
                (found.count, found.min, found.max),
                (expected.count, expected.min, expected.max),
                "{} at {}",
                series.item,
                found.at
            );
            let size = expected.min.abs().max(expected.max.abs());
            assert!(
                (found.mean - expected.mean).abs() <= size * 1e-8,
                "{}: {found:?}, expected {expected:?}",
                series.item
            );
        }
    }

    /// Checks all five views of all items.
    pub(crate) async fn check_views(&self, now: i64) {
        for name in self.told.keys() {
            for view in View::ALL {
                self.check(&self.view(name, view, now).await);
            }
        }
    }
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}
