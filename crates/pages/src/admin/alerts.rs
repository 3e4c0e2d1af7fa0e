//! `/admin/alerts`: who can be told, whether the way to them is good, and what became of messages.

use lockstep_model::alert::Notice;
use lockstep_model::api::operator::{AlertTested, DeliveryView};
use maud::{Markup, html};

use super::{Part, ask, draw, draw_once};
use crate::parts::action::{Action, twin, word};
use crate::parts::empty::{command, empty};
use crate::parts::link;
use crate::parts::time::ago;
use crate::{Frame, Topic};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Alerts<'a> {
    /// Who can be told, by name.
    pub receivers: &'a [Receiver],
    /// Messages, newest first.
    pub deliveries: &'a [DeliveryView],
    /// True if the list begins with the newest message.
    pub is_newest: bool,
    /// Where the next page begins; none if there is no more.
    pub older: Option<&'a str>,
}

/// One who can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The name in the fleet file.
    pub name: String,
    /// Its ways in words, without secrets.
    pub ways: Vec<String>,
    /// Who is told when a message could not be delivered here.
    pub fallback: Option<String>,
}

const PATH: &str = "/admin/alerts";
/// Receivers that are named; more are a number.
const MOST: usize = 500;

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, view: &Alerts<'_>) -> String {
    let body = html! {
        (receivers(frame, view.receivers))
        (log(frame, view))
    };
    draw(
        frame,
        Part::Alerts,
        "Alerts",
        &[Topic::Problems, Topic::Events],
        &body,
    )
}

/// Draws how a test went.
#[must_use]
pub fn tested(frame: &Frame<'_>, receiver: &str, tested: &AlertTested) -> String {
    let failed = tested.ways.iter().filter(|way| way.error.is_some()).count();
    let body = html! {
        p {
            @if tested.ways.is_empty() { b { "Nothing was sent" } ": " (receiver) " has no way in the fleet file." }
            @else if failed == 0 { b { "Accepted" } " at the other end, by every way. Has " (receiver) " seen it?" }
            @else { b { (failed) " of " (tested.ways.len()) " ways failed." } " Mend them, and test again." }
        }
        @if !tested.ways.is_empty() {
            div .scroll { table {
                caption { "The ways of " (receiver) }
                thead { tr { th scope="col" { "Way" } th scope="col" { "How it went" } } }
                tbody { @for way in &tested.ways {
                    tr data-row {
                        th scope="row" .wide { (way.way) }
                        td .wide { @match &way.error {
                            None => { span .went-well { "✔ delivered" } },
                            Some(error) => { span .went-wrong { "✖ failed" } ": " (error) },
                        } }
                    }
                } }
            } }
        }
        div .actions {
            (test(receiver, "Send again").draw(frame))
            a .button href=(PATH) { "Back to alerts" }
        }
    };
    draw_once(frame, Part::Alerts, &format!("Test to {receiver}"), &body)
}

fn test<'a>(receiver: &str, label: &'a str) -> Action<'a> {
    Action {
        label,
        to: format!("{PATH}/test"),
        hidden: vec![("receiver", receiver.into())],
        twin: format!("lockstep alert test {}", word(receiver)),
        ..Action::default()
    }
}

fn receivers(frame: &Frame<'_>, receivers: &[Receiver]) -> Markup {
    html! {
        section aria-labelledby="receivers-title" {
            h2 #receivers-title { "Who can be told" }
            @if receivers.is_empty() {
                (empty("The fleet file names nobody.", &html! {
                    p { "So nobody hears of problems but who looks at these pages. Name a user, and a route to them, in the "
                        a href="/admin/fleet" { "fleet file" } ":" }
                    (command("[user.ann]\nmail = \"ann@example.org\"\n\n[alert.all]\nto = [\"ann\"]"))
                }))
            } @else {
                div .scroll { table {
                    caption { "Users and receivers of the fleet file" }
                    thead { tr {
                        th scope="col" { "Receiver" } th scope="col" { "Ways" } th scope="col" { "If that fails" }
                        th scope="col" { "Test" }
                    } }
                    tbody { @for receiver in receivers.iter().take(MOST) {
                        tr data-row {
                            th scope="row" { (receiver.name) }
                            td .wide { @if receiver.ways.is_empty() { "none" }
                                @for (number, way) in receiver.ways.iter().enumerate() { @if number > 0 { br; } (way) } }
                            td { @match &receiver.fallback { Some(name) => { (name) " is told" }, None => { "–" } } }
                            td { (test(&receiver.name, "Send a test").draw(frame)) }
                        }
                    } }
                } }
                @if receivers.len() > MOST { p .muted { "and " (receivers.len() - MOST) " more" } }
            }
        }
    }
}

fn log(frame: &Frame<'_>, view: &Alerts<'_>) -> Markup {
    let first = (!view.is_newest).then_some(PATH);
    let older = view
        .older
        .map(|older| link::ask(PATH, &[("before", Some(older))]));
    html! {
        section #deliveries data-live aria-labelledby="deliveries-title" {
            h2 #deliveries-title { "What became of messages" }
            @if view.deliveries.is_empty() {
                (empty("Nothing was sent yet.", &html! { p { "A test shows whether a way is good before it is needed." } }))
            } @else {
                div .scroll { table {
                    caption { "Messages of the last four weeks, newest first" }
                    thead { tr {
                        th scope="col" { "Decided" } th scope="col" { "Receiver" } th scope="col" { "About" }
                        th scope="col" { "State" } th .number scope="col" { "Tries" } th scope="col" { "What went wrong last" }
                    } }
                    tbody { @for delivery in view.deliveries { (delivery_row(frame, delivery)) } }
                } }
            }
            (ask::pager(first, older.as_deref()))
            p { a href="/api/v1/deliveries" { "As JSON" } " " (twin("lockstep alert list")) }
        }
    }
}

fn delivery_row(frame: &Frame<'_>, delivery: &DeliveryView) -> Markup {
    let is_waiting = delivery.state == "waiting";
    let went = match delivery.state.as_str() {
        "delivered" => "went-well",
        "failed" => "went-wrong",
        _ => "goes-on",
    };
    let sign = match delivery.state.as_str() {
        "delivered" => "✔",
        "failed" => "✖",
        _ => "…",
    };
    html! {
        tr data-row {
            td { (ago(delivery.created_at, frame.now)) }
            td .wide { (delivery.notice.receiver) }
            td .wide { (about(&delivery.notice)) }
            td {
                span .{ (went) } { (sign) " " (delivery.state) } " "
                @if is_waiting { "next try " }
                (ago(delivery.at, frame.now))
            }
            td .number { (delivery.attempts) }
            td .wide { (delivery.error.as_deref().unwrap_or("–")) }
        }
    }
}

fn about(notice: &Notice) -> Markup {
    let others = notice.entries.len().saturating_sub(1) + notice.more as usize;
    html! {
        @match notice.entries.first() {
            Some(entry) => {
                (entry.kind.as_str()) " " (link::host(&entry.host)) " " (link::item(&entry.host, &entry.item))
                @if others > 0 { " and " (others) " more" }
            },
            None => { "–" },
        }
        " " span .muted { "by " (notice.route) }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::alert::{NoticeEntry, NoticeKind};
    use lockstep_model::api::operator::WayTested;
    use lockstep_model::{HostName, ItemName, Level, LevelNames, Role, Value};

    use super::*;
    use crate::frame::tests::with_frame;

    fn delivery(state: &str, error: Option<&str>) -> DeliveryView {
        let at = "2026-11-22T11:57:00Z".parse().unwrap();
        DeliveryView {
            id: "n-0".into(),
            notice: Notice {
                id: "n".into(),
                receiver: "ann".into(),
                route: "all".into(),
                thread: "t".into(),
                at,
                entries: vec![NoticeEntry {
                    kind: NoticeKind::Problem,
                    host: HostName::parse("web1").unwrap(),
                    item: ItemName::parse("disk_usage:/var").unwrap(),
                    level: Level::SICK,
                    told: Level::FINE,
                    value: Value::Text("91".into()),
                    why: String::new(),
                    since: at,
                    ended: None,
                    changes: Vec::new(),
                    run: None,
                    note: String::new(),
                    groups: Vec::new(),
                }],
                more: 4,
                cause: None,
                levels: LevelNames::default(),
                server_url: None,
            },
            state: state.into(),
            attempts: 3,
            error: error.map(String::from),
            created_at: at,
            at: "2026-11-22T12:02:00Z".parse().unwrap(),
        }
    }

    fn drawn(role: Role, receivers: &[Receiver], deliveries: &[DeliveryView]) -> String {
        with_frame(role, |frame| {
            let view = Alerts {
                receivers,
                deliveries,
                is_newest: true,
                older: (!deliveries.is_empty()).then_some("17.n-0"),
            };
            page(frame, &view)
        })
    }

    fn ann() -> Receiver {
        Receiver {
            name: "ann <on call>".into(),
            ways: vec!["mail to ann@example.org".into()],
            fallback: Some("bob".into()),
        }
    }

    #[test]
    fn receivers_can_be_tested_by_those_who_may() {
        let page = drawn(Role::Operator, &[ann()], &[]);
        assert!(page.contains("ann &lt;on call&gt;") && page.contains("bob is told"));
        assert!(page.contains(r#"name="receiver" value="ann &lt;on call&gt;""#));
        assert!(
            page.contains("lockstep alert test &#39;ann")
                || page.contains("lockstep alert test 'ann")
        );
        assert!(!drawn(Role::Viewer, &[ann()], &[]).contains("/admin/alerts/test"));
    }

    #[test]
    fn messages_say_what_became_of_them() {
        let page = drawn(Role::Viewer, &[], &[delivery("waiting", Some("<refused>"))]);
        for words in [
            "problem <a href=\"/hosts/web1\">web1</a>",
            "and 4 more",
            "next try",
            "in 2 min",
            "&lt;refused&gt;",
            "/admin/alerts?before=17.n-0",
        ] {
            assert!(page.contains(words), "{words}");
        }
    }

    #[test]
    fn where_there_is_nothing_it_says_what_to_do() {
        let page = drawn(Role::Viewer, &[], &[]);
        assert!(page.contains("The fleet file names nobody.") && page.contains("[alert.all]"));
        assert!(page.contains("Nothing was sent yet."));
    }

    #[test]
    fn a_test_says_how_each_way_went() {
        let way = |error: Option<&str>| WayTested {
            way: "webhook at https://hooks.example.org".into(),
            error: error.map(String::from),
        };
        let drawn = |ways| {
            with_frame(Role::Operator, |frame| {
                tested(frame, "ann", &AlertTested { ways })
            })
        };
        assert!(drawn(vec![way(None)]).contains("✔ delivered"));
        let page = drawn(vec![way(None), way(Some("403 <no>"))]);
        assert!(page.contains("1 of 2 ways failed") && page.contains("403 &lt;no&gt;"));
        assert!(drawn(Vec::new()).contains("Nothing was sent"));
    }
}
