//! Problems, events, silences, acknowledgements, history, and the fleet file.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use jiff::Timestamp;
use lockstep_model::alert::{Ack, Silence};
use lockstep_model::api::operator::{
    AlertTest, AlertTested, DeliveryView, FleetView, HistoryView, NewAck, NewSilence, ProblemView,
    SilenceView,
};
use lockstep_model::api::{StoredEvent, WorkAnswer};
use lockstep_model::{Glob, HistoryQuery, HostName, ItemName, Level, Span, View};
use lockstep_store::EventFilter;
use serde::Deserialize;

use crate::app::{App, Operator};
use crate::services::{deliveries, fleet, history, problems, silences};
use crate::web::{JsonBody, Named, Question, Refusal};

/// Largest request, in bytes.
const LARGEST: usize = 64 * 1024;
/// Rows that are sent when nothing else is asked for, and at most.
const SOME: u32 = 100;
const MOST: u32 = 1_000;

/// Which problems are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct WhichProblems {
    host: Option<HostName>,
    #[serde(default)]
    unhandled: bool,
}

/// `GET /api/v1/problems?host=NAME&unhandled=true`: worst first.
pub(crate) async fn problems(
    State(app): State<Arc<App>>,
    Question(which): Question<WhichProblems>,
) -> Result<Json<Vec<ProblemView>>, Refusal> {
    let mut problems = problems::list(&app, app.now()).await?;
    problems.retain(|problem| {
        which
            .host
            .as_ref()
            .is_none_or(|host| *host == problem.trouble.host)
            && (!which.unhandled || problem.is_unhandled())
    });
    Ok(Json(problems))
}

/// Which events are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct WhichEvents {
    host: Option<HostName>,
    item: Option<Glob>,
    level: Option<u8>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before: Option<String>,
    limit: Option<u32>,
}

/// `GET /api/v1/events?host=&item=&level=&since=&until=&before=&limit=`: newest first; `level` is the rank of the
/// best level that counts.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Question(which): Question<WhichEvents>,
) -> Result<Json<Vec<StoredEvent>>, Refusal> {
    let level = which.level.map(|rank| {
        Level::ALL.get(usize::from(rank)).copied().ok_or_else(|| {
            Refusal::bad_request("level: a rank from 0, the best, to 4, the worst, is expected")
        })
    });
    let filter = EventFilter {
        host: which.host,
        item: which.item,
        level: level.transpose()?,
        since: which.since,
        until: which.until,
        before_id: which.before,
    };
    let limit = which.limit.unwrap_or(SOME).min(MOST);
    Ok(Json(app.store.events(&filter, limit).await?))
}

/// `GET /api/v1/silences`: those in force and those to come.
pub(crate) async fn silences(
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<SilenceView>>, Refusal> {
    Ok(Json(problems::silences(&app, app.now()).await?))
}

/// `POST /api/v1/silences`.
pub(crate) async fn silence(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(new): JsonBody<NewSilence, LARGEST>,
) -> Result<Json<Silence>, Refusal> {
    silences::create(&app, new, &who, app.now()).await.map(Json)
}

/// `DELETE /api/v1/silences/ID`.
pub(crate) async fn end_silence(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(id): Named<String>,
) -> Result<StatusCode, Refusal> {
    silences::end(&app, &id, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/acks`.
pub(crate) async fn acks(State(app): State<Arc<App>>) -> Result<Json<Vec<Ack>>, Refusal> {
    Ok(Json(app.store.acks().await?))
}

/// `POST /api/v1/acks`.
pub(crate) async fn ack(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(new): JsonBody<NewAck, LARGEST>,
) -> Result<Json<Vec<Ack>>, Refusal> {
    silences::acknowledge(&app, new, &who, app.now())
        .await
        .map(Json)
}

/// Which acknowledgement is meant.
#[derive(Debug, Deserialize)]
pub(crate) struct WhichAck {
    host: HostName,
    item: ItemName,
}

/// `DELETE /api/v1/acks?host=NAME&item=ITEM`.
pub(crate) async fn end_ack(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Question(WhichAck { host, item }): Question<WhichAck>,
) -> Result<StatusCode, Refusal> {
    silences::take_back(&app, &host, &item, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many rows are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct HowMany {
    limit: Option<u32>,
}

/// `GET /api/v1/deliveries?limit=N`: newest first.
pub(crate) async fn deliveries(
    State(app): State<Arc<App>>,
    Question(HowMany { limit }): Question<HowMany>,
) -> Result<Json<Vec<DeliveryView>>, Refusal> {
    let limit = limit.unwrap_or(SOME).min(MOST);
    Ok(Json(deliveries::list(&app, limit).await?))
}

/// `POST /api/v1/alert-test`: sends a message to a receiver by each of its ways, and says how that went.
pub(crate) async fn alert_test(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(test): JsonBody<AlertTest, LARGEST>,
) -> Result<Json<AlertTested>, Refusal> {
    deliveries::test(&app, &test.receiver, &who, app.now())
        .await
        .map(Json)
}

/// `GET /api/v1/fleet`: the fleet file in force.
pub(crate) async fn fleet(State(app): State<Arc<App>>) -> Result<Json<FleetView>, Refusal> {
    fleet::view(&app).map(Json)
}

/// `POST /api/v1/fleet/reload`: reads the file and takes it over, or says what is wrong with it.
pub(crate) async fn reload_fleet(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
) -> Result<Json<FleetView>, Refusal> {
    fleet::reload(&app, &who).await.map(Json)
}

/// `GET /api/v1/hosts/NAME/work`: what the host is told to watch.
pub(crate) async fn work(
    State(app): State<Arc<App>>,
    Named(host): Named<HostName>,
) -> Result<Json<WorkAnswer>, Refusal> {
    let accepted = app.fleet.accepted();
    let accepted = accepted.ok_or_else(|| {
        Refusal::not_found("there is no fleet file; hosts watch what is watched by default")
    })?;
    Ok(Json(accepted.work(&host)))
}

/// Which part of an item's history is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct WhichHistory {
    item: ItemName,
    view: Option<View>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    points: Option<u32>,
}

/// `GET /api/v1/hosts/NAME/history?item=ITEM&view=day` or `…&from=T&to=T&points=N`: from the host itself, and when
/// it does not answer from what the server keeps.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Named(host): Named<HostName>,
    Question(which): Question<WhichHistory>,
) -> Result<Json<HistoryView>, Refusal> {
    let now = app.now();
    let span = match (which.view, which.from) {
        (Some(_), Some(_)) => {
            return Err(Refusal::bad_request(
                "give a view, or from and to, not both",
            ));
        }
        (view, None) => Span::View(view.unwrap_or(View::Day)),
        (None, Some(from)) => Span::Between {
            from,
            to: which.to.unwrap_or(now),
        },
    };
    let query = HistoryQuery {
        host: None,
        item: which.item,
        span,
        points: which.points,
    };
    history::of(&app, &host, query, now).await.map(Json)
}
