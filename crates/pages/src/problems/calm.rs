//! What the page says when nothing is wrong: that it looked, how fresh that is, and what comes next.

use jiff::Timestamp;
use lockstep_model::api::operator::RolloutView;
use maud::{Markup, html};

use super::Now;
use crate::Frame;
use crate::chart::number::count;
use crate::parts::empty::{command, empty};
use crate::parts::level::glyph;
use crate::parts::link;
use crate::parts::time::ago;
use lockstep_model::Level;

/// What is to come, that is named.
const MOST_COMING: usize = 4;

/// Something that is to come, for a page that has nothing else to tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planned {
    /// When.
    pub at: Timestamp,
    /// What, in words: `the wave 2 of lockstep 1.4.2`.
    pub what: String,
    /// Where that is said.
    pub href: String,
}

/// Nothing is unhandled.
pub(super) fn draw(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let strip = frame.strip;
    if strip.hosts() == 0 {
        return nobody();
    }
    if !now.ask.is_empty() {
        return nothing_of_it(now, frame);
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
                    Some(newest) => {
                        "The last report came " (ago(newest, frame.now))
                        @if let Some((host, oldest)) = now.oldest { "; the oldest is from " (ago(oldest, frame.now)) ", of " (link::host(host)) }
                        ". "
                    },
                    None => "No host has reported yet. ",
                }
            }
            (coming(now, frame))
            @if others > 0 {
                p { "What is not fine is taken care of, or explained, or too small to wake anybody: see below." }
            }
        }
    }
}

/// What comes next: the ends of bakes, and what else is planned.
fn coming(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let bake = next_change(now.rollouts, frame.now).map(|(rollout, at)| Planned {
        at,
        what: format!(
            "{} {}, the next wave at the earliest",
            rollout.package, rollout.version
        ),
        href: format!("/rollouts/{}", rollout.id),
    });
    let mut coming: Vec<Planned> = bake
        .into_iter()
        .chain(now.planned.iter().cloned())
        .collect();
    coming.retain(|it| it.at > frame.now);
    coming.sort();
    html! {
        @if coming.is_empty() {
            @if now.rollouts.is_empty() { p { "No change is planned." } }
        } @else {
            p { "What comes next:" }
            ul .coming {
                @for it in coming.iter().take(MOST_COMING) {
                    li { (ago(it.at, frame.now)) ": " a href=(it.href) { (it.what) } }
                }
            }
        }
    }
}

/// Nothing of what was asked for is unhandled.
fn nothing_of_it(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let rest = now.problems.len();
    html! {
        h2 #unhandled-title .unseen { "Nothing of it is unhandled" }
        div .calm .panel {
            p .big { "Nothing of what was asked for is unhandled" }
            @if now.ask.cause.is_some() && rest == 0 { p { "What this address was for is over." } }
            @if rest > 0 { p { (count(rest as u64, "problem")) " of it " @if rest == 1 { "is" } @else { "are" }
                " taken care of, explained, or too small to wake anybody: see below." } }
            p { a href="/" { "All problems" } @if frame.strip.unhandled > 0 { " (" (frame.strip.unhandled) " unhandled)" } }
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
