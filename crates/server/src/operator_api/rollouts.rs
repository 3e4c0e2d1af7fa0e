//! Promotions and rollouts.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::RolloutId;
use lockstep_model::api::operator::{Promote, RolloutView};
use serde::Deserialize;

use crate::app::{App, Operator};
use crate::services::rollouts::{self, Command};
use crate::web::{JsonBody, Question, Refusal};

/// Largest order, in bytes.
const LARGEST: usize = 64 * 1024;
/// Rollouts that are sent when nothing else is asked for, and at most.
const SOME: u32 = 20;
const MOST: u32 = 200;

/// `POST /api/v1/promote`.
pub(crate) async fn promote(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(order): JsonBody<Promote, LARGEST>,
) -> Result<(StatusCode, Json<RolloutView>), Refusal> {
    let view = rollouts::promote(&app, &order, &who, app.now()).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// How many rollouts are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct HowMany {
    limit: Option<u32>,
}

/// `GET /api/v1/rollouts?limit=N`: newest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Question(HowMany { limit }): Question<HowMany>,
) -> Result<Json<Vec<RolloutView>>, Refusal> {
    let limit = limit.unwrap_or(SOME).min(MOST);
    Ok(Json(rollouts::list(&app, limit, app.now()).await?))
}

/// `GET /api/v1/rollouts/ID`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<RolloutView>, Refusal> {
    Ok(Json(rollouts::one(&app, number(&id)?, app.now()).await?))
}

/// `POST /api/v1/rollouts/ID/pause`, `resume`, `halt` or `rollback`.
pub(crate) async fn command(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Path((id, command)): Path<(String, String)>,
) -> Result<Json<RolloutView>, Refusal> {
    let command = Command::parse(&command).ok_or_else(|| {
        Refusal::not_found("a rollout knows the commands pause, resume, halt and rollback")
    })?;
    let view = rollouts::command(&app, number(&id)?, command, &who, app.now()).await?;
    Ok(Json(view))
}

fn number(text: &str) -> Result<RolloutId, Refusal> {
    text.parse()
        .map(RolloutId)
        .map_err(|_| Refusal::bad_request(format!("{text:?} is not the number of a rollout")))
}
