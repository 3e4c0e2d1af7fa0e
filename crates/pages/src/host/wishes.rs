//! What operators wish of the host: a restart of its agent.

use lockstep_model::api::operator::WishView;
use lockstep_model::{WishState, WishVerb};
use maud::{Markup, html};

use super::HostSheet;
use crate::frame::Frame;
use crate::parts::action::{Action, text};
use crate::parts::{link, time};

/// Where the wishes stand, and what can be wished. A host without an agent of ours is asked nothing.
pub(super) fn draw(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let view = &sheet.line.view;
    if view.via.is_some() || view.gateway.is_some() {
        return html! {};
    }
    html! {
        @if !sheet.wishes.is_empty() {
            section #host-wishes data-live aria-label="Wishes" {
                @for wish in sheet.wishes { (line(frame, wish)) }
            }
        }
        section .actions aria-label="Restarts" {
            (restart(frame, sheet))
        }
    }
}

/// A wish, and where it stands.
fn line(frame: &Frame<'_>, view: &WishView) -> Markup {
    let wish = &view.wish;
    html! {
        p {
            strong { (what(wish.verb)) ": " (state(view.state)) }
            @if !view.words.is_empty() { ", " (view.words) }
            br;
            small {
                "Wished by " (wish.by) " " (time::ago(wish.at, frame.now)) ": " (wish.why) ". "
                @if view.state.is_open() { "Void from " (time::moment(wish.until)) " on. " }
                @if let Some(back) = &view.taken_back { "Taken back by " (back.by) " " (time::ago(back.at, frame.now)) "." }
            }
        }
    }
}

fn what(verb: WishVerb) -> &'static str {
    match verb {
        WishVerb::RestartAgent => "Restart of the agent",
        WishVerb::Unknown => "Wish",
    }
}

fn state(state: WishState) -> &'static str {
    match state {
        WishState::Unheard => "the host has not heard of it yet",
        WishState::NotPermitted => "the host does not permit it",
        WishState::Waits => "the host has heard of it, and waits",
        WishState::Done => "done",
        WishState::Void => "void: its end came first",
        WishState::TakenBack => "taken back",
        WishState::Unknown => "the host says what this server does not know",
    }
}

fn open<'a>(sheet: &'a HostSheet<'_>, verb: WishVerb) -> Option<&'a WishView> {
    let mut wishes = sheet.wishes.iter();
    wishes.find(|it| it.wish.verb == verb && it.state.is_open())
}

fn restart(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let name = &sheet.line.view.name;
    let path = format!("{}/restart-agent", link::host_path(name));
    if open(sheet, WishVerb::RestartAgent).is_some() {
        return cancel(
            frame,
            "Do not restart the agent",
            &path,
            format!("lockstep host restart-agent {name} --cancel"),
        );
    }
    Action {
        label: "Restart the agent",
        to: path,
        fields: text("why", "Why", "", true),
        twin: format!("lockstep host restart-agent {name} --why '…'"),
        ..Action::default()
    }
    .draw(frame)
}

fn cancel(frame: &Frame<'_>, label: &str, path: &str, twin: String) -> Markup {
    Action {
        label,
        to: format!("{path}/cancel"),
        twin,
        ..Action::default()
    }
    .draw(frame)
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::{SignedDuration, Timestamp};
    use lockstep_model::HostWish;

    use super::*;

    /// A wish in a state, with this as each of its texts.
    pub(in crate::host) fn wish(verb: WishVerb, state: WishState, text: &str) -> WishView {
        let at: Timestamp = "2026-11-22T11:00:00Z".parse().unwrap();
        WishView {
            wish: HostWish {
                verb,
                number: 7,
                by: text.into(),
                why: text.into(),
                at,
                until: at + SignedDuration::from_hours(1),
            },
            state,
            words: text.into(),
            taken_back: None,
        }
    }

    #[test]
    fn each_state_has_words() {
        let all = [
            WishState::Unheard,
            WishState::NotPermitted,
            WishState::Waits,
            WishState::Done,
            WishState::Void,
            WishState::TakenBack,
        ];
        let words: std::collections::BTreeSet<&str> = all.into_iter().map(state).collect();
        assert_eq!(words.len(), all.len());
    }
}
