//! What operators wish of one host.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use lockstep_model::api::operator::{WishOrder, WishView};
use lockstep_model::{HostName, WishVerb};

use crate::app::{App, Operator};
use crate::services::wishes;
use crate::web::{JsonBody, Named, Refusal};

/// Largest order, in bytes.
const LARGEST: usize = 4 * 1024;

/// `GET /api/v1/hosts/NAME/wishes`: the newest of each verb, and where it stands.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Named(name): Named<HostName>,
) -> Result<Json<Vec<WishView>>, Refusal> {
    Ok(Json(wishes::of_host(&app, &name, app.now()).await?))
}

/// `POST /api/v1/hosts/NAME/reboot`.
pub(crate) async fn reboot(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<HostName>,
    JsonBody(order): JsonBody<WishOrder, LARGEST>,
) -> Result<Json<WishView>, Refusal> {
    let wish = wishes::give(&app, &name, WishVerb::Reboot, &order, &who, app.now());
    Ok(Json(wish.await?))
}

/// `DELETE /api/v1/hosts/NAME/reboot`.
pub(crate) async fn no_reboot(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<HostName>,
) -> Result<Json<WishView>, Refusal> {
    let wish = wishes::take_back(&app, &name, WishVerb::Reboot, &who, app.now());
    Ok(Json(wish.await?))
}

/// `POST /api/v1/hosts/NAME/restart-agent`.
pub(crate) async fn restart_agent(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<HostName>,
    JsonBody(order): JsonBody<WishOrder, LARGEST>,
) -> Result<Json<WishView>, Refusal> {
    let wish = wishes::give(&app, &name, WishVerb::RestartAgent, &order, &who, app.now());
    Ok(Json(wish.await?))
}

/// `DELETE /api/v1/hosts/NAME/restart-agent`.
pub(crate) async fn no_restart_agent(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(name): Named<HostName>,
) -> Result<Json<WishView>, Refusal> {
    let wish = wishes::take_back(&app, &name, WishVerb::RestartAgent, &who, app.now());
    Ok(Json(wish.await?))
}
