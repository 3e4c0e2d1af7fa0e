//! Where the API says what a page shows: the same list with the same filters, or the same thing.

use std::borrow::Cow;

use jiff::Timestamp;
use lockstep_model::moment_or_ago;

use crate::hosts::Ask;
use crate::parts::link::segment;
use crate::parts::time::second;

/// Lists: the page, the list of the API, and the filters that both know by the same names.
const LISTS: [(&str, &str, &[&str]); 8] = [
    (
        "/",
        "problems",
        &["group", "host", "item", "level", "cause"],
    ),
    ("/hosts", "hosts", &Ask::FILTERS),
    (
        "/events",
        "events",
        &["group", "host", "item", "level", "since", "until"],
    ),
    ("/rollouts", "rollouts", &[]),
    ("/runs", "runs", &["host"]),
    ("/locks", "locks", &[]),
    ("/releases", "releases", &[]),
    ("/silences", "silences", &[]),
];
/// Which part of the stream a page of events shows.
const KIND: &str = "kind";
/// Filters that are a moment; on a page also one that is typed in short, or how long ago.
const TIMES: [&str; 2] = ["since", "until"];
/// Single things, each at its number below the list.
const THINGS: [&str; 2] = ["rollouts", "runs"];
/// How a page is looked at, which is no filter.
const LOOKS: [&str; 9] = [
    "sort",
    "desc",
    "view",
    "by",
    "all",
    "page",
    "items_page",
    "p",
    "columns",
];

/// The API says the same as the page.
const THIS: &str = "This as JSON";
/// It has the things, but not all filters of the page.
const ALL: &str = "All as JSON";
/// The page of events has more than those of items; the API's list has those alone.
const OF_ITEMS: &str = "Events of items as JSON";

/// The address below `/api/v1`, and what it is called; none for a page that the API has nothing of, or names itself. What
/// people type becomes a moment, how long ago one before `now`: the API takes no other.
pub(super) fn of(address: &str, now: Timestamp) -> Option<(String, &'static str)> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    for thing in THINGS {
        let id = path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(thing));
        if let Some(id) = id
            .and_then(|id| id.strip_prefix('/'))
            .filter(|id| !id.is_empty() && !id.contains('/'))
        {
            return Some((format!("/api/v1/{thing}/{id}"), THIS));
        }
    }
    let (_, list, known) = LISTS.iter().find(|(page, ..)| *page == path)?;
    let pairs = || {
        query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.ends_with('='))
    };
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let kind = pairs().find(|pair| name(pair) == KIND);
    if kind.is_some_and(|it| it != "kind=items") {
        return None;
    }
    let kept: Vec<Cow<'_, str>> = pairs()
        .filter(|pair| known.contains(&name(pair).as_str()))
        .map(|pair| at_a_moment(pair, now))
        .collect();
    let others = pairs()
        .filter(|pair| !LOOKS.contains(&name(pair).as_str()) && name(pair) != KIND)
        .count();
    let question = if kept.is_empty() { "" } else { "?" };
    let whole = format!("/api/v1/{list}{question}{}", kept.join("&"));
    let words = match others == kept.len() {
        true if path == "/events" && kind.is_none() => OF_ITEMS,
        true => THIS,
        false => ALL,
    };
    Some((whole, words))
}

/// A part of a question, with a moment in place of how people type one.
fn at_a_moment(pair: &str, now: Timestamp) -> Cow<'_, str> {
    let typed = form_urlencoded::parse(pair.as_bytes()).next();
    let typed = typed.filter(|(name, value)| {
        TIMES.contains(&name.as_ref()) && value.parse::<Timestamp>().is_err()
    });
    let at = typed.and_then(|(name, value)| Some((name, moment_or_ago(&value, now).ok()?)));
    match at {
        Some((name, at)) => format!("{name}={}", segment(&second(at))).into(),
        None => pair.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_go_along_and_looks_do_not() {
        let cases = [
            ("/", "/api/v1/problems", THIS),
            ("/?group=db&item=", "/api/v1/problems?group=db", THIS),
            (
                "/hosts?q=a%20b&sort=cpu&level=3&page=2",
                "/api/v1/hosts?q=a%20b&level=3",
                THIS,
            ),
            (
                "/runs?host=web1&stopped=true",
                "/api/v1/runs?host=web1",
                ALL,
            ),
            ("/rollouts/7", "/api/v1/rollouts/7", THIS),
            ("/locks", "/api/v1/locks", THIS),
            // Of what happened the API has one kind by this address.
            ("/events?kind=", "/api/v1/events", OF_ITEMS),
            (
                "/events?host=web1&since=6h&until=2026-11-22T11:00:00Z",
                "/api/v1/events?host=web1&since=2026-11-22T06%3A00%3A00Z&until=2026-11-22T11:00:00Z",
                OF_ITEMS,
            ),
            (
                "/events?since=2026-11-22&until=+2026-11-22T11%3A30&kind=items",
                "/api/v1/events?since=2026-11-22T00%3A00%3A00Z&until=2026-11-22T11%3A30%3A00Z",
                THIS,
            ),
            // The page says what is wrong with it, and so does the API.
            ("/events?since=noon", "/api/v1/events?since=noon", OF_ITEMS),
            (
                "/events?host=web1&kind=items",
                "/api/v1/events?host=web1",
                THIS,
            ),
        ];
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        for (page, api, words) in cases {
            assert_eq!(of(page, now), Some((api.to_owned(), words)), "{page}");
        }
        for none in [
            "/admin",
            "/me",
            "/hosts/web1",
            "/rollouts/",
            "/runs/a/b",
            "/events?kind=deeds",
        ] {
            assert_eq!(of(none, now), None, "{none}");
        }
    }
}
