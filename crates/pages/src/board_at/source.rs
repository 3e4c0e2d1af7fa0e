//! Where a picture of the past comes from, in words.

use lockstep_model::api::operator::{BoardThen, ToldBy};
use maud::{Markup, html};

use crate::chart::number::count;
use crate::parts::time::moment;

/// What is said of it.
pub(super) fn words(then: &BoardThen) -> Markup {
    html! {
        @match then.by {
            ToldBy::Snapshots => {
                p { b { "Snapshots: " } "what hosts measured, one for each ten minutes, and what events told between them and the "
                    "moment. They are kept for a day." }
            },
            ToldBy::Events => {
                p { b { "Events: " } "to which level each item went last before the moment, from which one it went first after it, "
                    "and what has not changed since. There are no numbers but those of events, and they are kept for four weeks." }
            },
        }
        ul {
            @if then.snapshots > 0 {
                li { (count(then.snapshots, "host")) " by a snapshot"
                    @if let Some((oldest, newest)) = then.taken { ", taken from " (moment(oldest)) " to " (moment(newest)) } "." }
            }
            @if then.by_events > 0 { li { (count(then.by_events, "host")) " by events alone." } }
            @match then.events_since {
                Some(since) => li { "The oldest event that is kept came " (moment(since)) "." },
                None => li { "No event is kept." },
            }
            @if then.cut { li { b { "There was more than is looked at: " } "of hosts by events alone, items may be missing." } }
        }
        p .muted { "Acknowledgements, silences, and what depended on what at that moment are not kept. Hosts that were removed "
            "since are shown as far as something proves that they were still there." }
    }
}
