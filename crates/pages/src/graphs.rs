//! `/hosts/NAME/graphs`: the histories of a host beside each other, over the same time.

use lockstep_model::api::operator::HistoryView;
use lockstep_model::{HostName, ItemName, ItemState, Value};
use maud::{Markup, html};

use crate::chart::{self, Line, Marker, Size, Threshold};
use crate::frame::Sheet;
use crate::item::Range;
use crate::parts::action::twin;
use crate::parts::empty::empty;
use crate::parts::link;
use crate::{Frame, Here};

/// Graphs of one page.
pub const MOST: usize = 16;

/// One graph.
#[derive(Debug)]
pub struct Graph {
    /// The item's history.
    pub history: HistoryView,
    /// Values from which on the level is another one.
    pub thresholds: Vec<Threshold>,
}

/// A host's graphs.
#[derive(Debug)]
pub struct Graphs<'a> {
    /// The host.
    pub host: &'a HostName,
    /// The time.
    pub range: Range,
    /// The graphs, at most [`MOST`], in the order in which they are drawn.
    pub graphs: &'a [Graph],
    /// What happened in the time.
    pub markers: &'a [Marker],
}

/// What is drawn first, if a host has it: what most questions begin with.
const FIRST: [&str; 12] = [
    "cpu_load",
    "cpu_busy",
    "cpu_iowait",
    "memory_available",
    "swap_used",
    "pressure_memory_full",
    "disk_usage",
    "disk_busy",
    "network_in",
    "network_out",
    "processes",
    "agent_memory",
];

/// The items that are drawn, at most [`MOST`]: those in trouble, then the usual ones, then others by name. Items without
/// numbers have nothing to draw.
#[must_use]
pub fn choose(items: &[ItemState]) -> Vec<&ItemName> {
    let drawable = |it: &&ItemState| matches!(it.value, Value::Number { .. });
    let mut chosen: Vec<&ItemState> = items.iter().filter(drawable).collect();
    chosen.sort_by_key(|it| {
        let place = FIRST.iter().position(|probe| *probe == it.item.probe());
        (!it.is_troubled(), place.unwrap_or(FIRST.len()), &it.item)
    });
    chosen.truncate(MOST);
    chosen.into_iter().map(|it| &it.item).collect()
}

/// The address of a host's graphs.
#[must_use]
pub fn path(host: &HostName) -> String {
    format!("{}/graphs", link::host_path(host))
}

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, graphs: &Graphs<'_>) -> String {
    let path = path(graphs.host);
    let from_host = graphs
        .graphs
        .iter()
        .filter(|it| it.history.from_host)
        .count();
    let body = html! {
        p .where { (link::host(graphs.host)) }
        @if let Some(first) = graphs.graphs.first() {
            (graphs.range.draw(&path, &first.history.series, frame.now))
            @if from_host < graphs.graphs.len() {
                p .source {
                    "The host did not answer for " (graphs.graphs.len() - from_host) " of " (graphs.graphs.len())
                    " graphs. Those show what the server keeps: the last day, coarse."
                }
            }
            (draw(graphs))
        } @else {
            (empty("There is nothing to draw.", &html! { p { "The host has reported no numbers yet." } }))
        }
        p { "The same on the host itself: " (twin("lockstep agent history ITEM --plot")) }
    };
    frame.draw(Sheet {
        title: &format!("Graphs of {}", graphs.host),
        here: Here::Hosts,
        topics: &[],
        body,
    })
}

/// The graphs alone. A drag over one of them zooms all.
#[must_use]
pub fn draw(graphs: &Graphs<'_>) -> Markup {
    html! {
        div .graphs data-zoom=(graphs.range.base(&path(graphs.host))) {
            @for (index, graph) in graphs.graphs.iter().take(MOST).enumerate() {
                @let series = &graph.history.series;
                section .graph {
                    h3 { (link::item(graphs.host, &series.item)) }
                    (chart::line(&Line {
                        id: &format!("graph-{index}"),
                        title: &format!("{} on {}", series.item, graphs.host),
                        series,
                        thresholds: &graph.thresholds,
                        markers: graphs.markers,
                        overlays: &[],
                        size: Size::Small,
                    }))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Bucket, Level, Role, Series, Span, View};

    use super::*;
    use crate::frame::tests::with_frame;

    fn graph(number: i64) -> Graph {
        let from: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let bucket = |it: i64| Bucket {
            at: from + jiff::SignedDuration::from_mins(it * 10),
            count: 10,
            mean: 1234.5 + it as f64,
            min: 1200.0,
            max: 1500.0 + it as f64,
        };
        Graph {
            history: HistoryView {
                series: Series {
                    item: ItemName::parse(&format!("disk_usage:/{number}")).unwrap(),
                    unit: "%".into(),
                    from,
                    to: from + jiff::SignedDuration::from_hours(24),
                    bucket_ms: 600_000,
                    buckets: (0..144).map(bucket).collect(),
                },
                from_host: number % 2 == 0,
                why_not: None,
            },
            thresholds: Vec::new(),
        }
    }

    #[test]
    fn what_is_in_trouble_comes_first() {
        let state = |name: &str, level: Level, value: Value| ItemState {
            item: ItemName::parse(name).unwrap(),
            value,
            level,
            since: "2026-11-21T12:00:00Z".parse().unwrap(),
            why: String::new(),
            no_data: false,
            flapping: false,
        };
        let number = || Value::Number {
            value: 1.0,
            unit: String::new(),
        };
        let mut items = vec![
            state("aaa", Level::FINE, number()),
            state("disk_usage:/", Level::FINE, number()),
            state("cpu_load", Level::FINE, number()),
            state("unit:x", Level::DEAD, Value::Text("failed".into())),
            state("zzz", Level::SICK, number()),
        ];
        let names: Vec<&str> = choose(&items).into_iter().map(ItemName::as_str).collect();
        assert_eq!(names, ["zzz", "cpu_load", "disk_usage:/", "aaa"]);
        items.extend((0..50).map(|it| state(&format!("more:{it}"), Level::FINE, number())));
        assert_eq!(choose(&items).len(), MOST);
    }

    #[test]
    fn graphs_stand_beside_each_other_and_stay_small() {
        let many: Vec<Graph> = (0..20).map(graph).collect();
        let host = HostName::parse("web1").unwrap();
        let range = Range {
            span: Span::View(View::Day),
            beside: None,
        };
        let page = with_frame(Role::Viewer, |frame| {
            page(
                frame,
                &Graphs {
                    host: &host,
                    range,
                    graphs: &many,
                    markers: &[],
                },
            )
        });
        assert_eq!(page.matches("class=\"chart small\"").count(), MOST);
        assert!(
            page.contains("id=\"graph-15-title\"")
                && page.contains("href=\"/hosts/web1/items/disk_usage%3A%2F0\"")
        );
        assert!(
            page.contains("data-zoom=\"/hosts/web1/graphs\"")
                && page.contains("did not answer for 10 of 20")
        );
        assert!(page.len() < 350_000, "{}", page.len());
        let none = with_frame(Role::Viewer, |frame| {
            super::page(
                frame,
                &Graphs {
                    host: &host,
                    range,
                    graphs: &[],
                    markers: &[],
                },
            )
        });
        assert!(none.contains("There is nothing to draw."));
    }
}
