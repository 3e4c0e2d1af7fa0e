//! The board at a moment that is over.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use lockstep_model::HostName;
use lockstep_model::api::operator::BoardThen;
use serde::Deserialize;

use crate::app::App;
use crate::services::board_at;
use crate::web::{Question, Refusal};

/// Which moment, and of which host all items.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    at: Timestamp,
    host: Option<HostName>,
}

/// `GET /api/v1/board?at=TIME&host=NAME`.
pub(crate) async fn board(
    State(app): State<Arc<App>>,
    Question(asked): Question<Asked>,
) -> Result<Json<BoardThen>, Refusal> {
    let then = board_at::then(&app, asked.at, asked.host.as_ref(), app.now()).await?;
    Ok(Json(Arc::unwrap_or_clone(then)))
}
