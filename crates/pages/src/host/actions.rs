//! What can be done with a host.

use maud::{Markup, html};

use super::HostSheet;
use crate::frame::Frame;
use crate::parts::action::{Action, choice, text};
use crate::parts::link;
use crate::problems::{ack_lasts, for_first, silence_lasts};

/// What is done now and then.
pub(super) fn draw(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let view = &sheet.line.view;
    let (name, path) = (&view.name, link::host_path(&view.name));
    let lasts = silence_lasts(sheet.zone);
    let until = ack_lasts(sheet.zone);
    html! {
        section #host-actions .actions aria-label="Actions" {
            @if !sheet.problems.is_empty() {
                (Action {
                    label: "Acknowledge all",
                    to: format!("{path}/ack"),
                    fields: html! { (text("note", "Note", "", false)) (choice("lasts", "For", &until)) },
                    twin: format!("lockstep ack {name}{} --note '…'", for_first(&until)),
                    ..Action::default()
                }.draw(frame))
            }
            (Action {
                label: "Silence this host",
                to: format!("{path}/silence"),
                fields: html! { (choice("lasts", "For", &lasts)) (text("why", "Why", "", true)) },
                twin: format!("lockstep silence add --host {name}{} --why '…'", for_first(&lasts)),
                ..Action::default()
            }.draw(frame))
            @if view.gateway.is_none() {
                (Action {
                    label: "Collect now",
                    to: format!("{path}/report"),
                    twin: format!("lockstep host report {name}"),
                    ..Action::default()
                }.draw(frame))
            }
        }
    }
}

/// What cannot be taken back. A host without an agent was never enrolled, so it cannot be removed here.
pub(super) fn removal(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let view = &sheet.line.view;
    if view.via.is_some() {
        return html! {};
    }
    let name = &view.name;
    let remove = Action {
        label: "Remove this host",
        to: format!("{}/remove", link::host_path(name)),
        fields: text(
            "name",
            &format!("Type {name} to say that you mean it"),
            "",
            true,
        ),
        twin: format!("lockstep host remove {name}"),
        warning: Some(format!(
            "The certificates of {name} are revoked and its next request is refused, its places of locks go to others, and its \
             problems are closed. It runs on as it is; to have it back it must be enrolled anew."
        )),
        ..Action::default()
    };
    html! { section .actions aria-label="Removal" { (remove.draw(frame)) } }
}
