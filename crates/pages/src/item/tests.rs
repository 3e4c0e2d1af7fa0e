use lockstep_model::{Bucket, Level, Role, Series, View};

use super::*;
use crate::frame::tests::with_frame;

fn at(minute: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    noon + jiff::SignedDuration::from_mins(minute)
}

fn history(from_host: bool) -> HistoryView {
    HistoryView {
        series: Series {
            item: ItemName::parse("disk_usage:/a b").unwrap(),
            unit: "%".into(),
            from: at(-60),
            to: at(0),
            bucket_ms: 60_000,
            buckets: vec![Bucket {
                at: at(-30),
                count: 10,
                mean: 81.25,
                min: 80.0,
                max: 82.0,
            }],
        },
        from_host,
        why_not: Some("the host is not connected to this server".into()),
    }
}

/// What a page is drawn from.
struct Given {
    state: Option<ItemState>,
    silent: bool,
    span: Span,
    history: HistoryView,
    beside: HistoryView,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            state: Some(ItemState {
                item: ItemName::parse("disk_usage:/a b").unwrap(),
                value: Value::Number {
                    value: 81.25,
                    unit: "%".into(),
                },
                level: Level::SICK,
                since: at(-180),
                why: "81 % is <more> than 80 %".into(),
                no_data: false,
                flapping: false,
            }),
            silent: false,
            span: Span::View(View::Hour),
            history: history(true),
            beside: history(true),
        }
    }
}

fn drawn(given: &Given) -> String {
    let (host, watcher) = (
        HostName::parse("web1").unwrap(),
        HostName::parse("mon").unwrap(),
    );
    let limits = [Threshold {
        level: Level::SICK,
        name: "sick".into(),
        value: 80.0,
    }];
    let judgement = Judgement {
        groups: vec!["web".into()],
        watched: true,
        keys: vec![Said {
            key: "sick".into(),
            value: "> 80%".into(),
            place: Some("fleet.toml:12:1".into()),
        }],
    };
    let page = ItemPage {
        host: &host,
        item: &given.history.series.item,
        via: Some(&watcher),
        state: given.state.as_ref(),
        silent: given.silent,
        last_seen: Some(at(-90)),
        range: Range {
            span: given.span,
            beside: Some(Beside::Yesterday),
        },
        history: &given.history,
        beside: Some(&given.beside),
        markers: &[],
        levels: &[],
        thresholds: &limits,
        judgement: &judgement,
    };
    with_frame(Role::Viewer, |frame| super::page(frame, &page))
}

#[test]
fn the_page_says_how_it_stands_and_why() {
    let page = drawn(&Given::default());
    assert!(page.contains("<title>disk_usage:/a b on web1 · Lockstep</title>"));
    assert!(page.contains("81.25 %") && page.contains("3 h</time>") && page.contains("sick 80 %"));
    assert!(page.contains("81 % is &lt;more&gt; than 80 %"));
    assert!(
        page.contains("<code>fleet.toml:12:1</code>") && page.contains("Groups of the host: web.")
    );
    assert!(page.contains("From the host itself"));
    assert!(page.contains("class=\"mean\"") && page.contains("class=\"chart ribbon\""));
    assert!(page.contains("<details class=\"buckets\">"));
    assert!(page.contains("lockstep explain web1 'disk_usage:/a b'"));
    assert!(page.contains("--view hour --host web1"));
}

#[test]
fn every_time_has_an_address() {
    let page = drawn(&Given::default());
    let path = "/hosts/web1/items/disk_usage%3A%2Fa%20b";
    for view in ["day", "week", "month", "year"] {
        assert!(
            page.contains(&format!("href=\"{path}?view={view}&amp;beside=yesterday\"")),
            "{view}"
        );
    }
    assert!(
        page.contains(&format!("href=\"{path}?view=hour\"")),
        "without anything beside it"
    );
    assert!(page.contains(&format!(
        "rel=\"prev\" href=\"{path}?from=2026-11-22T10%3A00%3A00Z&amp;to=2026-11-22T11%3A00%3A00Z&amp;beside=yesterday\""
    )));
    assert!(!page.contains("later →"), "nobody looks into the future");
    assert!(page.contains(&format!("href=\"{path}?view=hour&amp;format=csv\"")));
    assert!(page.contains(&format!("data-zoom=\"{path}?beside=yesterday\"")));
    assert!(page.contains("the same time a day before</span>"));
}

#[test]
fn it_says_where_numbers_are_from_and_that_some_are_missing() {
    let mut nothing = history(false);
    nothing.series.buckets.clear();
    let page = drawn(&Given {
        history: history(false),
        beside: nothing.clone(),
        ..Given::default()
    });
    assert!(page.contains(
        "did not answer (the host is not connected to this server). This is what the server keeps"
    ));
    assert!(page.contains("There is nothing of the time to compare it with."));
    let silent = drawn(&Given {
        history: history(false),
        silent: true,
        ..Given::default()
    });
    assert!(silent.contains("The host is silent since <time datetime=\"2026-11-22T10:30:00Z\""));
    let unknown = drawn(&Given {
        state: None,
        history: nothing,
        span: Span::Between {
            from: at(-60),
            to: at(-30),
        },
        ..Given::default()
    });
    assert!(
        unknown.contains("does not name this item") && unknown.contains("no samples in this time")
    );
    assert!(unknown.contains("--from 2026-11-22T11:00:00Z --to 2026-11-22T11:30:00Z"));
}

#[test]
fn texts_are_not_drawn() {
    let text = ItemState {
        item: ItemName::parse("unit:nginx").unwrap(),
        value: Value::Text("active <running>".into()),
        level: Level::FINE,
        since: at(-1),
        why: String::new(),
        no_data: false,
        flapping: false,
    };
    let mut nothing = history(true);
    nothing.series.buckets.clear();
    let page = drawn(&Given {
        state: Some(text),
        history: nothing,
        ..Given::default()
    });
    assert!(page.contains("active &lt;running&gt;") && page.contains("Its values are texts"));
    assert!(!page.contains("no samples in this time") && page.contains("chart ribbon"));
}
