//! HIST: series of items in one table, grouped as dmon groups them.
//!
//! | view | a row | rows |
//! |---|---|---|
//! | Hour | 1 minute | 60 |
//! | Day | 10 minutes | 145 |
//! | Week | 1 hour | 168 |
//! | Month | 4 hours | 186 |
//! | Year | 2 days | 184 |
//!
//! Rows begin at multiples of their length since 1970, the last one holds now. Each number is the mean of the samples
//! that fell into its row. A row in which nothing was measured is left out.

use std::collections::BTreeMap;

use lockstep_model::{Series, View};
use serde_json::{Value as Json, json};

use super::json::said;

/// A number of a series, made of one sample or of more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When, in seconds since 1970.
    pub at: i64,
    /// The sample, or the mean of several.
    pub value: f64,
    /// How many samples it is the mean of.
    pub count: u64,
}

/// What HIST answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The items' names, in alphabetical order.
    pub names: Vec<String>,
    /// The rows, oldest first: when each begins, and a number for each name.
    pub rows: Vec<(i64, Vec<Option<f64>>)>,
}

/// Groups the series of a table. A series whose name was there already replaces it.
#[must_use]
pub fn table(
    view: View,
    now: i64,
    series: impl IntoIterator<Item = (String, Vec<Point>)>,
) -> Table {
    let series: BTreeMap<String, Vec<Point>> = series.into_iter().collect();
    let width = i64::try_from(view.bucket().as_secs()).unwrap_or(i64::MAX);
    let end = (now.div_euclid(width) + 1).saturating_mul(width);
    let begin = end.saturating_sub(width.saturating_mul(i64::from(view.buckets())));
    let mut rows: BTreeMap<i64, Vec<(f64, f64)>> = BTreeMap::new();
    for (column, points) in series.values().enumerate() {
        for point in points
            .iter()
            .filter(|it| (begin..end).contains(&it.at) && it.count > 0)
        {
            let row = rows
                .entry(point.at.div_euclid(width) * width)
                .or_insert_with(|| vec![(0.0, 0.0); series.len()]);
            if let Some((sum, count)) = row.get_mut(column) {
                *sum += point.value * point.count as f64;
                *count += point.count as f64;
            }
        }
    }
    let mean = |(sum, count): (f64, f64)| (count > 0.0).then(|| sum / count);
    Table {
        rows: rows
            .into_iter()
            .map(|(at, sums)| (at, sums.into_iter().map(mean).collect()))
            .collect(),
        names: series.into_keys().collect(),
    }
}

/// The points of a series of ours.
#[must_use]
pub fn points(series: &Series) -> Vec<Point> {
    let point = |bucket: &lockstep_model::Bucket| Point {
        at: bucket.at.as_second(),
        value: bucket.mean,
        count: bucket.count,
    };
    series.buckets.iter().map(point).collect()
}

impl Table {
    /// The answer: `{"resp":"ok rows N","data":{"cols":["TIME",…],"rows":[[t,v…]…]}}`.
    #[must_use]
    pub fn answer(&self) -> String {
        let cols: Vec<&str> = ["TIME"]
            .into_iter()
            .chain(self.names.iter().map(String::as_str))
            .collect();
        let row = |(at, values): &(i64, Vec<Option<f64>>)| -> Json {
            [json!(at)]
                .into_iter()
                .chain(values.iter().map(|value| json!(value)))
                .collect()
        };
        let rows: Vec<Json> = self.rows.iter().map(row).collect();
        let resp = format!("ok rows {}", rows.len());
        said(&resp, [("data", json!({ "cols": cols, "rows": rows }))])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const NOW: i64 = 1_795_000_030;

    /// A year of minutes, each with its own number; some are missing.
    fn year(seed: i64) -> Vec<Point> {
        let minutes = (0..366 * 1440).map(|back| NOW / 60 * 60 - back * 60);
        let there = minutes.filter(|at| (at / 60 + seed) % 17 != 0);
        let point = |at: i64| Point {
            at,
            value: ((at / 60 * (seed + 3)) % 1009) as f64 / 7.0,
            count: 1,
        };
        there.map(point).collect()
    }

    #[test]
    fn a_year_of_minutes_has_dmons_rows_and_true_means() {
        let (load, disk) = (year(1), year(5));
        for (view, width, rows) in [
            (View::Hour, 60, 60),
            (View::Day, 600, 145),
            (View::Week, 3_600, 168),
            (View::Month, 4 * 3_600, 186),
            (View::Year, 2 * 86_400, 184),
        ] {
            let table = table(
                view,
                NOW,
                [("load".into(), load.clone()), ("disk".into(), disk.clone())],
            );
            assert_eq!(table.names, ["disk", "load"], "{view}");
            // In a year of 366 days are 183 pairs of them, and 184 rows that they touch.
            assert!(
                (rows - 1..=rows).contains(&(table.rows.len() as i64)),
                "{view}: {}",
                table.rows.len()
            );
            assert_eq!(table.rows.last().unwrap().0, NOW / width * width, "{view}");
            for (column, series) in [&disk, &load].into_iter().enumerate() {
                // Brute force: all samples of each row in a heap of their own.
                let mut heaps: HashMap<i64, Vec<f64>> = HashMap::new();
                let first = table.rows[0].0;
                for point in series.iter().filter(|it| it.at >= first) {
                    heaps
                        .entry(point.at - point.at % width)
                        .or_default()
                        .push(point.value);
                }
                for (at, values) in &table.rows {
                    let heap = heaps.get(at).map(Vec::as_slice).unwrap_or_default();
                    match values[column] {
                        Some(mean) => {
                            let expected = heap.iter().sum::<f64>() / heap.len() as f64;
                            assert!(
                                (mean - expected).abs() < 1e-6,
                                "{view} {at}: {mean} {expected}"
                            );
                        }
                        None => assert!(heap.is_empty(), "{view} {at}"),
                    }
                }
            }
        }
    }

    #[test]
    fn means_of_means_count_by_their_samples() {
        let point = |at, value, count| Point { at, value, count };
        let points = vec![
            point(NOW - 3, 1.0, 3),
            point(NOW - 2, 5.0, 1),
            point(NOW - 1, 9.0, 0),
            point(NOW + 100, 7.0, 1),
        ];
        let other = vec![point(NOW - 90, 4.0, 1)];
        let table = table(View::Hour, NOW, [("b".into(), points), ("a".into(), other)]);
        let minute = NOW / 60 * 60;
        assert_eq!(
            table.rows,
            [
                ((NOW - 90) / 60 * 60, vec![Some(4.0), None]),
                (minute, vec![None, Some(2.0)])
            ]
        );
    }

    #[test]
    fn the_answer_is_dmons() {
        let table = Table {
            names: vec!["a".into(), "b".into()],
            rows: vec![(60, vec![Some(1.5), None])],
        };
        assert_eq!(
            table.answer(),
            r#"{"resp":"ok rows 1","data":{"cols":["TIME","a","b"],"rows":[[60,1.5,null]]}}"#
        );
    }
}
