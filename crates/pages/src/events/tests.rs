use lockstep_model::{Event, ItemName, Level, Role, Value};

use super::*;
use crate::frame::tests::with_frame;
use crate::problems::testing::{change, minutes};

fn event(item: &str, why: &str) -> StoredEvent {
    StoredEvent {
        id: "0192abc".into(),
        via: None,
        received_at: minutes(5),
        event: Event {
            number: 1,
            at: minutes(6),
            host: HostName::parse("web1").unwrap(),
            item: ItemName::parse(item).unwrap(),
            kind: EventKind::Level,
            from: Level::FINE,
            to: Level::SICK,
            value: Value::Text("down".into()),
            why: why.into(),
        },
        changes: vec![change("lockstep 1.4.1 → 1.4.2", 8)],
    }
}

fn deed() -> Entry {
    Entry::Deed {
        id: "0af1".into(),
        deed: AuditView {
            at: minutes(10),
            who: "ann".into(),
            what: "promoted lockstep".into(),
        },
    }
}

#[test]
fn what_is_no_event_of_an_item_has_a_page_too() {
    let notice: Notice = serde_json::from_value(serde_json::json!({
        "id": "1", "receiver": "oncall", "route": "all", "thread": "t", "at": minutes(4), "more": 2,
        "entries": [{"kind": "problem", "host": "web1", "item": "unit:<b>", "level": 3, "told": 0,
            "value": {"text": "down"}, "since": minutes(5)}],
    }))
    .unwrap();
    let message = Entry::Message(Box::new(Message {
        id: "ab12".into(),
        at: minutes(4),
        notice,
        state: "failed",
    }));
    let shown = |entry: Entry| with_frame(Role::Viewer, |frame| other(&[entry], frame));
    let page = shown(message);
    for part in [
        "oncall",
        "failed",
        "unit:&lt;b&gt;",
        "and 2 more",
        "/admin/alerts",
        "/events?since=",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(shown(deed()).contains("/admin/audit?who=ann"));
    let change = Entry::Change(HostName::parse("db1").unwrap(), change("restarted", 9));
    assert!(shown(change).contains("restarted"));
}

#[test]
fn a_filter_knows_the_kind_and_the_group() {
    let filter = |kind: &str| Filter {
        kind: kind.into(),
        group: "web".into(),
        ..Filter::default()
    };
    assert_eq!(filter("items").twin(), "lockstep event list --group web");
    assert_eq!(
        filter("deeds").twin(),
        "lockstep audit list  # without the rest of the filter"
    );
    let of_web1 = |kind: &str| Filter {
        host: "web1".into(),
        group: String::new(),
        ..filter(kind)
    };
    assert_eq!(
        of_web1("changes").twin(),
        "lockstep run list --host web1  # runs alone"
    );
    assert_eq!(
        of_web1("").twin(),
        "lockstep event list --host web1  # events of items alone"
    );
    let all = Filter {
        kind: "messages".into(),
        ..Filter::default()
    };
    assert_eq!(all.twin(), "lockstep alert list");
    let changes = filter("changes");
    assert_eq!(changes.address("/events"), "/events?group=web&kind=changes");
    assert!(page(&[], &changes).contains("Changes of hosts in the last 24 hours"));
    // Of what was looked through nothing may have been asked for, and more of it be behind.
    assert!(page(&[], &changes).contains("/events?before=1"));
    assert!(Kind::parse("strange").is_none());
}

fn page(entries: &[Entry], filter: &Filter) -> String {
    let events = Events {
        entries,
        filter,
        host_groups: &[],
        density: &[],
        older: Some("/events?before=1".into()),
    };
    with_frame(Role::Viewer, |frame| events.draw(frame))
}

#[test]
fn the_stream_has_everything_that_happened() {
    let entries = [
        Entry::Item(event("unit:nginx", "it is failed")),
        Entry::Change(HostName::parse("db1").unwrap(), change("restarted", 9)),
        deed(),
    ];
    let page = page(&entries, &Filter::default());
    for part in [
        "id=\"e-0192abc\"",
        "/events?id=0192abc",
        "fine</span> → ",
        "it is failed",
        ">2 min before<",
        "restarted",
        "promoted lockstep",
        "/events?id=change-1795348260000-db1",
        "/events?id=deed-1795348200000-0af1",
        "/events?before=1",
        "/events.csv",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let hostile = Entry::Item(event("unit:<b>\"x", "<script>alert(1)</script>"));
    let filter = Filter {
        host: "\"><script>1</script>".into(),
        ..Filter::default()
    };
    let page = page(&[hostile], &filter);
    assert!(
        !page.contains("<script>alert")
            && !page.contains("<script>1")
            && !page.contains("unit:<b>")
    );
    let one = with_frame(Role::Viewer, |frame| one(&event("unit:<b>", "<i>"), frame));
    assert!(one.contains("unit:&lt;b&gt;") && !one.contains("<i>"));
}

#[test]
fn a_filter_is_an_address_and_a_command() {
    let filter = Filter {
        host: "web1".into(),
        item: "disk*".into(),
        level: "2".into(),
        since: "1d".into(),
        ..Filter::default()
    };
    assert_eq!(
        filter.address("/events.csv"),
        "/events.csv?host=web1&item=disk*&level=2&since=1d"
    );
    assert_eq!(
        filter.twin(),
        "lockstep event list --host web1 --item 'disk*' --level sick --since 1d"
    );
    let moments = Filter {
        since: "2026-11-22T11:00:00Z".into(),
        until: "30m".into(),
        kind: "items".into(),
        ..Filter::default()
    };
    assert_eq!(
        moments.twin(),
        "lockstep event list --since 2026-11-22T11:00:00Z --until 30m"
    );
    // What the page refuses is no part of a command.
    let wrong = Filter {
        until: "$(reboot)".into(),
        ..moments
    };
    assert_eq!(
        wrong.twin(),
        "lockstep event list --since 2026-11-22T11:00:00Z"
    );
}

#[test]
fn an_empty_stream_says_why() {
    assert!(page(&[], &Filter::default()).contains("/admin/enrolment"));
    let filter = Filter {
        host: "web9".into(),
        ..Filter::default()
    };
    assert!(page(&[], &filter).contains("Without the filter"));
}
