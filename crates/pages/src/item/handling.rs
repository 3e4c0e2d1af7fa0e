//! Who is on the problem that the item is, and what can be done about it.

use lockstep_model::api::operator::ProblemView;
use maud::{Markup, html};

use super::ItemPage;
use crate::Frame;
use crate::parts::action::{Action, choice, text, word};
use crate::parts::link;
use crate::parts::time::{ago, moment};
use crate::problems::{ack_lasts, for_first, silence_lasts, take_back};

/// The state of the problem, where the item is one, and the actions. A silence may be made before anything is wrong.
pub(super) fn draw(frame: &Frame<'_>, page: &ItemPage<'_>) -> Markup {
    html! {
        section #handling data-live aria-label="Who is on it" {
            @if let Some(problem) = page.problem { (how(frame, problem)) }
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

fn how(frame: &Frame<'_>, problem: &ProblemView) -> Markup {
    html! {
        @if let Some(ack) = &problem.ack {
            p {
                b { (ack.by) } " is on it, " (ago(ack.at, frame.now))
                @if !ack.note.is_empty() { ": " (ack.note) }
                @if let Some(until) = ack.until { ", until " (moment(until)) }
                @else { ", until it ends" }
            }
        }
        @if let Some(silence) = &problem.silence { p { a href="/silences" { "Silenced" } ": " (silence) } }
        @if let Some(host) = &problem.depends_on {
            p {
                @if *host == problem.trouble.host { "The host is down; this is what it said before." }
                @else { (link::host(host)) " is down, and it depends on it." }
            }
        }
        @if problem.is_unhandled() { p { b { "Nobody is on it." } } }
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
