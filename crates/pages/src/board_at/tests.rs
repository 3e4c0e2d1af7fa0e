use lockstep_model::api::operator::{Proof, ToldBy};
use lockstep_model::{ItemName, Role};

use super::*;
use crate::frame::tests::with_frame;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn item(host: &str, name: &str, level: Level) -> ItemThen {
    ItemThen {
        host: HostName::parse(host).unwrap(),
        item: ItemName::parse(name).unwrap(),
        level,
        number: Some(97.5),
        since: Some(time("2026-11-22T09:00:00Z")),
        no_data: false,
        why: "above <90>".into(),
        proof: Proof::Snapshot,
    }
}

fn then() -> BoardThen {
    BoardThen {
        at: time("2026-11-22T10:00:00Z"),
        by: ToldBy::Snapshots,
        levels: [7, 0, 1, 0, 1],
        snapshots: 8,
        taken: Some((time("2026-11-22T09:51:00Z"), time("2026-11-22T09:59:00Z"))),
        by_events: 1,
        events_since: Some(time("2026-11-01T00:00:00Z")),
        unknown: vec![HostName::parse("db9").unwrap()],
        not_yet: 2,
        items: vec![item("web1", "disk_usage:/", Level::SICK)],
        ..BoardThen::default()
    }
}

fn drawn(then: &BoardThen, host: Option<&HostName>) -> String {
    let shown = Moment {
        then,
        host,
        oldest: time("2026-11-21T12:00:00Z"),
        page: 1,
    };
    with_frame(Role::Viewer, |frame| shown.draw(frame))
}

#[test]
fn it_says_what_was_and_what_says_so() {
    let page = drawn(&then(), None);
    for part in [
        "The board at 2026-11-22 10:00:00 UTC",
        "This is the past",
        "8 hosts by a snapshot",
        "2026-11-22 09:51:00 UTC",
        "one host by events alone",
        "The oldest event that is kept came",
        "one host of which nothing is known",
        r#"href="/hosts/db9""#,
        "2 hosts enrolled later",
        "of 9 hosts of which something is known",
        "above &lt;90&gt;",
        "97.5",
        r#"href="/hosts/web1/items/disk_usage%3A%2F""#,
        r#"href="/board?at=2026-11-22T10%3A00%3A00Z&amp;host=web1""#,
        "lockstep problems --at 2026-11-22T10:00:00Z",
        r#"href="/api/v1/board?at=2026-11-22T10%3A00%3A00Z""#,
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn steps_lead_to_moments_that_can_be_shown() {
    let page = drawn(&then(), None);
    for there in [
        "09%3A50%3A00Z",
        "09%3A00%3A00Z",
        "10%3A10%3A00Z",
        "11%3A00%3A00Z",
    ] {
        assert!(
            page.contains(&format!("/board?at=2026-11-22T{there}")),
            "{there}"
        );
    }
    assert!(!page.contains("2026-11-21T10"), "before what is kept");
    assert!(!page.contains("2026-11-23T10"), "it has not been yet");
}

#[test]
fn events_are_said_to_be_events() {
    let mut then = then();
    (then.by, then.snapshots, then.taken, then.cut) = (ToldBy::Events, 0, None, true);
    then.items.clear();
    let page = drawn(&then, None);
    assert!(page.contains("<b>Events: </b>") && !page.contains("by a snapshot"));
    assert!(page.contains("more than is looked at"));
    assert!(page.contains("Nothing that is known was amiss"));
}

#[test]
fn long_lists_come_in_pages_and_one_host_with_all_its_items() {
    let mut then = then();
    then.items = (0..450)
        .map(|it| item("web1", &format!("i{it}"), Level::SOSO))
        .collect();
    then.more = 5;
    let host = HostName::parse("web1").unwrap();
    let page = drawn(&then, Some(&host));
    assert!(page.contains("1–200 of 450") && page.contains("5 items more"));
    assert!(page.contains("host=web1&amp;page=2"));
    assert!(page.contains("All items of") && page.contains("--host web1"));
}
