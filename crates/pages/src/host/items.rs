//! The items of a host, the worst first.

use std::cmp::Reverse;

use lockstep_model::{ItemName, ItemState};
use maud::{Markup, html};

use super::HostSheet;
use crate::chart::spark;
use crate::frame::Frame;
use crate::hosts::{sign, value};
use crate::item::Said;
use crate::parts::level::{badge, next};
use crate::parts::{link, time};

/// Items that have a drawing: as many as keep the page small.
const MOST_DRAWN: usize = 150;
/// How many of the newest values of the day the last one is held against: an hour.
const HOUR: usize = 6;

/// Which way a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trend {
    Rises,
    Falls,
    Steady,
    /// Too little is known.
    Unknown,
}

impl Trend {
    /// Holds the newest value against the mean of the hour before it. A tenth of what the day went up and down is no trend.
    fn of(day: &[Option<f64>]) -> Self {
        let known: Vec<f64> = day
            .iter()
            .flatten()
            .copied()
            .filter(|it| it.is_finite())
            .collect();
        let Some((last, before)) = known.split_last() else {
            return Self::Unknown;
        };
        if before.len() < HOUR {
            return Self::Unknown;
        }
        let hour = &before[before.len() - HOUR..];
        let mean = hour.iter().sum::<f64>() / HOUR as f64;
        let (least, greatest) = known.iter().fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, greatest), it| (least.min(*it), greatest.max(*it)),
        );
        let noise = (greatest - least) / 10.0;
        if last - mean > noise {
            Self::Rises
        } else if mean - last > noise {
            Self::Falls
        } else {
            Self::Steady
        }
    }

    fn draw(self) -> Markup {
        let (sign, words) = match self {
            Self::Rises => ("↗", "rises"),
            Self::Falls => ("↘", "falls"),
            Self::Steady => ("→", "steady"),
            Self::Unknown => return html! { span .muted { "–" } },
        };
        html! { span title=(words) { span aria-hidden="true" { (sign) } span .unseen { (words) } } }
    }
}

pub(super) fn draw(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let mut items: Vec<&ItemState> = sheet.line.items.iter().collect();
    items.sort_by_key(|it| (Reverse(it.level), !it.is_troubled(), &it.item));
    let name = &sheet.line.view.name;
    html! {
        h2 { "Items" }
        @if items.is_empty() {
            p { "Nothing has been measured yet." }
        } @else {
            div .scroll { table .stale[sheet.line.silent] {
                caption { (items.len()) " items, the worst first; the drawing is the last day" }
                thead { tr {
                    th scope="col" { "Level" } th scope="col" { "Item" } th scope="col" .number { "Value" } th scope="col" { "Limits" } th scope="col" { "Trend" }
                    th scope="col" { "Day" } th scope="col" { "For" } th scope="col" { "Why" }
                } }
                tbody {
                    @for (index, it) in items.iter().enumerate() {
                        @let day = sheet.days.get(&it.item);
                        tr {
                            td { (badge(it.level, frame.levels)) }
                            th scope="row" { (link::item_during(frame.address, name, &it.item)) }
                            td .number { (value::words(&it.value)) @if let Some(hush) = sheet.line.hushed.get(&it.item) { " " (sign(hush)) } }
                            td .limits { (limits(frame, sheet, &it.item)) }
                            td { (Trend::of(day.map_or(&[], Vec::as_slice)).draw()) }
                            td { @if let Some(day) = day.filter(|_| index < MOST_DRAWN) { (drawing(&it.item, it, day)) } }
                            td { (time::lasting(it.since, frame.now)) @if let Some(pending) = &it.pending { br; small .muted { (next(pending, frame.levels)) } } }
                            td .wide {
                                (value::cut(&it.why))
                                @if it.no_data { " No new value." }
                                @if it.flapping { " It goes back and forth." }
                            }
                        }
                    }
                }
            } }
        }
    }
}

/// What makes which level of an item; where the fleet file says it, the place is read where the pointer rests.
fn limits(frame: &Frame<'_>, sheet: &HostSheet<'_>, item: &ItemName) -> Markup {
    let rules = sheet.rules.get(item).map_or(&[][..], Vec::as_slice);
    let level = |rule: &Said| frame.levels.level(&rule.key);
    let mut rules = rules.iter().filter(|rule| level(rule).is_some()).peekable();
    html! {
        @if rules.peek().is_none() { span .muted { "–" } }
        @for rule in rules {
            span .{ "level-" (level(rule).unwrap_or_default().rank()) } title=[rule.place.as_deref()] {
                (rule.key) " " (value::cut(&value::rule(&rule.value)))
            }
            br;
        }
    }
}

fn drawing(item: &ItemName, state: &ItemState, day: &[Option<f64>]) -> Markup {
    if day.iter().flatten().count() < 2 {
        return html! { span .muted { "–" } };
    }
    spark(day, Some(state.level), &format!("{item} on the last day"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_trend_is_more_than_noise() {
        let day = |last: f64| -> Vec<Option<f64>> {
            let mut day: Vec<Option<f64>> = (0..20).map(|at| Some(f64::from(at % 3))).collect();
            day.push(None);
            day.push(Some(last));
            day
        };
        assert_eq!(Trend::of(&day(9.0)), Trend::Rises);
        assert_eq!(Trend::of(&day(-9.0)), Trend::Falls);
        assert_eq!(Trend::of(&day(1.0)), Trend::Steady);
        assert_eq!(Trend::of(&[Some(5.0); 7]), Trend::Steady);
        assert_eq!(Trend::of(&[Some(5.0); 6]), Trend::Unknown);
        assert_eq!(Trend::of(&[None; 60]), Trend::Unknown);
    }

    proptest! {
        #[test]
        fn upside_down_the_trend_is_the_other_one(day in prop::collection::vec(prop::option::of(-1e6..1e6), 0..40)) {
            let turned: Vec<Option<f64>> = day.iter().map(|it| it.map(|it: f64| -it)).collect();
            let other = match Trend::of(&day) {
                Trend::Rises => Trend::Falls,
                Trend::Falls => Trend::Rises,
                same => same,
            };
            prop_assert_eq!(Trend::of(&turned), other);
        }
    }
}
