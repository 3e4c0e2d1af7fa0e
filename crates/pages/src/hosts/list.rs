//! The list: one row for each host.

use lockstep_model::ItemState;
use maud::{Markup, html};

use super::rows::{Row, sorted};
use super::said::sign;
use super::{Ask, Column, HostLine, bulk, group_link, label_link, quiet, value};
use crate::chart::number;
use crate::frame::Frame;
use crate::parts::level::{badge, dot};
use crate::parts::pager::Slice;
use crate::parts::{link, time};

/// Rows of one page.
pub(super) const ROWS: usize = 200;
/// Labels that stand in a row.
const MOST_LABELS: usize = 4;
/// Labels that say no more than other columns, or differ on each host.
const NOT_SHOWN: [&str; 5] = ["kernel", "os", "platform", "arch", "version"];

/// Draws a page of it.
pub(super) fn draw(frame: &Frame<'_>, hosts: Vec<&HostLine>, ask: &Ask, zone: &str) -> Markup {
    let rows = sorted(hosts, ask);
    let slice = Slice::of(ask.page, ROWS, rows.len());
    let columns: Vec<Column> = Column::ALL
        .into_iter()
        .filter(|column| rows.iter().any(|row| has(row, *column)))
        .collect();
    let pager = slice.draw(ROWS, |page| ask.with(|it| it.page = page));
    let table = table(frame, ask, &columns, &rows, slice);
    html! {
        section #hosts-found data-live {
            (bulk::around(frame, zone, &table))
            (pager)
        }
    }
}

/// True if the host has something in the column; a column without anything is left out.
fn has(row: &Row<'_>, column: Column) -> bool {
    let cells = &row.cells;
    match column {
        Column::Level | Column::Host | Column::Agent | Column::Seen | Column::Unhandled => true,
        Column::Groups => !row.line.groups.is_empty(),
        Column::Labels => labels(row.line).next().is_some(),
        Column::Cpu => cells.cpu.is_some(),
        Column::Memory => cells.memory.is_some(),
        Column::Disk => cells.disk.is_some(),
        Column::Load => cells.load.is_some(),
        Column::Network => cells.network.is_some(),
        Column::Updates => cells.updates.is_some() || cells.security.is_some(),
        Column::Fix => cells.fix.is_some(),
        Column::Reboot => cells.reboot.is_some(),
        Column::Uptime => cells.uptime.is_some(),
    }
}

fn table(
    frame: &Frame<'_>,
    ask: &Ask,
    columns: &[Column],
    rows: &[Row<'_>],
    slice: Slice,
) -> Markup {
    let ticks = frame.may(bulk::NEEDS);
    let width = columns.len() + usize::from(ticks);
    let page = &rows[slice.from..slice.to];
    html! {
        div .scroll {
            table .hosts {
                caption { "Hosts " (slice.from + 1) " to " (slice.to) " of " (slice.all) }
                thead { tr {
                    @if ticks {
                        th scope="col" .tick { input type="checkbox" data-all="host" aria-label="All of this page"; }
                    }
                    @for column in columns { (heading(ask, *column)) }
                } }
                @for gathered in page.chunk_by(|a, b| a.heading == b.heading) {
                    tbody {
                        @if ask.group_by.is_some() { (gathering(frame, rows, &gathered[0], width)) }
                        @for row in gathered { (host(frame, columns, row, ticks)) }
                    }
                }
            }
        }
    }
}

/// The heading of a column, which sorts by it, and the other way round when it does already.
fn heading(ask: &Ask, column: Column) -> Markup {
    let (by, desc) = ask.sort.map_or((Column::Level, true), |by| (by, ask.desc));
    let here = by == column;
    let to = ask.with(|it| {
        it.sort = Some(column);
        it.desc = if here {
            !desc
        } else {
            column.begins_greatest()
        };
    });
    let order = here.then_some(if desc { "descending" } else { "ascending" });
    html! {
        th scope="col" aria-sort=[order] .number[is_number(column)] {
            a href=(to) { (column.title()) }
            @if here { span aria-hidden="true" { (if desc { " ▾" } else { " ▴" }) } }
        }
    }
}

fn is_number(column: Column) -> bool {
    !matches!(
        column,
        Column::Level
            | Column::Host
            | Column::Groups
            | Column::Labels
            | Column::Agent
            | Column::Seen
    )
}

/// The heading of what is gathered, with how many there are on all pages, and the worst of them.
fn gathering(frame: &Frame<'_>, rows: &[Row<'_>], first: &Row<'_>, width: usize) -> Markup {
    let together = || rows.iter().filter(|row| row.heading == first.heading);
    let worst = together().map(|row| row.line.view.level).max();
    html! {
        tr .gathering { th scope="rowgroup" colspan=(width) {
            (dot(worst.unwrap_or_default(), frame.levels)) " "
            (first.heading.as_deref().unwrap_or("none")) " "
            span .muted { (number::count(together().count() as u64, "host")) }
        } }
    }
}

fn host(frame: &Frame<'_>, columns: &[Column], row: &Row<'_>, ticks: bool) -> Markup {
    let name = &row.line.view.name;
    html! {
        tr .stale[row.line.silent] {
            @if ticks {
                td .tick { input type="checkbox" name="host" value=(name) aria-label={ "Tick " (name) }; }
            }
            @for column in columns {
                @if *column == Column::Host {
                    th scope="row" { (link::host(name)) (whence(row.line)) }
                } @else {
                    td .number[is_number(*column)] { (cell(frame, *column, row)) }
                }
            }
        }
    }
}

/// By whose word the host speaks, if it has no agent of ours.
fn whence(line: &HostLine) -> Markup {
    html! {
        @if let Some(via) = &line.view.via { small { " by " (via) } }
        @if let Some(gateway) = &line.view.gateway { small { " by " (gateway) } }
    }
}

fn cell(frame: &Frame<'_>, column: Column, row: &Row<'_>) -> Markup {
    let (line, cells) = (row.line, &row.cells);
    match column {
        Column::Level => html! {
            (badge(line.view.level, frame.levels))
            @if line.silent { " " span .chip { "silent" } }
            (quiet(line.quiet.as_ref()))
            @if let Some(phase) = line.in_run { " " span .chip { "in change: " (phase) } }
        },
        Column::Host => link::host(&line.view.name),
        Column::Groups => html! { @for group in &line.groups { (group_link(group)) " " } },
        Column::Labels => html! {
            @for (key, value) in labels(line).take(MOST_LABELS) { (label_link(key, value)) " " }
            @let more = labels(line).count().saturating_sub(MOST_LABELS);
            @if more > 0 { small { "and " (more) " more" } }
        },
        Column::Cpu => item(frame, line, cells.cpu),
        Column::Memory => item(frame, line, cells.memory),
        Column::Disk => item(frame, line, cells.disk),
        Column::Load => item(frame, line, cells.load),
        Column::Network => match cells.network {
            Some((into, out)) => html! {
                span title={ "received " (number::show(into, "bytes/s")) ", sent " (number::show(out, "bytes/s")) } {
                    (number::show(into + out, "bytes/s"))
                }
            },
            None => nothing(),
        },
        Column::Updates => updates(frame, line, cells.updates, cells.security),
        Column::Fix => none_or(frame, line, cells.fix, "none"),
        Column::Reboot => none_or(frame, line, cells.reboot, "no"),
        Column::Agent => agent(line),
        Column::Uptime => item(frame, line, cells.uptime),
        Column::Seen => match line.view.last_seen {
            Some(at) => time::ago(at, frame.now),
            None => html! { "never" },
        },
        Column::Unhandled if line.unhandled == 0 => html! { span .muted { "0" } },
        Column::Unhandled => html! { b { (line.unhandled) } },
    }
}

/// The labels that have a place in the list.
fn labels(line: &HostLine) -> impl Iterator<Item = (&String, &String)> {
    let labels = line.labels.iter();
    labels.filter(|(key, _)| !NOT_SHOWN.contains(&key.as_str()))
}

/// A value with the shape of its level. What it says besides is read where the pointer rests.
fn item(frame: &Frame<'_>, line: &HostLine, state: Option<&ItemState>) -> Markup {
    let Some(state) = state else { return nothing() };
    let hush = line.hushed.get(&state.item);
    html! {
        a .plain href=(link::item_path(&line.view.name, &state.item)) title=(value::hover(frame.levels, state, hush)) {
            (dot(state.level, frame.levels)) " " (value::words(&state.value))
            @if let Some(hush) = hush { " " (sign(hush)) }
        }
    }
}

/// A time that something has been waiting; a word if nothing does.
fn none_or(frame: &Frame<'_>, line: &HostLine, state: Option<&ItemState>, word: &str) -> Markup {
    match state {
        Some(state) if !state.is_troubled() && super::cells::number(state) == Some(0.0) => {
            html! { span .muted { (word) } }
        }
        state => item(frame, line, state),
    }
}

fn updates(
    frame: &Frame<'_>,
    line: &HostLine,
    all: Option<&ItemState>,
    security: Option<&ItemState>,
) -> Markup {
    if all.is_none() && security.is_none() {
        return nothing();
    }
    let security = security.filter(|it| super::cells::number(it) != Some(0.0));
    html! {
        (item(frame, line, all))
        @if let Some(security) = security {
            " (" b { (value::words(&security.value)) } " security)"
        }
    }
}

fn agent(line: &HostLine) -> Markup {
    let view = &line.view;
    html! {
        @if let Some(version) = &view.version { (version) } @else { (nothing()) }
        @if let Some(desired) = view.desired.as_ref().filter(|it| Some(*it) != view.version.as_ref()) {
            " → " b { (desired) }
        }
        @if view.version.is_some() && !view.proven { " " small { "on probation" } }
    }
}

fn nothing() -> Markup {
    html! { span .muted { "–" } }
}
