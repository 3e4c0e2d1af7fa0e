//! Fleet files that were in force before.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use lockstep_model::api::operator::{FleetCompared, FleetVersion, FleetVersionText};
use serde::Deserialize;

use super::paging::{List, Page, Paging};
use crate::app::App;
use crate::services::fleet_past;
use crate::web::{Named, Question, Refusal};

const VERSIONS: List = List::whole("fleet-versions");

/// Which two.
#[derive(Debug, Deserialize)]
pub(crate) struct Two {
    before: u64,
    after: u64,
}

/// `GET /api/v1/fleet/versions`: newest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<FleetVersion>, Refusal> {
    let window = paging.window::<Reverse<u64>>(VERSIONS)?;
    let versions = fleet_past::list(&app).await?;
    Ok(window.of_all(versions, |it| Reverse(it.version)))
}

/// `GET /api/v1/fleet/versions/NUMBER`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Named(number): Named<u64>,
) -> Result<Json<FleetVersionText>, Refusal> {
    fleet_past::one(&app, number).await.map(Json)
}

/// `GET /api/v1/fleet/compare?before=A&after=B`.
pub(crate) async fn compare(
    State(app): State<Arc<App>>,
    Question(two): Question<Two>,
) -> Result<Json<FleetCompared>, Refusal> {
    fleet_past::compare(&app, two.before, two.after)
        .await
        .map(Json)
}
