//! What a host's agent says beside the states of its items: who was at work when something went wrong last, and the
//! programs that it runs to look at something.

use lockstep_model::api::{ProcessSeen, ProgramSeen};
use maud::{Markup, html};

use super::HostSheet;
use crate::chart::number;
use crate::frame::Frame;
use crate::hosts::value;
use crate::parts::action::twin;
use crate::parts::level::badge;
use crate::parts::{link, time};

pub(super) fn draw(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    html! {
        (processes(frame, sheet))
        (programs(frame, sheet))
    }
}

fn processes(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let name = &sheet.line.view.name;
    let Some(seen) = sheet.processes else {
        return html! {};
    };
    html! {
        h2 #host-processes { "Processes at the last problem" }
        p {
            (link::item(name, &seen.item)) " became " (badge(seen.level, frame.levels)) " "
            (time::ago(seen.at, frame.now)) ", " (time::moment(seen.at)) ". "
            "Names are the kernel's; arguments are not told. "
            (twin(&format!("lockstep host processes {name}")))
        }
        div {
            (table("Most of the processors", &seen.by_cpu))
            (table("Most memory", &seen.by_memory))
        }
    }
}

fn table(caption: &str, processes: &[ProcessSeen]) -> Markup {
    html! {
        div .scroll { table {
            caption { (caption) }
            thead { tr {
                th scope="col" { "Process" } th scope="col" { "PID" } th scope="col" { "User" }
                th scope="col" { "CPU" } th scope="col" { "Memory" }
            } }
            tbody {
                @for it in processes {
                    tr {
                        th scope="row" { (value::cut(&it.name)) }
                        td .number { (it.pid) }
                        td { (value::cut(&it.user)) }
                        td .number { (number::show(it.cpu, "%")) }
                        td .number { (number::bytes(it.memory)) }
                    }
                }
                @if processes.is_empty() { tr { td colspan="5" { "none" } } }
            }
        } }
    }
}

fn programs(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let view = &sheet.line.view;
    if view.programs.is_empty() {
        return html! {};
    }
    html! {
        h2 #host-programs { "Plugins and scripts" }
        p {
            a href="/admin/probes" { "The same programs on other hosts" } ". "
            (twin(&format!("lockstep host probes {}", view.name)))
        }
        div .scroll { table {
            caption { "As they ended last" }
            thead { tr {
                th scope="col" { "Item" } th scope="col" { "File" } th scope="col" { "SHA-256" } th scope="col" { "Exit" }
                th scope="col" { "Ran for" } th scope="col" { "When" }
            } }
            tbody { @for it in &view.programs {
                tr {
                    th scope="row" { (link::item(it.host.as_ref().unwrap_or(&view.name), &it.item)) }
                    td .wide { code { (it.path) } }
                    td { (hash(it)) }
                    td { (exit(it)) }
                    td .number { (took(it.took_ms)) }
                    td { (time::ago(it.at, frame.now)) }
                }
            } }
        } }
    }
}

/// The beginning of a file's hash; the whole behind it.
pub(crate) fn hash(program: &ProgramSeen) -> Markup {
    match program.hash {
        Some(hash) => html! { code title=(hash) { (hash.short()) } },
        None => html! { "not read" },
    }
}

/// How a program ended.
pub(crate) fn exit(program: &ProgramSeen) -> Markup {
    html! {
        @match program.exit {
            Some(code) => (code),
            None => (value::cut(&program.ended)),
        }
    }
}

/// A running time.
#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
pub(crate) fn took(ms: u64) -> String {
    number::show(ms as f64 / 1000.0, "s")
}
