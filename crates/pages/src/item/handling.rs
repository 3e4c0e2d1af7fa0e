//! Who is on the problem that the item is, and what can be done about it.

use lockstep_model::api::operator::ProblemView;
use maud::{Markup, html};

use super::ItemPage;
use crate::Frame;
use crate::parts::action::{Action, choice, text, word};
use crate::parts::link;
use crate::problems::{ack_lasts, for_first, silence_lasts, take_back, who_is_on_it};

/// The state of the problem, where the item is one, and the actions. A silence may be made before anything is wrong.
pub(super) fn draw(frame: &Frame<'_>, page: &ItemPage<'_>) -> Markup {
    html! {
        section #handling data-live aria-label="Who is on it" {
            @if let Some(problem) = page.problem { (who_is_on_it(problem, frame)) }
            div .actions {
                @if let Some(problem) = page.problem { (ack(page, problem).draw(frame)) }
                (silence(page).draw(frame))
                @if page.problem.is_some_and(|it| it.ack.is_some()) {
                    (take_back(page.host.as_str(), page.item.as_str(), frame.address).draw(frame))
                }
            }
        }
    }
}

fn ack<'a>(page: &ItemPage<'_>, problem: &ProblemView) -> Action<'a> {
    let (host, item) = (page.host.as_str(), word(page.item.as_str()));
    let lasts = ack_lasts(page.zone);
    Action {
        label: if problem.ack.is_some() {
            "Ack again"
        } else {
            "Ack"
        },
        to: format!("{}/ack", link::item_path(page.host, page.item)),
        fields: html! { (text("note", "Note", "", false)) (choice("for", "For", &lasts)) },
        twin: format!(
            "lockstep ack {host} {item} --note NOTE{}",
            for_first(&lasts)
        ),
        ..Action::default()
    }
}

fn silence<'a>(page: &ItemPage<'_>) -> Action<'a> {
    let (host, item) = (page.host.as_str(), word(page.item.as_str()));
    let path = link::item_path(page.host, page.item);
    let more = link::ask(
        "/silences",
        &[("hosts", Some(host)), ("items", Some(page.item.as_str()))],
    ) + "#new";
    let lasts = silence_lasts(page.zone);
    Action {
        label: "Silence",
        to: format!("{path}/silence"),
        fields: html! {
            (text("note", "Why", "", true))
            (choice("for", "For", &lasts))
            p { a href=(more) { "Choose hosts and items" } }
        },
        twin: format!(
            "lockstep silence add --host {host} --item {item}{} --why WHY",
            for_first(&lasts)
        ),
        ..Action::default()
    }
}
