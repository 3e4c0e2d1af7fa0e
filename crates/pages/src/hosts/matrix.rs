//! The matrix of hosts and items: one cell is the level of one item of one host.
//!
//! What is fine everywhere is left out unless it is asked for, so that what is left can be seen at a glance. On a narrow
//! screen the style sheet makes of it a list of the cells that are not fine.

use std::cmp::Reverse;
use std::collections::HashMap;

use lockstep_model::{ItemName, ItemState, Level};
use maud::{Markup, html};

use super::{Ask, By, HostLine, bulk, quiet, value};
use crate::chart::number;
use crate::frame::Frame;
use crate::parts::level::{badge, glyph};
use crate::parts::pager::Slice;
use crate::parts::{link, time};

/// Hosts and items of one page when rows are hosts, and when rows are items: so many cells are 100 kB at most, compressed.
const BY_HOSTS: (usize, usize) = (150, 50);
const BY_ITEMS: (usize, usize) = (50, 150);

/// A part of the matrix.
#[derive(Debug)]
struct Grid<'a> {
    hosts: Vec<&'a HostLine>,
    items: Vec<Column<'a>>,
    /// For each host, its state of each item.
    cells: Vec<Vec<Option<&'a ItemState>>>,
    host_slice: Slice,
    item_slice: Slice,
    /// Hosts and items that are left out because all is fine.
    fine: (usize, usize),
}

/// An item, over all hosts that are asked for.
#[derive(Debug, Clone, Copy)]
struct Column<'a> {
    item: &'a ItemName,
    worst: Level,
    troubled: usize,
}

impl<'a> Grid<'a> {
    fn of(hosts: Vec<&'a HostLine>, ask: &Ask) -> Self {
        let mut items = columns(&hosts);
        let hosts = hosts.into_iter().map(|line| (line.items.troubled(), line));
        let mut hosts: Vec<(usize, &HostLine)> = hosts.collect();
        let all = (hosts.len(), items.len());
        if !ask.all {
            items.retain(|it| it.troubled > 0);
            hosts.retain(|(troubled, line)| *troubled > 0 || line.view.level > Level::FINE);
        }
        let fine = (all.0 - hosts.len(), all.1 - items.len());
        items.sort_by_key(|it| (Reverse((it.worst, it.troubled)), it.item));
        hosts.sort_by_key(|(troubled, line)| {
            (Reverse((line.view.level, *troubled)), &line.view.name)
        });
        let (of_hosts, of_items) = sizes(ask);
        let host_slice = Slice::of(ask.page, of_hosts, hosts.len());
        let item_slice = Slice::of(ask.items_page, of_items, items.len());
        let items = items[item_slice.from..item_slice.to].to_vec();
        let hosts = hosts[host_slice.from..host_slice.to].iter();
        let hosts: Vec<&HostLine> = hosts.map(|(_, line)| *line).collect();
        let places: HashMap<&ItemName, usize> = items
            .iter()
            .enumerate()
            .map(|(place, it)| (it.item, place))
            .collect();
        let cells = hosts.iter().map(|line| {
            let mut cells = vec![None; items.len()];
            for state in line.items.iter() {
                if let Some(place) = places.get(&state.item) {
                    cells[*place] = Some(state);
                }
            }
            cells
        });
        Self {
            cells: cells.collect(),
            hosts,
            items,
            host_slice,
            item_slice,
            fine,
        }
    }
}

/// A column for each item of these hosts. Thousands of hosts have tens of items each, mostly the same and mostly fine: a
/// name is looked up where a host has others than the one before it, and where it is not fine.
fn columns<'a>(hosts: &[&'a HostLine]) -> Vec<Column<'a>> {
    let mut columns: HashMap<&ItemName, Column<'a>> = HashMap::new();
    let mut before: &[ItemState] = &[];
    for line in hosts {
        let names = line.items.iter().map(|it| &it.item);
        if !names.clone().eq(before.iter().map(|it| &it.item)) {
            for item in names {
                columns.entry(item).or_insert(Column {
                    item,
                    worst: Level::FINE,
                    troubled: 0,
                });
            }
            before = &line.items;
        }
        if line.items.troubled() == 0 {
            continue;
        }
        for state in line.items.iter().filter(|it| it.is_troubled()) {
            if let Some(column) = columns.get_mut(&state.item) {
                column.worst = column.worst.max(state.level);
                column.troubled += 1;
            }
        }
    }
    columns.into_values().collect()
}

fn sizes(ask: &Ask) -> (usize, usize) {
    match ask.by {
        By::Hosts => BY_HOSTS,
        By::Items => BY_ITEMS,
    }
}

/// Draws a page of it.
pub(super) fn draw(frame: &Frame<'_>, hosts: Vec<&HostLine>, ask: &Ask, zone: &str) -> Markup {
    let grid = Grid::of(hosts, ask);
    let (of_hosts, of_items) = sizes(ask);
    html! {
        section #hosts-found data-live {
            (left_out(&grid, ask))
            @if grid.hosts.is_empty() {
                div .empty { p { b { "All items of these hosts are fine." } } }
            } @else {
                (bulk::around(frame, zone, &html! {
                    div .scroll { table .matrix {
                        @match ask.by {
                            By::Hosts => (by_hosts(frame, &grid)),
                            By::Items => (by_items(frame, &grid)),
                        }
                    } }
                }))
                (grid.host_slice.draw(of_hosts, |page| ask.with(|it| {
                    it.page = page;
                    it.items_page = ask.items_page;
                })))
                @if grid.item_slice.all > of_items {
                    p { "Items:" }
                    (grid.item_slice.draw(of_items, |page| ask.with(|it| {
                        it.items_page = page;
                        it.page = ask.page;
                    })))
                }
            }
        }
    }
}

fn left_out(grid: &Grid<'_>, ask: &Ask) -> Markup {
    html! {
        p {
            @if ask.all {
                "All hosts and items. " a href=(ask.with(|it| it.all = false)) { "Leave out what is fine" }
            } @else if grid.fine != (0, 0) {
                "Left out because all is fine: " (number::count(grid.fine.0 as u64, "host")) ", "
                (number::count(grid.fine.1 as u64, "item")) ". "
                a href=(ask.with(|it| it.all = true)) { "Show them too" }
            }
        }
    }
}

fn by_hosts(frame: &Frame<'_>, grid: &Grid<'_>) -> Markup {
    html! {
        caption { (caption(grid)) }
        thead { tr {
            th scope="col" { "Host" }
            @for column in &grid.items { th scope="col" .slanted { span { (across(column.item)) } } }
        } }
        tbody {
            @for (line, cells) in grid.hosts.iter().zip(&grid.cells) {
                tr {
                    th scope="row" { (tick(frame, line)) (link::host(&line.view.name)) " " (badge(line.view.level, frame.levels)) (silent(line)) }
                    @for (column, state) in grid.items.iter().zip(cells) {
                        (cell(frame, line, *state, column.item.as_str()))
                    }
                }
            }
        }
    }
}

fn by_items(frame: &Frame<'_>, grid: &Grid<'_>) -> Markup {
    html! {
        caption { (caption(grid)) }
        thead { tr {
            th scope="col" { "Item" }
            @for line in &grid.hosts { th scope="col" .slanted { (tick(frame, line)) span { (link::host(&line.view.name)) (silent(line)) } } }
        } }
        tbody {
            @for (place, column) in grid.items.iter().enumerate() {
                tr {
                    th scope="row" { (across(column.item)) }
                    @for (line, cells) in grid.hosts.iter().zip(&grid.cells) {
                        (cell(frame, line, cells[place], line.view.name.as_str()))
                    }
                }
            }
        }
    }
}

fn caption(grid: &Grid<'_>) -> Markup {
    let (hosts, items) = (grid.host_slice, grid.item_slice);
    html! {
        "The worst first. Hosts " (hosts.from + 1) " to " (hosts.to) " of " (hosts.all)
        ", items " (items.from.min(items.all) + usize::from(items.all > 0)) " to " (items.to) " of " (items.all) "."
    }
}

/// One item of all hosts.
fn across(item: &ItemName) -> Markup {
    html! { a href={ "/items/" (link::segment(item.as_str())) } { (item) } }
}

fn silent(line: &HostLine) -> Markup {
    html! {
        @if line.silent { " " small { "silent; this is what it said last" } }
        (quiet(line.quiet.as_ref()))
    }
}

/// The box to choose a host, for those who may do something with it.
fn tick(frame: &Frame<'_>, line: &HostLine) -> Markup {
    let name = &line.view.name;
    html! {
        @if frame.may(bulk::NEEDS) {
            input type="checkbox" name="host" value=(name) aria-label={ "Tick " (name) };
            " "
        }
    }
}

/// One cell. What is fine has no link of its own: there are thousands of them. `other` names the column, where a narrow
/// screen shows the cell without it.
fn cell(frame: &Frame<'_>, line: &HostLine, state: Option<&ItemState>, other: &str) -> Markup {
    let Some(state) = state else {
        return html! { td {} };
    };
    if !state.is_troubled() {
        let said = value::words(&state.value);
        return html! {
            td .level-0 title=(said) { (glyph(state.level)) span .unseen { (frame.levels.name(state.level)) " " (said) } }
        };
    }
    let level = frame.levels.name(state.level);
    let said = value::whole(state);
    let hush = line.hushed.get(&state.item);
    let lasts = time::span(frame.now.duration_since(state.since));
    html! {
        td .bad .{ "level-" (state.level.rank()) } {
            a href=(link::item_path(&line.view.name, &state.item)) title=(value::hover(frame.levels, state, hush)) {
                @if state.no_data { span .glyph aria-hidden="true" { "◌" } } @else { (glyph(state.level)) }
                @if let Some(hush) = hush { small aria-hidden="true" { (hush.sign()) } }
                span .unseen { (other) " " (level) " " (said) " for " (lasts) @if let Some(hush) = hush { ", " (hush.words()) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::tests::fleet;
    use super::*;

    proptest! {
        #[test]
        fn each_item_has_a_column_with_its_worst_and_how_many_are_troubled(
            seed in 0_usize..1_000, rest in prop::collection::vec(1_usize..60, 12),
        ) {
            let mut hosts = fleet(12, seed);
            for (host, rest) in hosts.iter_mut().zip(rest) {
                let mut items = host.items.to_vec();
                items.truncate(rest);
                Arc::make_mut(host).items = items.into();
            }
            let lines: Vec<&HostLine> = hosts.iter().map(|it| &**it).collect();
            let states = || lines.iter().flat_map(|it| it.items.iter());
            let columns = columns(&lines);
            let mut names: Vec<&ItemName> = states().map(|it| &it.item).collect();
            names.sort();
            names.dedup();
            let mut found: Vec<&ItemName> = columns.iter().map(|it| it.item).collect();
            found.sort();
            prop_assert_eq!(found, names);
            for column in columns {
                let of_item = || states().filter(|it| it.item == *column.item);
                prop_assert_eq!(Some(column.worst), of_item().map(|it| it.level).max());
                prop_assert_eq!(column.troubled, of_item().filter(|it| it.is_troubled()).count());
            }
        }
    }
}
