//! Hosts and their runs.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::api::operator::{Explained, HostView, RunView};
use lockstep_model::{HostName, PackageName, RunId};
use lockstep_pages::hosts::Ask;
use serde::Deserialize;

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::services::{explain, hosts};
use crate::web::{Named, Question, Refusal};

const HOSTS: List = List::whole("hosts");
const RUNS: List = List {
    name: "runs",
    some: 100,
    most: 1_000,
};

/// `GET /api/v1/hosts?q=WORDS&group=G&…&limit=N&cursor=C`: by name; see [`Ask`] for what can be asked.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    RawQuery(question): RawQuery,
    paging: Paging,
) -> Result<Page<HostView>, Refusal> {
    let ask = Ask::parse_filter(question.as_deref().unwrap_or_default());
    let ask = ask.map_err(Refusal::bad_request)?;
    let window = paging.window::<HostName>(HOSTS)?;
    if !ask.filter().is_empty() {
        let (after, wanted) = (window.after.as_ref(), window.one_more());
        let hosts = hosts::found(&app, &ask, after, wanted).await?;
        return Ok(window.cut(hosts, |host| host.name.clone()));
    }
    let hosts = hosts::page(&app, window.after.as_ref(), window.one_more()).await?;
    Ok(window.cut(hosts, |host| host.name.clone()))
}

/// `GET /api/v1/hosts/NAME`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Named(name): Named<HostName>,
) -> Result<Json<HostView>, Refusal> {
    Ok(Json(hosts::one(&app, &name).await?))
}

/// `DELETE /api/v1/hosts/NAME`: removes the host and revokes its certificates.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<HostName>,
) -> Result<StatusCode, Refusal> {
    hosts::remove(&app, &name, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/hosts/NAME/report`: asks the host to report now.
pub(crate) async fn report(
    State(app): State<Arc<App>>,
    Named(name): Named<HostName>,
) -> Result<StatusCode, Refusal> {
    hosts::ask_to_report(&app, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which package is to be explained; all that the host follows if none is named.
#[derive(Debug, Deserialize)]
pub(crate) struct Of {
    package: Option<PackageName>,
}

/// `GET /api/v1/hosts/NAME/explain?package=P`: what keeps the host from what it is wanted to run.
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Named(name): Named<HostName>,
    Question(Of { package }): Question<Of>,
) -> Result<Json<Explained>, Refusal> {
    let explained = explain::explain(&app, &name, package.as_ref(), app.now()).await?;
    Ok(Json(explained))
}

/// Which runs are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    host: Option<HostName>,
}

/// `GET /api/v1/runs?host=NAME&limit=N&cursor=C`: newest first.
pub(crate) async fn runs(
    State(app): State<Arc<App>>,
    Question(Which { host }): Question<Which>,
    paging: Paging,
) -> Result<Page<RunView>, Refusal> {
    let window = paging.window::<RunId>(RUNS)?;
    let (after, wanted) = (window.after.as_ref(), window.one_more());
    let runs = app.store.runs_before(host.as_ref(), after, wanted).await?;
    Ok(window.cut(runs, |run| run.record.id))
}

/// `GET /api/v1/runs/ID`.
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Named(id): Named<RunId>,
) -> Result<Json<RunView>, Refusal> {
    let run = app.store.run(&id).await?;
    run.map(Json)
        .ok_or_else(|| Refusal::not_found(format!("there is no run {id}")))
}
