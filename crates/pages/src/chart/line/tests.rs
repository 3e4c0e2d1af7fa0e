use lockstep_model::Bucket;

use super::super::testing::{bucket, minute, series};
use super::*;

/// Most bytes that the history of a month may cost: the view with the most buckets.
const LARGEST: usize = 60_000;

fn draw(series: &Series) -> String {
    line(&Line {
        id: "h",
        title: "cpu_load on web1",
        series,
        thresholds: &[],
        markers: &[],
        overlays: &[],
        size: Size::Wide,
    })
    .into_string()
}

/// The `d` of the path with this class.
fn path<'a>(drawing: &'a str, class: &str) -> &'a str {
    let begin = drawing
        .split(&format!("<path class=\"{class}\""))
        .nth(1)
        .unwrap();
    let behind = begin.split(" d=\"").nth(1).unwrap();
    behind.split('"').next().unwrap()
}

#[test]
fn a_history_is_a_line_in_a_band() {
    let buckets: Vec<Bucket> = (0..60).map(|it| bucket(it, it as f64)).collect();
    let drawing = draw(&series(60, &buckets));
    assert_eq!(path(&drawing, "mean").matches('M').count(), 1);
    assert_eq!(path(&drawing, "mean").matches('L').count(), 59);
    assert_eq!(path(&drawing, "band").matches('Z').count(), 1);
    assert_eq!(drawing.matches("class=\"hit\"").count(), 60);
    assert!(drawing.contains(
        "data-at=\"2026-11-22T12:30:00Z\" data-words=\"mean 30, 29.5 to 30.5, 10 samples\"\
         ><title>2026-11-22 12:30 UTC: mean 30, 29.5 to 30.5, 10 samples</title>"
    ));
    assert!(drawing.contains(
        "<desc id=\"h-words\">From 2026-11-22 12:00 UTC to 2026-11-22 13:00 UTC: last 59 at 2026-11-22 12:59 UTC, \
         least -0.5, greatest 59.5, mean 29.5.</desc>"
    ));
    assert!(drawing.contains("role=\"img\" aria-labelledby=\"h-title h-words\""));
    assert!(!drawing.contains("style="));
}

#[test]
fn no_line_crosses_a_gap() {
    let minutes = [0, 1, 2, 3, 20, 21, 22, 40];
    let buckets: Vec<Bucket> = minutes.iter().map(|it| bucket(*it, 1.0)).collect();
    let drawing = draw(&series(60, &buckets));
    assert_eq!(path(&drawing, "mean").matches('M').count(), 3);
    assert_eq!(path(&drawing, "band").matches('Z').count(), 3);
    assert!(drawing.contains("Samples are missing: 2 gaps."));
}

#[test]
fn one_sample_is_seen() {
    let drawing = draw(&series(60, &[bucket(30, 5.0)]));
    let mean = path(&drawing, "mean");
    assert!(mean.starts_with('M') && mean.contains('L'), "{mean}");
}

#[test]
fn nothing_is_a_sentence() {
    let drawing = draw(&series(60, &[]));
    assert!(drawing.contains(">no samples in this time</text>"));
    assert!(!drawing.contains("class=\"hits\"") && !drawing.contains("class=\"mean\""));
    let mut inverted = series(0, &[]);
    inverted.to = minute(-60);
    assert!(draw(&inverted).contains("no samples"));
}

#[test]
fn thresholds_are_lines_with_name_and_value() {
    let buckets: Vec<Bucket> = (0..60).map(|it| bucket(it, 50.0)).collect();
    let mut series = series(60, &buckets);
    series.unit = "%".into();
    let threshold = |level: Level, value| Threshold {
        level,
        name: format!("{level}<"),
        value,
    };
    let drawing = line(&Line {
        id: "h",
        title: "disk_usage:/ on <web1>",
        series: &series,
        thresholds: &[
            threshold(Level::SICK, 80.0),
            threshold(Level::CRITICAL, 9_000.0),
            threshold(Level::DEAD, f64::NAN),
        ],
        markers: &[],
        overlays: &[],
        size: Size::Small,
    })
    .into_string();
    assert!(drawing.contains("class=\"threshold level-2\""));
    assert!(drawing.contains(">sick&lt; 80 %</text>"));
    // What is far away does not flatten the line; it is named at the edge.
    assert!(drawing.contains(">critical&lt; 9000 % ↑</text>"));
    assert_eq!(drawing.matches("class=\"limit\"").count(), 1);
    assert!(drawing.contains("on &lt;web1&gt;") && !drawing.contains("<web1>"));
}

#[test]
fn other_times_lie_behind_it() {
    let today: Vec<Bucket> = (0..60).map(|it| bucket(it, 1.0)).collect();
    let yesterday: Vec<Bucket> = (0..60).map(|it| bucket(it - 1440, 100.0)).collect();
    let (today, mut before) = (series(60, &today), series(60, &yesterday));
    (before.from, before.to) = (minute(-1440), minute(-1380));
    let drawing = line(&Line {
        id: "h",
        title: "cpu_load on web1",
        series: &today,
        thresholds: &[],
        markers: &[],
        overlays: &[Overlay {
            words: "the same time yesterday",
            series: &before,
            later: SignedDuration::from_hours(24),
            band: None,
        }],
        size: Size::Wide,
    })
    .into_string();
    assert_eq!(path(&drawing, "overlay overlay-1").matches('L').count(), 59);
    assert!(drawing.contains("the same time yesterday</span>") && !drawing.contains("band other"));
    assert!(
        drawing.contains("<text class=\"tick\" x=\"64\" y=\"30\" text-anchor=\"end\">150</text>")
    );
}

#[test]
fn others_are_a_line_in_a_band_of_their_own() {
    let own: Vec<Bucket> = (0..60).map(|it| bucket(it, 1.0)).collect();
    let crowd: Vec<Bucket> = (0..6).map(|it| bucket(it * 10, 7.0)).collect();
    let (own, mut crowd) = (series(60, &own), series(60, &crowd));
    crowd.bucket_ms = 600_000;
    let drawing = line(&Line {
        id: "h",
        title: "cpu_load on web1",
        series: &own,
        thresholds: &[],
        markers: &[],
        overlays: &[Overlay {
            words: "the others",
            series: &crowd,
            later: SignedDuration::ZERO,
            band: Some("middle 80 %"),
        }],
        size: Size::Wide,
    })
    .into_string();
    assert_eq!(path(&drawing, "band other").matches('Z').count(), 1);
    assert_eq!(path(&drawing, "overlay overlay-1").matches('L').count(), 5);
    assert!(drawing.contains(" the others</span>") && drawing.contains(" middle 80 %</span>"));
    assert!(drawing.contains("Beside it: the others."));
}

/// The largest drawing that a page gets, written down so that it does not grow unseen.
#[test]
fn what_is_sent_is_bounded() {
    let many = |count: i64| -> String {
        let bucket = |it: i64| Bucket {
            at: minute(it),
            count: 240,
            mean: (it as f64 * 0.37).sin() * 123_456_789.0,
            min: -987_654_321.0 - it as f64,
            max: 987_654_321.0 + it as f64,
        };
        let buckets: Vec<Bucket> = (0..count).map(bucket).collect();
        let mut series = series(count, &buckets);
        series.unit = "bytes/s".into();
        let drawing = draw(&series);
        println!("{count} buckets: {} bytes", drawing.len());
        drawing
    };
    assert!(many(186).len() <= LARGEST);
    assert!(many(2_000).len() <= LARGEST * 11 / 10);
}

#[test]
fn enormous_and_tiny_numbers_stay_in_the_frame() {
    for value in [1e308, -1e308, 1e-308, 0.0, f64::MAX] {
        let drawing = draw(&series(
            60,
            &[bucket(1, value), bucket(2, -value), bucket(3, value)],
        ));
        assert!(
            !drawing.contains("NaN") && !drawing.contains("inf"),
            "{value}"
        );
    }
}
