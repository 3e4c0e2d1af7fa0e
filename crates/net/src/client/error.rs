//! Why a call failed.

use std::error::Error;
use std::io;
use std::time::Duration;

use lockstep_model::Problem;
use rustls::{AlertDescription, CertificateError};

/// Why a call did not bring what was asked for. Every variant names the address that was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No connection, no answer in time, or the connection was lost. Worth another attempt.
    #[error("cannot reach {url}: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened.
        why: String,
    },
    /// Somebody answers there whose certificate is not believed.
    #[error("the server behind {url} is not believed: {why}")]
    ServerNotBelieved {
        /// What was asked for.
        url: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The server does not believe our certificate, because it has expired or is from another authority. It cannot
    /// always say so: without its word this looks like [`Unreachable`](Self::Unreachable).
    #[error("the server behind {url} does not accept our certificate: {why}")]
    NotBelieved {
        /// What was asked for.
        url: String,
        /// What the server says.
        why: String,
    },
    /// The server answered with another status than success.
    #[error("{url} answers {status}{}", words(problem.as_deref()))]
    Refused {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// When to ask again; at most a day.
        retry_after: Option<Duration>,
        /// What the server says of it.
        problem: Option<Box<Problem>>,
    },
    /// The answer is not what was asked for.
    #[error("{url} gives an answer that cannot be used: {why}")]
    BadAnswer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The answer is larger than allowed. The rest of it was not read.
    #[error("{url} gives more than {max} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// How many bytes are allowed.
        max: u64,
    },
    /// The path to ask for makes no address. Nothing was sent.
    #[error("cannot ask for {url:?}: {why}")]
    BadUrl {
        /// What it would have been.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file to be sent could not be read.
    #[error("read the file that is to be sent to {url}")]
    ReadUpload {
        /// Where it was to go.
        url: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What the server says, made fit for a line in a log or on a terminal.
fn words(problem: Option<&Problem>) -> String {
    let Some(problem) = problem else {
        return String::new();
    };
    let detail = problem.detail.chars().take(LONGEST_DETAIL);
    let detail: String = detail
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!(": {detail}")
}

/// Longest explanation of a server that is shown, in characters.
const LONGEST_DETAIL: usize = 1000;

impl CallError {
    /// The HTTP status, where the server answered with one that is no success.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// True if the server says that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// What the server says of its refusal.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => problem.as_deref(),
            _ => None,
        }
    }

    /// When the server wishes to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn no_answer(url: String, after: Duration) -> Self {
        let why = format!("no answer within {} s", after.as_secs_f32());
        Self::Unreachable { url, why }
    }

    /// What is wrong with the server's certificate, if that is why a handshake failed.
    pub(super) fn against_server(error: &io::Error) -> Option<String> {
        match tls_error(error) {
            Some(rustls::Error::InvalidCertificate(error)) => Some(against_the_server(error)),
            _ => None,
        }
    }

    /// Sorts what went wrong below HTTP.
    pub(super) fn from_transport(error: &reqwest::Error, url: String) -> Self {
        let why = causes(error);
        match tls_error(error) {
            Some(rustls::Error::InvalidCertificate(error)) => {
                let why = against_the_server(error);
                Self::ServerNotBelieved { url, why }
            }
            _ => match against_us(&why) {
                Some(why) => Self::NotBelieved { url, why },
                None => Self::Unreachable { url, why },
            },
        }
    }
}

fn against_the_server(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is from another authority".into()
        }
        CertificateError::Other(ours) => ours.0.to_string(),
        other => other.to_string(),
    }
}

/// What servers say to a certificate that they do not accept (RFC 8446 section 6.2), and what they mean by it.
const CERTIFICATE_ALERTS: [(AlertDescription, &str); 8] = [
    (
        AlertDescription::CertificateExpired,
        "it is not valid now, or a clock is wrong",
    ),
    (AlertDescription::UnknownCA, "it is from another authority"),
    (
        AlertDescription::DecryptError,
        "it is from another authority",
    ),
    (AlertDescription::CertificateRevoked, "it was revoked"),
    (
        AlertDescription::UnsupportedCertificate,
        "it is not one for hosts",
    ),
    (AlertDescription::BadCertificate, "it is damaged"),
    (AlertDescription::CertificateUnknown, "it gives no reason"),
    (
        AlertDescription::CertificateRequired,
        "we have shown none, and it wants one",
    ),
];

/// Finds the server's objection in the words of an error: of an alert that ends a connection, the HTTP/2 layer passes
/// on nothing else.
fn against_us(words: &str) -> Option<String> {
    let (alert, meaning) = CERTIFICATE_ALERTS
        .iter()
        .find(|(alert, _)| words.ends_with(&rustls::Error::AlertReceived(*alert).to_string()))?;
    Some(format!("{meaning} ({alert:?})"))
}

/// The causes from the outside in, without those that only say that a request failed.
fn causes(error: &reqwest::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // Layers like to repeat the one beneath them.
        let repeated = causes.iter().any(|above| above.contains(&text));
        if !repeated && !text.starts_with("client error (") {
            causes.push(text);
        }
        next = cause.source();
    }
    if causes.is_empty() {
        return error.to_string();
    }
    causes.join(": ")
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        // The source of an `io::Error` is the source of what it holds, not what it holds.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(tls) = held.and_then(|held| tls_error(held)) {
            return Some(tls);
        }
        next = error.source();
    }
    None
}
