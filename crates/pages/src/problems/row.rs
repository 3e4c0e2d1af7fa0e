//! One row: what is wrong, where, how badly, since when, and what was changed before.

use lockstep_model::api::operator::ProblemView;
use lockstep_model::{Change, Role};
use maud::{Markup, html};

use super::group::{Cause, Group, blamed};
use super::{Ask, Now, actions, value};
use crate::Frame;
use crate::chart::spark;
use crate::hosts::value::{cut, rule};
use crate::parts::level::badge;
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::{exact, lasting, span, words};

/// Problems of a group that its row lists.
const MOST_LISTED: usize = 40;

/// A group's row, with what can be done about it for those who may.
pub(super) fn draw(now: &Now<'_>, group: &Group<'_>, frame: &Frame<'_>) -> Markup {
    let Some(first) = group.problems.first() else {
        return html! {};
    };
    let may = frame.may(Role::Operator);
    let key = group.cause.to_string();
    html! {
        tr {
            @if may {
                td { input type="checkbox" form="bulk" name="p" value=(key) aria-label={ "Choose " (title(group)) }; }
            }
            (cells(now, group, first, frame))
            @if may { td .row-actions { (actions::of(now, group, frame)) } }
        }
    }
}

/// The cells that a wall shows too.
pub(super) fn cells(
    now: &Now<'_>,
    group: &Group<'_>,
    first: &ProblemView,
    frame: &Frame<'_>,
) -> Markup {
    let trouble = &first.trouble;
    let (hosts, items) = (group.hosts(), group.items());
    html! {
        td { (badge(group.level(), frame.levels)) @if trouble.flapping { br; small { "back and forth" } } }
        td .wide {
            @if hosts.len() == 1 {
                (link::host(&trouble.host))
                (heard(now, first, frame))
                @if let Some(owner) = &first.owner { br; small { "of " (owner) } }
            } @else {
                b { (hosts.len()) " hosts" }
            }
            (cause(group))
            @if group.problems.len() > 1 { (listed(group, frame)) }
        }
        td .wide {
            @match &group.cause {
                Cause::Item(item) => a href={ "/items/" (link::segment(item.as_str())) } { (item) },
                _ if items.len() == 1 && hosts.len() == 1 => (link::item(&trouble.host, &trouble.item)),
                _ if items.len() == 1 => a href={ "/items/" (link::segment(trouble.item.as_str())) } { (trouble.item) },
                _ => { (items.len()) " items" },
            }
        }
        td .wide {
            @if group.problems.len() > 1 { small { (trouble.host) ": " } }
            b { (value(&trouble.value)) }
            @if !trouble.why.is_empty() { br; small { (shortened(&trouble.why, 300)) } }
        }
        td { @if let Some(limit) = now.limits.get(&(trouble.host.clone(), trouble.item.clone())) { (cut(&rule(limit))) } @else { small { "–" } } }
        td {
            a href=(Ask::of_group(group).address("/")) title="The address of this row by itself" { (lasting(trouble.since, frame.now)) }
            @if let Some(oldest) = group.oldest().filter(|oldest| *oldest < trouble.since) {
                br; small { "the first " (words(oldest, frame.now)) }
            }
        }
        td { (history(now, first)) }
        td .wide { (before(first)) }
    }
}

/// What a group is called where it has no room.
pub(super) fn title(group: &Group<'_>) -> String {
    match &group.cause {
        Cause::Release(release) => format!("what is bad since {release}"),
        Cause::Parent(parent) => format!("the hosts behind {parent}"),
        Cause::Told(what) => format!("what is bad since the hosts are told otherwise ({what})"),
        Cause::Item(item) => format!("{item} of {} hosts", group.hosts().len()),
        Cause::Host(host) => format!("{} problems of {host}", group.problems.len()),
        Cause::Alone(host, item) => format!("{item} of {host}"),
    }
}

fn cause(group: &Group<'_>) -> Markup {
    html! {
        @match &group.cause {
            Cause::Release(release) => { br; small { "bad since " b { (release) } } },
            Cause::Parent(parent) => { br; small { "behind " (link::host(parent)) } },
            Cause::Told(what) => { br; small { "bad since they are told otherwise: " b { (what) } } },
            _ => {},
        }
    }
}

/// What a silent host said last is old.
fn heard(now: &Now<'_>, problem: &ProblemView, frame: &Frame<'_>) -> Markup {
    html! {
        @if let Some(heard) = now.silent.get(&problem.trouble.host) {
            br;
            small {
                @match heard {
                    Some(heard) => {
                        "silent, heard of last " time datetime=(crate::parts::time::second(*heard)) title=(exact(*heard)) data-ago {
                            (words(*heard, frame.now))
                        } "; its levels are from then"
                    },
                    None => "it has never reported",
                }
            }
        }
    }
}

fn listed(group: &Group<'_>, frame: &Frame<'_>) -> Markup {
    html! {
        details id={ "members-" (link::segment(&group.cause.to_string())) } {
            summary { (group.problems.len()) " problems" }
            ul .members {
                @for problem in group.problems.iter().take(MOST_LISTED) {
                    @let trouble = &problem.trouble;
                    li {
                        (badge(trouble.level, frame.levels)) " " (link::host(&trouble.host)) " "
                        (link::item(&trouble.host, &trouble.item)) " " (shortened(&value(&trouble.value), 60))
                    }
                }
                @if group.problems.len() > MOST_LISTED { li { "and " (group.problems.len() - MOST_LISTED) " more" } }
            }
        }
    }
}

fn history(now: &Now<'_>, problem: &ProblemView) -> Markup {
    let trouble = &problem.trouble;
    let key = (trouble.host.clone(), trouble.item.clone());
    let values = now.sparks.get(&key);
    html! {
        @if let Some(values) = values.filter(|values| values.iter().flatten().count() > 1) {
            a href=(link::item_path(&trouble.host, &trouble.item)) {
                (spark(values, Some(trouble.level), &format!("{} of {}, the last hours", trouble.item, trouble.host)))
            }
        } @else { small { "–" } }
    }
}

/// What was changed on the host just before, the likely cause first.
fn before(problem: &ProblemView) -> Markup {
    let newest = problem.changes.iter().max_by_key(|change| change.at);
    let Some(change) = blamed(problem).or(newest) else {
        return html! { small { "nothing" } };
    };
    let (at, since) = (change.at, problem.trouble.since);
    let apart = since.duration_since(at);
    html! {
        (what(change)) ", " time datetime=(crate::parts::time::second(at)) title=(exact(at)) {
            (span(apart.abs())) @if apart.is_negative() { " after" } @else { " before" }
        }
    }
}

/// A change, with the way to its run.
pub(crate) fn what(change: &Change) -> Markup {
    html! {
        @match change.run {
            Some(run) => a href={ "/runs/" (run) } { (shortened(&change.what, 200)) },
            None => (shortened(&change.what, 200)),
        }
    }
}
