//! `/me`: one's own password, sessions and API tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use lockstep_model::api::operator::{NewApiToken, Password, SetPassword};
use lockstep_model::{Interval, Role};
use lockstep_pages::me::{self, Own};
use serde::Deserialize;

use super::{LARGEST, Visit, done};
use crate::app::{App, Asker, SignedIn};
use crate::services::{api_tokens, sessions, users};
use crate::web::{FormBody, Refusal};

const PATH: &str = "/me";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(PATH, get(show))
        .route("/me/password", post(set_password))
        .route("/me/end-session", post(end_session))
        .route("/me/create-token", post(create_token))
        .route("/me/revoke-token", post(revoke_token))
}

/// The same user, who has no right to others' sessions and tokens here: an admin has another page for those.
fn as_nobody_else(asker: Asker) -> Asker {
    Asker {
        role: Role::Viewer,
        ..asker
    }
}

/// `GET /me`.
async fn show(
    State(app): State<Arc<App>>,
    visit: Visit,
    Extension(asker): Extension<Asker>,
) -> Result<Html<String>, Refusal> {
    let asker = as_nobody_else(asker);
    let view = Own {
        sessions: &sessions::list(&app, &asker, visit.now).await?,
        tokens: &api_tokens::list(&app, &asker, visit.now).await?,
        session: &visit.signed.id,
    };
    Ok(Html(me::page(&visit.frame(), &view)))
}

/// The form of one's new password.
#[derive(Debug, Deserialize)]
struct NewPassword {
    old: Password,
    password: Password,
    again: Password,
}

/// `POST /me/password`.
async fn set_password(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    FormBody(new): FormBody<NewPassword, LARGEST>,
) -> Result<Response, Refusal> {
    if new.password != new.again {
        return Err(Refusal::bad_request(
            "the new password was not typed the same twice; go back and type it again",
        ));
    }
    let set = SetPassword {
        password: new.password,
        old: Some(new.old),
    };
    users::set_password(&app, &asker, &signed.name, &set, app.now()).await?;
    Ok(done(
        PATH,
        "Your password is changed, and your other sessions have ended.",
    ))
}

/// A form that names a session or a token.
#[derive(Debug, Deserialize)]
struct One {
    id: String,
}

/// `POST /me/end-session`. Whoever ends the session by which he asks is sent to sign in by the redirect.
async fn end_session(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    FormBody(one): FormBody<One, LARGEST>,
) -> Result<Response, Refusal> {
    sessions::end(&app, &as_nobody_else(asker), &one.id, app.now()).await?;
    Ok(done(PATH, "The session has ended."))
}

/// The form of a new API token.
#[derive(Debug, Deserialize)]
struct Order {
    label: String,
    role: Role,
    /// Empty for one that has no end.
    #[serde(default)]
    valid: String,
}

/// `POST /me/create-token`: the answer is the only page with the secret, and no redirect, which would have to carry it.
async fn create_token(
    State(app): State<Arc<App>>,
    visit: Visit,
    Extension(asker): Extension<Asker>,
    FormBody(order): FormBody<Order, LARGEST>,
) -> Result<Html<String>, Refusal> {
    let valid = Some(order.valid.trim()).filter(|valid| !valid.is_empty());
    let new = NewApiToken {
        user: None,
        role: order.role,
        label: order.label.trim().to_owned(),
        valid_for: valid
            .map(Interval::parse)
            .transpose()
            .map_err(|error| Refusal::bad_request(error.to_string()))?,
    };
    let created = api_tokens::create(&app, &asker, &new, app.now()).await?;
    Ok(Html(me::token_created(&visit.frame(), &created)))
}

/// `POST /me/revoke-token`.
async fn revoke_token(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    FormBody(one): FormBody<One, LARGEST>,
) -> Result<Response, Refusal> {
    api_tokens::revoke(&app, &as_nobody_else(asker), &one.id, app.now()).await?;
    let said = format!("API token {} is revoked.", one.id);
    Ok(done(PATH, &said))
}
