//! What happened.

mod density;
mod stream;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::Timestamp;
use lockstep_model::api::StoredEvent;
use lockstep_model::{Glob, HostName, Level, moment_or_ago};
use lockstep_pages::events::{self as draw, Events, Filter, Key, Kind};
use lockstep_store::EventFilter;
use serde::Deserialize;

use self::stream::Place;
use super::Visit;
use crate::app::App;
use crate::services::{events, problems};
use crate::web::{Id, Question, Refusal};

/// Events that go into one file.
const MOST_IN_FILE: u32 = 1_000;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/events", get(all))
        .route("/events.csv", get(csv))
        .route("/events.json", get(json))
}

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    host: String,
    #[serde(default)]
    item: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    group: String,
    /// Behind this event.
    #[serde(default)]
    before: String,
    /// Before the moment at which the page before this one ended.
    to: Option<Timestamp>,
    /// This one alone.
    id: Option<String>,
}

impl Asked {
    fn filter(&self) -> Filter {
        let typed = |text: &String| text.trim().to_owned();
        Filter {
            host: typed(&self.host),
            item: typed(&self.item),
            level: typed(&self.level),
            since: typed(&self.since),
            until: typed(&self.until),
            kind: typed(&self.kind),
            group: typed(&self.group),
        }
    }

    fn read(&self, now: Timestamp) -> Result<EventFilter, Refusal> {
        let filter = self.filter();
        let some = |text: &String| Some(text.clone()).filter(|it| !it.is_empty());
        let host = some(&filter.host).map(|it| {
            HostName::parse(&it).map_err(|error| Refusal::bad_request(format!("host: {error}")))
        });
        let item = some(&filter.item).map(|it| {
            Glob::parse(&it).map_err(|error| Refusal::bad_request(format!("item: {error}")))
        });
        let level = some(&filter.level).map(|it| {
            let rank: Option<usize> = it.parse().ok();
            let level = rank.and_then(|rank| Level::ALL.get(rank)).copied();
            level.ok_or_else(|| {
                Refusal::bad_request("level: a rank from 0, the best, to 4, the worst, is expected")
            })
        });
        let before = some(&self.before).map(|it| {
            let id: Result<Id, _> = it.parse();
            id.map_err(|why| Refusal::bad_request(format!("before: {why}")))
        });
        Ok(EventFilter {
            host: host.transpose()?,
            item: item.transpose()?,
            level: level.transpose()?,
            since: moment("since", &filter.since, now)?,
            until: moment("until", &filter.until, now)?,
            before_id: before.transpose()?.map(|Id(id)| id),
            ..EventFilter::default()
        })
    }
}

/// A moment, or how long ago; none if nothing was typed.
fn moment(what: &str, text: &str, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let at = moment_or_ago(text, now);
    let at = at.map_err(|why| Refusal::bad_request(format!("{what}: {why}")))?;
    Ok(Some(at))
}

/// What the store is asked for; the hosts of a group are looked up.
async fn wanted(app: &App, asked: &Asked, now: Timestamp) -> Result<EventFilter, Refusal> {
    let mut wanted = asked.read(now)?;
    let group = asked.group.trim();
    if !group.is_empty() {
        wanted.hosts = Some(events::hosts_of_group(app, group).await?);
    }
    Ok(wanted)
}

/// `GET /events?host=&group=&item=&level=&since=&until=&kind=`, or `?id=KEY` for one.
async fn all(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(asked): Question<Asked>,
) -> Result<Html<String>, Refusal> {
    if let Some(key) = &asked.id {
        return one(&app, key, &visit).await;
    }
    let filter = asked.filter();
    let Some(kind) = Kind::parse(&filter.kind) else {
        return Err(Refusal::bad_request(
            "kind: items, changes, messages or deeds are expected, or nothing for all",
        ));
    };
    let wanted = wanted(&app, &asked, visit.now).await?;
    let place = Place {
        before: wanted.before_id.as_deref(),
        to: asked.to,
    };
    let page = stream::page(&app, &wanted, place, kind).await?;
    let older = page.older.map(|(id, at)| {
        let to = at.to_string();
        filter.address_with("/events", &[("before", Some(&id)), ("to", Some(&to))])
    });
    let density = density::cells(&app, &wanted, kind, &filter, visit.now).await?;
    let accepted = app.fleet.accepted();
    let host_groups = accepted.iter().flat_map(|it| it.fleet.groups());
    let host_groups: Vec<String> = host_groups.map(String::from).collect();
    let shown = Events {
        entries: &page.entries,
        filter: &filter,
        host_groups: &host_groups,
        density: &density,
        older,
    };
    Ok(Html(shown.draw(&visit.frame())))
}

/// One entry by itself.
async fn one(app: &App, key: &str, visit: &Visit) -> Result<Html<String>, Refusal> {
    let missing = || Refusal::not_found("there is no such event; events are kept for a while only");
    let key = Key::parse(key).ok_or_else(missing)?;
    if let Key::Item(id) = &key {
        let event = item_event(app, id).await?.ok_or_else(missing)?;
        return Ok(Html(draw::one(&event, &visit.frame())));
    }
    let entries = stream::entries_of(app, &key).await?;
    if entries.is_empty() {
        return Err(missing());
    }
    Ok(Html(draw::other(&entries, &visit.frame())))
}

/// The event of this identity. What comes behind it in the order of identities begins with it.
async fn item_event(app: &App, id: &str) -> Result<Option<StoredEvent>, Refusal> {
    let behind = EventFilter {
        before_id: Some(format!("{id}0")),
        ..EventFilter::default()
    };
    let found = app.store.events(&behind, 1).await?;
    Ok(found.into_iter().find(|it| it.id == id))
}

/// `GET /events.json?…`: the newest events that the filter lets through.
async fn json(
    State(app): State<Arc<App>>,
    Question(asked): Question<Asked>,
) -> Result<Json<Vec<StoredEvent>>, Refusal> {
    let filter = wanted(&app, &asked, app.now()).await?;
    Ok(Json(app.store.events(&filter, MOST_IN_FILE).await?))
}

/// `GET /events.csv?…`.
async fn csv(
    State(app): State<Arc<App>>,
    Question(asked): Question<Asked>,
) -> Result<Response, Refusal> {
    let filter = wanted(&app, &asked, app.now()).await?;
    let events = app.store.events(&filter, MOST_IN_FILE).await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"events.csv\""),
    ];
    Ok((headers, draw::csv(&events, &problems::levels(&app))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_is_an_identity_or_nothing() {
        let now = Timestamp::UNIX_EPOCH;
        let read = |before: &str| {
            let asked = Asked {
                before: before.into(),
                ..Asked::default()
            };
            asked.read(now).map(|it| it.before_id)
        };
        assert_eq!(read("0a").unwrap().as_deref(), Some("0a"));
        // Pages of changes begin at a moment alone.
        assert_eq!(read("").unwrap(), None);
        for strange in ["\0", "a b", "é"] {
            let refused = read(strange).unwrap_err();
            assert!(refused.detail().starts_with("before:"), "{strange:?}");
        }
    }

    #[test]
    fn moments_are_typed_in_two_ways() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let read = |text: &str| moment("since", text, now).map(|it| it.map(|it| it.to_string()));
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("6h").unwrap().as_deref(), Some("2026-11-22T06:00:00Z"));
        assert_eq!(
            read("2026-11-01T00:00:00Z").unwrap().as_deref(),
            Some("2026-11-01T00:00:00Z")
        );
        assert!(
            read("yesterday")
                .unwrap_err()
                .detail()
                .starts_with("since:")
        );
    }
}
