//! The one way to say no: a problem document (RFC 9457).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use lockstep_model::api::Desired;
use lockstep_model::{Problem, ProblemKind};

/// A refused request: a problem document, and when to ask again.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem::new(kind, detail)),
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::BadRequest, detail)
    }

    pub(crate) fn not_authenticated(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotAuthenticated, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    pub(crate) fn too_large(max: u64) -> Self {
        Self::new(
            ProblemKind::TooLarge,
            format!("the body is larger than the {max} bytes that are taken here"),
        )
    }

    pub(crate) fn busy(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(ProblemKind::Busy, detail)
        }
    }

    /// The server failed. The cause goes to the log with `doing`; the caller learns only that it was not his fault.
    pub(crate) fn internal(doing: &str, error: &dyn std::error::Error) -> Self {
        let mut cause = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            cause = format!("{cause}: {error}");
            source = error.source();
        }
        tracing::error!(doing, cause, "a request failed in the server");
        Self::new(
            ProblemKind::Internal,
            format!("the server failed while {doing}; its log says why"),
        )
    }

    /// What kind of refusal it is.
    pub(crate) fn kind(&self) -> ProblemKind {
        self.problem.kind
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// When to ask again.
    pub(crate) fn retry_after(&self) -> Duration {
        self.retry_after.unwrap_or(Duration::from_secs(5))
    }

    /// What is said to the caller.
    pub(crate) fn detail(&self) -> &str {
        &self.problem.detail
    }

    /// The same refusal under a status of its own, where a kind covers several.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.problem.status = status.as_u16();
        self
    }

    /// The same refusal with what was done before it.
    pub(crate) fn after(mut self, done: &str) -> Self {
        self.problem.detail = format!("{done}: {}", self.problem.detail);
        self
    }

    pub(crate) fn with_wanted(mut self, wanted: Option<Desired>) -> Self {
        self.problem.wanted = wanted;
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        tracing::debug!(status = status.as_u16(), kind = ?self.problem.kind, detail = self.problem.detail, "refused");
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds (RFC 9110, section 10.2.3), rounded up so that nobody comes too early.
            let seconds = wait.as_millis().div_ceil(1000).clamp(1, 86_400) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<lockstep_store::Error> for Refusal {
    /// What the store says about the request goes to the caller, what it says about itself to the log.
    fn from(error: lockstep_store::Error) -> Self {
        use lockstep_store::Error as Store;
        let kind = match &error {
            Store::TokenRefused(_) => ProblemKind::TokenRefused,
            Store::HostExists { .. }
            | Store::KeyNotOfHost { .. }
            | Store::RunOfOtherHost { .. }
            | Store::RunNotStopped { .. }
            | Store::TooManyLocks { .. }
            | Store::TooManyTokens { .. }
            | Store::TooManyKiosks { .. }
            | Store::TooManyViews { .. }
            | Store::LastAdmin { .. }
            | Store::PublishConflict { .. }
            | Store::RolloutChanged { .. } => ProblemKind::Conflict,
            Store::HostUnknown { .. } | Store::RolloutUnknown { .. } => ProblemKind::NotFound,
            Store::TooLarge { .. } | Store::ArtifactTooLong { .. } => ProblemKind::TooLarge,
            Store::NotStorable { .. }
            | Store::ArtifactDiffers { .. }
            | Store::ArtifactCutOff { .. } => ProblemKind::BadRequest,
            Store::Busy { .. } | Store::Closed => {
                let wait = Duration::from_millis(fastrand::u64(1_000..5_000));
                return Self::busy(error.to_string(), wait);
            }
            _ => return Self::internal("using its database", &error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Database { source, .. } => source.into(),
            other => Self::internal("handling the request", &other),
        }
    }
}
