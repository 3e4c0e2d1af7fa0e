//! What holds for all servers, and who did what.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::api::operator::{AuditView, SetUpdates};
use serde::Deserialize;

use crate::app::{App, Operator};
use crate::services::settings;
use crate::web::{JsonBody, Question, Refusal};

/// Largest setting, in bytes.
const LARGEST: usize = 64 * 1024;
/// Audit entries that are sent when nothing else is asked for, and at most.
const SOME: u32 = 100;
const MOST: u32 = 10_000;

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

/// How much of the audit trail is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct HowMany {
    limit: Option<u32>,
}

/// `GET /api/v1/audit?limit=N`: newest first.
pub(crate) async fn audit(
    State(app): State<Arc<App>>,
    Question(HowMany { limit }): Question<HowMany>,
) -> Result<Json<Vec<AuditView>>, Refusal> {
    let limit = limit.unwrap_or(SOME).min(MOST);
    let entries = app.store.audit(limit).await?;
    let views = entries.into_iter().map(|entry| AuditView {
        at: entry.at,
        who: entry.who,
        what: entry.what,
    });
    Ok(Json(views.collect()))
}
