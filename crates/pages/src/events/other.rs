//! One entry by itself that is no event of an item.

use maud::{Markup, html};

use super::{Entry, Message, around};
use crate::Frame;
use crate::frame::Sheet;
use crate::parts::level::badge;
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::{ago, moment};
use crate::problems::what;
use crate::{Here, parts};

/// Draws it; of the changes of a host at one moment there may be several.
#[must_use]
pub fn other(entries: &[Entry], frame: &Frame<'_>) -> String {
    let title = match entries.first() {
        Some(Entry::Change(host, _)) => format!("A change of {host}"),
        Some(Entry::Message(message)) => format!("A message to {}", message.notice.receiver),
        Some(Entry::Deed { deed, .. }) => format!("Done by {}", deed.who),
        Some(Entry::Item(stored)) => format!("{} of {}", stored.event.item, stored.event.host),
        None => "Events".into(),
    };
    let body = html! {
        @for entry in entries {
            dl .facts {
                dt { "When" } dd { (moment(entry.at())) ", " (ago(entry.at(), frame.now)) }
                (facts(entry, frame))
            }
        }
        @if let Some(first) = entries.first() {
            p { (around(first.at())) }
        }
    };
    frame.draw(Sheet {
        title: &title,
        here: Here::Events,
        topics: &[],
        body,
    })
}

fn facts(entry: &Entry, frame: &Frame<'_>) -> Markup {
    html! {
        @match entry {
            Entry::Item(stored) => { dt { "Item" } dd { (link::item(&stored.event.host, &stored.event.item)) } },
            Entry::Change(host, change) => {
                dt { "Host" } dd { (link::host(host)) }
                dt { "What" } dd { (what(change)) }
            },
            Entry::Message(message) => (of_message(message, frame)),
            Entry::Deed { deed, .. } => {
                dt { "Who" } dd { b { (deed.who) } }
                dt { "What" } dd { (deed.what) }
                dt { "Elsewhere" } dd { a href=(link::ask("/admin/audit", &[("who", Some(&deed.who))])) { "What else " (deed.who) " did" } }
            },
        }
    }
}

fn of_message(message: &Message, frame: &Frame<'_>) -> Markup {
    let notice = &message.notice;
    html! {
        dt { "To" } dd { b { (notice.receiver) } ", by the route " (notice.route) }
        dt { "State" } dd { (message.state) @if message.state == "failed" { " " a href="/admin/alerts" { "why" } } }
        @if let Some(cause) = &notice.cause { dt { "Cause" } dd { (shortened(cause, 500)) } }
        dt { "Of" } dd {
            ul {
                @for it in &notice.entries {
                    li {
                        (it.kind.as_str()) ": " (badge(it.level, frame.levels)) " " (link::host(&it.host)) " "
                        (link::item(&it.host, &it.item)) " " (crate::problems::value(&it.value))
                        @if !it.why.is_empty() { ", " (shortened(&it.why, 200)) }
                        @if !it.note.is_empty() { "; " (shortened(&it.note, 200)) }
                        ", since " (parts::time::ago(it.since, frame.now))
                    }
                }
                @if notice.more > 0 { li { "and " (notice.more) " more" } }
            }
        }
    }
}
