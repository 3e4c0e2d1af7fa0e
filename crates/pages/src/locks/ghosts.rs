//! Holders that will not give a place back by themselves: the evidence, and the one thing that is safe to do.

use lockstep_model::api::operator::{GhostView, LockView};
use lockstep_model::{Ghost, GhostAction};
use maud::{Markup, html};

use crate::Frame;
use crate::parts::action::{Action, text, twin, word};
use crate::parts::link::{host, segment};

use super::words::holder;

/// The ghosts of a lock.
pub(super) fn ghosts(frame: &Frame<'_>, lock: &LockView) -> Markup {
    html! {
        @for ghost in &lock.ghosts {
            div .ghost {
                p { span aria-hidden="true" { "⚠" } " " b { (holder(&ghost.holder)) } " may not come back: " (ghost.ghost) "." }
                (safe(frame, lock, ghost))
            }
        }
    }
}

fn safe(frame: &Frame<'_>, lock: &LockView, ghost: &GhostView) -> Markup {
    let name = ghost.holder.host();
    match (ghost.action, &ghost.ghost) {
        (GhostAction::Free, _) => free(
            frame,
            lock,
            ghost,
            "Nothing can be going on there any more.",
        ),
        (GhostAction::RetryOrSkip, Ghost::Stopped { run, .. }) => html! {
            p { "Look at what its run wrote, then retry or skip it: " a href={ "/runs/" (run) } { "its run" } }
            (twin(&format!("lockstep run show {run}")))
        },
        (GhostAction::RetryOrSkip, _) => html! {
            p { "Look for its run that has stopped, then retry or skip it: "
                a href="/runs?stopped=true" { "runs that have stopped" } }
        },
        (GhostAction::Restart, _) => html! {
            p { "Restart the machine by hand: its run goes on then, and gives the place back." }
        },
        (GhostAction::Mend, _) => html! {
            p { "Mend the host: its run goes on by itself once it is well."
                @if let Some(name) = name { " " (host(name)) } }
        },
        (GhostAction::FindOut, _) => html! {
            p { "Find out first whether the machine is off, or only cut off. While it is silent it may be in the middle of its "
                "change." @if let Some(name) = name { " " (host(name)) } }
            (free(frame, lock, ghost, "Only if the machine is off: if it is cut off, two hosts may be changed at once."))
        },
    }
}

/// The form that takes the place away.
fn free(frame: &Frame<'_>, lock: &LockView, ghost: &GhostView, warning: &str) -> Markup {
    let (name, whose) = (lock.lock.name.as_str(), ghost.holder.written());
    Action {
        label: "Free the place",
        to: format!("/locks/{}/free", segment(name)),
        fields: text("why", "Why, for the audit trail", "", true),
        twin: format!(
            "lockstep lock free {} --holder {} --why WHY",
            word(name),
            word(&whose)
        ),
        hidden: vec![("holder", whose)],
        warning: Some(format!("{warning} The next one in the queue gets it.")),
        ..Action::default()
    }
    .draw(frame)
}
