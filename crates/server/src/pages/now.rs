//! `/hosts/NAME/items/ITEM/live`: one item as it is now.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Html;
use axum::routing::get;
use lockstep_model::{HostName, ItemName, ProblemKind};
use lockstep_pages::live::{self as draw, LivePage};

use super::Visit;
use crate::app::App;
use crate::services::live;
use crate::web::Refusal;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/hosts/{name}/items/{item}/live", get(one))
}

/// `GET /hosts/NAME/items/ITEM/live`. Why there is no value is said on the page: the next question may be answered.
async fn one(
    State(app): State<Arc<App>>,
    visit: Visit,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Html<String>, Refusal> {
    let Path((host, item)) = path.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let host: HostName = host
        .parse()
        .map_err(|error| Refusal::bad_request(format!("{error}")))?;
    let item: ItemName = item.parse().map_err(Refusal::bad_request)?;
    let found = match live::now(&app, &visit.signed.name, &host, &item).await {
        Err(refusal) if refusal.kind() == ProblemKind::NotFound => return Err(refusal),
        found => found,
    };
    let page = LivePage {
        host: &host,
        item: &item,
        now: found.as_ref().map_err(Refusal::detail),
        wait: found
            .as_ref()
            .map_or_else(|no| no.retry_after().as_secs(), |_| 1),
    };
    Ok(Html(draw::page(&visit.frame(), &page)))
}
