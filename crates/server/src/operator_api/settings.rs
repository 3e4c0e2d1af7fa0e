//! What holds for all servers, and who did what.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use jiff::Timestamp;
use lockstep_model::api::operator::{AuditView, SetUpdates};

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::services::settings;
use crate::web::{JsonBody, Refusal};

/// Largest setting, in bytes.
const LARGEST: usize = 64 * 1024;
const AUDIT: List = List {
    name: "audit",
    some: 100,
    most: 1_000,
};

/// `GET /api/v1/settings/updates`.
pub(crate) async fn updates(State(app): State<Arc<App>>) -> Result<Json<SetUpdates>, Refusal> {
    let updates = settings::fleet_updates(&app).await?;
    Ok(Json(SetUpdates { updates }))
}

/// `PUT /api/v1/settings/updates`.
pub(crate) async fn set_updates(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(set): JsonBody<SetUpdates, LARGEST>,
) -> Result<StatusCode, Refusal> {
    settings::set_updates(&app, set.updates, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/audit?limit=N&cursor=C`: newest first.
pub(crate) async fn audit(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<AuditView>, Refusal> {
    let window = paging.window::<(Timestamp, String)>(AUDIT)?;
    let before = window.after.as_ref().map(|(at, id)| (*at, id.as_str()));
    let entries = app.store.audit_before(before, window.one_more()).await?;
    let page = window.cut(entries, |entry| (entry.at, entry.id.clone()));
    Ok(page.map(|entry| AuditView {
        at: entry.at,
        who: entry.who,
        what: entry.what,
    }))
}
