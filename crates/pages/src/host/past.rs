//! What happened on a host: its runs and its events.

use lockstep_model::api::StoredEvent;
use lockstep_model::api::operator::RunView;
use lockstep_model::{EventKind, Outcome};
use maud::{Markup, html};

use super::{HostSheet, why};
use crate::frame::Frame;
use crate::hosts::value;
use crate::parts::during::During;
use crate::parts::level::badge;
use crate::parts::{link, time};
use crate::runs::Verdict;

pub(super) fn runs(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let name = sheet.line.view.name.as_str();
    html! {
        h2 { "Runs" }
        @if sheet.runs.is_empty() {
            p { "Nothing was changed on it by a run." }
        } @else {
            div .scroll { table {
                caption { "The newest first. " a href=(link::ask("/runs", &[("host", Some(name))])) { "All of its runs" } }
                thead { tr {
                    th scope="col" { "Run" } th scope="col" { "Outcome" } th scope="col" { "Before and after" } th scope="col" { "Begun" } th scope="col" { "By" } th scope="col" { "Why" }
                } }
                tbody { @for run in sheet.runs { (row(frame, run, sheet.verdicts.get(&run.record.id))) } }
            } }
        }
    }
}

fn row(frame: &Frame<'_>, run: &RunView, verdict: Option<&Verdict>) -> Markup {
    let record = &run.record;
    let path = format!("/runs/{}", record.id);
    html! {
        tr {
            th scope="row" { a href=(path) { (record.what()) } }
            td {
                @match record.outcome {
                    Some(Outcome::Stopped) => { b { "stopped" } " in " (record.phase) ": " a href=(path) { "retry or skip it" } },
                    Some(outcome) => (outcome),
                    None => {
                        "in progress: " (record.phase)
                        @if let Some(waits) = &record.waits { ", waits for " (value::cut(waits)) }
                    },
                }
            }
            td { (became(frame, verdict)) }
            td { (time::ago(record.started_at, frame.now)) }
            td { (value::cut(&record.by)) }
            td .wide { @if let Some(reason) = &record.reason { (value::cut(&reason.to_string())) } }
        }
    }
}

/// What became of the host's items between the beginning of a run and some time after its end.
fn became(frame: &Frame<'_>, verdict: Option<&Verdict>) -> Markup {
    let Some(verdict) = verdict else {
        return html! { span .muted title="Too much has happened since to look at here; the run's page says it." { "–" } };
    };
    let Verdict { worse, better, .. } = verdict;
    html! {
        @if let Some(worst) = worse.first() {
            b { (worse.len()) " worse" } ": " (worst.item) " " (badge(worst.before, frame.levels)) " → " (badge(worst.after, frame.levels))
            @if !better.is_empty() { ", " (better.len()) " better" }
        } @else if !better.is_empty() {
            (better.len()) " better"
        } @else {
            "the same"
        }
    }
}

pub(super) fn events(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let name = sheet.line.view.name.as_str();
    html! {
        h2 { "Events" }
        @if sheet.events.is_empty() {
            p { "None in the last four weeks." }
        } @else {
            div .scroll { table {
                caption { "The newest first. " a href=(During::of(frame.address).events(&[("host", Some(name))])) { "All of its events" } }
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Item" } th scope="col" { "Became" } th scope="col" { "Value" } th scope="col" { "Likely cause" }
                } }
                tbody { @for event in sheet.events { (happened(frame, event)) } }
            } }
        }
    }
}

fn happened(frame: &Frame<'_>, stored: &StoredEvent) -> Markup {
    let event = &stored.event;
    html! {
        tr {
            td { (time::ago(event.at, frame.now)) }
            th scope="row" { (link::item(&event.host, &event.item)) }
            td {
                (badge(event.to, frame.levels))
                @match event.kind {
                    EventKind::Level => { " from " (frame.levels.name(event.from)) },
                    EventKind::NoData => " no value any more",
                    EventKind::Data => " a value again",
                    EventKind::Flapping => " goes back and forth",
                    EventKind::Steady => " is steady again",
                }
            }
            td .wide { (value::words(&event.value)) @if !event.why.is_empty() { ": " (value::cut(&event.why)) } }
            td .wide { (why::changes(frame, &stored.changes)) }
        }
    }
}
