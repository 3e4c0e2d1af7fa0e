//! What host it is.

use maud::{Markup, html};

use super::HostSheet;
use crate::frame::Frame;
use crate::hosts::{group_link, label_link, quiet, value};
use crate::parts::level::badge;
use crate::parts::{link, time};

pub(super) fn draw(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let (line, view) = (sheet.line, &sheet.line.view);
    let uptime = line.items.iter().find(|it| it.item.as_str() == "uptime");
    html! {
        p {
            (badge(view.level, frame.levels))
            @if line.silent { " " b { "silent" } }
            (quiet(line.quiet.as_ref()))
            @if let Some(phase) = line.in_run { " " span .chip { "in change: " (phase) } }
            @if line.unhandled > 0 { " " b { (line.unhandled) " unhandled" } }
        }
        @if line.silent { (silence(frame, sheet)) }
        dl .facts {
            dt { "Last report" }
            dd {
                @match view.last_seen { Some(at) => { (time::ago(at, frame.now)) ", one each " (sheet.interval) }, None => "never" }
            }
            @if let Some(via) = &view.via { dt { "Watched by" } dd { (link::host(via)) ", because it has no agent" } }
            @if let Some(gateway) = &view.gateway { dt { "Speaks by" } dd { "the gateway " (gateway) ", it has no agent of ours" } }
            @if let Some(version) = &view.version {
                dt { "Agent" }
                dd {
                    (version)
                    @if !view.proven { ", on probation" }
                    @if let Some(desired) = view.desired.as_ref().filter(|it| *it != version) { ", wanted: " b { (desired) } }
                }
            }
            @if let Some(why) = &view.work_refused { dt { "Refuses" } dd { (why) } }
            @if !line.groups.is_empty() { dt { "Groups" } dd { @for group in &line.groups { (group_link(group)) " " } } }
            @if !line.labels.is_empty() { dt { "Labels" } dd { @for (key, value) in &line.labels { (label_link(key, value)) " " } } }
            @if let Some(owner) = &view.owner { dt { "Owner" } dd { (owner) } }
            @if !view.links.is_empty() {
                // Words of the fleet file: those who follow them tell the other side nothing of this page.
                dt { "To read" } dd { @for (name, to) in &view.links { a href=(to) rel="noopener noreferrer" { (name) } " " } }
            }
            @if !view.os.is_empty() { dt { "System" } dd { (view.os) } }
            @if !sheet.kernel.is_empty() { dt { "Kernel" } dd { (sheet.kernel) } }
            @if !sheet.platform.is_empty() { dt { "Platform" } dd { (sheet.platform) } }
            @if let Some(uptime) = uptime { dt { "Up" } dd { (value::words(&uptime.value)) } }
            @if let Some(address) = sheet.address { dt { "Address" } dd { (address) } }
            @if !view.boot_id.is_empty() { dt { "Boot id" } dd { code { (view.boot_id) } } }
            @if view.via.is_none() { dt { "Enrolled" } dd { (time::ago(view.enrolled_at, frame.now)) } }
            @if !sheet.watches.is_empty() {
                dt { "Watches" } dd { @for host in sheet.watches { (link::host(host)) " " } }
            }
        }
    }
}

/// What it means that nothing is heard of a host.
fn silence(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> Markup {
    let view = &sheet.line.view;
    let heard = view.last_seen.unwrap_or(view.enrolled_at);
    html! {
        p .warning {
            "Nothing has been heard of it for " (time::lasting(heard, frame.now)) ". It reports each " (sheet.interval)
            ", and three reports are missing. It is down, or cut off, or its agent does not run; what stands below is what it said "
            "last. While it is silent it gets no orders, and what it holds of locks it keeps."
            @if let Some(via) = &view.via { " It has no agent: look at " (link::host(via)) ", which watches it." }
        }
    }
}
