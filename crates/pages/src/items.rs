//! `/items`: all items of the fleet; `/items/ITEM`: one of them on all hosts, worst first.

use std::collections::HashMap;
use std::sync::Arc;

use lockstep_model::{HostName, ItemName, ItemState, Level};
use maud::{Markup, html};

use crate::chart;
use crate::frame::Sheet;
use crate::hosts::HostLine;
use crate::item::{across_path, value};
use crate::parts::action::{twin, word};
use crate::parts::during::During;
use crate::parts::empty::empty;
use crate::parts::level::{badge, dot};
use crate::parts::link;
use crate::parts::pager::Slice;
use crate::parts::text::shortened;
use crate::parts::time::lasting;
use crate::{Frame, Here, Topic};

/// Rows of a page of `/items`.
pub const SIZE: usize = 200;
/// Rows of a page of `/items/ITEM`: each has a drawing.
pub const ACROSS_SIZE: usize = 50;
/// Letters of a text that are shown; the item's own page has all of them.
const LONGEST: usize = 120;

/// An item, and on how many hosts it stands how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemLine {
    /// The item.
    pub item: ItemName,
    /// Hosts at each level, best first.
    pub hosts: [usize; 5],
}

impl ItemLine {
    /// All items of these hosts, those that are worst anywhere first.
    #[must_use]
    pub fn all_of(hosts: &[Arc<HostLine>]) -> Vec<Self> {
        let mut found: HashMap<&ItemName, [usize; 5]> = HashMap::new();
        for state in hosts.iter().flat_map(|line| line.items.iter()) {
            let counted = found.entry(&state.item).or_default();
            if let Some(count) = counted.get_mut(usize::from(state.level.rank())) {
                *count += 1;
            }
        }
        let lines = found.into_iter().map(|(item, hosts)| Self {
            item: item.clone(),
            hosts,
        });
        let mut lines: Vec<Self> = lines.collect();
        lines.sort_by(|a, b| (b.worst(), &a.item).cmp(&(a.worst(), &b.item)));
        lines
    }

    /// Hosts that have it.
    #[must_use]
    pub fn all(&self) -> usize {
        self.hosts.iter().sum()
    }

    /// The worst level that it has anywhere.
    #[must_use]
    pub fn worst(&self) -> Level {
        let found = Level::ALL.into_iter().rev();
        found
            .zip(self.hosts.iter().rev())
            .find(|(_, hosts)| **hosts > 0)
            .map_or(Level::FINE, |(level, _)| level)
    }
}

/// A page of the list of items. `lines` are those of the slice.
#[derive(Debug)]
pub struct Items<'a> {
    /// The items.
    pub lines: &'a [&'a ItemLine],
    /// Which of how many they are.
    pub slice: Slice,
    /// What names must contain.
    pub words: &'a str,
}

/// Draws the list of items.
#[must_use]
pub fn list(frame: &Frame<'_>, items: &Items<'_>) -> String {
    let address = |page: usize| {
        let page = page.to_string();
        let words = Some(items.words).filter(|it| !it.is_empty());
        link::ask("/items", &[("q", words), ("page", Some(&page))])
    };
    let body = html! {
        form .filter action="/items" method="get" {
            label { span { "Name has" } input type="search" name="q" value=(items.words) maxlength="200"; }
            button { "Filter" }
        }
        div #items data-live {
            @if items.lines.is_empty() {
                (empty("No item fits.", &html! {
                    p { "Items are what hosts report: they come with the first report. " a href="/items" { "All items" } }
                }))
            } @else {
                table .items {
                    thead { tr {
                        th scope="col" { "Worst" } th scope="col" { "Item" } th scope="col" { "Hosts" }
                        @for level in Level::ALL.into_iter().rev() { th scope="col" { (frame.levels.name(level)) } }
                    } }
                    tbody { @for line in items.lines { (row(frame, line)) } }
                }
            }
            (items.slice.draw(SIZE, address))
        }
    };
    frame.draw(Sheet {
        title: "Items",
        here: Here::Items,
        topics: &[Topic::Hosts],
        body,
    })
}

fn row(frame: &Frame<'_>, line: &ItemLine) -> Markup {
    html! {
        tr data-row {
            td { (dot(line.worst(), frame.levels)) }
            td { a href=(across_path(&line.item)) { (line.item) } }
            td .number { (line.all()) }
            @for hosts in line.hosts.iter().rev() {
                td .number { @if *hosts > 0 { (hosts) } @else { span .muted { "–" } } }
            }
        }
    }
}

/// An item of one host, among others.
#[derive(Debug, Clone)]
pub struct AcrossRow<'a> {
    /// The host.
    pub host: &'a HostName,
    /// True if it has missed three reports.
    pub silent: bool,
    /// How the item stands there.
    pub state: &'a ItemState,
    /// The last two hours, ten minutes apart; empty if nothing is known of them.
    pub spark: Vec<Option<f64>>,
}

/// One item on all hosts.
#[derive(Debug)]
pub struct Across<'a> {
    /// The item.
    pub item: &'a ItemName,
    /// The hosts of this page, worst first.
    pub rows: Vec<AcrossRow<'a>>,
    /// Which of how many they are.
    pub slice: Slice,
}

/// Draws one item on all hosts.
#[must_use]
pub fn across(frame: &Frame<'_>, across: &Across<'_>) -> String {
    let title = format!("{} on all hosts", across.item);
    let path = across_path(across.item);
    let body = html! {
        p .where { a href="/items" { "All items" } }
        div #across data-live {
            @if across.rows.is_empty() {
                (empty("No host reports this item.", &html! { p { a href="/items" { "What hosts report" } } }))
            } @else {
                table .across {
                    thead { tr {
                        th scope="col" { "Level" } th scope="col" { "Host" } th scope="col" { "Value" }
                        th scope="col" { "For" } th scope="col" { "Last 2 h" } th scope="col" { "Why" }
                    } }
                    tbody { @for one in &across.rows { (one_of(frame, across.item, one)) } }
                }
            }
            (across.slice.draw(ACROSS_SIZE, |page| link::ask(&path, &[("page", Some(&page.to_string()))])))
        }
        p { "Its events: " (twin(&format!("lockstep event list --item {}", word(across.item.as_str())))) }
    };
    frame.draw(Sheet {
        title: &title,
        here: Here::Items,
        topics: &[Topic::Hosts],
        body,
    })
}

fn one_of(frame: &Frame<'_>, item: &ItemName, row: &AcrossRow<'_>) -> Markup {
    let state = row.state;
    let words = format!(
        "{item} on {}, the last two hours; now {}",
        row.host,
        value(&state.value)
    );
    html! {
        tr data-row {
            td { (badge(state.level, frame.levels)) }
            td {
                a href=(During::of(frame.address).at(&link::item_path(row.host, item))) { (row.host) }
                @if row.silent { " " span .mark { "silent" } }
            }
            td { (shortened(&value(&state.value), LONGEST)) }
            td { (lasting(state.since, frame.now)) }
            td { @if row.spark.iter().any(Option::is_some) { (chart::spark(&row.spark, Some(state.level), &words)) } }
            td { (shortened(&state.why, LONGEST)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Role, Value};

    use super::*;
    use crate::frame::tests::with_frame;

    fn item(name: &str) -> ItemName {
        ItemName::parse(name).unwrap()
    }

    #[test]
    fn the_list_counts_hosts_by_level() {
        let lines = [ItemLine {
            item: item("disk_usage:/<b>"),
            hosts: [5, 0, 2, 0, 0],
        }];
        assert_eq!((lines[0].all(), lines[0].worst()), (7, Level::SICK));
        let page = with_frame(Role::Viewer, |frame| {
            let slice = Slice::of(1, 1, 3);
            list(
                frame,
                &Items {
                    lines: &lines.iter().collect::<Vec<_>>(),
                    slice,
                    words: "a&b",
                },
            )
        });
        assert!(page.contains("href=\"/items/disk_usage%3A%2F%3Cb%3E\">disk_usage:/&lt;b&gt;</a>"));
        assert!(page.contains("<td class=\"number\">7</td>"));
        assert!(page.contains("value=\"a&amp;b\""));
    }

    #[test]
    fn items_are_counted_over_all_hosts_the_worst_first() {
        use crate::hosts::tests::{line, state};
        let host = |name, load, disk| {
            let mut host = line(name);
            host.items = vec![
                state("cpu_load", 1.0, "", load),
                state("disk_usage:/", 1.0, "%", disk),
            ]
            .into();
            Arc::new(host)
        };
        let lines = ItemLine::all_of(&[
            host("web1", Level::FINE, Level::SICK),
            host("web2", Level::SOSO, Level::FINE),
            host("web3", Level::FINE, Level::SICK),
        ]);
        let line = |name, hosts| ItemLine {
            item: item(name),
            hosts,
        };
        assert_eq!(
            lines,
            [
                line("disk_usage:/", [1, 0, 2, 0, 0]),
                line("cpu_load", [2, 1, 0, 0, 0])
            ]
        );
        assert!(ItemLine::all_of(&[]).is_empty());
    }

    #[test]
    fn one_item_is_shown_with_its_hosts() {
        let (host, item) = (HostName::parse("web1").unwrap(), item("cpu_load"));
        let state = ItemState {
            item: item.clone(),
            value: Value::Number {
                value: 12.5,
                unit: String::new(),
            },
            level: Level::CRITICAL,
            since: "2026-11-22T11:00:00Z".parse().unwrap(),
            why: "x".repeat(500),
            no_data: false,
            flapping: false,
            pending: None,
        };
        let page = with_frame(Role::Viewer, |frame| {
            let row = AcrossRow {
                host: &host,
                silent: true,
                state: &state,
                spark: vec![Some(1.0), None, Some(3.0)],
            };
            across(
                frame,
                &Across {
                    item: &item,
                    rows: vec![row],
                    slice: Slice::of(1, 50, 1),
                },
            )
        });
        assert!(page.contains("href=\"/hosts/web1/items/cpu_load\">web1</a>"));
        assert!(page.contains("critical") && page.contains(">12.5<") && page.contains("silent"));
        assert!(page.contains("class=\"chart spark\"") && page.contains("60 min"));
        assert!(page.contains("…") && !page.contains(&"x".repeat(121)));
        let none = with_frame(Role::Viewer, |frame| {
            across(
                frame,
                &Across {
                    item: &item,
                    rows: Vec::new(),
                    slice: Slice::of(1, 50, 0),
                },
            )
        });
        assert!(none.contains("No host reports this item."));
    }
}
