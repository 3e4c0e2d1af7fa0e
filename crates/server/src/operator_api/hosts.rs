//! Hosts and their runs.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::api::operator::{Explained, HostView, RunView};
use lockstep_model::{HostName, PackageName, RunId};
use serde::Deserialize;

use crate::app::{App, Operator};
use crate::services::{explain, hosts};
use crate::web::{Named, Question, Refusal};

/// Runs that are sent when nothing else is asked for, and at most.
const SOME_RUNS: u32 = 100;
const MOST_RUNS: u32 = 1_000;

/// `GET /api/v1/hosts`: by name.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<HostView>>, Refusal> {
    Ok(Json(hosts::list(&app).await?))
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
    limit: Option<u32>,
}

/// `GET /api/v1/runs?host=NAME&limit=N`: newest first.
pub(crate) async fn runs(
    State(app): State<Arc<App>>,
    Question(Which { host, limit }): Question<Which>,
) -> Result<Json<Vec<RunView>>, Refusal> {
    let limit = limit.unwrap_or(SOME_RUNS).min(MOST_RUNS);
    Ok(Json(app.store.runs(host.as_ref(), limit).await?))
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
