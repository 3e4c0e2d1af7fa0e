//! The connection of one of the crowd, and what is asked over it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RANGE, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use lockstep_model::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::Crowd;
use super::hints::Hints;
use crate::client::CallError;
use crate::client::retry_after::parse_retry_after;

/// Largest JSON answer that is read, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// An open connection. It is closed when this and all [`Hints`] of it are dropped.
#[derive(Clone)]
pub struct Line {
    crowd: Arc<Crowd>,
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    pub(super) fn new(crowd: Arc<Crowd>, sender: SendRequest<Full<Bytes>>) -> Self {
        Self { crowd, sender }
    }

    /// True once nothing can be asked over it any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// `GET`, for a JSON answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get_json<A: DeserializeOwned>(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<A, CallError> {
        self.json(path, self.request(Method::GET, path, headers, None)?)
            .await
    }

    /// `POST` of a JSON document, for a JSON answer; one without a body reads as `null`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post_json<Q, A>(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        question: &Q,
    ) -> Result<A, CallError>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        let body = serde_json::to_vec(question).map_err(|error| CallError::BadUrl {
            url: self.url(path),
            why: format!("what is to be sent is no JSON: {error}"),
        })?;
        self.json(path, self.request(Method::POST, path, headers, Some(body))?)
            .await
    }

    /// `GET` of a stream of events.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn hints(&self, path: &str) -> Result<Hints, CallError> {
        let mut request = self.request(Method::GET, path, &[], None)?;
        let stream = http::HeaderValue::from_static("text/event-stream");
        request.headers_mut().insert(ACCEPT, stream);
        let answer = self.success(path, request).await?;
        let body = answer.into_body();
        let stall = self.crowd.timeouts.stall;
        // The line is held so that the connection stays open under the stream.
        Ok(Hints::new(self.url(path), body, stall, self.clone()))
    }

    /// `GET` of a file, whose bytes are counted and thrown away: all of it, or no more than its first `most` bytes. An
    /// answer longer than `longest` is given up.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn count(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        most: Option<u64>,
        longest: u64,
    ) -> Result<u64, CallError> {
        let mut request = self.request(Method::GET, path, headers, None)?;
        if let Some(most) = most {
            let range = format!("bytes=0-{}", most.saturating_sub(1));
            if let Ok(range) = range.parse() {
                request.headers_mut().insert(RANGE, range);
            }
        }
        let mut body = self.success(path, request).await?.into_body();
        let mut bytes = 0_u64;
        loop {
            let frame = match timeout(self.crowd.timeouts.stall, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return Err(self.lost(path, &"the answer stands still")),
            };
            let Some(frame) = frame else {
                return Ok(bytes);
            };
            let frame = frame.map_err(|error| self.lost(path, &error))?;
            let length = frame.data_ref().map_or(0, Bytes::len);
            bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            if bytes > longest {
                return Err(CallError::TooLarge {
                    url: self.url(path),
                    max: longest,
                });
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let crowd = &self.crowd;
        let uri = format!("https://{}{}{path}", crowd.authority, crowd.prefix);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("lockstep/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(HeaderName::from_static(name), *value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        request.body(body).map_err(|error| CallError::BadUrl {
            url: self.url(path),
            why: error.to_string(),
        })
    }

    async fn json<A: DeserializeOwned>(
        &self,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<A, CallError> {
        let answer = async {
            let answer = self.success(path, request).await?;
            let mut body = self.read(path, answer, LARGEST_ANSWER).await?;
            if body.is_empty() {
                body.extend_from_slice(b"null");
            }
            serde_json::from_slice(&body).map_err(|error| CallError::BadAnswer {
                url: self.url(path),
                why: format!("it is not the JSON that was expected: {error}"),
            })
        };
        self.in_time(path, answer).await
    }

    /// Sends, and turns every status but success into an error.
    async fn success(
        &self,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        let answer = async {
            let mut sender = self.sender.clone();
            let ready = sender.ready().await;
            ready.map_err(|error| self.lost(path, &error))?;
            let answer = sender.send_request(request).await;
            let answer = answer.map_err(|error| self.lost(path, &error))?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            Err(self.refusal(path, answer).await)
        };
        self.in_time(path, answer).await
    }

    async fn refusal(&self, path: &str, answer: Response<Incoming>) -> CallError {
        let text = |name| answer.headers().get(name)?.to_str().ok();
        let status: StatusCode = answer.status();
        let retry_after =
            text(RETRY_AFTER).and_then(|value| parse_retry_after(value, self.crowd.clock.now()));
        let is_problem =
            text(CONTENT_TYPE).is_some_and(|media| media.starts_with(Problem::MEDIA_TYPE));
        let problem = match is_problem {
            // The status says enough when its explanation is lost.
            true => self.read(path, answer, 64 * 1024).await.ok(),
            false => None,
        };
        CallError::Refused {
            url: self.url(path),
            status: status.as_u16(),
            retry_after,
            problem: problem.and_then(|body| serde_json::from_slice(&body).ok()),
        }
    }

    /// The whole body, if it has no more than `max` bytes.
    async fn read(
        &self,
        path: &str,
        answer: Response<Incoming>,
        max: usize,
    ) -> Result<Vec<u8>, CallError> {
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.lost(path, &error))?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            if data.len() > max - bytes.len() {
                return Err(CallError::TooLarge {
                    url: self.url(path),
                    max: u64::try_from(max).unwrap_or(u64::MAX),
                });
            }
            bytes.extend_from_slice(data);
        }
        Ok(bytes)
    }

    async fn in_time<T>(
        &self,
        path: &str,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let patience = self.crowd.timeouts.answer;
        match timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::no_answer(self.url(path), patience)),
        }
    }

    fn lost(&self, path: &str, why: &dyn fmt::Display) -> CallError {
        CallError::Unreachable {
            url: self.url(path),
            why: why.to_string(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.crowd.base)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
