//! How a host gets its certificate and the root of its trust.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::CONTENT_TYPE;
use lockstep_model::api::{EnrollAnswer, EnrollRequest, RenewAnswer, RenewRequest};
use lockstep_net::tls::PeerAddr;

use crate::app::{App, Caller};
use crate::services::enrolment::{self, NotEnrolled};
use crate::web::{JsonBody, Refusal};

/// Largest enrolment or renewal, in bytes: a certificate request has one or two thousand.
const LARGEST: usize = 64 * 1024;

/// `POST /agent/v1/enroll`.
pub(crate) async fn enroll(
    State(app): State<Arc<App>>,
    Extension(PeerAddr(address)): Extension<PeerAddr>,
    JsonBody(request): JsonBody<EnrollRequest, LARGEST>,
) -> Result<Json<EnrollAnswer>, Refusal> {
    let now = app.now();
    if let Some(wait) = app.bad_enrolments.must_wait(address.ip(), now) {
        return Err(Refusal::busy(
            "too many enrolments with bad tokens came from this address",
            wait,
        ));
    }
    match enrolment::enroll(&app, &request, now).await {
        Ok(answer) => Ok(Json(answer)),
        Err(NotEnrolled::Other(refusal)) => Err(refusal),
        Err(NotEnrolled::BadToken(refusal)) => {
            tracing::warn!(%address, host = %request.name, ?refusal, "refused an enrolment");
            app.bad_enrolments.failed(address.ip(), now);
            Err(refusal)
        }
    }
}

/// `POST /agent/v1/renew`.
pub(crate) async fn renew(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    JsonBody(request): JsonBody<RenewRequest, LARGEST>,
) -> Result<Json<RenewAnswer>, Refusal> {
    let now = app.now();
    enrolment::renew(&app, &host, &request, now).await.map(Json)
}

/// `GET /agent/v1/root`: for a host that enrolled before the publisher made the repository's first root.
pub(crate) async fn root(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    match enrolment::first_root(&app).await? {
        Some(root) => Ok(([(CONTENT_TYPE, "application/json")], root).into_response()),
        None => Err(Refusal::not_found(
            "the publisher has not made the repository's root yet; nothing can be released before",
        )),
    }
}
