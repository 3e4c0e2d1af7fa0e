//! Problem documents (RFC 9457): every error on the wire, of both APIs.

use serde::{Deserialize, Serialize};

use crate::api::Desired;

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name for programs.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, where, and what to do, in one or two sentences.
    pub detail: String,
    /// With [`ProblemKind::UpgradeRequired`]: the version wanted, and where to get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Desired>,
}

/// The `type` of a problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The request cannot be understood.
    #[serde(rename = "urn:lockstep:problem:bad-request")]
    BadRequest,
    /// No valid certificate or token came with the request.
    #[serde(rename = "urn:lockstep:problem:not-authenticated")]
    NotAuthenticated,
    /// The enrolment token is unknown, expired or used up.
    #[serde(rename = "urn:lockstep:problem:token-refused")]
    TokenRefused,
    /// Who asks is known but may not do this.
    #[serde(rename = "urn:lockstep:problem:not-allowed")]
    NotAllowed,
    /// What was asked for does not exist.
    #[serde(rename = "urn:lockstep:problem:not-found")]
    NotFound,
    /// The request contradicts what the server holds.
    #[serde(rename = "urn:lockstep:problem:conflict")]
    Conflict,
    /// The body is larger than the server takes.
    #[serde(rename = "urn:lockstep:problem:too-large")]
    TooLarge,
    /// This server does not talk to agents of this version; they may only update.
    #[serde(rename = "urn:lockstep:problem:upgrade-required")]
    UpgradeRequired,
    /// Updates or downloads are switched off.
    #[serde(rename = "urn:lockstep:problem:updates-off")]
    UpdatesOff,
    /// As many as allowed are being served; `Retry-After` says when to ask again.
    #[serde(rename = "urn:lockstep:problem:busy")]
    Busy,
    /// The server failed; nothing is known to be wrong with the request.
    #[serde(rename = "urn:lockstep:problem:internal")]
    Internal,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ProblemKind {
    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotAuthenticated | Self::TokenRefused => 401,
            Self::NotAllowed | Self::UpdatesOff => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UpgradeRequired => 426,
            Self::Internal | Self::Unknown => 500,
            Self::Busy => 503,
        }
    }
}

impl Problem {
    /// The media type of a problem document.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem of a kind, with its status.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            status: kind.status(),
            detail: detail.into(),
            wanted: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_from_the_future_is_still_a_problem() {
        let text = r#"{"type":"urn:lockstep:problem:new","status":418,"detail":"tea","extra":1}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!((problem.kind, problem.status), (ProblemKind::Unknown, 418));
    }
}
