//! What hosts are told to watch, and what they say happened.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use lockstep_model::api::{Backfill, EventBatch, EventsStored, QueryAnswer};

use crate::app::{App, Caller};
use crate::services::events;
use crate::web::{JsonBody, Named, Refusal};

/// Largest batch of events, in bytes: 200 of them, each with a text.
const LARGEST_BATCH: usize = 1024 * 1024;
/// Largest back-fill, in bytes: 50 slots of 500 items.
const LARGEST_BACKFILL: usize = 4 * 1024 * 1024;
/// Largest answer to a question, in bytes: 2,000 buckets.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// `GET /agent/v1/work`: the host's work document, with its identity as `ETag` (RFC 9110, section 8.8.3).
pub(crate) async fn work(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Some(accepted) = app.fleet.accepted() else {
        return Err(Refusal::not_found(
            "this server has no fleet file; watch what is watched by default",
        ));
    };
    let work = accepted.work(&host);
    let tag = format!("\"{}\"", work.hash);
    let known = headers.get(IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let mut response = Json(work).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// `POST /agent/v1/events`: stored before it is answered.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    JsonBody(batch): JsonBody<EventBatch, LARGEST_BATCH>,
) -> Result<Json<EventsStored>, Refusal> {
    let through = events::receive(&app, &host, &batch, app.now()).await?;
    Ok(Json(EventsStored { through }))
}

/// `POST /agent/v1/backfill`: what the host measured while it could not report.
pub(crate) async fn backfill(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    JsonBody(backfill): JsonBody<Backfill, LARGEST_BACKFILL>,
) -> Result<StatusCode, Refusal> {
    events::receive_backfill(&app, &host, &backfill, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /agent/v1/answers/ID`. An answer that nobody waits for any more is no error of the host's.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    Named(id): Named<String>,
    JsonBody(answer): JsonBody<QueryAnswer, LARGEST_ANSWER>,
) -> StatusCode {
    if !app.queries.answer(&id, &host, answer) {
        tracing::debug!(%host, id, "an answer came that nobody waits for");
    }
    StatusCode::NO_CONTENT
}
