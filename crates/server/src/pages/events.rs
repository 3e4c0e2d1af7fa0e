//! What happened.

mod stream;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::StoredEvent;
use lockstep_model::{Glob, HostName, Interval, Level};
use lockstep_pages::chart::Cell;
use lockstep_pages::events::{self as draw, Events, Filter};
use lockstep_pages::parts::link;
use lockstep_pages::parts::time::second;
use lockstep_store::EventFilter;
use serde::Deserialize;

use super::Visit;
use crate::app::App;
use crate::services::problems;
use crate::web::{Question, Refusal};

/// Events that go into one file.
const MOST_IN_FILE: u32 = 1_000;
/// Cells of the last day, and how long one is.
const CELLS: i64 = 48;
const CELL_MS: i64 = 30 * 60_000;

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
    /// Behind this event.
    before: Option<String>,
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
        Ok(EventFilter {
            host: host.transpose()?,
            item: item.transpose()?,
            level: level.transpose()?,
            since: moment("since", &filter.since, now)?,
            until: moment("until", &filter.until, now)?,
            before_id: self.before.clone(),
        })
    }
}

/// A moment, or how long ago.
fn moment(what: &str, text: &str, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(at) = text.parse() {
        return Ok(Some(at));
    }
    let Ok(ago) = Interval::parse(text) else {
        return Err(Refusal::bad_request(format!(
            "{what}: {text:?} is neither a moment, as in 2026-11-22T12:00:00Z, nor how long ago, as in 6h"
        )));
    };
    let ago = SignedDuration::try_from(ago.duration()).unwrap_or(SignedDuration::MAX);
    Ok(Some(now.checked_sub(ago).unwrap_or(Timestamp::MIN)))
}

/// `GET /events?host=&item=&level=&since=&until=&kind=items`, or `?id=ID` for one.
async fn all(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(asked): Question<Asked>,
) -> Result<Html<String>, Refusal> {
    if let Some(id) = &asked.id {
        let event = one(&app, id).await?;
        return Ok(Html(draw::one(&event, &visit.frame())));
    }
    let filter = asked.filter();
    let wanted = asked.read(visit.now)?;
    let alone = filter.kind == "items" || wanted.item.is_some() || wanted.level.is_some();
    let page = stream::page(&app, &wanted, asked.to, alone).await?;
    let older = page.older.map(|(id, at)| {
        let to = at.to_string();
        filter.address_with("/events", &[("before", Some(&id)), ("to", Some(&to))])
    });
    let density = density(&app, visit.now).await?;
    let shown = Events {
        entries: &page.entries,
        filter: &filter,
        density: &density,
        older,
    };
    Ok(Html(shown.draw(&visit.frame())))
}

/// The event of this identity. What comes behind it in the order of identities begins with it.
async fn one(app: &App, id: &str) -> Result<StoredEvent, Refusal> {
    let missing = || Refusal::not_found("there is no such event; events are kept for a while only");
    let plain = !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric());
    if !plain {
        return Err(missing());
    }
    let behind = EventFilter {
        before_id: Some(format!("{id}0")),
        ..EventFilter::default()
    };
    let found = app.store.events(&behind, 1).await?;
    found.into_iter().find(|it| it.id == id).ok_or_else(missing)
}

/// How many events came when, in the last day.
async fn density(app: &App, now: Timestamp) -> Result<Vec<Cell>, Refusal> {
    let last = now.as_millisecond().div_euclid(CELL_MS);
    let begin = |cell: i64| {
        let at = (last - CELLS + 1 + cell).saturating_mul(CELL_MS);
        Timestamp::from_millisecond(at).unwrap_or(now)
    };
    let slots = app.store.event_slots(begin(0), CELL_MS).await?;
    let cells = (0..CELLS).map(|cell| {
        let (from, to) = (begin(cell), begin(cell + 1));
        let slot = slots.iter().find(|slot| slot.from == from);
        let question = [("since", Some(second(from))), ("until", Some(second(to)))];
        let question = question
            .each_ref()
            .map(|(name, value)| (*name, value.as_deref()));
        Cell {
            from,
            to,
            count: slot.map_or(0, |slot| slot.count),
            worst: slot.map(|slot| slot.worst),
            href: Some(link::ask("/events", &question)),
        }
    });
    Ok(cells.collect())
}

/// `GET /events.json?…`: the newest events that the filter lets through.
async fn json(
    State(app): State<Arc<App>>,
    Question(asked): Question<Asked>,
) -> Result<Json<Vec<StoredEvent>>, Refusal> {
    let filter = asked.read(app.now())?;
    Ok(Json(app.store.events(&filter, MOST_IN_FILE).await?))
}

/// `GET /events.csv?…`.
async fn csv(
    State(app): State<Arc<App>>,
    Question(asked): Question<Asked>,
) -> Result<Response, Refusal> {
    let filter = asked.read(app.now())?;
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
