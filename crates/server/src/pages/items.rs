//! Items: all of the fleet, one on all hosts, one of one host, and a host's graphs.
//!
//! An item's page gives its numbers to other programs as well: `?format=csv` and `?format=json` behind the same address.
//! (An ending such as `.csv` could be part of an item's name.)

mod across;
mod deeds;
pub(super) mod judgement;
mod others;
mod story;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::join_all;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::Timestamp;
use lockstep_model::api::operator::HistoryView;
use lockstep_model::{HistoryQuery, HostName, ItemName, Series, Span, Value, View};
use lockstep_pages::graphs::{self, Graph, Graphs};
use lockstep_pages::hosts::HostLine;
use lockstep_pages::item::{self, Beside, ItemPage, Range};
use serde::Deserialize;

use super::Visit;
use super::problems::zone;
use crate::app::App;
use crate::services::history;
use crate::web::{Named, Question, Refusal};

use others::Offers;
use story::Story;

/// Buckets of a time that is none of the five views.
const POINTS: u32 = 180;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/items", get(across::list))
        .route("/items/{item}", get(across::across))
        .route("/hosts/{name}/graphs", get(host_graphs))
        .route("/hosts/{name}/items/{item}", get(one))
        .route("/hosts/{name}/items/{item}/ack", post(deeds::ack))
        .route("/hosts/{name}/items/{item}/silence", post(deeds::silence))
}

/// Which time is wanted, and how.
#[derive(Debug, Deserialize)]
struct Asked {
    view: Option<View>,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    beside: Option<String>,
    format: Option<String>,
}

impl Asked {
    fn range(&self, now: Timestamp) -> Result<Range, Refusal> {
        let beside = match self.beside.as_deref() {
            None | Some("") => None,
            Some(text) => Some(Beside::parse(text).ok_or_else(|| {
                let known = Beside::ALL.map(Beside::as_str).join(", ");
                Refusal::bad_request(format!("beside: one of {known} is expected"))
            })?),
        };
        let range = Range::typed(self.view, &self.from, &self.to, now);
        Ok(Range {
            beside,
            ..range.map_err(Refusal::bad_request)?
        })
    }
}

/// `GET /hosts/NAME/items/ITEM?view=VIEW` or `?from=T&to=T`, with `&format=csv|json` or
/// `&beside=` another time or other hosts.
async fn one(
    State(app): State<Arc<App>>,
    visit: Visit,
    path: Result<Path<(String, String)>, PathRejection>,
    Question(asked): Question<Asked>,
) -> Result<Response, Refusal> {
    let (host, item) = named(path)?;
    let line = known(&visit, &host)?;
    let range = asked.range(visit.now)?;
    let found = history_of(&app, line, &item, range.span, visit.now).await?;
    match asked.format.as_deref() {
        None | Some("") => {}
        Some("csv") => return Ok(csv(&host, &found.series)),
        Some("json") => return Ok(Json(found).into_response()),
        Some(_) => return Err(Refusal::bad_request("format: csv or json is expected")),
    }
    let beside = before(&app, line, &found, range.beside, visit.now).await?;
    let offers = Offers::of(&app, &visit, &host, &item).await?;
    let others = offers
        .read(&app, &visit, &host, range.beside, &found.series)
        .await?;
    let mut problems = visit.board.problems.iter();
    let problem = problems.find(|it| it.trouble.host == host && it.trouble.item == item);
    let frame = visit.frame();
    let state = line.items.iter().find(|it| it.item == item);
    let shown = (found.series.from, found.series.to);
    let story = Story::of(&app, &host, shown).await?;
    let (levels, markers) = story.of_item(&app, &item, state, frame.levels).await?;
    let judged = judgement::of(&app, &host, &item, visit.signed.role, frame.levels);
    let page = ItemPage {
        host: &host,
        item: &item,
        via: line.view.via.as_ref(),
        state,
        silent: line.silent,
        last_seen: line.view.last_seen,
        range,
        history: &found,
        beside: beside.as_ref(),
        others: others.as_ref(),
        offers: &offers.choices,
        problem,
        zone: &zone(&app),
        markers: &markers,
        levels: &levels,
        thresholds: &judged.thresholds,
        judgement: &judged.judgement,
    };
    Ok(Html(item::page(&frame, &page)).into_response())
}

/// The host and the item that an address names.
fn named(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(HostName, ItemName), Refusal> {
    let Path((host, item)) = path.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let host = host.parse();
    let host = host.map_err(|error| Refusal::bad_request(format!("{error}")))?;
    Ok((host, item.parse().map_err(Refusal::bad_request)?))
}

/// `GET /hosts/NAME/graphs?view=VIEW` or `?from=T&to=T`, with `&beside=yesterday|last-week`.
async fn host_graphs(
    State(app): State<Arc<App>>,
    visit: Visit,
    Named(host): Named<HostName>,
    Question(asked): Question<Asked>,
) -> Result<Html<String>, Refusal> {
    let line = known(&visit, &host)?;
    let mut range = asked.range(visit.now)?;
    // Other hosts are on the page of an item alone.
    range.beside = range.beside.filter(|it| it.ago().is_some());
    let frame = visit.frame();
    let one = async |item: &ItemName| -> Result<Graph, Refusal> {
        let history = history_of(&app, line, item, range.span, visit.now).await?;
        Ok(Graph {
            beside: before(&app, line, &history, range.beside, visit.now).await?,
            history,
            thresholds: judgement::of(&app, &host, item, visit.signed.role, frame.levels)
                .thresholds,
        })
    };
    // Each is a question to the host of a few milliseconds, or of as long as it may keep us waiting.
    let found = join_all(graphs::choose(&line.items).into_iter().map(one)).await;
    let found = found.into_iter().collect::<Result<Vec<Graph>, Refusal>>()?;
    let markers = match found.first() {
        Some(first) => {
            let shown = (first.history.series.from, first.history.series.to);
            Story::of(&app, &host, shown).await?.markers
        }
        None => Vec::new(),
    };
    let graphs = Graphs {
        host: &host,
        range,
        graphs: &found,
        markers: &markers,
    };
    Ok(Html(graphs::page(&frame, &graphs)))
}

/// The host on the board.
fn known<'a>(visit: &'a Visit, host: &HostName) -> Result<&'a HostLine, Refusal> {
    let line = visit.board.host(host).map(Arc::as_ref);
    line.ok_or_else(|| Refusal::not_found(format!("no host named {host} is enrolled or watched")))
}

/// Asks for a history. What the server keeps has no units; the item's newest value knows it.
async fn history_of(
    app: &App,
    line: &HostLine,
    item: &ItemName,
    span: Span,
    now: Timestamp,
) -> Result<HistoryView, Refusal> {
    let mut found = history::of(app, &line.view.name, query(item, span), now).await?;
    let state = line.items.iter().find(|it| it.item == *item);
    if let Some(Value::Number { unit, .. }) = state.map(|it| &it.value)
        && found.series.unit.is_empty()
    {
        found.series.unit.clone_from(unit);
    }
    Ok(found)
}

/// The same stretch of time, as long before; none unless another time was asked for. A host that has not answered is not
/// asked again: each question may take as long as it may keep us waiting.
async fn before(
    app: &App,
    line: &HostLine,
    found: &HistoryView,
    beside: Option<Beside>,
    now: Timestamp,
) -> Result<Option<HistoryView>, Refusal> {
    let Some(ago) = beside.and_then(Beside::ago) else {
        return Ok(None);
    };
    let earlier = |at: Timestamp| at.checked_sub(ago).unwrap_or(Timestamp::MIN);
    let series = &found.series;
    let span = Span::Between {
        from: earlier(series.from),
        to: earlier(series.to),
    };
    if found.from_host {
        let before = history_of(app, line, &series.item, span, now).await?;
        return Ok(Some(before));
    }
    let query = query(&series.item, span);
    let mut series = history::kept(app, &line.view.name, &query, now).await?;
    series.unit.clone_from(&found.series.unit);
    Ok(Some(HistoryView {
        series,
        from_host: false,
        why_not: found.why_not.clone(),
    }))
}

fn query(item: &ItemName, span: Span) -> HistoryQuery {
    HistoryQuery {
        host: None,
        item: item.clone(),
        span,
        points: matches!(span, Span::Between { .. }).then_some(POINTS),
    }
}

fn csv(host: &HostName, series: &Series) -> Response {
    // Names of items hold what names of files do not.
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-._".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = format!("{host}-{}", series.item)
        .chars()
        .map(plain)
        .collect();
    let mut response = item::csv(series).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}
