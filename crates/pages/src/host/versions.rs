//! What the host runs, what it is wanted to run, and the one thing that keeps it from that.

use lockstep_model::api::operator::Explanation;
use maud::{Markup, html};

use super::HostSheet;
use crate::frame::Frame;
use crate::parts::action::twin;
use crate::parts::{link, time};

pub(super) fn draw(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let view = &sheet.line.view;
    html! {
        h2 { "Versions" }
        @if let Some(via) = &view.via {
            p { "It has no agent, " (link::host(via)) " watches it: it runs no packages of ours." }
        } @else if sheet.explained.is_empty() {
            p { "It follows no package." }
        } @else {
            div .scroll { table {
                caption { "What it follows. " (twin(&format!("lockstep explain {}", view.name))) }
                thead { tr {
                    th scope="col" { "Package" } th scope="col" { "Runs" } th scope="col" { "Wanted" }
                    th scope="col" { "By" } th scope="col" { "What keeps it from that" }
                } }
                tbody { @for one in sheet.explained { (row(frame, one)) } }
            } }
        }
        @if !view.packages.is_empty() {
            div .scroll { table {
                caption { "Packages in force on it" }
                thead { tr { th scope="col" { "Package" } th scope="col" { "Version" } th scope="col" { "Before" } th scope="col" { "Hash" } } }
                tbody { @for it in &view.packages { tr {
                    th scope="row" { (package(it.package.as_str())) }
                    td { (it.version) @if !it.proven { " " small { "on probation" } } }
                    td { @match &it.previous { Some(previous) => (previous), None => "–" } }
                    td { @match &it.hash {
                        Some(hash) => code title=(hash) { (hash.to_string().chars().take(12).collect::<String>()) },
                        None => "–",
                    } }
                } } }
            } }
        }
    }
}

fn row(frame: &Frame<'_>, one: &Explanation) -> Markup {
    html! {
        tr {
            th scope="row" { (package(one.package.as_str())) }
            td {
                @match &one.version { Some(version) => (version), None => "–" }
                @if one.version.is_some() && !one.proven { " " small { "on probation" } }
            }
            td { @match &one.wanted { Some(version) => b { (version) }, None => "–" } }
            td {
                @if let Some(channel) = &one.channel { "channel " (channel) }
                @if let Some(rule) = &one.rule { ", " (rule) }
                @if let Some(rollout) = &one.rollout { " " a href={ "/rollouts/" (rollout) } { "rollout " (rollout) } }
            }
            td .wide {
                (one.words)
                @if let Some(opens) = one.opens { " Opens " (time::ago(opens, frame.now)) "." }
                " " code .muted title="The gate" { (one.gate) }
            }
        }
    }
}

fn package(name: &str) -> Markup {
    html! { a href={ "/releases/" (link::segment(name)) } { (name) } }
}
