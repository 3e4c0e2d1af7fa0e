//! What surrounds the handlers of all gateways over HTTP: who may connect, how large a request may be, how long it may
//! take, how many are answered at once, and a line in the log for each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use lockstep_net::tls::PeerAddr;
use tokio::sync::Semaphore;

use crate::Senders;

/// Largest request body of any of them, in bytes.
const LARGEST_BODY: usize = 64 * 1024;
/// How long a request may take until its answer begins.
const LONGEST: Duration = Duration::from_secs(30);

/// Puts a gateway's routes behind their bounds. `busy` is the protocol's way of saying "later".
pub(crate) fn bounded(
    routes: Router,
    gateway: &'static str,
    senders: Senders,
    at_once: usize,
    busy: fn() -> Response,
) -> Router {
    let places = Arc::new(Semaphore::new(at_once));
    routes
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(move |request: Request, next: Next| {
            let (senders, places) = (senders.clone(), Arc::clone(&places));
            async move {
                let from = address(&request);
                if !from.is_some_and(|from| senders.admit(from)) {
                    tracing::info!(gateway, from = from.map(tracing::field::display), "refused: it is not among the senders");
                    return StatusCode::FORBIDDEN.into_response();
                }
                let Ok(_place) = places.try_acquire() else {
                    return busy();
                };
                let (method, path) = (request.method().clone(), request.uri().path().to_owned());
                let answer = tokio::time::timeout(LONGEST, next.run(request)).await;
                let answer = answer.unwrap_or_else(|_| busy());
                let status = answer.status().as_u16();
                tracing::info!(gateway, from = from.map(tracing::field::display), %method, path, status, "asked");
                answer
            }
        }))
}

/// Where a request comes from.
pub(crate) fn address(request: &Request) -> Option<IpAddr> {
    let PeerAddr(address) = request.extensions().get::<PeerAddr>()?;
    Some(address.ip().to_canonical())
}
