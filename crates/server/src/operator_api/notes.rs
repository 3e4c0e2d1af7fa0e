//! One item now, the processes at a host's last problem, and the programs that hosts run to look at something.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use lockstep_model::api::operator::ProbeView;
use lockstep_model::api::{ItemNow, ProcessesSeen};
use lockstep_model::{HostName, ItemName};
use serde::Deserialize;

use super::paging::{List, Page, Paging};
use crate::app::{App, Asker};
use crate::services::{live, notes};
use crate::web::{Named, Question, Refusal};

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

/// On which host.
#[derive(Debug, Deserialize)]
pub(crate) struct OnHost {
    host: Option<HostName>,
}

/// `GET /api/v1/probes?host=NAME&limit=N&cursor=C`: by name, then by host.
pub(crate) async fn probes(
    State(app): State<Arc<App>>,
    Question(OnHost { host }): Question<OnHost>,
    paging: Paging,
) -> Result<Page<ProbeView>, Refusal> {
    let window = paging.window::<notes::PlaceOfProbe>(PROBES)?;
    let wanted = window.one_more() as usize;
    let found = notes::some_probes(&app, host.as_ref(), window.after.as_ref(), wanted).await?;
    Ok(window.cut(found, notes::place))
}
