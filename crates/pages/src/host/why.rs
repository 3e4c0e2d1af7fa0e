//! Which items make the host's level, and by which rule.

use lockstep_model::api::operator::ProblemView;
use lockstep_model::{Change, Level};
use maud::{Markup, html};

use super::HostSheet;
use crate::frame::Frame;
use crate::hosts::value;
use crate::item::Said;
use crate::parts::level::badge;
use crate::parts::{link, time};
use crate::problems::who_is_on_it;

/// Problems that are explained at length; further ones stand in the table of items.
const MOST: usize = 20;

pub(super) fn draw(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let name = &sheet.line.view.name;
    html! {
        h2 { "Why" }
        @if sheet.problems.is_empty() {
            @if sheet.line.view.level == Level::FINE {
                p { "All of its " (sheet.line.items.len()) " items are fine." }
            } @else if !sheet.line.silent {
                p { "No problem of it is known any more; its next report will say so." }
            }
        }
        @for problem in sheet.problems.iter().take(MOST) {
            div .panel {
                p {
                    (badge(problem.trouble.level, frame.levels)) " "
                    b { (link::item(name, &problem.trouble.item)) } ": " (value::words(&problem.trouble.value))
                    " for " (time::lasting(problem.trouble.since, frame.now))
                    @if problem.trouble.no_data { ", without a new value" }
                    @if problem.trouble.flapping { ", goes back and forth" }
                }
                @if !problem.trouble.why.is_empty() { p { (value::cut(&problem.trouble.why)) } }
                (by_rule(frame, sheet, problem))
                (who_is_on_it(problem, frame))
                (changes(frame, &problem.changes))
            }
        }
        @if sheet.problems.len() > MOST { p { (sheet.problems.len() - MOST) " more, see the items." } }
    }
}

fn by_rule(frame: &Frame<'_>, sheet: &HostSheet<'_>, problem: &ProblemView) -> Markup {
    let item = &problem.trouble.item;
    let Some(rules) = sheet.rules.get(item).filter(|rules| !rules.is_empty()) else {
        return html! {};
    };
    // The one of the level that it has; an item without data may have one that no condition gives.
    let of = |level| move |rule: &&Said| frame.levels.level(&rule.key) == Some(level);
    let first = |rule: &&Said| frame.levels.level(&rule.key).is_some();
    let rule = rules.iter().find(of(problem.trouble.level));
    let rule = rule.or_else(|| rules.iter().find(first));
    html! {
        details id={ "why-" (link::segment(item.as_str())) } {
            summary {
                "Rule: "
                @match rule {
                    Some(rule) => { (rule.key) " " (rule.value) " (" (place(rule)) ")" },
                    None => "the probe's own judgement",
                }
            }
            table {
                caption { "What counts for " (item) }
                thead { tr { th scope="col" { "What" } th scope="col" { "Is" } th scope="col" { "Said by" } } }
                tbody { @for rule in rules { tr { th scope="row" { (rule.key) } td { (rule.value) } td { (place(rule)) } } } }
            }
        }
    }
}

fn place(rule: &Said) -> &str {
    rule.place.as_deref().unwrap_or("built in")
}

/// What was changed before, the likely causes.
pub(super) fn changes(frame: &Frame<'_>, changes: &[Change]) -> Markup {
    html! {
        @if !changes.is_empty() {
            p { "Changed before: "
                @for (index, change) in changes.iter().enumerate() {
                    @if index > 0 { "; " }
                    @match &change.run {
                        Some(run) => a href={ "/runs/" (run) } { (change.what) },
                        None => (change.what),
                    }
                    " " (time::ago(change.at, frame.now))
                }
            }
        }
    }
}
