//! `/locks`: who may change a host now, who waits, and who will not give a place back by himself.

mod ghosts;
mod words;

use lockstep_model::api::operator::LockView;
use lockstep_model::{LockHolder, LockWaiter, Taken};
use maud::{Markup, html};

use crate::parts::action::{Action, text, word};
use crate::parts::empty::{command, empty};
use crate::parts::link::{lock_id, segment};
use crate::parts::time::{ago, lasting, moment};
use crate::rollouts::Stand;
use crate::{Frame, Here, Topic, frame::Sheet};

use words::{counted, holder};

/// Places and waiters that are named; more are a number.
const MOST: usize = 200;

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, locks: &[LockView]) -> String {
    let body = html! {
        div #locks data-live {
            @if locks.is_empty() { (none()) }
            @for lock in locks { (board(frame, lock)) }
        }
    };
    frame.draw(Sheet {
        title: "Locks",
        here: Here::Locks,
        topics: &[Topic::Locks],
        body,
    })
}

/// How a lock stands: the first thing that keeps the next one from getting a place.
fn state(lock: &LockView) -> Stand {
    let (sign, word, class) = if words::disabled(lock).is_some() {
        ("■", "disabled", "is-bad")
    } else if !lock.ghosts.is_empty() {
        ("⚠", "held by a ghost", "is-bad")
    } else if lock.taken.len() >= lock.places {
        ("●", "full", "is-moving")
    } else if !lock.unmet.is_empty() {
        ("‖", "needs unmet", "is-unsure")
    } else {
        ("○", "free", "is-proven")
    };
    Stand { sign, word, class }
}

fn board(frame: &Frame<'_>, lock: &LockView) -> Markup {
    let name = lock.lock.name.as_str();
    html! {
        section .lock #(lock_id(&lock.lock.name)) aria-label={ "Lock " (name) } {
            h2 { (name) " " (state(lock).badge()) }
            p .places {
                b { (lock.taken.len()) } " of " b { (lock.places) } @if lock.places == 1 { " place" } @else { " places" }
                " taken" @if lock.lock.state.waiters.is_empty() { ", nobody waits" }
                @else { ", " b { (lock.lock.state.waiters.len()) } " waiting" }
            }
            @if let Some(why) = words::disabled(lock) { p .blame { "It gives no places: " (why) } }
            @for unmet in &lock.unmet { p .unmet { "Not now: " (unmet) } }
            (holders(frame, lock))
            (queue(frame, lock))
            (ghosts::ghosts(frame, lock))
            details .rule #{ "rule-" (segment(name)) } {
                summary { "What the fleet file says" }
                ul { @for line in lock.lock.rule.words(lock.places) { li { (line) } } }
            }
            (actions(frame, lock))
        }
    }
}

/// Who takes a place, and why: holders with their grants, and hosts that count without holding it.
fn holders(frame: &Frame<'_>, lock: &LockView) -> Markup {
    let state = &lock.lock.state;
    let named = |taken: &&Taken| state.held_by(&taken.by).is_none();
    let others: Vec<&Taken> = lock.taken.iter().filter(named).collect();
    let all = state.holders.len() + others.len();
    html! {
        @if all > 0 {
            table .holders {
                caption { "Who takes a place" }
                thead { tr {
                    th scope="col" { "Who" } th scope="col" { "For" } th scope="col" { "Grant" } th scope="col" { "Why" }
                    th scope="col" { "Heard of" }
                } }
                tbody {
                    @for grant in state.holders.iter().take(MOST) { (granted(frame, lock, grant)) }
                    @for taken in others.iter().take(MOST.saturating_sub(state.holders.len())) {
                        tr {
                            td { (holder(&taken.by)) } td { "–" } td { "no grant" }
                            td { "counts: " (counted(&taken.counted, frame.levels)) } td { "–" }
                        }
                    }
                }
            }
            @if all > MOST { p .more { "and " (all - MOST) " more" } }
        }
    }
}

fn granted(frame: &Frame<'_>, lock: &LockView, grant: &LockHolder) -> Markup {
    let is_ghost = lock.ghosts.iter().any(|it| it.holder == grant.holder);
    html! {
        tr data-row {
            td { (holder(&grant.holder)) @if is_ghost { " " span .mark { "⚠ ghost" } } }
            td { (lasting(grant.since, frame.now)) }
            td { "fence " (grant.fence) }
            td {
                (grant.reason)
                @if let Some(run) = grant.run { " " a href={ "/runs/" (run) } { "its run" } }
                @if let Some(until) = grant.steady_until {
                    " done; the place is kept until it is fine, at most until " (moment(until))
                }
            }
            td { (ago(grant.renewed_at, frame.now)) }
        }
    }
}

fn queue(frame: &Frame<'_>, lock: &LockView) -> Markup {
    let waiters = &lock.lock.state.waiters;
    let row = |waiter: &LockWaiter| {
        html! {
            li {
                (holder(&waiter.holder)) " waits " (lasting(waiter.since, frame.now)) ", asked " (ago(waiter.asked_at, frame.now))
                @if !waiter.reason.is_empty() { ": " (waiter.reason) }
                @if let Some(run) = waiter.run { " " a href={ "/runs/" (run) } { "its run" } }
            }
        }
    };
    html! {
        @if !waiters.is_empty() {
            h3 { "Queue, in the order of its turns" }
            ol .queue { @for waiter in waiters.iter().take(MOST) { (row(waiter)) } }
            @if waiters.len() > MOST { p .more { "and " (waiters.len() - MOST) " more" } }
        }
    }
}

fn actions(frame: &Frame<'_>, lock: &LockView) -> Markup {
    let name = lock.lock.name.as_str();
    let (to, quoted) = (format!("/locks/{}", segment(name)), word(name));
    let by_hand = lock.lock.state.disabled.is_some();
    let switch = match by_hand {
        true => Action {
            label: "Enable",
            to: format!("{to}/enable"),
            twin: format!("lockstep lock enable {quoted}"),
            ..Action::default()
        },
        false => Action {
            label: "Disable",
            to: format!("{to}/disable"),
            fields: html! {
                p { "Who has the lock keeps it. Nobody else gets it until it is enabled again." }
                (text("why", "Why, for those who are refused", "", true))
            },
            twin: format!("lockstep lock disable {quoted} --why WHY"),
            ..Action::default()
        },
    };
    html! {
        div .actions {
            (switch.draw(frame))
            details .by-hand #{ "by-hand-" (segment(name)) } {
                summary { "By hand" }
                p { "A place for a person or a program is asked for, and given back, on the command line:" }
                (command(&format!("lockstep lock acquire {quoted} --why WHY --wait 1h")))
                (command(&format!("lockstep lock release {quoted}")))
            }
        }
    }
}

fn none() -> Markup {
    let next = html! {
        p { "A lock sees to it that not too many hosts are changed at once. The fleet file names it, and says how many places "
            "it has and what counts as one:" }
        (command("[lock.db]\ncapacity = 1\ngroup = \"db\""))
        p { "A lock that nobody named begins with the first one who asks for it:" }
        (command("lockstep lock acquire db --why 'moving the disks'"))
    };
    empty("No lock is named, held or waited for.", &next)
}

#[cfg(test)]
mod tests;
