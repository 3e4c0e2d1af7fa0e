//! Locks, as hosts ask for them. The version policy is not applied: an agent that has to update first may need a lock
//! for that.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use lockstep_model::api::{LockAnswer, LockReleased, LockRequest, LockStanding};
use lockstep_model::{Fence, Holder, LockName, RunCommand, RunId};
use serde::Deserialize;

use crate::app::{App, Caller};
use crate::services::locks;
use crate::web::{JsonBody, Named, Question, Refusal};

/// Largest request, in bytes.
const LARGEST: usize = 4 * 1024;

/// `PUT /agent/v1/locks/NAME`.
pub(crate) async fn acquire(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    Named(name): Named<LockName>,
    JsonBody(request): JsonBody<LockRequest, LARGEST>,
) -> Result<Json<LockAnswer>, Refusal> {
    let now = app.now();
    let answer = locks::acquire(&app, &name, Holder::Host(host), request, now).await?;
    Ok(Json(answer))
}

/// Which grant is meant.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    fence: Option<Fence>,
}

/// `DELETE /agent/v1/locks/NAME?fence=N`.
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    Named(name): Named<LockName>,
    Question(Which { fence }): Question<Which>,
) -> Result<Json<LockReleased>, Refusal> {
    let now = app.now();
    let released = locks::release(&app, &name, Holder::Host(host), fence, now).await?;
    Ok(Json(released))
}

/// `GET /agent/v1/locks/NAME`.
pub(crate) async fn standing(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    Named(name): Named<LockName>,
) -> Result<Json<LockStanding>, Refusal> {
    let now = app.now();
    let standing = locks::standing(&app, &name, &Holder::Host(host), now).await?;
    Ok(Json(standing))
}

/// `GET /agent/v1/runs/ID/command`: what people say of a run of this host; of another's run nothing.
pub(crate) async fn command(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    Named(run): Named<RunId>,
) -> Result<Json<Option<RunCommand>>, Refusal> {
    Ok(Json(app.store.run_command(&host, &run).await?))
}
