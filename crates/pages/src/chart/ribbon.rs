//! Which level was when: a ribbon that is the higher the worse it was, so that it says the same without colours.

use jiff::Timestamp;
use lockstep_model::Level;
use maud::{Markup, html};

use super::glyph::{class_of, of_level};
use super::path::c;
use super::plot::{Plot, Size};
use super::scale::Scale;
use super::time;

/// Height of the ribbon itself, and where it stands.
const HEIGHT: f64 = 34.0;
const BOTTOM: f64 = 30.0;
/// A segment that is at least so wide has its sign in it.
const ROOM_FOR_SIGN: f64 = 14.0;
/// Most segments. Beyond, the worst and longest are drawn.
const MOST: usize = 200;

/// What is drawn.
#[derive(Debug)]
pub struct Ribbon<'a> {
    /// Distinguishes it from others on its page: letters, digits and `-`.
    pub id: &'a str,
    /// What it shows, as in `levels of cpu_load on web1`.
    pub title: &'a str,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// The levels, in any order.
    pub segments: &'a [Segment],
    /// As wide as the chart that it stands below.
    pub size: Size,
}

/// A stretch of time with one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// The level; none where there was no value.
    pub level: Option<Level>,
    /// The operator's name of the level, or why there is none.
    pub name: String,
}

/// Draws a ribbon, on the same axis of times as [`super::line()`].
#[must_use]
pub fn ribbon(ribbon: &Ribbon<'_>) -> Markup {
    let scale = Scale::fit(0.0, 1.0, "", 3);
    let plot = Plot::new(ribbon.size, ribbon.from, ribbon.to, &scale);
    let held = held(ribbon, &plot);
    let id = ribbon.id;
    html! {
        svg class="chart ribbon" viewBox={ "0 0 " (ribbon.size.width()) " " (HEIGHT) } role="img"
            aria-labelledby={ (id) "-title " (id) "-words" } {
            title id={ (id) "-title" } { (ribbon.title) }
            desc id={ (id) "-words" } { (describe(ribbon, &plot, &held)) }
            @if held.is_empty() {
                text class="nothing" x=(c(f64::midpoint(plot.left, plot.right))) y="20" text-anchor="middle" {
                    "no levels are known of this time"
                }
            }
            @for segment in &held {
                @let (left, right) = (plot.x(segment.from), plot.x(segment.to));
                @let width = (right - left).max(1.0);
                @let height = height(segment.level);
                g class="segment" {
                    title { (words(segment, &plot)) }
                    rect class=(class_of(segment.level)) x=(c(left)) y=(c(BOTTOM - height)) width=(c(width)) height=(c(height))
                        stroke-dasharray=[segment.level.is_none().then_some("3 2")] {}
                    @if width >= ROOM_FOR_SIGN {
                        (of_level(segment.level, f64::midpoint(left, right), BOTTOM - height + 5.0))
                    }
                }
            }
            path class="rule" d={ "M" (c(plot.left)) " " (c(BOTTOM)) "H" (c(plot.right)) } {}
        }
    }
}

/// Those that reach into the time, the worst last: where two share a place, it is seen.
fn held<'a>(ribbon: &'a Ribbon<'_>, plot: &Plot<'_>) -> Vec<&'a Segment> {
    let reaches = |it: &&Segment| it.from < it.to && it.to > plot.from && it.from < plot.to;
    let mut held: Vec<&Segment> = ribbon.segments.iter().filter(reaches).collect();
    let length = |it: &Segment| it.to.duration_since(it.from);
    if held.len() > MOST {
        held.sort_by_key(|it| std::cmp::Reverse((it.level, length(it))));
        held.truncate(MOST);
    }
    held.sort_by_key(|it| (it.level, it.from));
    held
}

fn height(level: Option<Level>) -> f64 {
    match level {
        None => 10.0,
        Some(level) => 10.0 + 4.0 * f64::from(level.rank().min(4)),
    }
}

fn words(segment: &Segment, plot: &Plot<'_>) -> String {
    let (from, to) = (segment.from.max(plot.from), segment.to.min(plot.to));
    format!(
        "{} from {} to {}, {}",
        segment.name,
        time::words(from),
        time::words(to),
        time::length(to.duration_since(from))
    )
}

fn describe(ribbon: &Ribbon<'_>, plot: &Plot<'_>, held: &[&Segment]) -> String {
    let Some(worst) = held.last() else {
        return "No levels are known of this time.".into();
    };
    let mut said = match held.iter().max_by_key(|it| it.to) {
        Some(last) => format!("At the end {}. ", last.name),
        None => String::new(),
    };
    said.push_str(&format!("The worst: {}.", words(worst, plot)));
    let left_out = ribbon.segments.len().saturating_sub(held.len());
    if left_out > 0 && held.len() == MOST {
        said.push_str(&format!(
            " The {MOST} worst of {} changes are drawn.",
            ribbon.segments.len()
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::testing::minute;
    use super::*;

    fn segment(from: i64, to: i64, level: Option<Level>) -> Segment {
        Segment {
            from: minute(from),
            to: minute(to),
            level,
            name: level.map_or("no data".into(), |it| it.to_string()),
        }
    }

    fn draw(segments: &[Segment]) -> String {
        ribbon(&Ribbon {
            id: "r",
            title: "levels of cpu_load",
            from: minute(0),
            to: minute(60),
            segments,
            size: Size::Wide,
        })
        .into_string()
    }

    #[test]
    fn worse_is_higher_and_has_its_sign() {
        let drawing = draw(&[
            segment(-100, 30, Some(Level::FINE)),
            segment(30, 40, Some(Level::CRITICAL)),
            segment(40, 50, None),
            segment(50, 60, Some(Level::FINE)),
            segment(60, 70, Some(Level::DEAD)),
        ]);
        assert!(drawing.contains(
            "<title>critical from 2026-11-22 12:30 UTC to 2026-11-22 12:40 UTC, 10m</title>"
        ));
        assert!(
            drawing.contains("<rect class=\"level-3\" x=\"351\" y=\"8\""),
            "{drawing}"
        );
        assert!(
            drawing.contains("class=\"glyph level-3\"")
                && drawing.contains("class=\"glyph level-none\"")
        );
        assert!(!drawing.contains("level-4"), "behind the end");
        assert!(drawing.contains("At the end fine. The worst: critical from 2026-11-22 12:30 UTC"));
    }

    #[test]
    fn a_short_trouble_is_seen_and_many_are_bounded() {
        let mut many: Vec<Segment> = (0..5_000)
            .map(|it| segment(it % 60, it % 60 + 1, Some(Level::FINE)))
            .collect();
        many.push(Segment {
            to: minute(10) + jiff::SignedDuration::from_millis(1),
            ..segment(10, 11, Some(Level::DEAD))
        });
        let drawing = draw(&many);
        assert_eq!(drawing.matches("<rect").count(), MOST);
        assert!(drawing.contains("<rect class=\"level-4\""));
        assert!(drawing.contains("The 200 worst of 5001 changes are drawn."));
        assert!(draw(&[]).contains("no levels are known"));
    }
}
