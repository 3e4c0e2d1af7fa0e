//! What people say of runs that have stopped, and the chain of everything that was recorded.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use lockstep_model::api::operator::{ChainPage, CommandRun};
use lockstep_model::{RunCommand, RunId, RunVerb};
use serde::Deserialize;

use crate::app::{App, Operator};
use crate::services::run_commands;
use crate::web::{JsonBody, Pair, Question, Refusal};

/// Largest order, in bytes.
const LARGEST: usize = 4 * 1024;

/// `POST /api/v1/runs/ID/retry` or `skip`.
pub(crate) async fn command(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Pair(id, verb): Pair<RunId, String>,
    JsonBody(order): JsonBody<CommandRun, LARGEST>,
) -> Result<Json<RunCommand>, Refusal> {
    let verb = match verb.as_str() {
        "retry" => RunVerb::Retry,
        "skip" => RunVerb::Skip,
        _ => {
            return Err(Refusal::not_found(
                "a run knows the commands retry and skip",
            ));
        }
    };
    let command = run_commands::give(&app, &id, verb, &order.why, &who, app.now()).await?;
    Ok(Json(command))
}

/// From where on the chain is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    after: u64,
}

/// `GET /api/v1/audit/chain?after=NUMBER`: oldest first, at most [`ChainPage::MOST`].
pub(crate) async fn chain(
    State(app): State<Arc<App>>,
    Question(After { after }): Question<After>,
) -> Result<Json<ChainPage>, Refusal> {
    Ok(Json(app.store.chain_after(after, ChainPage::MOST).await?))
}
