//! What needs nobody now: who is on what, what is held back and why, what is only worth a look, and what happened last.

use lockstep_model::Level;
use lockstep_model::alert::Ack;
use lockstep_model::api::operator::ProblemView;
use maud::{Markup, html};

use super::{MOST_REST, Now, actions, value};
use crate::chart::number::count;
use crate::parts::level::badge;
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::{ago, lasting};
use crate::{Frame, events};

/// Somebody is on it, or it is explained.
pub(super) fn handled(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let is_handled = |it: &&&ProblemView| !it.is_unhandled() && is_held(it);
    let handled: Vec<&ProblemView> = now.problems.iter().filter(is_handled).copied().collect();
    html! {
        section #handled data-live {
            @if !handled.is_empty() {
                details #handled-list open[now.ask.cause.is_some()] {
                    summary { h2 { "Handled " span .muted { (handled.len()) } } }
                    div .scroll { table {
                        caption .unseen { "Problems that somebody is on, or that are silenced or explained" }
                        thead { tr {
                            th scope="col" { "Level" } th scope="col" { "Host" } th scope="col" { "Item" }
                            th scope="col" { "Value" } th scope="col" { "For" } th scope="col" { "Who, why, until when" }
                            th scope="col" { span .unseen { "Actions" } }
                        } }
                        tbody { @for problem in handled.iter().take(MOST_REST) { (one(problem, frame)) } }
                    } }
                    (more(handled.len()))
                }
            }
        }
    }
}

fn one(problem: &ProblemView, frame: &Frame<'_>) -> Markup {
    let trouble = &problem.trouble;
    html! {
        tr {
            (start(problem, frame))
            td .wide {
                (who_is_on_it(problem, frame))
            }
            td {
                @if problem.ack.is_some() {
                    (actions::take_back(trouble.host.as_str(), trouble.item.as_str(), "/").draw(frame))
                }
                @if problem.silence.is_some() { a href="/silences" { "Silences" } }
            }
        }
    }
}

fn start(problem: &ProblemView, frame: &Frame<'_>) -> Markup {
    let trouble = &problem.trouble;
    html! {
        td { (badge(trouble.level, frame.levels)) }
        td .wide { (link::host(&trouble.host)) }
        td .wide { (link::item(&trouble.host, &trouble.item)) }
        td .wide { (shortened(&value(&trouble.value), 100)) }
        td { (lasting(trouble.since, frame.now)) }
    }
}

/// Who is on it, or what explains it; that nobody is, if nobody is.
pub(crate) fn who_is_on_it(problem: &ProblemView, frame: &Frame<'_>) -> Markup {
    html! {
        @if let Some(ack) = &problem.ack { p { (is_on_it(ack, frame)) } }
        @if let Some(silence) = &problem.silence { p { a href="/silences" { "Silenced" } ": " (shortened(silence, 300)) } }
        @if let Some(host) = &problem.depends_on {
            p {
                @if *host == problem.trouble.host { "The host is down; this is what it said before." }
                @else { (link::host(host)) " is down, and it depends on it." }
            }
        }
        @if problem.is_unhandled() { p { b { "Nobody is on it." } } }
    }
}

/// Who is on it, what they said, and until when that counts.
fn is_on_it(ack: &Ack, frame: &Frame<'_>) -> Markup {
    html! {
        b { (ack.by) } " is on it since " (ago(ack.at, frame.now))
        @if !ack.note.is_empty() { ": " (shortened(&ack.note, 300)) }
        @match ack.until {
            Some(until) => { ", until " (crate::parts::time::moment(until)) },
            None => ", until it ends",
        }
    }
}

/// Something explains it.
fn is_held(problem: &ProblemView) -> bool {
    problem.ack.is_some() || problem.silence.is_some() || problem.depends_on.is_some()
}

/// The newest events.
pub(super) fn events(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    html! {
        section #last-events data-live {
            h2 { "Last events" }
            @if now.events.is_empty() { p { "Nothing has happened yet." } }
            @else {
                div .scroll { table .stream {
                    caption .unseen { "The newest events" }
                    (events::head())
                    tbody { @for event in now.events { (events::row(event, frame)) } }
                } }
                p { a href="/events" { "All events" } }
            }
        }
    }
}

/// What would be told now, and is not.
pub(super) fn quiet(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let silences = || now.quiet.iter().filter(|it| it.holds_back > 0);
    let behind = now
        .problems
        .iter()
        .filter(|it| it.depends_on.is_some())
        .count();
    html! {
        section #quiet data-live {
            @if behind > 0 || silences().next().is_some() {
                details #quiet-list {
                    summary { h2 { "Held back" } }
                    ul {
                        @for quiet in silences().take(MOST_REST) {
                            li {
                                (count(quiet.holds_back, "problem")) " by " (quiet.silence.owner) ": "
                                (shortened(&quiet.silence.reason, 300)) ", until " (ago(quiet.silence.ends_at, frame.now))
                                details id={ "quiet-" (link::segment(&quiet.silence.id)) } {
                                    summary { "Which" }
                                    (crate::silences::held(&quiet.worst, quiet.holds_back, frame))
                                }
                            }
                        }
                        @if behind > 0 { li { (count(behind as u64, "problem")) " of hosts that are down, or behind one that is" } }
                    }
                    p { a href="/silences" { "Silences" } }
                }
            }
        }
    }
}

/// What is worth a look and wakes nobody.
pub(super) fn soso(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let small = |it: &&&ProblemView| it.trouble.level < Level::SICK && !is_held(it);
    let small: Vec<&ProblemView> = now.problems.iter().filter(small).copied().collect();
    html! {
        section #soso data-live {
            @if !small.is_empty() {
                details #soso-list {
                    summary { h2 { "Worth a look " span .muted { (small.len()) } } }
                    div .scroll { table {
                        caption .unseen { "Items that are not fine and alert nobody" }
                        thead { tr {
                            th scope="col" { "Level" } th scope="col" { "Host" } th scope="col" { "Item" }
                            th scope="col" { "Value" } th scope="col" { "For" } th scope="col" { "Why" }
                        } }
                        tbody { @for problem in small.iter().take(MOST_REST) { tr {
                            (start(problem, frame))
                            td .wide {
                                (shortened(&problem.trouble.why, 200))
                                @if problem.trouble.no_data { " (no data)" }
                                @if problem.trouble.flapping { " (back and forth)" }
                            }
                        } } }
                    } }
                    (more(small.len()))
                }
            }
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > MOST_REST { p { (all - MOST_REST) " more are not shown." } } }
}
