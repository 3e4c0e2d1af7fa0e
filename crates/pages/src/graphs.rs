//! `/hosts/NAME/graphs`: the histories of a host beside each other, over the same time.

use lockstep_model::api::operator::HistoryView;
use lockstep_model::{HostName, ItemName, ItemState, Value};
use maud::{Markup, html};

use crate::chart::{self, Line, Marker, Overlay, Size, Threshold};
use crate::frame::Sheet;
use crate::item::{Beside, Range};
use crate::parts::action::twin;
use crate::parts::during::During;
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
    /// The one of another time beside it, if that was asked for.
    pub beside: Option<HistoryView>,
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
    let during = During::of(frame.address);
    let from_host = graphs
        .graphs
        .iter()
        .filter(|it| it.history.from_host)
        .count();
    let body = html! {
        p .where {
            a href=(during.at(&link::host_path(graphs.host))) { (graphs.host) } " · "
            a href=(during.events(&[("host", Some(graphs.host.as_str()))])) { "its events" }
        }
        @if let Some(first) = graphs.graphs.first() {
            (graphs.range.draw(&path, &first.history.series, &Beside::TIMES, frame.now))
            @if from_host < graphs.graphs.len() {
                p .source {
                    "The host did not answer for " (graphs.graphs.len() - from_host) " of " (graphs.graphs.len())
                    " graphs. Those show what the server keeps: the last day, coarse."
                }
            }
            @if let Some(beside) = graphs.range.beside { p .source { (compared(graphs, beside)) } }
            (draw(graphs, &during))
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

/// What the dashed lines are: small drawings have no room for a legend.
fn compared(graphs: &Graphs<'_>, beside: Beside) -> String {
    let has_some = |it: &&Graph| {
        let beside = it.beside.as_ref();
        beside.is_some_and(|it| !it.series.buckets.is_empty())
    };
    let (all, some) = (graphs.graphs.len(), graphs.graphs.iter().filter(has_some));
    match some.count() {
        0 => format!("Nothing is known of {}.", beside.words()),
        some if some < all => format!(
            "Dashed: {}. Nothing is known of it for {} of {all} graphs.",
            beside.words(),
            all - some
        ),
        _ => format!("Dashed: {}.", beside.words()),
    }
}

/// The graphs alone. A drag over one of them zooms all.
fn draw(graphs: &Graphs<'_>, during: &During) -> Markup {
    let ago = graphs.range.beside.and_then(Beside::ago);
    html! {
        div .graphs data-zoom=(graphs.range.base(&path(graphs.host))) {
            @for (index, graph) in graphs.graphs.iter().take(MOST).enumerate() {
                @let series = &graph.history.series;
                @let beside: Vec<Overlay<'_>> = graph.beside.iter().zip(graphs.range.beside).zip(ago)
                    .map(|((it, beside), ago)| Overlay { words: beside.words(), series: &it.series, later: ago, band: None })
                    .collect();
                section .graph {
                    h3 { a href=(during.at(&link::item_path(graphs.host, &series.item))) { (series.item) } }
                    (chart::line(&Line {
                        id: &format!("graph-{index}"),
                        title: &format!("{} on {}", series.item, graphs.host),
                        series,
                        thresholds: &graph.thresholds,
                        markers: graphs.markers,
                        overlays: &beside,
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
            beside: None,
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
            pending: None,
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
        assert!(page.contains("href=\"/hosts/web1/graphs?view=day&amp;beside=yesterday\""));
        assert!(
            !page.contains("beside=others"),
            "what is not drawn is not offered"
        );
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
    #[test]
    fn another_time_is_drawn_beside_it_and_the_time_goes_on_to_other_pages() {
        let host = HostName::parse("web1").unwrap();
        let before = |graph: Graph| {
            let mut history = graph.history.clone();
            let day = jiff::SignedDuration::from_hours(24);
            history.series.from -= day;
            history.series.to -= day;
            for bucket in &mut history.series.buckets {
                bucket.at -= day;
            }
            Graph {
                beside: Some(history),
                ..graph
            }
        };
        let drawn = |graphs: Vec<Graph>| {
            let graphs = Graphs {
                host: &host,
                range: Range {
                    span: Span::View(View::Day),
                    beside: Some(Beside::Yesterday),
                },
                graphs: &graphs,
                markers: &[],
            };
            with_frame(Role::Viewer, |frame| {
                let address = "/hosts/web1/graphs?view=day&beside=yesterday";
                page(&Frame { address, ..*frame }, &graphs)
            })
        };
        let page = drawn((0..3).map(graph).map(before).collect());
        assert_eq!(page.matches("class=\"overlay overlay-1\"").count(), 3);
        assert!(page.contains("Dashed: the same time a day before."));
        assert!(page.contains("href=\"/hosts/web1?view=day\""));
        assert!(page.contains("href=\"/hosts/web1/items/disk_usage%3A%2F0?view=day\""));
        assert!(page.contains("href=\"/events?host=web1&amp;since="));
        let some = drawn(vec![before(graph(0)), graph(1)]);
        assert!(some.contains("Nothing is known of it for 1 of 2 graphs."));
        let none = drawn(vec![graph(0)]);
        assert!(none.contains("Nothing is known of the same time a day before."));
    }
}
