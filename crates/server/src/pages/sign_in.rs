//! Signing in and out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use lockstep_model::ProblemKind;
use lockstep_model::api::operator::Password;
use lockstep_pages::sign_in::{self, SignIn};
use serde::Deserialize;

use super::{door, visit};
use crate::app::{App, SignedIn};
use crate::services::sessions::{self, Use};
use crate::web::{FormBody, Nothing, OpenForm, Question, Refusal, peer_ip};

/// Largest form, in bytes: the longest password, each byte of it escaped, and an address.
const LARGEST: usize = 8 * 1024;

/// Where the visitor wanted to go.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    to: String,
}

/// The form.
#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: Password,
    #[serde(default)]
    to: String,
}

/// The routes; signing out needs a session.
pub(super) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let out = Router::new()
        .route("/sign-out", post(sign_out))
        .route_layer(from_fn_with_state(Arc::clone(app), door::signed_in));
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .merge(out)
}

/// `GET /sign-in?to=PATH`.
async fn show(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Question(Wanted { to }): Question<Wanted>,
) -> Result<Response, Refusal> {
    let to = visit::local(&to).unwrap_or("/");
    if sessions::of_cookie(&app, &headers, Use::ByHand, app.now())
        .await?
        .is_some()
    {
        return Ok(visit::see(to));
    }
    let page = sign_in::page(&SignIn {
        name: "",
        to,
        refused: None,
        theme: visit::theme(&headers),
    });
    Ok(Html(page).into_response())
}

/// `POST /sign-in`: the page again if it was refused, without saying which of the two was wrong.
async fn sign_in(State(app): State<Arc<App>>, request: Request) -> Response {
    let theme = visit::theme(request.headers());
    let from = peer_ip(request.extensions());
    let form = <OpenForm<Credentials, LARGEST> as axum::extract::FromRequest<()>>::from_request(
        request,
        &(),
    );
    let OpenForm(Credentials { name, password, to }) = match form.await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let to = visit::local(&to).unwrap_or("/");
    match sessions::sign_in(&app, name.trim(), &password, from, app.now()).await {
        Ok(new) => with_cookie(visit::see(to), &new.cookie),
        Err(refusal) => again(
            &refusal,
            &SignIn {
                name: &name,
                to,
                refused: Some(refusal.detail()),
                theme,
            },
        ),
    }
}

/// The form again, with the status of the refusal; a failure of the server is told as such.
fn again(refusal: &Refusal, form: &SignIn<'_>) -> Response {
    let page = Html(sign_in::page(form));
    match refusal.kind() {
        ProblemKind::NotAuthenticated => (StatusCode::UNAUTHORIZED, page).into_response(),
        ProblemKind::Busy => {
            let wait = HeaderValue::from(refusal.retry_after().as_secs().max(1));
            (refusal.status(), [(RETRY_AFTER, wait)], page).into_response()
        }
        _ => (refusal.status(), page).into_response(),
    }
}

/// `POST /sign-out`.
async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    sessions::sign_out(&app, &signed, app.now()).await?;
    Ok(with_cookie(visit::see("/sign-in"), &sessions::no_cookie()))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut cookie) = HeaderValue::from_str(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
