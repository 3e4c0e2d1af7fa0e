//! A history for other programs.

use std::fmt::Write;

use lockstep_model::Series;

use crate::parts::time;

/// A series as CSV (RFC 4180), with a line of names first: `from,samples,mean,min,max`. Times are UTC, numbers in the base
/// unit of the item.
#[must_use]
pub fn csv(series: &Series) -> String {
    let mut text = String::from("from,samples,mean,min,max\r\n");
    for bucket in &series.buckets {
        // Writing into a text cannot fail.
        let _ = write!(
            text,
            "{},{},{},{},{}\r\n",
            time::second(bucket.at),
            bucket.count,
            bucket.mean,
            bucket.min,
            bucket.max
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Bucket, ItemName};

    use super::*;

    #[test]
    fn each_bucket_is_a_line() {
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        let series = Series {
            item: ItemName::parse("cpu_load").unwrap(),
            unit: "s".into(),
            from: at,
            to: at,
            bucket_ms: 60_000,
            buckets: vec![Bucket {
                at,
                count: 3,
                mean: 0.5,
                min: -1e-9,
                max: 1e20,
            }],
        };
        assert_eq!(
            csv(&series),
            "from,samples,mean,min,max\r\n2026-11-22T12:00:00Z,3,0.5,-0.000000001,100000000000000000000\r\n"
        );
    }
}
