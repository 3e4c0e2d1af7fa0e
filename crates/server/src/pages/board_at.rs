//! The board at a moment that is over.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use lockstep_model::HostName;
use lockstep_pages::board_at::Moment;
use serde::Deserialize;

use super::Visit;
use crate::app::App;
use crate::services::board_at;
use crate::web::{Question, Refusal};

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/board", get(board))
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    at: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    page: usize,
}

/// `GET /board?at=TIME&host=NAME&page=N`; now without a time.
async fn board(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(asked): Question<Asked>,
) -> Result<Html<String>, Refusal> {
    let at = board_at::moment(&asked.at, visit.now)?;
    let host = Some(asked.host.trim()).filter(|host| !host.is_empty());
    let host = host.map(HostName::parse).transpose();
    let host = host.map_err(|error| Refusal::bad_request(format!("host: {error}")))?;
    let then = board_at::then(&app, at, host.as_ref(), visit.now).await?;
    let shown = Moment {
        then: &then,
        host: host.as_ref(),
        oldest: board_at::oldest(visit.now),
        page: asked.page,
    };
    Ok(Html(shown.draw(&visit.frame())))
}
