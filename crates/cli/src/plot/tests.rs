use jiff::Timestamp;
use lockstep_model::{Bucket, ItemName};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_352_000 + second).unwrap()
}

/// Buckets of a minute, with the samples' least, mean and greatest value.
fn series(unit: &str, minutes: i64, buckets: &[(i64, f64, f64, f64)]) -> Series {
    Series {
        item: ItemName::parse("disk_usage:/").unwrap(),
        unit: unit.into(),
        from: at(0),
        to: at(minutes * 60),
        bucket_ms: 60_000,
        buckets: buckets
            .iter()
            .map(|&(minute, min, mean, max)| Bucket {
                at: at(minute * 60),
                count: 3,
                mean,
                min,
                max,
            })
            .collect(),
    }
}

fn drawn(series: &Series, width: usize, height: usize) -> String {
    let text = plot(series, Size { width, height }, &TimeZone::UTC);
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        assert!(
            line.chars().count() <= width.max(30),
            "{line:?} is too wide"
        );
    }
    text
}

fn shown(series: &Series) -> String {
    format!("\n{}", drawn(series, 50, 12))
}

/// A wave of an hour, with a band around it.
fn wave() -> Series {
    let buckets: Vec<_> = (0..60)
        .map(|minute| {
            let mean = 50.0 + 40.0 * (minute as f64 / 8.0).sin();
            (minute, mean - 8.0, mean, mean + 8.0)
        })
        .collect();
    series("%", 60, &buckets)
}

fn level(minute: i64, value: f64) -> (i64, f64, f64, f64) {
    (minute, value, value, value)
}

#[test]
fn a_curve_has_a_band_and_two_axes() {
    assert_eq!(
        shown(&wave()),
        "
disk_usage:/, 2023-11-19 00:00 – 2023-11-19 01:00
2.0 % to 97.9 %, mean 53.2 %, last 85.5 %
100 % ┤     ⢀⢄⢔⣔⣔⣔⢄⢄⢀                           ⢀⢄
      │  ⢀⢀⢔⣵⢟⠝⠕⠕⠝⢝⢷⢕⢅⢄                      ⢀⢄⣔⢵⢟
      │⢀⢄⢕⢝⠕⠅⠁      ⠑⢝⢷⣅⢄                   ⢔⣔⢕⠕⠑⠁
      │⢔⢟⠕⠁           ⠑⢝⢷⣔⠄               ⢐⢴⢝⠕⠁
 50 % ┤⠕⠁               ⠑⢝⢵⣕           ⢀⢀⢕⢗⠕⠁
      │                   ⠑⢕⢷⢕⢄      ⢀⢀⢔⢕⠕⠁
      │                     ⠑⢝⢷⣕⣕⢔⢔⢔⣕⣵⢟⠕⠁
  0 % ┤                        ⠑⠝⠝⠝⠝⠕⠑⠁
      └┬───────────────────┬───────────────────┬──
       00:00               00:27
"
    );
}

#[test]
fn a_gap_stays_a_gap_and_bytes_have_prefixes() {
    let there = (0..60).filter(|minute| !(20..35).contains(minute));
    let buckets: Vec<_> = there
        .map(|minute| level(minute, 2.5e9 + minute as f64 * 1e7))
        .collect();
    assert_eq!(
        shown(&series("bytes", 60, &buckets)),
        "
disk_usage:/, 2023-11-19 00:00 – 2023-11-19 01:00
2.50 GB to 3.09 GB, mean 2.80 GB, last 3.09 GB
3.5 GB ┤
       │
       │
       │                                   ⢀⣀⣀⠤⠴⠒⠒
3.0 GB ┤                          ⢀⣀⣀⠤⠴⠒⠒⠉⠉⠉
       │                        ⠈⠉⠉
       │        ⢀⣀⣠⠤⠴⠒
2.5 GB ┤⣀⡤⠤⠴⠒⠒⠋⠉⠁
       └┬───────────────────┬───────────────────┬─
        00:00               00:28
"
    );
}

#[test]
fn a_single_point_lies_in_the_middle() {
    assert_eq!(
        shown(&series("s", 60, &[level(30, 0.012)])),
        "
disk_usage:/, 2023-11-19 00:00 – 2023-11-19 01:00
12.0 ms to 12.0 ms, mean 12.0 ms, last 12.0 ms
14 ms ┤
      │
      │
      │
12 ms ┤                     ⠈⠁
      │
      │
10 ms ┤
      └┬───────────────────┬───────────────────┬──
       00:00               00:27
"
    );
}

#[test]
fn nothing_is_said_to_be_nothing() {
    assert_eq!(
        shown(&series("s", 60, &[])),
        "
disk_usage:/, 2023-11-19 00:00 – 2023-11-19 01:00
no samples
"
    );
}

#[test]
fn values_below_zero_have_their_place() {
    let buckets = [
        (1, -3.0, -2.0, -1.5),
        (2, -1.0, 0.5, 1.0),
        (3, 3.0, 3.5, 7.0),
    ];
    assert_eq!(
        shown(&series("", 60, &buckets)),
        "
disk_usage:/, 2023-11-19 00:00 – 2023-11-19 01:00
-3.0 to 7.0, mean 0.7, last 3.5
10 ┤
   │  ⢄⠄
 5 ┤  ⢕⠅
   │  ⡵⠅
   │ ⢀⡇
 0 ┤ ⣸⠅
   │⢐⢗
-5 ┤
   └┬───────────────────┬───────────────────┬─────
    00:00               00:26               00:52
"
    );
}

#[test]
fn no_size_and_no_value_makes_it_panic() {
    let values: [f64; 9] = [
        0.0,
        -0.0,
        1e-12,
        -1e-300,
        1e100,
        -1e100,
        0.1,
        99.999,
        86_400.0 * 400.0,
    ];
    for (first, second) in values
        .iter()
        .flat_map(|a| values.iter().map(move |b| (*a, *b)))
    {
        let (least, greatest) = (first.min(second), first.max(second));
        let mean = least / 2.0 + greatest / 2.0;
        for unit in ["", "%", "s", "bytes", "bytes/s", "°C", "a very long unit"] {
            let buckets = [(0, least, mean, greatest), (59, least, least, least)];
            for (width, height) in [(0, 0), (30, 7), (80, 24), (10_000, 10_000)] {
                drawn(&series(unit, 60, &buckets), width, height);
            }
        }
    }
}

#[test]
fn years_have_months_below_them() {
    let year = Series {
        to: at(368 * 86_400),
        bucket_ms: 2 * 86_400_000,
        ..wave()
    };
    let text = drawn(&year, 60, 10);
    let times = text.lines().last().unwrap_or_default();
    assert_eq!(
        times.trim(),
        "2023-11             2024-04             2024-08"
    );
}
