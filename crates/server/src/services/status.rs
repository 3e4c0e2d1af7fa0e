//! How the server stands.

use jiff::Timestamp;
use lockstep_model::api::operator::ServerStatus;

use super::{hosts, lock_views, rollouts, settings};
use crate::app::App;
use crate::web::Refusal;

/// The figures of now.
pub(crate) async fn of(app: &App, now: Timestamp) -> Result<ServerStatus, Refusal> {
    let counts = hosts::count(app, now).await?;
    Ok(ServerStatus {
        version: app.version.clone(),
        now,
        database: app.config.database_url().kind().into(),
        hosts: counts.enrolled,
        silent: counts.silent,
        active_rollouts: rollouts::count_active(app).await?,
        updates: settings::updates(app).await?,
        targets_version: app.store.targets_version().await?,
        stopped_runs: app.store.count_stopped_runs().await?,
        locks_held: lock_views::count_held(app).await?,
        fleet_refused: app.fleet.refused(),
    })
}
