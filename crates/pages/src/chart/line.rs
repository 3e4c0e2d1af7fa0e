//! One item's history: the mean as a line, the stretch from the least to the greatest sample as a band around it.

use jiff::SignedDuration;
use lockstep_model::{Level, Series};
use maud::{Markup, html};

use super::columns::{Column, Columns, Figures};
use super::glyph::class_of;
use super::hits::{self, Hit};
use super::marker::{self, Marker, MarkerKind};
use super::number::{self, Unit};
use super::path::{Path, c};
use super::plot::{Plot, Size};
use super::scale::Scale;
use super::time;

/// Most thresholds and overlays that are drawn.
const MOST_THRESHOLDS: usize = 8;
const MOST_OVERLAYS: usize = 3;

/// What is drawn.
#[derive(Debug)]
pub struct Line<'a> {
    /// Distinguishes it from others on its page: letters, digits and `-`.
    pub id: &'a str,
    /// What it shows, as in `cpu_load on web1`.
    pub title: &'a str,
    /// The numbers.
    pub series: &'a Series,
    /// Values from which on the level is another one.
    pub thresholds: &'a [Threshold],
    /// What happened in the time.
    pub markers: &'a [Marker],
    /// Other times of the same item, or the same time of other hosts.
    pub overlays: &'a [Overlay<'a>],
    /// How much room there is.
    pub size: Size,
}

/// A value from which on the level is another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The level behind it.
    pub level: Level,
    /// The operator's name of the level.
    pub name: String,
    /// The value, in the unit of the series.
    pub value: f64,
}

/// Another history, behind the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay<'a> {
    /// What it is: `the same time yesterday`.
    pub words: &'a str,
    /// The numbers.
    pub series: &'a Series,
    /// How much later they are drawn than they were.
    pub later: SignedDuration,
    /// What the stretch from its least to its greatest is, as in `middle 80 %`; none if it is not drawn.
    pub band: Option<&'a str>,
}

/// Draws an item's history, with a legend below it.
#[must_use]
pub fn line(line: &Line<'_>) -> Markup {
    let columns = Columns::of(line.series, line.size.most_columns());
    let figures = columns.figures();
    let overlays = overlays(line);
    let scale = scale(line, figures.as_ref(), &overlays);
    let plot = Plot::new(line.size, columns.from, columns.to, &scale);
    let id = line.id;
    let unit = &line.series.unit;
    html! {
        figure class=(line.size.class()) {
            svg class="drawing" viewBox=(plot.view_box()) {
                g role="img" aria-labelledby={ (id) "-title " (id) "-words" } {
                    title id={ (id) "-title" } { (line.title) }
                    desc id={ (id) "-words" } { (describe(line, &columns, &plot)) }
                    @match &figures {
                        None => {
                            (plot.sentence("no samples in this time"))
                            (plot.axis_of_times())
                        }
                        Some(_) => {
                            (plot.axes())
                            (thresholds(line, &plot))
                            @for (index, overlay) in overlays.iter().enumerate() {
                                @if line.overlays[index].band.is_some() {
                                    path class="band other" d=(band(overlay, &plot).as_str()) {}
                                }
                                path class={ "overlay overlay-" (index + 1) } fill="none"
                                    stroke-dasharray=(dash(index)) d=(mean(overlay, &plot).as_str()) {}
                            }
                            path class="band" d=(band(&columns, &plot).as_str()) {}
                            path class="mean" fill="none" d=(mean(&columns, &plot).as_str()) {}
                        }
                    }
                }
                @if figures.is_some() {
                    (hits::draw(&plot, columns.columns.iter().map(|it| hit(it, &columns, unit))))
                }
                (marker::draw(&plot, line.markers))
            }
            (legend(line, &plot, figures.is_some(), !overlays.is_empty()))
        }
    }
}

/// Overlays, moved to where they are drawn.
fn overlays(line: &Line<'_>) -> Vec<Columns> {
    let moved = |overlay: &Overlay<'_>| {
        let mut series = overlay.series.clone();
        // Buckets that no clock could show are left out with those outside of the drawing.
        series.buckets.retain_mut(|bucket| {
            let at = bucket.at.checked_add(overlay.later);
            at.is_ok_and(|at| {
                bucket.at = at;
                true
            })
        });
        (series.from, series.to) = (line.series.from, line.series.to);
        Columns::of(&series, line.size.most_columns())
    };
    line.overlays
        .iter()
        .take(MOST_OVERLAYS)
        .map(moved)
        .collect()
}

/// The axis holds all samples, and the thresholds that are not too far from them.
fn scale(line: &Line<'_>, figures: Option<&Figures>, overlays: &[Columns]) -> Scale {
    let unit = &line.series.unit;
    let ticks = line.size.value_ticks();
    let Some(figures) = figures else {
        return Scale::fit(0.0, 1.0, unit, ticks);
    };
    let (mut least, mut greatest) = (figures.least, figures.greatest);
    for overlay in overlays.iter().filter_map(Columns::figures) {
        least = least.min(overlay.least);
        greatest = greatest.max(overlay.greatest);
    }
    let samples = Scale::fit(least, greatest, unit, ticks);
    // As far again as the samples reach; and a share of a whole may reach all of it.
    let room = (samples.to() - samples.from()).max(greatest.abs());
    let near = |value: f64| {
        let is_share = unit == "%" && (0.0..=100.0).contains(&value);
        is_share || (samples.from() - room..=samples.to() + room).contains(&value)
    };
    for threshold in line.thresholds.iter().filter(|it| near(it.value)) {
        least = least.min(threshold.value);
        greatest = greatest.max(threshold.value);
    }
    Scale::fit(least, greatest, unit, ticks)
}

/// Points of a run, in the middle of their columns. A run of one point is as wide as its column.
fn points(
    run: &[Column],
    each_ms: i64,
    plot: &Plot<'_>,
    value: fn(&Column) -> f64,
) -> Vec<(f64, f64)> {
    let begins = |column: &Column| {
        let place = column.place.saturating_mul(each_ms);
        plot.from.as_millisecond().saturating_add(place)
    };
    if let [only] = run {
        let begin = begins(only);
        let (left, right) = (
            plot.x_of_ms(begin),
            plot.x_of_ms(begin.saturating_add(each_ms)),
        );
        let y = plot.y(value(only));
        return vec![(left, y), (right.max(left + 1.0), y)];
    }
    run.iter()
        .map(|column| {
            (
                plot.x_of_ms(begins(column).saturating_add(each_ms / 2)),
                plot.y(value(column)),
            )
        })
        .collect()
}

fn mean(columns: &Columns, plot: &Plot<'_>) -> Path {
    let mut path = Path::default();
    for run in columns.runs() {
        path.through(points(run, columns.each_ms, plot, |it| it.mean).into_iter());
    }
    path
}

fn band(columns: &Columns, plot: &Plot<'_>) -> Path {
    let mut path = Path::default();
    for run in columns.runs() {
        let above = points(run, columns.each_ms, plot, |it| it.max);
        let below = points(run, columns.each_ms, plot, |it| it.min);
        path.through(above.into_iter().chain(below.into_iter().rev()));
        path.close();
    }
    path
}

fn hit(column: &Column, columns: &Columns, unit: &str) -> Hit {
    let from_ms = columns
        .from
        .as_millisecond()
        .saturating_add(column.place.saturating_mul(columns.each_ms));
    Hit {
        at: column.at,
        from_ms,
        to_ms: from_ms.saturating_add(columns.each_ms),
        words: words(column.mean, column.min, column.max, column.count, unit),
    }
}

/// A bucket in words: `mean 0.42, 0.1 to 0.9, 10 samples`.
pub(crate) fn words(mean: f64, min: f64, max: f64, count: u64, unit: &str) -> String {
    if min >= max {
        return format!(
            "{}, {}",
            number::show(mean, unit),
            number::count(count, "sample")
        );
    }
    let unit = Unit::fitting(unit, max.abs().max(min.abs()));
    format!(
        "mean {}, {} to {}, {}",
        unit.show(mean),
        unit.show(min),
        unit.show(max),
        number::count(count, "sample")
    )
}

/// Lines at the thresholds, with name and value; those beyond the axis are named at its end.
fn thresholds(line: &Line<'_>, plot: &Plot<'_>) -> Markup {
    let mut drawn: Vec<&Threshold> = line
        .thresholds
        .iter()
        .filter(|it| it.value.is_finite())
        .take(MOST_THRESHOLDS)
        .collect();
    drawn.sort_by(|a, b| b.value.total_cmp(&a.value));
    let mut above = f64::MIN;
    let labels: Vec<f64> = drawn
        .iter()
        .map(|it| {
            above = label_y(plot.y(it.value), above, plot);
            above
        })
        .collect();
    html! {
        @for (threshold, label) in drawn.iter().zip(labels) {
            @let inside = plot.scale.holds(threshold.value);
            g class={ "threshold " (class_of(Some(threshold.level))) } {
                @if inside {
                    path class="limit" fill="none" stroke-dasharray=(limit_dash(threshold.level))
                        d={ "M" (c(plot.left)) " " (c(plot.y(threshold.value))) "H" (c(plot.right)) } {}
                }
                text x=(c(plot.right - 4.0)) y=(c(label)) text-anchor="end" {
                    (threshold.name) " " (number::show(threshold.value, &line.series.unit))
                    @if !inside { @if threshold.value > plot.scale.to() { " ↑" } @else { " ↓" } }
                }
            }
        }
    }
}

/// Above the line; below it at the upper edge, or where the label of the one above stands already.
fn label_y(y: f64, above: f64, plot: &Plot<'_>) -> f64 {
    let (over, under) = (y - 4.0, y + 12.0);
    if y < plot.top + 6.0 || over - above < 12.0 {
        under.max(above + 12.0)
    } else {
        over
    }
}

/// Worse levels have longer dashes.
fn limit_dash(level: Level) -> &'static str {
    match level.rank() {
        0 | 1 => "2 4",
        2 => "6 4",
        3 => "10 4",
        _ => "16 4",
    }
}

fn dash(overlay: usize) -> &'static str {
    ["5 3", "2 2", "8 2 2 2"]
        .get(overlay)
        .copied()
        .unwrap_or("5 3")
}

/// What somebody needs to know who does not see the drawing.
fn describe(line: &Line<'_>, columns: &Columns, plot: &Plot<'_>) -> String {
    let time = format!(
        "From {} to {}",
        time::words(plot.from),
        time::words(plot.to)
    );
    let Some(figures) = columns.figures() else {
        return format!("{time}: no samples in this time.");
    };
    let unit = Unit::fitting(
        &line.series.unit,
        figures.greatest.abs().max(figures.least.abs()),
    );
    let mut said = format!(
        "{time}: last {} at {}, least {}, greatest {}, mean {}.",
        unit.show(figures.last),
        time::words(figures.last_at),
        unit.show(figures.least),
        unit.show(figures.greatest),
        unit.show(figures.mean),
    );
    let gaps = columns.runs().len().saturating_sub(1);
    if gaps > 0 {
        said.push_str(&format!(
            " Samples are missing: {}.",
            number::count(gaps as u64, "gap")
        ));
    }
    let limits: Vec<String> = line
        .thresholds
        .iter()
        .take(MOST_THRESHOLDS)
        .map(|it| {
            format!(
                "{} at {}",
                it.name,
                number::show(it.value, &line.series.unit)
            )
        })
        .collect();
    if !limits.is_empty() {
        said.push_str(&format!(" Limits: {}.", limits.join(", ")));
    }
    for overlay in line.overlays.iter().take(MOST_OVERLAYS) {
        said.push_str(&format!(" Beside it: {}.", overlay.words));
    }
    let marks = marker::count(plot, line.markers);
    if marks > 0 {
        said.push_str(&format!(
            " {} in this time.",
            number::count(marks as u64, "mark")
        ));
    }
    said
}

/// What the signs mean. It is text, so that it wraps where there is little room.
fn legend(line: &Line<'_>, plot: &Plot<'_>, samples: bool, overlays: bool) -> Markup {
    let kinds: Vec<MarkerKind> = MarkerKind::ALL
        .into_iter()
        .filter(|kind| {
            line.markers
                .iter()
                .any(|it| it.kind == *kind && plot.holds(it.at))
        })
        .collect();
    if line.size == Size::Small || !(samples || overlays) && kinds.is_empty() {
        return Markup::default();
    }
    html! {
        figcaption class="legend" {
            @if samples {
                span { (swatch("mean", None)) " mean" }
                span { (block("band")) " least to greatest" }
                @for (index, overlay) in line.overlays.iter().take(MOST_OVERLAYS).enumerate() {
                    span { (swatch(&format!("overlay overlay-{}", index + 1), Some(dash(index)))) " " (overlay.words) }
                    @if let Some(words) = overlay.band { span { (block("band other")) " " (words) } }
                }
            }
            @for kind in kinds { span { (marker::sample(kind)) " " (kind.as_str()) } }
        }
    }
}

/// A piece of a line, for a legend.
pub(super) fn swatch(class: &str, dash: Option<&str>) -> Markup {
    html! {
        svg class="swatch" viewBox="0 0 24 10" aria-hidden="true" {
            path class=(class) fill="none" stroke-dasharray=[dash] d="M0 5H24" {}
        }
    }
}

/// A piece of an area, for a legend.
pub(super) fn block(class: &str) -> Markup {
    html! {
        svg class="swatch" viewBox="0 0 24 10" aria-hidden="true" { path class=(class) d="M0 0H24V10H0z" {} }
    }
}

#[cfg(test)]
mod tests;
