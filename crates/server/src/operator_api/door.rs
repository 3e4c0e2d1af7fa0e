//! The door: who is it that asks, and what may he do?
//!
//! Programs bring an API token, pages the cookie of their session. A token may do what its role says and no more than its
//! user. A request by a session that changes something carries the session's CSRF token in `x-csrf-token`, and must not come
//! from another site.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode, Uri};
use lockstep_model::{ProblemKind, Role};
use lockstep_trust::identity::{OperatorToken, same_secret};

use crate::app::{App, Asker, By, Operator};
use crate::services::api_tokens;
use crate::services::sessions::{self, Use};
use crate::web::{Refusal, cookie, peer_ip, same_origin};

/// The header with the CSRF token of the session by whose cookie a request comes.
const CSRF: &str = "x-csrf-token";

/// Lets a request pass that carries a good API token or the cookie of a session, and notes whose it is: as [`Operator`],
/// as [`Role`], and as [`Asker`].
pub(crate) async fn known_operator(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = peer_ip(request.extensions());
    let known = if request.headers().contains_key(AUTHORIZATION) {
        by_token(&app, request.headers(), from).await
    } else if cookie(request.headers(), sessions::COOKIE).is_some() {
        by_session(
            &app,
            request.method(),
            request.uri(),
            request.headers(),
            from,
        )
        .await
    } else {
        Err(needed())
    };
    match known {
        Ok(asker) => {
            let extensions = request.extensions_mut();
            extensions.insert(Operator(asker.name.to_string()));
            extensions.insert(asker.role);
            extensions.insert(asker);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets operators and admins pass, behind [`known_operator`].
pub(crate) async fn needs_operator(request: Request, next: Next) -> Response {
    needs(Role::Operator, request, next).await
}

/// Lets admins pass, behind [`known_operator`].
pub(crate) async fn needs_admin(request: Request, next: Next) -> Response {
    needs(Role::Admin, request, next).await
}

async fn needs(needed: Role, request: Request, next: Next) -> Response {
    match request.extensions().get::<Asker>() {
        Some(asker) if asker.role >= needed => next.run(request).await,
        Some(asker) => Refusal::new(
            ProblemKind::NotAllowed,
            format!(
                "this needs the role {needed}; {} has the role {} here",
                asker.name, asker.role
            ),
        )
        .into_response(),
        None => self::needed().into_response(),
    }
}

fn needed() -> Refusal {
    Refusal::not_authenticated(
        "an operator's token is needed here: \"authorization: Bearer TOKEN\"; it is in operator.toml",
    )
}

async fn by_token(app: &App, headers: &HeaderMap, from: IpAddr) -> Result<Asker, Refusal> {
    let header = headers.get(AUTHORIZATION);
    let Some(bearer) = header.and_then(|value| bearer(value.as_bytes())) else {
        return Err(needed());
    };
    let known = match OperatorToken::parse(bearer) {
        Ok(token) => api_tokens::identify(app, &token, app.now()).await?,
        Err(_) => None,
    };
    let Some(known) = known else {
        return Err(turn_away(app, from));
    };
    Ok(Asker {
        name: known.user,
        role: known.role,
        by: By::Token,
        session: None,
        from,
    })
}

async fn by_session(
    app: &App,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    from: IpAddr,
) -> Result<Asker, Refusal> {
    let Some(signed) =
        sessions::of_cookie(app, headers, Use::of(uri.path(), headers), app.now()).await?
    else {
        return Err(Refusal::not_authenticated(
            "the session is over; sign in again",
        ));
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        same_origin(headers, uri)?;
        let csrf = headers.get(CSRF).and_then(|value| value.to_str().ok());
        if !same_secret(csrf.unwrap_or_default(), &signed.csrf) {
            return Err(Refusal::new(
                ProblemKind::NotAllowed,
                format!(
                    "a request by a session that changes something carries the session's {CSRF}"
                ),
            ));
        }
    }
    Ok(signed.asker(from))
}

/// A good token always passes: who shares an address with a stranger that tries out bad ones is not locked out. The
/// stranger is slowed down, and soon no longer heard of in the log.
fn turn_away(app: &App, address: IpAddr) -> Refusal {
    let now = app.now();
    if let Some(wait) = app.bad_operators.must_wait(address, now) {
        let words = "too many requests with bad tokens came from this address";
        return Refusal::busy(words, wait).with_status(StatusCode::TOO_MANY_REQUESTS);
    }
    app.bad_operators.failed(address, now);
    tracing::warn!(%address, "turned away a request with a bad operator token");
    Refusal::not_authenticated(
        "the operator token is not one of this server's, or its time is over",
    )
}

/// The token behind `Bearer ` (RFC 6750); the scheme's name has no case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
