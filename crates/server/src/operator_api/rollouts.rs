//! Promotions and rollouts.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::api::operator::{Promote, RolloutCurve, RolloutView, SkipHost};
use lockstep_model::{HostName, RolloutId};
use serde::Deserialize;

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::services::rollout_curves;
use crate::services::rollout_views::Names;
use crate::services::rollouts::{self, Command};
use crate::web::{JsonBody, Named, Pair, Question, Refusal};

/// Largest order, in bytes.
const LARGEST: usize = 64 * 1024;
const ROLLOUTS: List = List {
    name: "rollouts",
    some: 20,
    most: 200,
};

/// `POST /api/v1/promote`.
pub(crate) async fn promote(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(order): JsonBody<Promote, LARGEST>,
) -> Result<(StatusCode, Json<RolloutView>), Refusal> {
    let view = rollouts::promote(&app, &order, &who, app.now()).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Whether the names of hosts are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct WithHosts {
    hosts: Option<Hosts>,
}

/// Which names of hosts are wanted.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Hosts {
    All,
    None,
}

fn names(hosts: Option<Hosts>) -> Names {
    match hosts {
        None | Some(Hosts::All) => Names::Told,
        Some(Hosts::None) => Names::LeftOut,
    }
}

/// `GET /api/v1/rollouts?limit=N&cursor=C&hosts=none`: newest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Question(WithHosts { hosts }): Question<WithHosts>,
    paging: Paging,
) -> Result<Page<RolloutView>, Refusal> {
    let window = paging.window::<RolloutId>(ROLLOUTS)?;
    let (after, wanted) = (window.after, window.one_more());
    let views = rollouts::page(&app, after, wanted, names(hosts), app.now()).await?;
    Ok(window.cut(views, |view| view.id))
}

/// `GET /api/v1/rollouts/ID?hosts=none`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Named(Number(id)): Named<Number>,
    Question(WithHosts { hosts }): Question<WithHosts>,
) -> Result<Json<RolloutView>, Refusal> {
    let view = rollouts::one(&app, id, names(hosts), app.now()).await?;
    Ok(Json(view))
}

/// `GET /api/v1/rollouts/ID/curve`.
pub(crate) async fn curve(
    State(app): State<Arc<App>>,
    Named(Number(id)): Named<Number>,
) -> Result<Json<RolloutCurve>, Refusal> {
    let view = rollouts::one(&app, id, Names::Told, app.now()).await?;
    Ok(Json(rollout_curves::curve(&app, &view).await?))
}

/// `POST /api/v1/rollouts/ID/pause`, `resume`, `skip-wave`, `halt` or `rollback`.
pub(crate) async fn command(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Pair(Number(id), command): Pair<Number, String>,
) -> Result<Json<RolloutView>, Refusal> {
    let command = Command::parse(&command).ok_or_else(|| {
        Refusal::not_found(
            "a rollout knows the commands pause, resume, skip-wave, halt and rollback",
        )
    })?;
    let view = rollouts::command(&app, id, command, &who, app.now()).await?;
    Ok(Json(view))
}

/// Largest word on a host that is left out, in bytes.
const LARGEST_SKIP: usize = 4 * 1024;

/// `PUT /api/v1/rollouts/ID/skipped/HOST`: leaves the host out of it.
pub(crate) async fn skip_host(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Pair(Number(id), host): Pair<Number, HostName>,
    JsonBody(order): JsonBody<SkipHost, LARGEST_SKIP>,
) -> Result<Json<RolloutView>, Refusal> {
    let view = rollouts::skip_host(&app, id, &host, &order.why, &who, app.now()).await?;
    Ok(Json(view))
}

/// `DELETE /api/v1/rollouts/ID/skipped/HOST`: takes it in again.
pub(crate) async fn unskip_host(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Pair(Number(id), host): Pair<Number, HostName>,
) -> Result<Json<RolloutView>, Refusal> {
    let view = rollouts::unskip_host(&app, id, &host, &who, app.now()).await?;
    Ok(Json(view))
}

/// The number of a rollout, in an address.
#[derive(Debug)]
pub(crate) struct Number(RolloutId);

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map(RolloutId).map(Self);
        number.map_err(|_| {
            let text: String = text.chars().take(40).collect();
            format!("{text:?} is not the number of a rollout")
        })
    }
}
