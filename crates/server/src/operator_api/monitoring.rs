//! Problems, events, silences, acknowledgements, history, and the fleet file.

use std::cmp::Reverse;
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
use lockstep_model::{Glob, HistoryQuery, HostName, ItemName, Level, View};
use lockstep_pages::problems::Ask;
use lockstep_store::EventFilter;
use serde::Deserialize;

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::services::{deliveries, events as events_of, fleet, history, hosts, problems, silences};
use crate::web::{Id, JsonBody, Named, Question, Refusal};

/// Largest request, in bytes.
const LARGEST: usize = 64 * 1024;
const PROBLEMS: List = List::whole("problems");
const SILENCES: List = List::whole("silences");
const ACKS: List = List::whole("acks");
const EVENTS: List = List {
    name: "events",
    some: 100,
    most: 1_000,
};
const DELIVERIES: List = List {
    name: "deliveries",
    some: 100,
    most: 1_000,
};

/// Which problems are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct WhichProblems {
    host: Option<Glob>,
    group: Option<String>,
    item: Option<Glob>,
    level: Option<u8>,
    cause: Option<String>,
    #[serde(default)]
    unhandled: bool,
}

impl WhichProblems {
    fn ask(self) -> Result<Ask, Refusal> {
        Ok(Ask {
            group: self.group,
            host: self.host,
            item: self.item,
            level: self.level.map(level).transpose()?,
            cause: self.cause,
        })
    }
}

/// A level by its rank.
fn level(rank: u8) -> Result<Level, Refusal> {
    Level::ALL.get(usize::from(rank)).copied().ok_or_else(|| {
        Refusal::bad_request("level: a rank from 0, the best, to 4, the worst, is expected")
    })
}

/// The place of a problem: unhandled ones first, then worst, then newest.
type PlaceOfProblem = (Reverse<(bool, Level, Timestamp)>, HostName, ItemName);

/// `GET /api/v1/problems?host=&group=&item=&level=&cause=&unhandled=true&limit=N&cursor=C`: worst first. `host` and `item`
/// may be patterns; `level` is the rank of the best level that counts; `cause` is the one of a group, as its page's address
/// has it. A group, or a host's whole name, that nobody knows is refused.
pub(crate) async fn problems(
    State(app): State<Arc<App>>,
    Question(which): Question<WhichProblems>,
    paging: Paging,
) -> Result<Page<ProblemView>, Refusal> {
    let window = paging.window::<PlaceOfProblem>(PROBLEMS)?;
    let unhandled = which.unhandled;
    let ask = which.ask()?;
    known(&app, &ask).await?;
    let all = problems::list(&app, app.now()).await?;
    let groups = match ask.cause.is_some() {
        true => problems::grouped(&app, &all, &ask),
        false => Vec::new(),
    };
    let asked = problems::asked(&app, &all, &groups, &ask).into_iter();
    let mut problems: Vec<ProblemView> = asked
        .filter(|problem| !unhandled || problem.is_unhandled())
        .cloned()
        .collect();
    let place = |view: &ProblemView| {
        let trouble = &view.trouble;
        let weight = (view.is_unhandled(), trouble.level, trouble.since);
        (Reverse(weight), trouble.host.clone(), trouble.item.clone())
    };
    problems.sort_by_cached_key(place);
    Ok(window.of_all(problems, place))
}

/// Refuses a question that nothing can ever answer: monitors ask this, and to them an empty list is good news.
async fn known(app: &App, ask: &Ask) -> Result<(), Refusal> {
    if let Some(group) = &ask.group {
        fleet::known_group(app, group)?;
    }
    if let Some(host) = ask.host.as_ref().filter(|host| host.is_plain()) {
        let host = HostName::parse(host.as_str())
            .map_err(|error| Refusal::not_found(format!("host: {error}")))?;
        hosts::known(app, &host).await?;
    }
    Ok(())
}

/// Which events are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct WhichEvents {
    host: Option<HostName>,
    group: Option<String>,
    item: Option<Glob>,
    level: Option<u8>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before: Option<Id>,
}

/// `GET /api/v1/events?host=&group=&item=&level=&since=&until=&before=&limit=&cursor=`: newest first; `level` is the rank of
/// the best level that counts.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Question(which): Question<WhichEvents>,
    paging: Paging,
) -> Result<Page<StoredEvent>, Refusal> {
    let window = paging.window::<String>(EVENTS)?;
    let level = which.level.map(level);
    let hosts = match &which.group {
        Some(group) => Some(events_of::hosts_of_group(&app, group).await?),
        None => None,
    };
    let filter = EventFilter {
        host: which.host,
        hosts,
        item: which.item,
        level: level.transpose()?,
        since: which.since,
        until: which.until,
        before_id: window.after.clone().or(which.before.map(|Id(id)| id)),
    };
    let page = app.store.events_page(&filter, window.limit).await?;
    Ok(window.page(page.events, page.next.as_ref()))
}

/// `GET /api/v1/silences`: those in force and those to come.
pub(crate) async fn silences(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<SilenceView>, Refusal> {
    let window = paging.window::<String>(SILENCES)?;
    let mut silences = problems::silences(&app, app.now()).await?;
    silences.sort_by(|a, b| a.silence.id.cmp(&b.silence.id));
    Ok(window.of_all(silences, |it| it.silence.id.clone()))
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
    Named(Id(id)): Named<Id>,
) -> Result<StatusCode, Refusal> {
    silences::end(&app, &id, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/acks`.
pub(crate) async fn acks(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<Ack>, Refusal> {
    let window = paging.window::<(HostName, ItemName)>(ACKS)?;
    let place = |ack: &Ack| (ack.host.clone(), ack.item.clone());
    let mut acks = app.store.acks().await?;
    acks.sort_by_cached_key(place);
    Ok(window.of_all(acks, place))
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

/// `GET /api/v1/deliveries?limit=N&cursor=C`: newest first.
pub(crate) async fn deliveries(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<DeliveryView>, Refusal> {
    let window = paging.window::<(Timestamp, String)>(DELIVERIES)?;
    let before = window.after.as_ref().map(|(at, id)| (*at, id.as_str()));
    let views = deliveries::page(&app, before, window.one_more()).await?;
    Ok(window.cut(views, |view| (view.created_at, view.id.clone())))
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
    let span = history::span(which.view, which.from, which.to, now)?;
    let query = HistoryQuery {
        host: None,
        item: which.item,
        span,
        points: which.points,
    };
    history::of(&app, &host, query, now).await.map(Json)
}
