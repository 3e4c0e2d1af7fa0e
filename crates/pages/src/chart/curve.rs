//! How far a rollout has come: the share of its hosts that have the version, over time. Beside it the simulated course.

use jiff::Timestamp;
use maud::{Markup, html};

use super::hits::{self, Hit};
use super::line::{block, swatch};
use super::marker::{self, Marker};
use super::number;
use super::path::{Path, c};
use super::plot::{Plot, Size};
use super::scale::Scale;
use super::time;

/// Columns at which values are told.
const HITS: i64 = 60;
/// Most points of one curve, and most borders of waves.
const MOST_STEPS: usize = 400;
const MOST_WAVES: usize = 60;
/// Borders that are nearer to each other have one number.
const NEAREST: f64 = 16.0;

/// What is drawn.
#[derive(Debug)]
pub struct Curve<'a> {
    /// Distinguishes it from others on its page: letters, digits and `-`.
    pub id: &'a str,
    /// What it shows, as in `rollout 3: lockstep 1.4.2 to stable`.
    pub title: &'a str,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// The server's clock; the real curve ends there.
    pub now: Timestamp,
    /// The real course, in any order: from a moment on so much of the whole is done.
    pub real: &'a [Step],
    /// The course that was simulated.
    pub simulated: Option<Simulated<'a>>,
    /// When waves opened.
    pub waves: &'a [WaveBorder],
    /// What happened besides.
    pub markers: &'a [Marker],
    /// How much room there is.
    pub size: Size,
}

/// From a moment on so much of the whole is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The moment.
    pub at: Timestamp,
    /// The share, from 0 to 1.
    pub share: f64,
}

/// A simulated course.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simulated<'a> {
    /// The middle one.
    pub course: &'a [Step],
    /// The course that 10 % of the simulations were slower than, and the one that 10 % were faster than, where many were run.
    pub band: Option<(&'a [Step], &'a [Step])>,
}

/// A wave opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveBorder {
    /// When.
    pub at: Timestamp,
    /// Its number, from 1.
    pub number: usize,
}

/// Draws a rollout's course, with a legend below it.
#[must_use]
pub fn curve(curve: &Curve<'_>) -> Markup {
    let scale = Scale::fit(0.0, 100.0, "%", curve.size.value_ticks());
    let plot = Plot::new(curve.size, curve.from, curve.to, &scale);
    let real = Course::of(curve.real);
    let simulated = curve.simulated.map(|it| Course::of(it.course));
    let until = curve.now.min(plot.to);
    let id = curve.id;
    html! {
        figure class=(curve.size.class()) {
            svg class="drawing" viewBox=(plot.view_box()) {
                g role="img" aria-labelledby={ (id) "-title " (id) "-words" } {
                    title id={ (id) "-title" } { (curve.title) }
                    desc id={ (id) "-words" } { (describe(curve, &real, simulated.as_ref())) }
                    (plot.axes())
                    (waves(curve, &plot))
                    @if let Some((slow, fast)) = curve.simulated.and_then(|it| it.band) {
                        path class="band simulated" d=(band(&plot, &Course::of(slow), &Course::of(fast)).as_str()) {}
                    }
                    @if let Some(simulated) = &simulated {
                        path class="simulated" fill="none" stroke-dasharray="5 3"
                            d=(simulated.path(&plot, plot.to).as_str()) {}
                    }
                    @if plot.holds(curve.now) {
                        @let x = plot.x(curve.now);
                        path class="now" stroke-dasharray="2 2" d={ "M" (c(x)) " " (c(plot.top)) "V" (c(plot.bottom)) } {}
                    }
                    path class="mean real" fill="none" d=(real.path(&plot, until).as_str()) {}
                }
                (hits::draw(&plot, hits_of(&plot, &real, simulated.as_ref(), until)))
                (marker::draw(&plot, curve.markers))
            }
            @if curve.size == Size::Wide {
                figcaption class="legend" {
                    span { (swatch("mean real", None)) " done" }
                    @if let Some(simulated) = curve.simulated {
                        span { (swatch("simulated", Some("5 3"))) " simulated" }
                        @if simulated.band.is_some() { span { (block("band simulated")) " 80 % of simulations" } }
                    }
                }
            }
        }
    }
}

/// Steps in order, without numbers that are none.
struct Course(Vec<Step>);

impl Course {
    fn of(steps: &[Step]) -> Self {
        let mut steps: Vec<Step> = steps
            .iter()
            .filter(|it| it.share.is_finite())
            .map(|it| Step {
                share: it.share.clamp(0.0, 1.0),
                ..*it
            })
            .collect();
        steps.sort_by_key(|it| it.at);
        // Of many, each so-manieth is as good; the last one counts.
        let each = steps.len().div_ceil(MOST_STEPS).max(1);
        let last = steps.len().saturating_sub(1);
        let mut index = 0;
        steps.retain(|_| {
            let keep = index % each == 0 || index == last;
            index += 1;
            keep
        });
        Self(steps)
    }

    /// What was done at a moment.
    fn at(&self, at: Timestamp) -> f64 {
        let behind = self.0.partition_point(|it| it.at <= at);
        behind.checked_sub(1).map_or(0.0, |it| self.0[it].share)
    }

    fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |it| it.share)
    }

    /// A stair: what is done stays so until the next step.
    fn points(&self, plot: &Plot<'_>, until: Timestamp) -> Vec<(f64, f64)> {
        if until <= plot.from {
            return Vec::new();
        }
        let y = |share: f64| plot.y(share * 100.0);
        let mut before = self.at(plot.from);
        let mut points = vec![(plot.left, y(before))];
        let inside = self
            .0
            .iter()
            .filter(|it| it.at > plot.from && it.at <= until);
        for step in inside {
            let x = plot.x(step.at);
            points.extend([(x, y(before)), (x, y(step.share))]);
            before = step.share;
        }
        points.push((plot.x(until), y(before)));
        points
    }

    fn path(&self, plot: &Plot<'_>, until: Timestamp) -> Path {
        let mut path = Path::default();
        path.through(self.points(plot, until).into_iter());
        path
    }
}

fn band(plot: &Plot<'_>, slow: &Course, fast: &Course) -> Path {
    let (fast, slow) = (fast.points(plot, plot.to), slow.points(plot, plot.to));
    let mut path = Path::default();
    path.through(fast.into_iter().chain(slow.into_iter().rev()));
    if !path.is_empty() {
        path.close();
    }
    path
}

fn waves(curve: &Curve<'_>, plot: &Plot<'_>) -> Markup {
    let mut borders: Vec<&WaveBorder> = curve.waves.iter().filter(|it| plot.holds(it.at)).collect();
    borders.sort_by_key(|it| it.at);
    borders.truncate(MOST_WAVES);
    let mut labelled = f64::MIN;
    let mut room = |x: f64| {
        let free = x - labelled >= NEAREST;
        if free {
            labelled = x;
        }
        free
    };
    html! {
        g class="waves" {
            @for border in borders {
                @let x = plot.x(border.at);
                g class="wave" {
                    title { "wave " (border.number) " opened " (time::words(border.at)) }
                    path class="border" stroke-dasharray="3 3" d={ "M" (c(x)) " " (c(plot.top)) "V" (c(plot.bottom)) } {}
                    @if room(x) { text class="number" x=(c(x + 3.0)) y=(c(plot.bottom - 5.0)) { (border.number) } }
                }
            }
        }
    }
}

fn hits_of<'a>(
    plot: &'a Plot<'_>,
    real: &'a Course,
    simulated: Option<&'a Course>,
    until: Timestamp,
) -> impl Iterator<Item = Hit> + 'a {
    let from = plot.from.as_millisecond();
    let span = plot.to.as_millisecond().saturating_sub(from);
    (0..HITS).filter_map(move |index| {
        let (from_ms, to_ms) = (from + span / HITS * index, from + span / HITS * (index + 1));
        let at = Timestamp::from_millisecond(to_ms).ok()?;
        let mut words = Vec::new();
        if at <= until {
            words.push(format!("{} done", number::share(real.at(at))));
        }
        if let Some(simulated) = simulated {
            words.push(format!("{} simulated", number::share(simulated.at(at))));
        }
        (!words.is_empty()).then(|| Hit {
            at,
            from_ms,
            to_ms,
            words: words.join(", "),
        })
    })
}

fn describe(curve: &Curve<'_>, real: &Course, simulated: Option<&Course>) -> String {
    let until = curve.now.min(curve.to.max(curve.from));
    let mut said = format!(
        "From {} on. {} done at {}.",
        time::words(curve.from),
        number::share(real.at(until)),
        time::words(until)
    );
    if let Some(simulated) = simulated {
        said.push_str(&format!(
            " Simulated: {} at that time, {} in the end.",
            number::share(simulated.at(until)),
            number::share(simulated.last())
        ));
    }
    let waves = curve.waves.len();
    if waves > 0 {
        said.push_str(&format!(" {} opened.", number::count(waves as u64, "wave")));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::testing::minute;
    use super::*;

    fn steps(steps: &[(i64, f64)]) -> Vec<Step> {
        let step = |(at, share): &(i64, f64)| Step {
            at: minute(*at),
            share: *share,
        };
        steps.iter().map(step).collect()
    }

    fn draw(real: &[Step], simulated: Option<Simulated<'_>>) -> String {
        curve(&Curve {
            id: "c",
            title: "rollout 3",
            from: minute(0),
            to: minute(60),
            now: minute(30),
            real,
            simulated,
            waves: &[
                WaveBorder {
                    at: minute(0),
                    number: 1,
                },
                WaveBorder {
                    at: minute(20),
                    number: 2,
                },
                WaveBorder {
                    at: minute(21),
                    number: 3,
                },
            ],
            markers: &[],
            size: Size::Wide,
        })
        .into_string()
    }

    #[test]
    fn a_course_is_a_stair_until_now() {
        let real = steps(&[(20, 0.5), (10, 0.1), (15, f64::NAN), (40, 0.9)]);
        let drawing = draw(&real, None);
        // From 70 to 632 for an hour: half an hour is at 351.
        assert!(
            drawing.contains("d=\"M70 210L163.7 210L163.7 191.6L257.3 191.6L257.3 118L351 118\""),
            "{drawing}"
        );
        assert!(drawing.contains("50 % done at 2026-11-22 12:30 UTC. 3 waves opened."));
        assert_eq!(drawing.matches("class=\"hit\"").count(), 30);
        assert!(drawing.contains("<title>wave 3 opened 2026-11-22 12:21 UTC</title>"));
        assert_eq!(
            drawing.matches("class=\"number\"").count(),
            2,
            "two borders share a number's place"
        );
    }

    #[test]
    fn the_simulated_course_stands_beside_it() {
        let (course, slow, fast) = (
            steps(&[(30, 1.0)]),
            steps(&[(50, 1.0)]),
            steps(&[(20, 1.0)]),
        );
        let simulated = Simulated {
            course: &course,
            band: Some((&slow, &fast)),
        };
        let drawing = draw(&[], Some(simulated));
        assert!(
            drawing.contains("class=\"band simulated\"")
                && drawing.contains("stroke-dasharray=\"5 3\"")
        );
        assert!(drawing.contains("data-words=\"0 % done, 100 % simulated\""));
        assert_eq!(drawing.matches("class=\"hit\"").count(), 60);
    }

    #[test]
    fn many_steps_are_bounded() {
        let many: Vec<(i64, f64)> = (0..100_000).map(|it| (it % 60, it as f64 / 1e5)).collect();
        let drawing = draw(&steps(&many), None);
        assert!(drawing.len() < 30_000, "{}", drawing.len());
        let mut nothing = steps(&[(1, 0.5)]);
        nothing.clear();
        assert!(draw(&nothing, None).contains("0 % done"));
    }
}
