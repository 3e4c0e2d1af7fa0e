//! `/`: what is not well, whether anybody is on it, and what is being changed right now. `/kiosk` is the same for a wall.

mod actions;
mod ask;
mod calm;
mod group;
mod kiosk;
mod moving;
mod rest;
mod row;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::api::StoredEvent;
use lockstep_model::api::operator::{ProblemView, RolloutView};
use lockstep_model::{HostName, ItemName, Phase, Role, Value};
use maud::{Markup, html};

use crate::chart::number;
use crate::frame::Sheet;
use crate::parts::text::shortened;
use crate::silences::Quiet;
use crate::{Frame, Here, Topic};

pub use actions::LASTS;
pub(crate) use actions::{
    acks as ack_lasts, both as both_lasts, for_first, silences as silence_lasts, take_back,
};
pub use ask::Ask;
pub use calm::Planned;
pub use group::{Cause, Group, blamed, release, unhandled};
pub use kiosk::{WALL_TOPICS, kiosk};
pub(crate) use rest::who_is_on_it;
pub(crate) use row::what;

/// Rows of groups that one page shows.
pub const MOST_GROUPS: usize = 100;
/// Rows with a drawing of the last hours: each is a question to the database.
pub const MOST_SPARKS: usize = 25;
/// Rows of what is handled, or alerts nobody.
const MOST_REST: usize = 100;

/// What was measured in the last hours, by host and item: a number for each stretch of time, oldest first.
pub type Sparks = BTreeMap<(HostName, ItemName), Vec<Option<f64>>>;

/// Conditions of levels, in words, by host and item.
pub type Limits = BTreeMap<(HostName, ItemName), String>;

/// What the page shows.
#[derive(Debug)]
pub struct Now<'a> {
    /// Which problems are asked for.
    pub ask: &'a Ask,
    /// Names of groups of hosts that may be asked for.
    pub host_groups: &'a [String],
    /// Everything that is not well, of what is asked for; see [`Ask::of`].
    pub problems: &'a [&'a ProblemView],
    /// What nobody is on and nothing explains, by its cause, of what is asked for; see [`unhandled`] and [`Ask::narrow`].
    pub groups: &'a [Group<'a>],
    /// Of the first problem of each group that is shown, the condition of its level, as `> 90 %`.
    pub limits: &'a Limits,
    /// Of the first [`MOST_SPARKS`] groups, the first problem each.
    pub sparks: &'a Sparks,
    /// Silent hosts, and when they were heard of last.
    pub silent: &'a BTreeMap<HostName, Option<Timestamp>>,
    /// Rollouts that are not over.
    pub rollouts: &'a [RolloutView],
    /// Hosts that a run is changing, with its phase.
    pub in_run: &'a [(HostName, Phase)],
    /// What holds alerts back.
    pub quiet: &'a [Quiet],
    /// The host whose last report is the oldest, of those that are not silent.
    pub oldest: Option<(&'a HostName, Timestamp)>,
    /// What is to come, besides the ends of bakes; the next first.
    pub planned: &'a [Planned],
    /// The newest events, newest first.
    pub events: &'a [StoredEvent],
    /// When these problems were read.
    pub at: Timestamp,
    /// The time zone of the operators, for presets: `Europe/Zurich`.
    pub zone: &'a str,
}

impl Now<'_> {
    /// Draws the page.
    #[must_use]
    pub fn draw(&self, frame: &Frame<'_>) -> String {
        let body = html! {
            (self.ask.draw(self.host_groups, frame))
            (self.unhandled(frame))
            (moving::draw(self, frame))
            (rest::handled(self, frame))
            (rest::events(self, frame))
            (rest::quiet(self, frame))
            (rest::soso(self, frame))
        };
        frame.draw(Sheet {
            title: "Problems",
            here: Here::Problems,
            topics: &[
                Topic::Problems,
                Topic::Hosts,
                Topic::Events,
                Topic::Rollouts,
                Topic::Runs,
                Topic::Silences,
            ],
            body,
        })
    }

    fn unhandled(&self, frame: &Frame<'_>) -> Markup {
        let may = frame.may(Role::Operator);
        html! {
            section #unhandled data-live aria-labelledby="unhandled-title" {
                @if self.groups.is_empty() {
                    (calm::draw(self, frame))
                } @else {
                    @let asked: usize = self.groups.iter().map(|it| it.problems.len()).sum();
                    h2 #unhandled-title { "Unhandled " span .muted {
                        @if self.ask.is_empty() { (frame.strip.unhandled) } @else { (asked) " of " (frame.strip.unhandled) }
                    } }
                    div .scroll {
                        table .problems {
                            caption .unseen { "Problems that nobody is on and nothing explains, worst first" }
                            thead { tr {
                                @if may { th scope="col" { input type="checkbox" data-all="p" aria-label="Choose all rows"; } }
                                th scope="col" { "Level" }
                                th scope="col" { "Host" }
                                th scope="col" { "Item" }
                                th scope="col" { "Value" }
                                th scope="col" { "Limit" }
                                th scope="col" { "For" }
                                th scope="col" { "Last hours" }
                                th scope="col" { "Changed before" }
                                @if may { th scope="col" { "Actions" } }
                            } }
                            tbody {
                                @for group in self.groups.iter().take(MOST_GROUPS) { (row::draw(self, group, frame)) }
                            }
                        }
                    }
                    @if self.groups.len() > MOST_GROUPS {
                        p { (self.groups.len() - MOST_GROUPS) " more rows are not shown. "
                            a href="/hosts?level=2" { "All sick hosts" } }
                    }
                    (actions::bulk(self, frame))
                }
            }
        }
    }
}

/// A value for people. Why there is none stands beside it.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Number { value, unit } => number::show(*value, unit),
        Value::Text(text) => shortened(text, 200),
        Value::None(_) => "no value".into(),
    }
}
