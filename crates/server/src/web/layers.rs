//! What surrounds every handler: a request id, a limit on how many are answered at once, a limit of time, and
//! problem documents for addresses and methods that do not exist.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use lockstep_model::api::AgentHeaders;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::Refusal;
use super::drain::drained;

/// How long a request may take, its body included; downloads, uploads and streams go by their own rules.
pub(super) const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// Places for requests that are being answered.
#[derive(Debug, Clone)]
struct InFlight {
    free: Arc<Semaphore>,
}

impl InFlight {
    fn begin(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            // Spread, so that those who were turned away do not come back together.
            let wait = Duration::from_millis(fastrand::u64(1_000..5_000));
            Refusal::busy("the server answers as many requests as it can", wait)
        })
    }
}

/// Routes whose requests take a moment: at most `at_once` of them are answered at the same time, each in at most
/// [`LONGEST_REQUEST`]. Routes without this bound themselves.
pub(crate) fn quick(routes: Router, at_once: usize) -> Router {
    let in_flight = InFlight {
        free: Arc::new(Semaphore::new(at_once)),
    };
    routes
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(in_flight, counted))
}

/// Everything of a listener: what is nowhere among its routes is a problem document, and every request has an id.
pub(crate) fn listener(routes: Router) -> Router {
    routes
        .fallback(no_such_address)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(drained))
        .layer(from_fn(identified))
}

async fn no_such_address(uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(200).collect();
    Refusal::not_found(format!("there is nothing at {path}"))
}

/// The router adds `Allow` (RFC 9110, sections 9.3.7 and 15.5.6).
async fn no_such_method(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let path: String = uri.path().chars().take(200).collect();
    let method: String = method.as_str().chars().take(40).collect();
    Refusal::bad_request(format!("{path} does not know the method {method}"))
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .into_response()
}

async fn counted(State(in_flight): State<InFlight>, request: Request, next: Next) -> Response {
    match in_flight.begin() {
        Ok(_permit) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Has what changes something go on to its end when whoever asked goes away or runs out of time, so that what was done is
/// also noted. Requests that change nothing end with their asker.
pub(crate) async fn to_the_end(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let work = tokio::time::timeout(LONGEST_REQUEST * 4, next.run(request));
    match tokio::spawn(work.in_current_span()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Refusal::bad_request("the request took too long")
            .with_status(StatusCode::REQUEST_TIMEOUT)
            .into_response(),
        Err(error) => Refusal::internal("handling the request", &error).into_response(),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LONGEST_REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::bad_request(format!(
            "the request was not complete after {} s",
            LONGEST_REQUEST.as_secs()
        ))
        .with_status(StatusCode::REQUEST_TIMEOUT)
        .into_response(),
    }
}

/// Gives the request the id that it came with, or a new one; it stands in the log and in the answer.
async fn identified(request: Request, next: Next) -> Response {
    let header = HeaderName::from_static(AgentHeaders::REQUEST_ID);
    let id = request
        .headers()
        .get(&header)
        .filter(|id| is_plain(id))
        .cloned()
        .unwrap_or_else(|| {
            HeaderValue::from_str(&format!("{:016x}", fastrand::u64(..)))
                .expect("hexadecimal digits are a header value")
        });
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    response.headers_mut().insert(header, id);
    response
}

/// A request id that can stand in a log: up to 64 letters, digits and hyphens.
fn is_plain(id: &HeaderValue) -> bool {
    (1..=64).contains(&id.len())
        && id
            .as_bytes()
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}
