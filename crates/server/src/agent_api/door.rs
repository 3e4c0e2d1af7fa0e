//! The door: who is the host that asks?

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lockstep_net::tls::PeerCertificate;
use lockstep_trust::identity::PeerIdentity;

use crate::app::{App, Caller};
use crate::web::Refusal;

/// Lets a request pass whose certificate is valid now, and notes whose it is.
pub(crate) async fn known_host(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let certificate = request.extensions().get::<PeerCertificate>().cloned();
    match identify(&app, certificate).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn identify(app: &App, certificate: Option<PeerCertificate>) -> Result<Caller, Refusal> {
    let Some(certificate) = certificate else {
        return Err(Refusal::not_authenticated(
            "a host's certificate is needed here; enrol first: lockstep agent enroll",
        ));
    };
    let peer = PeerIdentity::from_der(&certificate.0)
        .map_err(|error| Refusal::not_authenticated(error.to_string()))?;
    let holder = app
        .store
        .certificate_holder(&peer.serial, app.now())
        .await?;
    if holder.as_ref() == Some(&peer.host) {
        return Ok(Caller(peer.host));
    }
    tracing::info!(host = %peer.host, serial = peer.serial, "turned away a certificate that is no longer valid");
    Err(Refusal::not_authenticated(format!(
        "the certificate of {} was revoked or has expired; enrol the host again",
        peer.host
    )))
}
