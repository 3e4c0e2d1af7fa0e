//! What can be done about problems: somebody is on it, it shall be quiet, the rollout shall wait.

use lockstep_model::RolloutState;
use lockstep_model::api::operator::RolloutView;
use maud::{Markup, html};

use super::Now;
use super::group::{Cause, Group, blamed, release};
use super::row::title;
use crate::Frame;
use crate::parts::action::{Action, choice, text, twin, word};
use crate::parts::link;

/// For how long, as forms carry it, and in words: until it ends, one hour, four, until tomorrow at nine, a day, a week.
pub const LASTS: [(&str, &str); 6] = [
    ("end", "until it ends"),
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("tomorrow", "until tomorrow 9:00"),
    ("1d", "1 day"),
    ("7d", "7 days"),
];

/// Hosts and items that the address of a form names; of more one looks at the whole list.
const MOST_NAMED: usize = 30;

/// The actions of one row.
pub(super) fn of(now: &Now<'_>, group: &Group<'_>, frame: &Frame<'_>) -> Markup {
    let hidden = || {
        vec![
            ("p", group.cause.to_string()),
            ("at", now.at.to_string()),
            ("only", now.ask.question()),
        ]
    };
    let ack = Action {
        label: "Ack",
        to: "/problems/ack".into(),
        hidden: hidden(),
        fields: html! { (text("note", "Note", "", false)) (choice("for", "For", &acks(now.zone))) },
        twin: ack_twin(group, &for_first(&acks(now.zone))),
        ..Action::default()
    };
    let silence = Action {
        label: "Silence",
        to: "/problems/silence".into(),
        hidden: hidden(),
        fields: html! {
            (text("note", "Why", &format!("known: {}", title(group)), true))
            (choice("for", "For", &silences(now.zone)))
            p { a href=(edit(group)) { "Choose hosts and items" } }
        },
        twin: silence_twin(group, &for_first(&silences(now.zone))),
        ..Action::default()
    };
    html! {
        div .actions {
            (ack.draw(frame))
            (silence.draw(frame))
            @if let Some(rollout) = to_pause(now, group) { (pause(rollout).draw(frame)) }
            a .button .plain href=(open(group)) { "Open" }
        }
    }
}

/// One form for all rows that are chosen.
pub(super) fn bulk(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    if !frame.may(lockstep_model::Role::Operator) {
        return html! {};
    }
    let lasts = both(now.zone);
    html! {
        form #bulk .fields .chosen method="post" action="/problems/ack" {
            input type="hidden" name="csrf" value=(frame.viewer.csrf);
            input type="hidden" name="at" value=(now.at);
            input type="hidden" name="only" value=(now.ask.question());
            span { "The chosen rows:" }
            (text("note", "Note, or why it shall be quiet", "", false))
            (choice("for", "For", &lasts))
            button { "Ack" }
            button .plain formaction="/problems/silence" { "Silence" }
            (twin(&format!("lockstep ack HOST ITEM --note NOTE{}", for_first(&lasts))))
        }
    }
}

/// Takes an acknowledgement back, and then comes back to this page.
pub(crate) fn take_back<'a>(host: &str, item: &str, back: &str) -> Action<'a> {
    Action {
        label: "Take back",
        to: "/problems/take-back".into(),
        hidden: vec![
            ("host", host.to_owned()),
            ("item", item.to_owned()),
            ("back", back.to_owned()),
        ],
        twin: format!("lockstep ack {} {} --take-back", word(host), word(item)),
        ..Action::default()
    }
}

/// The rollout in motion whose version came just before.
fn to_pause<'a>(now: &Now<'a>, group: &Group<'_>) -> Option<&'a RolloutView> {
    let came = match &group.cause {
        Cause::Release(release) => release.clone(),
        Cause::Told(_) => return None,
        _ => release(&blamed(group.problems.first()?)?.what),
    };
    now.rollouts.iter().find(|it| {
        let moves = matches!(it.state, RolloutState::Planned | RolloutState::Running);
        moves && it.paused_by.is_none() && came == format!("{} {}", it.package, it.version)
    })
}

fn pause(rollout: &RolloutView) -> Action<'static> {
    Action {
        label: "Pause rollout",
        to: format!("/rollouts/{}/pause", rollout.id),
        twin: format!("lockstep rollout pause {}", rollout.id),
        ..Action::default()
    }
}

fn open(group: &Group<'_>) -> String {
    let first = group.problems.first().map(|it| &it.trouble);
    match (&group.cause, first) {
        (Cause::Item(item), _) => format!("/items/{}", link::segment(item.as_str())),
        (Cause::Host(host) | Cause::Parent(host), _) => link::host_path(host),
        (_, Some(trouble)) => link::item_path(&trouble.host, &trouble.item),
        (_, None) => "/".into(),
    }
}

/// The form of the page of silences, filled in.
fn edit(group: &Group<'_>) -> String {
    let joined = |names: Vec<&str>| (names.len() <= MOST_NAMED).then(|| names.join(" "));
    let hosts = joined(group.hosts().into_iter().map(|it| it.as_str()).collect());
    // Names of items may have spaces; one to a line.
    let items: Vec<&str> = group.items().into_iter().map(|it| it.as_str()).collect();
    let items = (items.len() <= MOST_NAMED).then(|| items.join("\n"));
    link::ask(
        "/silences",
        &[("hosts", hosts.as_deref()), ("items", items.as_deref())],
    ) + "#new"
}

/// The command for the first problem; a comment says that there are others.
fn ack_twin(group: &Group<'_>, lasts: &str) -> String {
    let Some(first) = group.problems.first().map(|it| &it.trouble) else {
        return String::new();
    };
    let (host, item) = (word(first.host.as_str()), word(first.item.as_str()));
    let command = format!("lockstep ack {host} {item} --note NOTE{lasts}");
    match group.problems.len() {
        1 => command,
        many => format!("{command}  # and {} others so", many - 1),
    }
}

fn silence_twin(group: &Group<'_>, lasts: &str) -> String {
    let mut command = "lockstep silence add".to_owned();
    for host in group.hosts().into_iter().take(3) {
        command += &format!(" --host {}", word(host.as_str()));
    }
    for item in group.items().into_iter().take(3) {
        command += &format!(" --item {}", word(item.as_str()));
    }
    command += &format!("{lasts} --why WHY");
    let more = group.hosts().len().saturating_sub(3) + group.items().len().saturating_sub(3);
    if more > 0 {
        command += &format!("  # and {more} names more");
    }
    command
}

/// The option of a command that says what such a choice says before anybody chooses; none until it ends.
pub(crate) fn for_first(lasts: &[(&str, &str)]) -> String {
    match lasts.first() {
        None | Some(("end", _)) => String::new(),
        Some((value, _)) => format!(" --for {value}"),
    }
}

/// For how long somebody may be on it.
pub(crate) fn acks(zone: &str) -> Vec<(&'static str, &'static str)> {
    named(&LASTS[..4], zone)
}

/// For how long a silence may be.
pub(crate) fn silences(zone: &str) -> Vec<(&'static str, &'static str)> {
    named(&LASTS[1..], zone)
}

/// For how long either may be.
pub(crate) fn both(zone: &str) -> Vec<(&'static str, &'static str)> {
    named(
        &[
            LASTS[1],
            LASTS[2],
            LASTS[3],
            LASTS[4],
            LASTS[5],
            ("end", "until it ends (ack)"),
        ],
        zone,
    )
}

/// Nine o'clock where? In UTC, unless the fleet file names a time zone.
fn named(lasts: &[(&'static str, &'static str)], zone: &str) -> Vec<(&'static str, &'static str)> {
    let name = |(value, words): &(&'static str, &'static str)| match (*value, zone) {
        ("tomorrow", "UTC") => (*value, "until tomorrow 9:00 UTC"),
        _ => (*value, *words),
    };
    lasts.iter().map(name).collect()
}
