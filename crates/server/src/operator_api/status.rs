//! How the server stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use lockstep_model::api::operator::ServerStatus;

use crate::app::App;
use crate::services::{hosts, lock_views, rollouts, settings};
use crate::web::Refusal;

/// `GET /api/v1/status`.
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<Json<ServerStatus>, Refusal> {
    let now = app.now();
    let counts = hosts::count(&app, now).await?;
    Ok(Json(ServerStatus {
        version: app.version.clone(),
        now,
        database: app.config.database_url().kind().into(),
        hosts: counts.enrolled,
        silent: counts.silent,
        active_rollouts: rollouts::count_active(&app).await?,
        updates: settings::updates(&app).await?,
        targets_version: app.store.targets_version().await?,
        stopped_runs: app.store.count_stopped_runs().await?,
        locks_held: lock_views::count_held(&app).await?,
        fleet_refused: app.fleet.refused(),
    }))
}
