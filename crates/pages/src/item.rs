//! `/hosts/NAME/items/ITEM`: one item of one host: how it stands, why, and how it came to that.

mod export;
mod handling;
mod judgement;
mod levels;
mod others;
mod range;
mod table;
mod typed;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::{HistoryView, ProblemView};
use lockstep_model::{HostName, ItemName, ItemState, Span, Value};
use maud::{Markup, html};

use crate::chart::{self, Line, Marker, Overlay, Ribbon, Segment, Size, Threshold, number};
use crate::frame::Sheet;
use crate::parts::action::{twin, word};
use crate::parts::during::During;
use crate::parts::level::{badge, next};
use crate::parts::time::{ago, lasting};
use crate::parts::{link, time};
use crate::{Frame, Here, Topic, graphs};

pub use export::csv;
pub use judgement::{Judgement, Said, thresholds};
pub use levels::segments;
pub use others::{Cohorts, Crowd, MOST_OTHERS, Others, course, old_version, others};
pub use range::{Beside, Range};

/// What the page shows.
#[derive(Debug)]
pub struct ItemPage<'a> {
    /// The host.
    pub host: &'a HostName,
    /// The item.
    pub item: &'a ItemName,
    /// The host that watches this one.
    pub via: Option<&'a HostName>,
    /// How the item stands by the last report; none if that does not name it.
    pub state: Option<&'a ItemState>,
    /// True if the host has missed three reports.
    pub silent: bool,
    /// When its last report was stored.
    pub last_seen: Option<Timestamp>,
    /// What was asked for.
    pub range: Range,
    /// The item's history.
    pub history: &'a HistoryView,
    /// The one beside it, if there is one: another time.
    pub beside: Option<&'a HistoryView>,
    /// Other hosts beside it, if they were asked for.
    pub others: Option<&'a Others>,
    /// What it can be compared with.
    pub offers: &'a [Beside],
    /// The problem that it is.
    pub problem: Option<&'a ProblemView>,
    /// The time zone of the operators, for presets: `Europe/Zurich`.
    pub zone: &'a str,
    /// What happened in the time.
    pub markers: &'a [Marker],
    /// Which level was when; see [`segments`].
    pub levels: &'a [Segment],
    /// Values from which on the level is another one; see [`thresholds`].
    pub thresholds: &'a [Threshold],
    /// Why it is judged as it is.
    pub judgement: &'a Judgement,
}

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, page: &ItemPage<'_>) -> String {
    let title = format!("{} on {}", page.item, page.host);
    // What is over does not change, but for who is on it.
    let topics: &[Topic] = match page.range.span {
        Span::View(_) => &[Topic::Events, Topic::Problems, Topic::Silences],
        Span::Between { .. } => &[Topic::Problems, Topic::Silences],
    };
    let body = html! {
        (ways(frame, page))
        (stand(frame, page))
        (crate::live::control(page.host, page.item))
        (handling::draw(frame, page))
        section #history data-live aria-label="History" {
            h2 { "History" }
            (page.range.draw(&link::item_path(page.host, page.item), &page.history.series, page.offers, frame.now))
            (source(frame, page))
            (drawing(page, &title))
            (table::table(&page.history.series))
            (downloads(page))
        }
        (judgement::draw(page.judgement))
        section .twins aria-label="On the command line" {
            h2 { "On the command line" }
            p { "Why it is judged so: " (twin(&format!("lockstep explain {} {}", page.host, word(page.item.as_str())))) }
            p { "The history, on " (page.via.unwrap_or(page.host)) " itself: " (twin(&history_command(page))) }
        }
    };
    frame.draw(Sheet {
        title: &title,
        here: Here::Items,
        topics,
        body,
    })
}

/// Where to go from here, in the same time.
fn ways(frame: &Frame<'_>, page: &ItemPage<'_>) -> Markup {
    let during = During::of(frame.address);
    let of_host = ("host", Some(page.host.as_str()));
    html! {
        p .where {
            a href=(during.at(&link::host_path(page.host))) { (page.host) } " · "
            a href=(during.at(&graphs::path(page.host))) { "all its graphs" } " · "
            a href=(during.events(&[of_host, ("item", Some(page.item.as_str()))])) { "its events" } " · "
            a href=(during.events(&[of_host])) { "all events of the host" } " · "
            a href=(during.at(&across_path(page.item))) { (page.item) " on all hosts" }
        }
    }
}

/// The address of an item across hosts.
#[must_use]
pub fn across_path(item: &ItemName) -> String {
    format!("/items/{}", link::segment(item.as_str()))
}

/// A value as pages show it: numbers with the unit that makes them short.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::Number { value, unit } => number::show(*value, unit),
        Value::Text(text) => text.clone(),
        Value::None(why) => format!("no value: {why}"),
    }
}

/// Level, value with its limits, since when.
fn stand(frame: &Frame<'_>, page: &ItemPage<'_>) -> Markup {
    html! {
        section #stand .how-it-is data-live aria-label="How it stands" {
            @match page.state {
                None => p { b { "The last report of " (page.host) " does not name this item." } },
                Some(state) => {
                    p .value {
                        (badge(state.level, frame.levels)) " " b { (value(&state.value)) }
                        " " (lasting(state.since, frame.now))
                        @if let Some(pending) = &state.pending { " · " (next(pending, frame.levels)) " if it goes on so" }
                        @if state.flapping { " · goes back and forth" }
                        @if state.no_data { " · no value now; the level is that of the last one" }
                    }
                    @if !state.why.is_empty() { p { (state.why) } }
                    @if !page.thresholds.is_empty() {
                        p .limits {
                            "Limits: "
                            @for (index, limit) in page.thresholds.iter().enumerate() {
                                @if index > 0 { ", " }
                                span .{ "level-" (limit.level.rank()) } {
                                    (limit.name) " " (number::show(limit.value, unit(state)))
                                }
                            }
                        }
                    }
                }
            }
            @if page.silent { p .warning { (silence(page, frame)) } }
        }
    }
}

fn unit(state: &ItemState) -> &str {
    match &state.value {
        Value::Number { unit, .. } => unit,
        Value::Text(_) | Value::None(_) => "",
    }
}

fn silence(page: &ItemPage<'_>, frame: &Frame<'_>) -> Markup {
    html! {
        "The host is silent"
        @if let Some(seen) = page.last_seen { " since its report of " (time::moment(seen)) ", " (ago(seen, frame.now)) }
        ". What stands here is what it said last."
    }
}

/// Where the numbers are from.
fn source(frame: &Frame<'_>, page: &ItemPage<'_>) -> Markup {
    let is_other_time = page.range.beside.is_some_and(|it| it.ago().is_some());
    html! {
        p .source {
            @if page.history.from_host {
                "From the host itself, as of " (time::moment(frame.now)) "."
            } @else {
                @if page.silent {
                    "The host is silent"
                    @if let Some(seen) = page.last_seen { " since " (time::moment(seen)) }
                } @else {
                    "The host did not answer"
                    @if let Some(why) = &page.history.why_not { " (" (why) ")" }
                }
                ". This is what the server keeps: the last day, coarse."
            }
            @if is_other_time && page.beside.is_none_or(|it| it.series.buckets.is_empty()) {
                " There is nothing of the time to compare it with."
            }
        }
        @if let Some(others) = page.others { (others::note(others, &page.range, frame.now)) }
    }
}

fn drawing(page: &ItemPage<'_>, title: &str) -> Markup {
    let series = &page.history.series;
    let overlays: Vec<Overlay<'_>> = overlay(page).into_iter().collect();
    let is_text = matches!(page.state.map(|it| &it.value), Some(Value::Text(_)));
    html! {
        @if is_text && series.buckets.is_empty() {
            p { "Its values are texts; there is nothing to draw but their levels." }
        } @else {
            // A drag over the drawing asks for that time.
            div data-zoom=(page.range.base(&link::item_path(page.host, page.item))) {
                (chart::line(&Line {
                    id: "item",
                    title,
                    series,
                    thresholds: page.thresholds,
                    markers: page.markers,
                    overlays: &overlays,
                    size: Size::Wide,
                }))
            }
        }
        (chart::ribbon(&Ribbon {
            id: "levels",
            title: &format!("levels of {title}"),
            from: series.from,
            to: series.to,
            segments: page.levels,
            size: Size::Wide,
        }))
    }
}

/// What is drawn beside it.
fn overlay<'a>(page: &ItemPage<'a>) -> Option<Overlay<'a>> {
    let beside = page.range.beside?;
    let overlay = |series, later, band| Overlay {
        words: beside.words(),
        series,
        later,
        band,
    };
    match beside.ago() {
        Some(ago) => Some(overlay(&page.beside?.series, ago, None)),
        None => Some(overlay(
            &page.others?.series,
            SignedDuration::ZERO,
            Some("middle 80 % of them"),
        )),
    }
}

fn downloads(page: &ItemPage<'_>) -> Markup {
    let path = link::item_path(page.host, page.item);
    html! {
        p .downloads {
            "The same numbers as "
            a href=(page.range.address_as(&path, "csv")) { "CSV" } " or "
            a href=(page.range.address_as(&path, "json")) { "JSON" } "."
        }
    }
}

fn history_command(page: &ItemPage<'_>) -> String {
    let item = word(page.item.as_str());
    let mut command = match page.range.span {
        Span::View(view) => format!("lockstep agent history {item} --view {view}"),
        Span::Between { from, to } => format!(
            "lockstep agent history {item} --from {} --to {}",
            time::second(from),
            time::second(to)
        ),
    };
    if page.via.is_some() {
        command.push_str(&format!(" --host {}", page.host));
    }
    command
}

#[cfg(test)]
mod tests;
