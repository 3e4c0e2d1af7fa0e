//! Locks, as operators see and change them.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::api::operator::{DisableLock, FreeLock, LockFreed, LockView};
use lockstep_model::api::{LockAnswer, LockReleased, LockRequest};
use lockstep_model::{Fence, Holder, LockName};
use serde::Deserialize;

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::services::{lock_views, locks};
use crate::web::{JsonBody, Named, Question, Refusal};

const LOCKS: List = List::whole("locks");
/// Largest request, in bytes.
const LARGEST: usize = 4 * 1024;

/// `GET /api/v1/locks`: by name.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<LockView>, Refusal> {
    let window = paging.window::<LockName>(LOCKS)?;
    let mut locks = lock_views::list(&app, app.now()).await?;
    locks.sort_by(|a, b| a.lock.name.cmp(&b.lock.name));
    Ok(window.of_all(locks, |view| view.lock.name.clone()))
}

/// `GET /api/v1/locks/NAME`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Named(name): Named<LockName>,
) -> Result<Json<LockView>, Refusal> {
    Ok(Json(lock_views::one(&app, &name, app.now()).await?))
}

/// `PUT /api/v1/locks/NAME`: the operator asks for a place.
pub(crate) async fn acquire(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<LockName>,
    JsonBody(request): JsonBody<LockRequest, LARGEST>,
) -> Result<Json<LockAnswer>, Refusal> {
    let now = app.now();
    let answer = locks::acquire(&app, &name, Holder::Operator(who), request, now).await?;
    Ok(Json(answer))
}

/// Which grant is meant.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    fence: Option<Fence>,
}

/// `DELETE /api/v1/locks/NAME?fence=N`: the operator gives his own place back.
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<LockName>,
    Question(Which { fence }): Question<Which>,
) -> Result<Json<LockReleased>, Refusal> {
    let now = app.now();
    let released = locks::release(&app, &name, Holder::Operator(who), fence, now).await?;
    Ok(Json(released))
}

/// `POST /api/v1/locks/NAME/free`: takes a place away from whoever has it.
pub(crate) async fn free(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<LockName>,
    JsonBody(order): JsonBody<FreeLock, LARGEST>,
) -> Result<Json<LockFreed>, Refusal> {
    Ok(Json(
        locks::free(&app, &name, order, &who, app.now()).await?,
    ))
}

/// `PUT /api/v1/locks/NAME/disabled`.
pub(crate) async fn disable(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<LockName>,
    JsonBody(order): JsonBody<DisableLock, LARGEST>,
) -> Result<StatusCode, Refusal> {
    locks::disable(&app, &name, &order.why, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/v1/locks/NAME/disabled`.
pub(crate) async fn enable(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<LockName>,
) -> Result<StatusCode, Refusal> {
    locks::enable(&app, &name, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
