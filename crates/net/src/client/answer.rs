//! An answer whose head has come, and its body as it comes.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use lockstep_model::Problem;
use reqwest::Response;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::CallError;
use super::retry_after::parse_retry_after;
use crate::Clock;

/// A body has to bring this many bytes in each stretch of [`Timeouts::stall`](super::Timeouts::stall).
const STRETCH: u64 = 4096;

/// Largest problem document that is read.
const LARGEST_PROBLEM: usize = 64 * 1024;

pub(super) struct Answer {
    pub(super) url: String,
    response: Response,
    pace: Pace,
}

impl Answer {
    pub(super) fn new(response: Response, url: String, stall: Duration) -> Self {
        Self {
            url,
            response,
            pace: Pace::new(stall, STRETCH),
        }
    }

    /// From here on every byte counts as progress.
    pub(super) fn unhurried(mut self) -> Self {
        self.pace = Pace::new(self.pace.stall, 1);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn header(&self, name: http::HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Length of the body, where the server states it.
    pub(super) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece of the body.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        let began = Instant::now();
        let chunk = match timeout(self.pace.left, self.response.chunk()).await {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => return Err(CallError::from_transport(&error, self.url.clone())),
            Err(_) => {
                return Err(CallError::Unreachable {
                    url: self.url.clone(),
                    why: format!(
                        "the answer stands still: less than {} bytes in {} s",
                        self.pace.stretch,
                        self.pace.stall.as_secs_f32()
                    ),
                });
            }
        };
        let bytes = chunk.as_ref().map_or(0, Bytes::len);
        self.pace.moved(began.elapsed(), bytes);
        Ok(chunk)
    }

    /// The whole body, if it has no more than `max` bytes.
    pub(super) async fn read(mut self, max: usize) -> Result<Vec<u8>, CallError> {
        let too_large = |url: &str| CallError::TooLarge {
            url: url.into(),
            max: u64::try_from(max).unwrap_or(u64::MAX),
        };
        let stated = self.length().and_then(|n| usize::try_from(n).ok());
        if stated.is_some_and(|length| length > max) {
            return Err(too_large(&self.url));
        }
        let mut body = Vec::with_capacity(stated.unwrap_or(0));
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > max - body.len() {
                return Err(too_large(&self.url));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The body as JSON; none at all reads as `null`.
    pub(super) async fn json<A: DeserializeOwned>(self, max: usize) -> Result<A, CallError> {
        let url = self.url.clone();
        let mut body = self.read(max).await?;
        if body.is_empty() {
            body.extend_from_slice(b"null");
        }
        serde_json::from_slice(&body).map_err(|error| CallError::BadAnswer {
            url,
            why: format!("it is not the JSON that was expected: {error}"),
        })
    }

    /// Itself, if its status is a success; otherwise what the server says against it.
    pub(super) async fn success(self, clock: &Clock) -> Result<Self, CallError> {
        if self.status().is_success() {
            return Ok(self);
        }
        Err(self.refusal(clock).await)
    }

    async fn refusal(self, clock: &Clock) -> CallError {
        let url = self.url.clone();
        let status = self.status().as_u16();
        let retry_after = self
            .header(RETRY_AFTER)
            .and_then(|value| parse_retry_after(value, clock.now()));
        let is_problem = self
            .header(CONTENT_TYPE)
            .and_then(|value| value.split(';').next())
            .is_some_and(|media| media.trim().eq_ignore_ascii_case(Problem::MEDIA_TYPE));
        let problem = if is_problem {
            // The status says enough when its explanation is lost.
            self.json(LARGEST_PROBLEM).await.ok()
        } else {
            None
        };
        CallError::Refused {
            url,
            status,
            retry_after,
            problem,
        }
    }
}

/// Watches that a body moves. Only the time spent waiting for it counts, not what the reader does in between.
struct Pace {
    stall: Duration,
    stretch: u64,
    left: Duration,
    moved: u64,
}

impl Pace {
    fn new(stall: Duration, stretch: u64) -> Self {
        Self {
            stall,
            stretch,
            left: stall,
            moved: 0,
        }
    }

    fn moved(&mut self, waited: Duration, bytes: usize) {
        self.left = self.left.saturating_sub(waited);
        self.moved = self
            .moved
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.moved >= self.stretch {
            self.left = self.stall;
            self.moved = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_not_progress() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(30 * second, STRETCH);
        for _ in 0..29 {
            pace.moved(second, 100);
        }
        assert_eq!(pace.left, second);
        pace.moved(second / 2, 4096);
        assert_eq!(pace.left, 30 * second);
    }
}
