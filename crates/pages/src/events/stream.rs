//! Rows of the stream.

use maud::{Markup, html};

use super::{Entry, row};
use crate::Frame;
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::ago;
use crate::problems::what;

/// One entry.
pub(super) fn entry(entry: &Entry, frame: &Frame<'_>) -> Markup {
    let at = entry.at();
    match entry {
        Entry::Item(event) => row(event, frame),
        Entry::Change(host, change) => html! {
            tr .other {
                td { a href=(entry.address()) { (ago(at, frame.now)) } }
                td { "changed" }
                td .wide { (link::host(host)) }
                td .wide colspan="3" { (what(change)) }
            }
        },
        Entry::Message(message) => html! {
            @let notice = &message.notice;
            tr .other {
                td { a href=(entry.address()) { (ago(at, frame.now)) } }
                td { "message" }
                td .wide {
                    @if let Some(first) = notice.entries.first() { (link::host(&first.host)) }
                    @let others = notice.entries.len().saturating_sub(1) + notice.more as usize;
                    @if others > 0 { br; small { "and " (others) " more problems" } }
                }
                td .wide { @if let Some(first) = notice.entries.first() { (link::item(&first.host, &first.item)) } }
                td .wide colspan="2" {
                    b { (message.state) } " to " (notice.receiver)
                    @if let Some(first) = notice.entries.first() { ": " (first.kind.as_str()) }
                    @if let Some(cause) = &notice.cause { ", " (shortened(cause, 200)) }
                    @if message.state == "failed" { " " a href="/admin/alerts" { "why" } }
                }
            }
        },
        Entry::Deed { deed, .. } => html! {
            tr .other {
                td { a href=(entry.address()) { (ago(at, frame.now)) } }
                td { "done by" }
                td .wide { b { (deed.who) } }
                td .wide colspan="3" { (shortened(&deed.what, 500)) }
            }
        },
    }
}
