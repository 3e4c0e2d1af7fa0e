//! How the server stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use lockstep_model::api::operator::ServerStatus;

use crate::app::App;
use crate::services::status;
use crate::web::Refusal;

/// `GET /api/v1/status`.
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<Json<ServerStatus>, Refusal> {
    status::of(&app, app.now()).await.map(Json)
}
