//! Enrolment tokens.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use jiff::Timestamp;
use lockstep_model::api::operator::{CreatedToken, NewToken, TokenView};

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::services::tokens;
use crate::web::{Id, JsonBody, Named, Refusal};

const TOKENS: List = List::whole("tokens");
/// Largest order for a token, in bytes.
const LARGEST: usize = 64 * 1024;

/// `POST /api/v1/tokens`.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(new): JsonBody<NewToken, LARGEST>,
) -> Result<(StatusCode, Json<CreatedToken>), Refusal> {
    let created = tokens::make(&app, &new, &who, app.now()).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// `GET /api/v1/tokens`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<TokenView>, Refusal> {
    let window = paging.window::<(Reverse<Timestamp>, String)>(TOKENS)?;
    let place = |token: &TokenView| (Reverse(token.expires_at), token.id.clone());
    let mut tokens = tokens::list(&app).await?;
    tokens.sort_by_cached_key(place);
    Ok(window.of_all(tokens, place))
}

/// `DELETE /api/v1/tokens/ID`.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(Id(id)): Named<Id>,
) -> Result<StatusCode, Refusal> {
    tokens::revoke(&app, &id, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
