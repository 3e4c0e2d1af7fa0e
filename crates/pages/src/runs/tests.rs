use lockstep_model::api::StoredEvent;
use lockstep_model::{Event, EventKind, HostName, ItemName, Level, Phase, Value};

use super::*;
use crate::frame::tests::with_frame;
use crate::problems::testing::minutes;

fn stopped() -> RunView {
    serde_json::from_value(serde_json::json!({
        "host": "web1", "id": "019b0a5c-2d00-7abc-8def-0123456789ab", "kind": "package", "package": "driveclient",
        "from": "1.19", "to": "1.20", "generation": 0, "by": "root by hand", "phase": "post",
        "lock": {"name": "db", "fence": 7, "since": "2026-11-22T11:40:00Z"}, "outcome": "stopped",
        "reason": {"code": "script-failed", "phase": "post", "script": "30-check", "how": "exit status: 1"},
        "started_at": "2026-11-22T11:30:00Z", "at": "2026-11-22T11:50:00Z",
        "log": "<script>alert(1)</script>\n\u{1b}[31mred",
    }))
    .unwrap()
}

fn one_page(role: Role, run: &RunView, verdict: &Verdict) -> String {
    let steps = [
        Step {
            at: minutes(30),
            phase: Phase::Check,
            waits: None,
            outcome: None,
            number: 11,
        },
        Step {
            at: minutes(20),
            phase: Phase::Post,
            waits: None,
            outcome: Some(Outcome::Stopped),
            number: 12,
        },
    ];
    let page = One {
        run,
        steps: &steps,
        steps_cut: false,
        verdict,
        until: None,
        rollout: None,
        told: None,
    };
    with_frame(role, |frame| page.draw(frame))
}

#[test]
fn a_stopped_run_says_why_and_how_to_go_on() {
    let page = one_page(Role::Operator, &stopped(), &Verdict::default());
    for part in [
        "driveclient 1.19 → 1.20",
        "stopped in post",
        "30-check of phase post failed: exit status: 1",
        "grant 7",
        "lockstep run retry 019b0a5c-2d00-7abc-8def-0123456789ab",
        "lockstep run skip 019b0a5c-2d00-7abc-8def-0123456789ab --why WHY",
        "Its lock db becomes free",
        r##"<a href="/locks#lock-db">db</a>"##,
        "10 min",
        "The same",
        "&lt;script&gt;",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script>alert") && !page.contains('\u{1b}'));
    let viewed = one_page(Role::Viewer, &stopped(), &Verdict::default());
    assert!(!viewed.contains("/retry") && viewed.contains("stopped in post"));
}

#[test]
fn a_run_that_is_over_has_nothing_to_be_retried() {
    let mut run = stopped();
    run.record.outcome = Some(Outcome::Done);
    assert!(!one_page(Role::Admin, &run, &Verdict::default()).contains("/retry"));
}

#[test]
fn lists_say_what_there_is_or_what_to_do() {
    let list = |runs: &[RunView], outcome: &str| {
        let filter = Filter {
            outcome: outcome.into(),
            ..Filter::default()
        };
        let page = Runs {
            runs,
            filter: &filter,
            older: None,
        };
        with_frame(Role::Viewer, |frame| page.draw(frame))
    };
    let some = list(&[stopped()], "stopped");
    assert!(some.contains("/runs/019b0a5c") && some.contains("lockstep run list --stopped"));
    assert!(list(&[], "stopped").contains("No run waits for a person."));
    assert!(list(&[], "").contains("No runs yet.") && list(&[], "").contains("/releases"));
}

fn event(item: &str, minute: i64, from: u8, to: u8) -> StoredEvent {
    StoredEvent {
        id: format!("{minute}"),
        via: None,
        received_at: minutes(minute),
        event: Event {
            number: 0,
            at: minutes(minute),
            host: HostName::parse("web1").unwrap(),
            item: ItemName::parse(item).unwrap(),
            kind: EventKind::Level,
            from: Level::ALL[usize::from(from)],
            to: Level::ALL[usize::from(to)],
            value: Value::Text(String::new()),
            why: String::new(),
        },
        changes: Vec::new(),
    }
}

#[test]
fn a_verdict_is_about_the_end_and_not_the_way() {
    let events = [
        event("a", 1, 3, 2),
        event("a", 9, 0, 3),
        event("b", 8, 2, 0),
        event("c", 7, 0, 4),
        event("c", 2, 4, 0),
        event("d", 3, 0, 4),
    ];
    let found = verdict(&events);
    let names = |shifts: &[Shift]| {
        shifts
            .iter()
            .map(|it| it.item.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&found.worse), ["d", "a"]);
    assert_eq!(
        (found.worse[1].before, found.worse[1].after),
        (Level::FINE, Level::SICK)
    );
    assert_eq!(names(&found.better), ["b"]);
    assert_eq!(found.same, 1);
    let page = one_page(Role::Viewer, &stopped(), &found);
    assert!(page.contains("2 items worse, 1 better, 1 that changed and came back"));
}
