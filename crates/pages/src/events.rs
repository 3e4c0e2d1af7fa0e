//! `/events`: what happened, in one stream: levels that changed, changes of hosts, messages, and what people did.

mod csv;
mod form;
mod key;
mod kind;
mod other;
mod stream;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use lockstep_model::alert::Notice;
use lockstep_model::api::StoredEvent;
use lockstep_model::api::operator::AuditView;
use lockstep_model::{Change, EventKind, HostName};
use maud::{Markup, html};

use crate::chart::{Cell, Strip, strip};
use crate::frame::Sheet;
use crate::parts::during::During;
use crate::parts::empty::{command, empty};
use crate::parts::level::badge;
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::{ago, exact, second, span};
use crate::problems::{value, what};
use crate::{Frame, Here, Topic};

pub use csv::csv;
pub use form::Filter;
pub use key::Key;
pub use kind::Kind;
pub use other::other;

/// Changes that are told with an event.
const MOST_CHANGES: usize = 3;

/// What happened.
#[derive(Debug, Clone)]
pub enum Entry {
    /// An item's level changed, or it went silent, or back and forth.
    Item(StoredEvent),
    /// Something was changed on a host.
    Change(HostName, Change),
    /// A message was decided.
    Message(Box<Message>),
    /// Somebody did something.
    Deed {
        /// The identity in the audit trail.
        id: String,
        /// What it was.
        deed: AuditView,
    },
}

/// A message to a receiver, by one way.
#[derive(Debug, Clone)]
pub struct Message {
    /// The identity of the delivery.
    pub id: String,
    /// When it was decided.
    pub at: Timestamp,
    /// What it says.
    pub notice: Notice,
    /// How it went: `waiting`, `delivered`, `failed`.
    pub state: &'static str,
}

impl Entry {
    /// When it was known here.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Item(event) => event.received_at,
            Self::Change(_, change) => change.at,
            Self::Message(message) => message.at,
            Self::Deed { deed, .. } => deed.at,
        }
    }

    /// By which it is found again.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Item(event) => Key::Item(event.id.clone()),
            Self::Change(host, change) => Key::Change(change.at, host.clone()),
            Self::Message(message) => Key::Message(message.at, message.id.clone()),
            Self::Deed { id, deed } => Key::Deed(deed.at, id.clone()),
        }
    }

    /// Its permanent address.
    #[must_use]
    pub fn address(&self) -> String {
        link::ask("/events", &[("id", Some(&self.key().to_string()))])
    }
}

/// What the page shows.
#[derive(Debug)]
pub struct Events<'a> {
    /// What happened, newest first.
    pub entries: &'a [Entry],
    /// What was asked for.
    pub filter: &'a Filter,
    /// Names of groups of hosts that may be asked for.
    pub host_groups: &'a [String],
    /// How many events that the filter lets through came when, in the last day.
    pub density: &'a [Cell],
    /// Where the older ones are.
    pub older: Option<String>,
}

impl Events<'_> {
    /// Draws the page.
    #[must_use]
    pub fn draw(&self, frame: &Frame<'_>) -> String {
        let body = html! {
            section #density data-live {
                (strip(&Strip { id: "day", title: self.filter.kind().counted(), cells: self.density }))
            }
            (self.filter.draw(self.host_groups, frame))
            section #stream data-live {
                @if self.entries.is_empty() { (self.nothing()) }
                @else {
                    div .scroll { table .stream {
                        caption .unseen { "What happened, newest first" }
                        (head())
                        tbody { @for entry in self.entries { (stream::entry(entry, frame)) } }
                    } }
                }
                // Also where nothing of what was looked through was asked for: there may be more behind it.
                @if let Some(older) = &self.older {
                    nav .pager aria-label="Pages of the list" { a rel="next" href=(older) { "Older →" } }
                }
            }
            p {
                "The events of items as " a href=(self.filter.address("/events.csv")) { "CSV" } " or "
                a href=(self.filter.address("/events.json")) { "JSON" } ". "
                code .twin title="The same on the command line" { (self.filter.twin()) }
            }
        };
        frame.draw(Sheet {
            title: "Events",
            here: Here::Events,
            topics: &[Topic::Events],
            body,
        })
    }

    fn nothing(&self) -> Markup {
        if self.filter.is_empty() {
            return empty(
                "Nothing has happened yet.",
                &html! {
                    p { "An event is told when an item's level changes. Hosts bring them as soon as they are enrolled: "
                        a href="/admin/enrolment" { "Enrolment" } "." }
                },
            );
        }
        empty(
            "Nothing that was asked for.",
            &html! { p { a href="/events" { "Without the filter" } } (command("lockstep event list")) },
        )
    }
}

/// One event by itself, with everything that is known of it.
#[must_use]
pub fn one(event: &StoredEvent, frame: &Frame<'_>) -> String {
    let it = &event.event;
    let hour = During::around(it.at, 60);
    let body = html! {
        dl .facts {
            dt { "Host" } dd { (link::host(&it.host)) }
            dt { "Item" } dd { a href=(hour.at(&link::item_path(&it.host, &it.item))) { (it.item) } ", an hour before and after" }
            dt { "What" } dd { (levels(event, frame)) }
            dt { "Value" } dd { (value(&it.value)) @if let lockstep_model::Value::None(why) = &it.value { ": " (why) } }
            @if !it.why.is_empty() { dt { "Why" } dd { (it.why) } }
            dt { "When" } dd { (crate::parts::time::moment(it.at)) ", " (ago(it.at, frame.now)) ", by the host's clock" }
            dt { "Heard" } dd {
                (crate::parts::time::moment(event.received_at))
                @match &event.via {
                    Some(via) if *via != it.host => { ", from " (link::host(via)) },
                    Some(_) => {},
                    None => ", found by the server",
                }
            }
            dt { "Number" } dd { (it.number) ", identity " code { (event.id) } }
        }
        h2 { "Changed on the host before" }
        @if event.changes.is_empty() { p { "Nothing in the four hours before." } }
        @else { ul { @for change in &event.changes { li { (what(change)) ", " (apart(event, change)) } } } }
        p { (around(it.at)) " · " (crate::board_at::board_link(it.at)) }
    };
    frame.draw(Sheet {
        title: &format!("{} of {}", it.item, it.host),
        here: Here::Events,
        topics: &[],
        body,
    })
}

/// The head of a table of [`row`]s.
pub(crate) fn head() -> Markup {
    html! {
        thead { tr {
            th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Host" }
            th scope="col" { "Item" } th scope="col" { "Value and why" } th scope="col" { "Changed before" }
        } }
    }
}

/// One event in a table.
pub(crate) fn row(event: &StoredEvent, frame: &Frame<'_>) -> Markup {
    let it = &event.event;
    html! {
        tr id={ "e-" (event.id) } {
            td { a href=(link::ask("/events", &[("id", Some(event.id.as_str()))])) { (ago(it.at, frame.now)) }
                br; small { (crate::board_at::board_link(it.at)) } }
            td { (levels(event, frame)) }
            td .wide { (link::host(&it.host)) }
            td .wide { (link::item_during(frame.address, &it.host, &it.item)) }
            td .wide { (shortened(&value(&it.value), 100)) @if !it.why.is_empty() { br; small { (shortened(&it.why, 200)) } } }
            td .wide {
                @for change in event.changes.iter().take(MOST_CHANGES) { p { (what(change)) ", " (apart(event, change)) } }
                @if event.changes.len() > MOST_CHANGES { small { "and " (event.changes.len() - MOST_CHANGES) " more" } }
            }
        }
    }
}

/// A link to what happened just before and after.
pub(crate) fn around(at: Timestamp) -> Markup {
    let during = During::around(at, 10);
    html! { a href=(during.events(&[])) { "Everything of the ten minutes before and after" } }
}

/// From which level to which, or what else happened to the item.
fn levels(event: &StoredEvent, frame: &Frame<'_>) -> Markup {
    let it = &event.event;
    html! {
        @match it.kind {
            EventKind::Level => { (badge(it.from, frame.levels)) " → " (badge(it.to, frame.levels)) },
            EventKind::NoData => { (badge(it.to, frame.levels)) " no data any more" },
            EventKind::Data => { (badge(it.to, frame.levels)) " data again" },
            EventKind::Flapping => { (badge(it.to, frame.levels)) " goes back and forth" },
            EventKind::Steady => { (badge(it.to, frame.levels)) " steady again" },
        }
    }
}

/// How long before an event a change came.
fn apart(event: &StoredEvent, change: &Change) -> Markup {
    let apart = event.event.at.duration_since(change.at);
    html! {
        time datetime=(second(change.at)) title=(exact(change.at)) {
            (span(apart.abs())) @if apart.is_negative() { " after" } @else { " before" }
        }
    }
}
