//! What operators wish of the host: a restart of the machine, or of its agent.

use lockstep_model::api::operator::WishView;
use lockstep_model::{WishState, WishVerb};
use maud::{Markup, html};

use super::HostSheet;
use crate::frame::Frame;
use crate::parts::action::{Action, choice, text};
use crate::parts::{link, time};

/// Until when a wish counts.
const LENGTHS: [(&str, &str); 4] = [
    ("1h", "an hour"),
    ("4h", "four hours"),
    ("1d", "a day"),
    ("7d", "a week"),
];

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
            (reboot(frame, sheet))
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
            @if let Some(run) = &view.run { " " a href=(format!("/runs/{run}")) { "Its run" } "." }
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
        WishVerb::Reboot => "Restart of the machine",
        WishVerb::RestartAgent => "Restart of the agent",
        WishVerb::Unknown => "Wish",
    }
}

fn state(state: WishState) -> &'static str {
    match state {
        WishState::Unheard => "the host has not heard of it yet",
        WishState::NotPermitted => "not permitted",
        WishState::Waits => "the host has heard of it, and waits",
        WishState::Begun => "under way",
        WishState::Stopped => "stopped half-way, and waits for a person",
        WishState::Done => "done",
        WishState::Failed => "begun, and given up",
        WishState::Void => "void: its end came first",
        WishState::TakenBack => "taken back",
        WishState::Unknown => "the host says what this server does not know",
    }
}

fn open<'a>(sheet: &'a HostSheet<'_>, verb: WishVerb) -> Option<&'a WishView> {
    let mut wishes = sheet.wishes.iter();
    wishes.find(|it| it.wish.verb == verb && it.state.is_open())
}

fn reboot(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let name = &sheet.line.view.name;
    let path = format!("{}/reboot", link::host_path(name));
    if open(sheet, WishVerb::Reboot).is_some() {
        return cancel(
            frame,
            "Do not restart the machine",
            &path,
            format!("lockstep host reboot {name} --cancel"),
        );
    }
    if sheet
        .wishes
        .iter()
        .any(|it| it.wish.verb == WishVerb::Reboot && it.state.is_under_way())
    {
        return html! {};
    }
    Action {
        label: "Restart this machine",
        to: path,
        fields: html! {
            (text("why", "Why", "", true))
            (choice("lasts", "Void after", &LENGTHS))
            (text("name", &format!("Type {name} to say that you mean it"), "", true))
        },
        twin: format!("lockstep host reboot {name} --why '…'"),
        warning: Some(format!(
            "{name} waits for the lock of its update.toml, if that names one, calls pre_update.d, restarts, calls post_update.d, and gives \
             the lock back once it is as well as before. Where that fails, or where it does not come back, it stops and keeps the lock. \
             It obeys once, and only if its agent.toml says reboot = true in [wishes]. Until it has begun this can be taken back."
        )),
        ..Action::default()
    }
    .draw(frame)
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
    use lockstep_model::{HostWish, RunId};

    use super::*;

    /// A wish in a state, with this as each of its texts.
    pub(in crate::host) fn wish(verb: WishVerb, state: WishState, text: &str) -> WishView {
        let at: Timestamp = "2026-11-22T11:00:00Z".parse().unwrap();
        WishView {
            wish: HostWish {
                verb,
                number: 7,
                boot_id: "b".into(),
                by: text.into(),
                why: text.into(),
                at,
                until: at + SignedDuration::from_hours(1),
            },
            state,
            words: text.into(),
            run: Some(RunId::new(at, [1; 10])),
            taken_back: None,
        }
    }

    #[test]
    fn each_state_has_words() {
        let all = [
            WishState::Unheard,
            WishState::NotPermitted,
            WishState::Waits,
            WishState::Begun,
            WishState::Stopped,
            WishState::Done,
            WishState::Failed,
            WishState::Void,
            WishState::TakenBack,
        ];
        let words: std::collections::BTreeSet<&str> = all.into_iter().map(state).collect();
        assert_eq!(words.len(), all.len());
    }
}
