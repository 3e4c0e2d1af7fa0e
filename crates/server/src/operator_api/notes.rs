//! One item now, the processes at a host's last problem, and the programs that hosts run to look at something.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::{Extension, Json};
use axum::extract::{Path, State};
use lockstep_model::api::operator::ProbeView;
use lockstep_model::api::{ItemNow, ProcessesSeen};
use lockstep_model::{HostName, ItemName};

use super::paging::{List, Page, Paging};
use crate::app::{App, Asker};
use crate::services::{live, notes};
use crate::web::{Named, Refusal};

const PROBES: List = List {
    name: "probes",
    some: 1_000,
    most: 5_000,
};

/// `GET /api/v1/hosts/NAME/items/ITEM/now`: from the host itself, measured now where that is cheap.
pub(crate) async fn now(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<ItemNow>, Refusal> {
    let Path((host, item)) = path.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let host: HostName = host
        .parse()
        .map_err(|error| Refusal::bad_request(format!("{error}")))?;
    let item: ItemName = item.parse().map_err(Refusal::bad_request)?;
    live::now(&app, &asker.name, &host, &item).await.map(Json)
}

/// `GET /api/v1/hosts/NAME/processes`: who was at work when something went wrong on it last.
pub(crate) async fn processes(
    State(app): State<Arc<App>>,
    Named(host): Named<HostName>,
) -> Result<Json<ProcessesSeen>, Refusal> {
    notes::processes(&app, &host).await.map(Json)
}

/// `GET /api/v1/probes?limit=N&cursor=C`: by name, then by host.
pub(crate) async fn probes(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<ProbeView>, Refusal> {
    let window = paging.window::<notes::PlaceOfProbe>(PROBES)?;
    let board = app.boards.read(&app).await?;
    Ok(window.of_all(notes::probes(&board), notes::place))
}
