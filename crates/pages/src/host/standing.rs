//! How a host stands to locks, and what it is told to do.

use lockstep_model::Holder;
use lockstep_model::api::operator::LockView;
use maud::{Markup, html};

use super::HostSheet;
use crate::frame::Frame;
use crate::parts::action::twin;
use crate::parts::{link, time};

pub(super) fn locks(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let holder = Holder::Host(sheet.line.view.name.clone());
    html! {
        h2 { "Locks" }
        @if sheet.locks.is_empty() {
            p { "It holds none, and waits for none." }
        } @else {
            ul { @for lock in sheet.locks { li { (one(frame, lock, &holder)) } } }
        }
    }
}

fn one(frame: &Frame<'_>, view: &LockView, holder: &Holder) -> Markup {
    let state = &view.lock.state;
    let held = state.held_by(holder);
    let waits = state.waiters.iter().position(|it| it.holder == *holder);
    let ghost = view.ghosts.iter().find(|it| it.holder == *holder);
    html! {
        b { a href=(link::lock_path(&view.lock.name)) { (view.lock.name) } }
        @if let Some(held) = held {
            ": holds it for " (time::lasting(held.since, frame.now)) ", grant " (held.fence)
            @if !held.reason.is_empty() { ", " (held.reason) }
            @if let Some(run) = &held.run { ", " a href={ "/runs/" (run) } { "its run" } }
            @if let Some(until) = held.steady_until { "; it is kept until the host is fine, " (time::ago(until, frame.now)) " at the latest" }
        }
        @if let Some(place) = waits {
            ": waits in place " (place + 1) " of " (state.waiters.len())
            " for " (time::lasting(state.waiters[place].since, frame.now))
            @if !state.waiters[place].reason.is_empty() { ", " (state.waiters[place].reason) }
        }
        @if let Some(ghost) = ghost { p .warning { "It may not give it back by itself: " (ghost.ghost) } }
    }
}

/// What the host is told to watch and to keep current.
pub(super) fn work(sheet: &HostSheet<'_>) -> Markup {
    let path = link::host_path(&sheet.line.view.name);
    html! {
        section {
            h2 { "Work document" }
            p {
                "What it is told to watch, and how to judge it: "
                a href={ "/api/v1" (path) "/work" } { "as JSON" } ". "
                (twin(&format!("lockstep explain {} ITEM", sheet.line.view.name)))
            }
            @match sheet.work {
                Some(work) => details #host-work { summary { "Show it here" } pre { code { (work) } } },
                None => p .muted { "It is not shown here: there is no fleet file, it is long, or you are a viewer." },
            }
        }
    }
}
