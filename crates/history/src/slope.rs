//! How fast an item rises or falls: "the disk is full in nine hours".

use jiff::Timestamp;
use lockstep_model::{Bucket, HistoryQuery, HostName, Interval, ItemName, Series, Span};

use crate::{Error, History};

/// Buckets that the line is laid through. One restless minute does not turn a line through a hundred points.
const POINTS: u32 = 120;

/// How an item goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// By how much it rises in a second.
    pub per_second: f64,
    /// What it was last: the mean of the newest hundredth of the time that was looked at.
    pub latest: f64,
}

impl History {
    /// How an item rises: the straight line through its last `over`, by least squares, where each sample counts the
    /// same. None where the samples cover less than half of that time; a line through less would
    /// be a guess.
    ///
    /// # Errors
    /// As [`History::view`].
    pub async fn slope(
        &self,
        host: Option<&HostName>,
        item: &ItemName,
        over: Interval,
        now: Timestamp,
    ) -> Result<Option<Slope>, Error> {
        let from = now.checked_sub(over.duration()).unwrap_or(Timestamp::MIN);
        let query = HistoryQuery {
            host: host.cloned(),
            item: item.clone(),
            span: Span::Between { from, to: now },
            points: Some(POINTS),
        };
        let series = self.view(&query, now).await?;
        Ok(line(&series, over.seconds()))
    }
}

fn line(series: &Series, over: f64) -> Option<Slope> {
    let (first, last) = (series.buckets.first()?, series.buckets.last()?);
    let x = |bucket: &Bucket| bucket.at.duration_since(first.at).as_secs_f64();
    if x(last) < over / 2.0 {
        return None;
    }
    let weights: f64 = series
        .buckets
        .iter()
        .map(|bucket| bucket.count as f64)
        .sum();
    let mean = |of: &dyn Fn(&Bucket) -> f64| {
        let parts = series.buckets.iter();
        parts
            .map(|bucket| of(bucket) * (bucket.count as f64 / weights))
            .sum::<f64>()
    };
    let (mean_x, mean_y) = (mean(&x), mean(&|bucket| bucket.mean));
    let along = mean(&|bucket| (x(bucket) - mean_x) * (bucket.mean - mean_y));
    let across = mean(&|bucket| (x(bucket) - mean_x).powi(2));
    (across > 0.0).then(|| Slope {
        per_second: along / across,
        latest: last.mean,
    })
}
