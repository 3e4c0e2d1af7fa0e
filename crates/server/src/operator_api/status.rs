//! How the server stands.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use lockstep_model::Role;
use lockstep_model::api::operator::ServerStatus;

use crate::app::App;
use crate::services::status;
use crate::web::Refusal;

/// `GET /api/v1/status`, and the same at `/status`: that address is easy to remember in a script.
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Extension(role): Extension<Role>,
) -> Result<Json<ServerStatus>, Refusal> {
    status::of(&app, role, app.now()).await.map(Json)
}
