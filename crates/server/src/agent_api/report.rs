//! What hosts say, and what they are told.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use lockstep_model::api::{AgentHeaders, Report, ReportAnswer};
use lockstep_model::{RunRecord, Version};

use crate::app::{App, Caller};
use crate::services::reports;
use crate::web::{JsonBody, Refusal};

/// Largest report, in bytes: some thousands of items.
const LARGEST_REPORT: usize = 1024 * 1024;
/// Largest record of a run, in bytes: its log, every byte of which JSON may write as six.
const LARGEST_RUN: usize = 256 * 1024;

/// `GET /agent/v1/ping`: the whole way there and back, the certificate included. The version policy is not
/// applied: a version that is not wanted can reach the server all the same.
pub(crate) async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `POST /agent/v1/report`.
pub(crate) async fn report(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(report): JsonBody<Report, LARGEST_REPORT>,
) -> Result<Json<ReportAnswer>, Refusal> {
    let version = agent_version(&headers, &report)?;
    reports::receive(&app, &host, &version, &report, app.now())
        .await
        .map(Json)
}

/// `POST /agent/v1/runs`.
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    JsonBody(record): JsonBody<RunRecord, LARGEST_RUN>,
) -> Result<StatusCode, Refusal> {
    reports::receive_run(&app, &host, &record, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The version of the agent that speaks: what its header says, and without one what it reports as installed.
fn agent_version(headers: &HeaderMap, report: &Report) -> Result<Version, Refusal> {
    if let Some(value) = headers.get(AgentHeaders::VERSION) {
        return value
            .to_str()
            .ok()
            .and_then(|text| Version::parse(text).ok())
            .ok_or_else(|| {
                Refusal::bad_request(format!(
                    "the header {} must be a version such as \"1.4.0\"",
                    AgentHeaders::VERSION
                ))
            });
    }
    reports::agent_in(report)
        .map(|installed| installed.version.clone())
        .ok_or_else(|| {
            Refusal::bad_request(format!(
                "neither the header {} nor installed says which version of the agent reports",
                AgentHeaders::VERSION
            ))
        })
}
