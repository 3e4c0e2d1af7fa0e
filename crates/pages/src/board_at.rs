//! `/board?at=TIME`: how the fleet stood at a moment that is over, and what says so.

mod source;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::{BoardThen, ItemThen};
use lockstep_model::{HostName, Level};
use maud::{Markup, html};

use crate::chart::number;
use crate::events::around;
use crate::frame::{Frame, Here, Sheet};
use crate::parts::action::{twin, word};
use crate::parts::empty::empty;
use crate::parts::level::badge;
use crate::parts::link;
use crate::parts::pager::Slice;
use crate::parts::text::shortened;
use crate::parts::time::{ago, exact, moment};

/// Items of one page.
const SIZE: usize = 200;
/// Hosts that are named of those of which nothing is known.
const NAMED: usize = 100;
/// The steps to other moments: their words, and how long they are. The shortest is the length of a snapshot's slot.
const STEPS: [(&str, SignedDuration); 3] = [
    ("10 min", SignedDuration::from_mins(10)),
    ("1 h", SignedDuration::from_hours(1)),
    ("1 day", SignedDuration::from_hours(24)),
];

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// How the fleet stood.
    pub then: &'a BoardThen,
    /// The one host that was asked for, with all its items.
    pub host: Option<&'a HostName>,
    /// The earliest moment that can be asked for.
    pub oldest: Timestamp,
    /// Which page of the items, from 1.
    pub page: usize,
}

/// The address of the board at a moment.
#[must_use]
pub fn address(at: Timestamp) -> String {
    link::ask("/board", &[("at", Some(&stamp(at)))])
}

/// A moment as addresses have it, to the part of a second: an event belongs to the board of its own moment.
fn stamp(at: Timestamp) -> String {
    at.to_string()
}

/// A link to the board at a moment.
#[must_use]
pub fn board_link(at: Timestamp) -> Markup {
    html! { a href=(address(at)) title={ "How the fleet stood at " (exact(at)) } { "the board at this moment" } }
}

impl Moment<'_> {
    /// Draws the page.
    #[must_use]
    pub fn draw(&self, frame: &Frame<'_>) -> String {
        let at = self.then.at;
        let body = html! {
            p { "This is the past: " (moment(at)) ", " (ago(at, frame.now)) ". The figures at the top of the page are those of now." }
            (self.steps(frame.now))
            (self.form())
            section aria-labelledby="told-by" {
                h2 #told-by { "What says so" }
                (source::words(self.then))
                (self.unknown())
            }
            section aria-labelledby="levels-then" {
                h2 #levels-then { "Hosts" }
                (self.levels(frame))
            }
            section aria-labelledby="items-then" {
                h2 #items-then { @match self.host {
                    Some(host) => { "All items of " (link::host(host)) },
                    None => "What was not fine",
                } }
                (self.items(frame))
            }
            (self.ways())
        };
        frame.draw(Sheet {
            title: &format!("The board at {}", exact(at)),
            here: Here::Events,
            topics: &[],
            body,
        })
    }

    /// The address of the same for another moment, or another page.
    fn to(&self, at: Timestamp, page: usize) -> String {
        let page = (page > 1).then(|| page.to_string());
        link::ask(
            "/board",
            &[
                ("at", Some(&stamp(at))),
                ("host", self.host.map(HostName::as_str)),
                ("page", page.as_deref()),
            ],
        )
    }

    fn steps(&self, now: Timestamp) -> Markup {
        let step = |length: SignedDuration| {
            let at = self.then.at.checked_add(length).ok();
            at.filter(|at| (self.oldest..=now).contains(at))
        };
        html! {
            nav .pager aria-label="Other moments" {
                @for (words, length) in STEPS.into_iter().rev() {
                    @if let Some(at) = step(-length) { a rel="prev" href=(self.to(at, 1)) { "← " (words) " earlier" } }
                }
                @for (words, length) in STEPS {
                    @if let Some(at) = step(length) { a rel="next" href=(self.to(at, 1)) { (words) " later →" } }
                }
                a href="/" { "now" }
            }
        }
    }

    fn form(&self) -> Markup {
        html! {
            form .fields .filter method="get" action="/board" {
                label { span { "Moment, or how long ago" }
                    input name="at" value=(stamp(self.then.at)) maxlength="40" required autocomplete="off"; }
                label { span { "Host" }
                    input name="host" value=[self.host.map(HostName::as_str)] maxlength="253" autocomplete="off"; }
                button { "Show" }
                @if self.host.is_some() {
                    a href=(address(self.then.at)) { "All hosts" }
                }
            }
        }
    }

    fn levels(&self, frame: &Frame<'_>) -> Markup {
        let then = self.then;
        let known: u64 = then.levels.iter().sum();
        html! {
            ul .chips {
                @for level in Level::ALL.into_iter().rev() {
                    li { (badge(level, frame.levels)) " " b { (then.levels[usize::from(level.rank())]) } }
                }
                li { "of " (number::count(known, "host")) " of which something is known"
                    @if then.not_yet > 0 { "; " (number::count(then.not_yet, "host")) " enrolled later" } }
            }
        }
    }

    fn unknown(&self) -> Markup {
        let unknown = &self.then.unknown;
        html! {
            @if !unknown.is_empty() {
                details #unknown {
                    summary { (number::count(unknown.len() as u64, "host")) " of which nothing is known at that moment" }
                    p { @for host in unknown.iter().take(NAMED) { (link::host(host)) " " }
                        @if unknown.len() > NAMED { "and " (unknown.len() - NAMED) " more" } }
                }
            }
        }
    }

    fn items(&self, frame: &Frame<'_>) -> Markup {
        let items = &self.then.items;
        if items.is_empty() {
            return empty(
                match self.host {
                    Some(_) => "Nothing is known of its items at that moment.",
                    None => "Nothing that is known was amiss.",
                },
                &html! {},
            );
        }
        let slice = Slice::of(self.page, SIZE, items.len());
        html! {
            div .scroll { table #then {
                caption .unseen { "Items at that moment, worst first" }
                thead { tr {
                    th scope="col" { "Level" } th scope="col" { "Host" } th scope="col" { "Item" }
                    th scope="col" { "Number" } th scope="col" { "Since" } th scope="col" { "Why" } th scope="col" { "By" }
                } }
                tbody { @for item in &items[slice.from..slice.to] { (self.row(item, frame)) } }
            } }
            (slice.draw(SIZE, |page| self.to(self.then.at, page)))
            @if self.then.more > 0 { p { "And " (number::count(self.then.more, "item")) " more, which are left out." } }
        }
    }

    fn row(&self, item: &ItemThen, frame: &Frame<'_>) -> Markup {
        let of_host = link::ask(
            "/board",
            &[
                ("at", Some(&stamp(self.then.at))),
                ("host", Some(item.host.as_str())),
            ],
        );
        html! {
            tr data-row {
                td { (badge(item.level, frame.levels)) @if item.no_data { " no data" } }
                td .wide { a href=(of_host) { (item.host) } }
                td .wide { (link::item(&item.host, &item.item)) }
                td .number { @match item.number { Some(value) => (number::short(value)), None => "–" } }
                td { @match item.since { Some(since) => (moment(since)), None => "–" } }
                td .wide { (shortened(&item.why, 200)) }
                td { (item.proof.words()) }
            }
        }
    }

    /// Where to look further.
    fn ways(&self) -> Markup {
        let at = self.then.at;
        let json = link::ask(
            "/api/v1/board",
            &[
                ("at", Some(&stamp(at))),
                ("host", self.host.map(HostName::as_str)),
            ],
        );
        let of_host = match self.host {
            Some(host) => format!(" --host {}", word(host.as_str())),
            None => String::new(),
        };
        html! {
            p { (around(at)) " · " a href=(json) { "JSON" } " "
                (twin(&format!("lockstep problems --at {}{of_host}", stamp(at)))) }
        }
    }
}
