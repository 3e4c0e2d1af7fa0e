//! What the page says when nothing is wrong: that it looked, how fresh that is, and what comes next.

use jiff::Timestamp;
use lockstep_model::api::operator::RolloutView;
use maud::{Markup, html};

use super::Now;
use crate::Frame;
use crate::parts::empty::{command, empty};
use crate::parts::level::glyph;
use crate::parts::time::ago;
use lockstep_model::Level;

/// Nothing is unhandled.
pub(super) fn draw(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let strip = frame.strip;
    if strip.hosts() == 0 {
        return nobody();
    }
    let fine = strip.levels[0];
    let others = strip.hosts() - fine;
    html! {
        h2 #unhandled-title .unseen { "Nothing is unhandled" }
        div .calm .panel {
            p .big { (glyph(Level::FINE)) " "
                @if others == 0 { @if fine == 1 { "1 host fine" } @else { (fine) " hosts fine" } }
                @else { "Nothing waits for anybody: " (fine) " of " (strip.hosts()) " hosts fine" }
            }
            p {
                @match strip.newest_report {
                    Some(newest) => { "The last report came " (ago(newest, frame.now)) ". " },
                    None => "No host has reported yet. ",
                }
                @match next_change(now.rollouts, frame.now) {
                    Some((rollout, at)) => {
                        "The next change: " a href={ "/rollouts/" (rollout.id) } { (rollout.package) " " (rollout.version) }
                        ", the next wave " (ago(at, frame.now)) " at the earliest."
                    },
                    None if now.rollouts.is_empty() => "No change is planned.",
                    None => {},
                }
            }
            @if others > 0 {
                p { "What is not fine is taken care of, or explained, or too small to wake anybody: see below." }
            }
        }
    }
}

/// No host at all: the first thing to do.
fn nobody() -> Markup {
    html! {
        h2 #unhandled-title .unseen { "No hosts yet" }
        (empty("No host is enrolled yet.", &html! {
            p { "Make a token, and run the command that comes with it on the host: " a href="/admin/enrolment" { "Enrolment" }
                ". The same on the command line:" }
            (command("lockstep token create"))
        }))
    }
}

/// The next moment at which something may move by itself.
pub(super) fn next_change(
    rollouts: &[RolloutView],
    now: Timestamp,
) -> Option<(&RolloutView, Timestamp)> {
    let baking = rollouts
        .iter()
        .filter(|it| it.paused_by.is_none())
        .flat_map(|rollout| {
            let ends = rollout.waves.iter().filter_map(|wave| wave.bakes_until);
            ends.map(move |at| (rollout, at))
        });
    baking.filter(|(_, at)| *at > now).min_by_key(|(_, at)| *at)
}
