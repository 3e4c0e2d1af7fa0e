//! Enrolment tokens.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use jiff::Timestamp;
use lockstep_model::Interval;
use lockstep_model::api::operator::{CreatedToken, NewToken, TokenView};

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::services::{audit, tokens};
use crate::web::{JsonBody, Named, Refusal};

const TOKENS: List = List::whole("tokens");
/// Largest order for a token, in bytes.
const LARGEST: usize = 64 * 1024;
/// A token that enrols more hosts than this, or longer, is a password that everybody knows.
const MOST_USES: u32 = 100_000;
const LONGEST: Interval = Interval::from_secs(366 * 86_400);

/// `POST /api/v1/tokens`.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(new): JsonBody<NewToken, LARGEST>,
) -> Result<(StatusCode, Json<CreatedToken>), Refusal> {
    if !(1..=MOST_USES).contains(&new.uses) {
        return Err(Refusal::bad_request(format!(
            "uses: {} must be between 1 and {MOST_USES}",
            new.uses
        )));
    }
    if new.valid_for > LONGEST {
        return Err(Refusal::bad_request(format!(
            "valid_for: {} is longer than {LONGEST}",
            new.valid_for
        )));
    }
    let now = app.now();
    let order = tokens::Order {
        uses: new.uses,
        valid_for: new.valid_for,
        host: new.host.clone(),
        by: &who,
    };
    let created = tokens::create(
        &app.store,
        &app.authority,
        &app.addresses.agents,
        &order,
        now,
    )
    .await?;
    let whom = new.host.map_or_else(
        || format!("{} hosts", new.uses),
        |host| format!("host {host}"),
    );
    let what = format!(
        "made an enrolment token for {whom}, valid for {}",
        new.valid_for
    );
    audit::note(&app, &who, &what, now).await;
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
    Named(id): Named<String>,
) -> Result<StatusCode, Refusal> {
    if !app.store.revoke_token(&id).await? {
        return Err(Refusal::not_found(
            "there is no such token, or it was revoked before",
        ));
    }
    audit::note(
        &app,
        &who,
        &format!("revoked enrolment token {id}"),
        app.now(),
    )
    .await;
    Ok(StatusCode::NO_CONTENT)
}
