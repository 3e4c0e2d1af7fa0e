//! A history in a row of a table: a line without axes, and a dot at the newest value.

use lockstep_model::{Level, Series};
use maud::{Markup, html};

use super::columns::Columns;
use super::glyph::class_of;
use super::path::{Path, c};
use super::scale::LARGEST;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 24.0;
/// Room at the edges, so that the dot is whole.
const EDGE: f64 = 3.0;
/// Most points; more are put together.
const MOST: usize = 60;

/// Draws values that lie equally far apart, oldest first; `None` where there was none. `words` say what it is; the dot has
/// the colour of `level`.
#[must_use]
pub fn spark(values: &[Option<f64>], level: Option<Level>, words: &str) -> Markup {
    let values = fewer(values);
    let known = || values.iter().flatten().copied();
    let (least, greatest) = (
        known().fold(f64::INFINITY, f64::min),
        known().fold(f64::NEG_INFINITY, f64::max),
    );
    let between = (values.len().max(2) - 1) as f64;
    let place = |index: usize, value: f64| {
        let x = EDGE + (WIDTH - 2.0 * EDGE) * index as f64 / between;
        let share = (value - least) / (greatest - least);
        // A level line lies in the middle.
        let share = if share.is_finite() { share } else { 0.5 };
        (x, HEIGHT - EDGE - (HEIGHT - 2.0 * EDGE) * share)
    };
    let points: Vec<Option<(f64, f64)>> = values
        .iter()
        .enumerate()
        .map(|(index, value)| value.map(|value| place(index, value)))
        .collect();
    let mut path = Path::default();
    for run in points.chunk_by(|a, b| a.is_some() == b.is_some()) {
        path.through(run.iter().flatten().copied());
        if let [Some((x, y))] = run {
            path.line(x + 1.0, *y);
        }
    }
    let last = points.iter().rev().find_map(|it| *it);
    html! {
        svg class="chart spark" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT)
            role="img" aria-label=(words) {
            title { (words) }
            @if !path.is_empty() { path class="mean" fill="none" d=(path.as_str()) {} }
            @if let Some((x, y)) = last {
                circle class={ "last " (class_of(level)) } cx=(c(x)) cy=(c(y)) r="2.5" {}
            }
        }
    }
}

/// The means of a series as [`spark`] wants them: one for each stretch of time, at most 60.
#[must_use]
pub fn slots(series: &Series) -> Vec<Option<f64>> {
    let columns = Columns::of(series, MOST as i64);
    let span = columns
        .to
        .as_millisecond()
        .saturating_sub(columns.from.as_millisecond());
    let count =
        (span / columns.each_ms + i64::from(span % columns.each_ms > 0)).clamp(1, MOST as i64 + 1);
    let mut slots = vec![None; usize::try_from(count).unwrap_or(1)];
    for column in &columns.columns {
        // A bucket may begin a little before the time that was asked for.
        let place = usize::try_from(column.place.max(0)).unwrap_or(0);
        if let Some(slot) = slots.get_mut(place) {
            *slot = Some(column.mean);
        }
    }
    slots
}

/// Neighbours are put together by their mean where there are too many.
fn fewer(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let together = values.len().div_ceil(MOST).max(1);
    let mean = |chunk: &[Option<f64>]| {
        let known: Vec<f64> = chunk
            .iter()
            .flatten()
            .copied()
            .filter(|it| it.is_finite())
            .collect();
        let count = known.len() as f64;
        let sum: f64 = known
            .iter()
            .map(|it| it.clamp(-LARGEST, LARGEST) / count)
            .sum();
        (!known.is_empty()).then_some(sum)
    };
    values.chunks(together).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bucket, series};
    use super::*;

    #[test]
    fn a_spark_is_a_line_with_gaps_and_a_dot() {
        let drawing = spark(
            &[Some(0.0), Some(1.0), None, Some(f64::NAN), Some(0.5), None],
            Some(Level::SICK),
            "cpu_load of \"web1\"",
        )
        .into_string();
        assert!(
            drawing.contains("d=\"M3 21L25.8 3M94.2 12L95.2 12\""),
            "{drawing}"
        );
        assert!(drawing.contains("<circle class=\"last level-2\" cx=\"94.2\" cy=\"12\""));
        assert!(drawing.contains("aria-label=\"cpu_load of &quot;web1&quot;\""));
    }

    #[test]
    fn whatever_comes_is_drawn() {
        assert!(!spark(&[], None, "nothing").into_string().contains("<path"));
        let constant = spark(&[Some(7.0); 3], None, "x").into_string();
        assert!(constant.contains("M3 12L60 12L117 12"));
        let long: Vec<Option<f64>> = (0..100_000).map(|it| Some(f64::from(it) * 1e304)).collect();
        let long = spark(&long, None, "x").into_string();
        assert!(long.len() < 1_200, "{}", long.len());
        assert!(!long.contains("NaN"));
    }

    #[test]
    fn a_series_has_slots() {
        let slots = slots(&series(5, &[bucket(0, 1.0), bucket(3, 2.0)]));
        assert_eq!(slots, [Some(1.0), None, None, Some(2.0), None]);
        let many: Vec<_> = (0..600).map(|it| bucket(it, 1.0)).collect();
        assert_eq!(super::slots(&series(600, &many)).len(), 60);
    }
}
