//! Markers: what happened at a moment, as a line across the drawing with a sign above it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::path::c;
use super::plot::Plot;
use super::time;

/// Markers that are nearer to each other become one: a finger could not tell them apart (WCAG 2.5.8 asks for 24 pixels). That
/// bounds their number, too.
const NEAREST: f64 = 24.0;
/// Of markers that became one, so many are told.
const MOST_TOLD: usize = 5;

/// What happened at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: MarkerKind,
    /// What, in words.
    pub words: String,
    /// Where more is said of it.
    pub href: String,
}

/// What kind of thing happened; where several come together, the last of these gives the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkerKind {
    /// An item's level changed.
    Event,
    /// Something else about the host changed: it was restarted, or told to watch something else.
    Change,
    /// A release was let go, or a version came.
    Release,
    /// A run.
    Run,
}

impl MarkerKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Event, Self::Change, Self::Release, Self::Run];

    /// The class by which the style sheet knows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Change => "change",
            Self::Release => "release",
            Self::Run => "run",
        }
    }

    /// A sign of its own: a dot, a diamond, a square, a triangle.
    fn glyph(self, x: f64, y: f64) -> String {
        let (left, upper) = (c(x), c(y));
        match self {
            Self::Event => format!("M{left} {upper}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"),
            Self::Change => format!("M{left} {upper}m0-5l5 5l-5 5l-5-5z"),
            Self::Release => format!("M{left} {upper}m-4-4h8v8h-8z"),
            Self::Run => format!("M{left} {upper}m-5-4h10l-5 9z"),
        }
    }

    /// A dash of its own.
    fn dash(self) -> Option<&'static str> {
        match self {
            Self::Event => Some("1 3"),
            Self::Change => Some("6 2 1 2"),
            Self::Release => Some("6 3"),
            Self::Run => None,
        }
    }
}

/// The markers that lie in the drawing's time, as links.
pub(super) fn draw(plot: &Plot<'_>, markers: &[Marker]) -> Markup {
    let groups = together(plot, markers);
    html! {
        @if !groups.is_empty() {
            g class="marks" {
                @for group in &groups { (one(plot, group)) }
            }
        }
    }
}

/// How many markers lie in the drawing's time.
pub(super) fn count(plot: &Plot<'_>, markers: &[Marker]) -> usize {
    markers.iter().filter(|it| plot.holds(it.at)).count()
}

fn together<'a>(plot: &Plot<'_>, markers: &'a [Marker]) -> Vec<Vec<&'a Marker>> {
    let mut held: Vec<&Marker> = markers.iter().filter(|it| plot.holds(it.at)).collect();
    held.sort_by_key(|it| it.at);
    let mut groups: Vec<Vec<&Marker>> = Vec::new();
    for marker in held {
        match groups.last_mut() {
            Some(group) if plot.x(marker.at) - plot.x(group[0].at) < NEAREST => group.push(marker),
            _ => groups.push(vec![marker]),
        }
    }
    groups
}

/// Markers that are drawn as one. It leads to the newest of the weightiest kind.
fn one(plot: &Plot<'_>, group: &[&Marker]) -> Markup {
    let Some(shown) = group.iter().max_by_key(|it| (it.kind, it.at)) else {
        return Markup::default();
    };
    let (x, y) = (plot.x(shown.at), plot.top - 10.0);
    let tell = |it: &&Marker| format!("{}: {}", time::words(it.at), it.words);
    let mut words: Vec<String> = group.iter().take(MOST_TOLD).map(tell).collect();
    if group.len() > MOST_TOLD {
        words.push(format!("and {} more", group.len() - MOST_TOLD));
    }
    html! {
        a class={ "marker " (shown.kind.as_str()) } href=(shown.href) data-at=(time::stamp(shown.at)) {
            title { (words.join("\n")) }
            path class="stem" d={ "M" (c(x)) " " (c(plot.top - 4.0)) "V" (c(plot.bottom)) }
                stroke-dasharray=[shown.kind.dash()] pointer-events="none" {}
            // What a finger can hit.
            rect class="grip" x=(c(x - 12.0)) y=(c(y - 12.0)) width="24" height="24" {}
            path class="glyph" d=(shown.kind.glyph(x, y)) {}
            @if group.len() > 1 {
                text class="many" x=(c(x + 7.0)) y=(c(y + 3.5)) { (group.len()) }
            }
        }
    }
}

/// A sign for the legend.
pub(super) fn sample(kind: MarkerKind) -> Markup {
    html! {
        svg class="swatch marker-swatch" viewBox="0 0 14 14" aria-hidden="true" {
            g class={ "marker " (kind.as_str()) } { path class="glyph" d=(kind.glyph(7.0, 7.0)) {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plot::Size;
    use super::super::scale::Scale;
    use super::super::testing::minute;
    use super::*;

    fn marker(at: i64, kind: MarkerKind) -> Marker {
        Marker {
            at: minute(at),
            kind,
            words: format!("number {at} <b>"),
            href: format!("/runs/{at}?a=1&b=\"2\""),
        }
    }

    #[test]
    fn markers_are_links_with_their_words() {
        let scale = Scale::fit(0.0, 1.0, "", 5);
        let plot = Plot::new(Size::Wide, minute(0), minute(60), &scale);
        let markers = [
            marker(50, MarkerKind::Run),
            marker(10, MarkerKind::Event),
            marker(-1, MarkerKind::Run),
            marker(61, MarkerKind::Run),
        ];
        assert_eq!(count(&plot, &markers), 2);
        let text = draw(&plot, &markers).into_string();
        assert_eq!(text.matches("<a ").count(), 2);
        assert!(text.contains("class=\"marker run\" href=\"/runs/50?a=1&amp;b=&quot;2&quot;\""));
        assert!(text.contains("<title>2026-11-22 12:50 UTC: number 50 &lt;b&gt;</title>"));
        assert!(text.contains("stroke-dasharray=\"1 3\""));
    }

    #[test]
    fn those_nearby_become_one() {
        let scale = Scale::fit(0.0, 1.0, "", 5);
        let plot = Plot::new(Size::Wide, minute(0), minute(10_000), &scale);
        let mut markers: Vec<Marker> = (0..20).map(|it| marker(it, MarkerKind::Event)).collect();
        markers.push(marker(3, MarkerKind::Release));
        let text = draw(&plot, &markers).into_string();
        assert_eq!(text.matches("<a ").count(), 1);
        assert!(
            text.contains("class=\"marker release\" href=\"/runs/3?"),
            "{text}"
        );
        assert!(text.contains("and 16 more") && text.contains(">21</text>"));
        let many: Vec<Marker> = (0..10_000).map(|it| marker(it, MarkerKind::Run)).collect();
        assert!(draw(&plot, &many).into_string().matches("<a ").count() < 30);
    }

    #[test]
    fn each_kind_has_a_sign_and_a_dash_of_its_own() {
        let mut signs: Vec<_> = MarkerKind::ALL
            .map(|it| (it.glyph(0.0, 0.0), it.dash()))
            .into();
        signs.sort();
        signs.dedup_by(|a, b| a.0 == b.0 || a.1 == b.1);
        assert_eq!(signs.len(), 4);
    }
}
