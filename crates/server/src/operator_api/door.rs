//! The door: which operator is it that asks?

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use lockstep_net::tls::PeerAddr;
use lockstep_trust::identity::{OperatorToken, same_secret};

use crate::app::{App, Operator};
use crate::web::Refusal;

/// Lets a request pass that carries an operator's token, and notes whose it is.
pub(crate) async fn known_operator(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = request
        .extensions()
        .get::<PeerAddr>()
        .map(|peer| peer.0.ip());
    match identify(&app, request.headers()).await {
        Ok(Some(operator)) => {
            request.extensions_mut().insert(operator);
            next.run(request).await
        }
        Ok(None) => turn_away(&app, address).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// A good token always passes: who shares an address with a stranger that tries out bad ones is not locked out. The
/// stranger is slowed down, and soon no longer heard of in the log.
fn turn_away(app: &App, address: Option<IpAddr>) -> Refusal {
    let now = app.now();
    if let Some(address) = address {
        if let Some(wait) = app.bad_operators.must_wait(address, now) {
            let words = "too many requests with bad tokens came from this address";
            return Refusal::busy(words, wait);
        }
        app.bad_operators.failed(address, now);
    }
    tracing::warn!(?address, "turned away a request with a bad operator token");
    Refusal::not_authenticated("the operator token is not one of this server's")
}

/// The operator whose token the request carries; none if it is not a good one.
async fn identify(app: &App, headers: &HeaderMap) -> Result<Option<Operator>, Refusal> {
    let Some(bearer) = headers
        .get(AUTHORIZATION)
        .and_then(|value| bearer(value.as_bytes()))
    else {
        return Err(Refusal::not_authenticated(
            "an operator's token is needed here: \"authorization: Bearer TOKEN\"; it is in operator.toml",
        ));
    };
    let Ok(token) = OperatorToken::parse(bearer) else {
        return Ok(None);
    };
    let Some(row) = app.store.operator_secret(token.id()).await? else {
        return Ok(None);
    };
    if !same_secret(&row.secret_hash, &token.secret_hash()) {
        return Ok(None);
    }
    Ok(Some(Operator(row.name)))
}

/// The token behind `Bearer ` (RFC 6750); the scheme's name has no case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
