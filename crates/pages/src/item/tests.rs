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
    compared: Beside,
    others: Option<Others>,
    problem: Option<ProblemView>,
    role: Role,
    address: &'static str,
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
                pending: None,
            }),
            silent: false,
            span: Span::View(View::Hour),
            history: history(true),
            beside: history(true),
            compared: Beside::Yesterday,
            others: None,
            problem: None,
            role: Role::Viewer,
            address: "/hosts/web1/items/disk_usage%3A%2Fa%20b?view=hour&beside=yesterday",
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
            beside: Some(given.compared),
        },
        history: &given.history,
        beside: given.compared.ago().map(|_| &given.beside),
        others: given.others.as_ref(),
        offers: &Beside::ALL,
        problem: given.problem.as_ref(),
        zone: "UTC",
        markers: &[],
        levels: &[],
        thresholds: &limits,
        judgement: &judgement,
    };
    with_frame(given.role, |frame| {
        let address = given.address;
        super::page(&Frame { address, ..*frame }, &page)
    })
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
        pending: None,
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

fn problem(ack: bool) -> ProblemView {
    let mut problem: ProblemView = serde_json::from_value(serde_json::json!({
        "host": "web1", "item": "disk_usage:/a b", "via": "web1", "level": 2, "since": at(-180), "seen_at": at(-1), "why": "",
        "value": {"number": {"value": 81.25, "unit": "%"}}, "no_data": false, "flapping": false,
    }))
    .unwrap();
    if ack {
        problem.ack = Some(lockstep_model::alert::Ack {
            host: problem.trouble.host.clone(),
            item: problem.trouble.item.clone(),
            level: Level::SICK,
            by: "<olaf>".into(),
            note: "ordered a disk".into(),
            at: at(-60),
            until: None,
        });
    }
    problem
}

#[test]
fn what_is_wrong_can_be_taken_up_here() {
    let given = |problem, role| Given {
        problem,
        role,
        ..Given::default()
    };
    let path = "/hosts/web1/items/disk_usage%3A%2Fa%20b";
    let (ack, silence) = (
        format!("action=\"{path}/ack\""),
        format!("action=\"{path}/silence\""),
    );
    let fresh = drawn(&given(Some(problem(false)), Role::Operator));
    assert!(fresh.contains("Nobody is on it.") && fresh.contains(&ack) && fresh.contains(&silence));
    assert!(fresh.contains("lockstep ack web1 'disk_usage:/a b' --note NOTE</code>"));
    assert!(
        fresh.contains(
            "lockstep silence add --host web1 --item 'disk_usage:/a b' --for 1h --why WHY"
        )
    );
    assert!(fresh.contains("<option value=\"tomorrow\">until tomorrow 9:00 UTC</option>"));
    let mut taken = problem(true);
    taken.silence = Some("rack move until 13:00".into());
    let taken = drawn(&given(Some(taken), Role::Operator));
    assert!(taken.contains("<b>&lt;olaf&gt;</b> is on it") && taken.contains("ordered a disk"));
    assert!(taken.contains("rack move until 13:00") && !taken.contains("Nobody is on it."));
    assert!(taken.contains("action=\"/problems/take-back\""));
    let looking = drawn(&given(Some(problem(true)), Role::Viewer));
    assert!(looking.contains("is on it") && !looking.contains("method=\"post\" action=\"/hosts"));
    let fine = drawn(&given(None, Role::Operator));
    assert!(!fine.contains(&ack) && fine.contains(&silence));
}

#[test]
fn the_time_goes_on_to_other_pages() {
    let page = drawn(&Given::default());
    assert!(page.contains("href=\"/hosts/web1?view=hour\""));
    assert!(page.contains("href=\"/hosts/web1/graphs?view=hour\""));
    assert!(page.contains("href=\"/items/disk_usage%3A%2Fa%20b?view=hour\""));
    assert!(page.contains("href=\"/events?host=web1&amp;item=disk_usage%3A%2Fa+b&amp;since="));
    let between = drawn(&Given {
        address: "/x?from=2026-11-22T11:00:00Z&to=2026-11-22T11:30:00Z",
        ..Given::default()
    });
    let (from, to) = ("2026-11-22T11%3A00%3A00Z", "2026-11-22T11%3A30%3A00Z");
    assert!(between.contains(&format!(
        "href=\"/hosts/web1/graphs?from={from}&amp;to={to}\""
    )));
    assert!(between.contains(&format!("&amp;since={from}&amp;until={to}\"")));
}

#[test]
fn others_stand_beside_it() {
    let shown = history(true).series;
    let measured = (0..20).map(|it| (at(-35), 40.0 + f64::from(it)));
    let others = Others {
        crowd: Some(Crowd {
            words: "of the group web".into(),
            hosts: vec![HostName::parse("web2").unwrap()],
            all: 20,
        }),
        series: course(&shown, measured),
    };
    let page = drawn(&Given {
        compared: Beside::Others,
        others: Some(others),
        ..Given::default()
    });
    assert!(page.contains("class=\"band other\"") && page.contains("middle 80 % of them</span>"));
    assert!(page.contains("median and middle 80 % of 20 other hosts of the group web"));
    assert!(page.contains("?view=hour&amp;beside=old-version"));
    assert!(!page.contains("There is nothing of the time to compare it with."));
}
