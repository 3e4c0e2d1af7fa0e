//! The stream of hints over a line: server-sent events, as [`EventStream`](crate::client::EventStream) reads them.

use std::fmt;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::Line;
use crate::client::events::{Decoder, LONGEST, TooLong};
use crate::client::{CallError, Event};

/// Events as they come; a stream that is silent for [`Timeouts::stall`](crate::client::Timeouts::stall) counts as lost.
pub struct Hints {
    url: String,
    body: Incoming,
    stall: Duration,
    decoder: Decoder,
    _line: Line,
}

impl Hints {
    pub(super) fn new(url: String, body: Incoming, stall: Duration, line: Line) -> Self {
        Self {
            url,
            body,
            stall,
            decoder: Decoder::default(),
            _line: line,
        }
    }

    /// The next event; none when the server ended the stream. It may be given up between two calls without a loss.
    ///
    /// # Errors
    /// When the stream is lost, or a line or an event is too long. See [`CallError`].
    pub async fn next(&mut self) -> Result<Option<Event>, CallError> {
        loop {
            if let Some(event) = self.decoder.take() {
                return Ok(Some(event));
            }
            let lost = |why: String| CallError::Unreachable {
                url: self.url.clone(),
                why,
            };
            let frame = match timeout(self.stall, self.body.frame()).await {
                Ok(Some(frame)) => frame.map_err(|error| lost(error.to_string()))?,
                Ok(None) => return Ok(None),
                Err(_) => return Err(lost("the stream is silent".into())),
            };
            let Some(bytes) = frame.data_ref() else {
                continue;
            };
            let taken = self.decoder.push(bytes);
            taken.map_err(|TooLong| CallError::BadAnswer {
                url: self.url.clone(),
                why: format!("an event is longer than {LONGEST} bytes"),
            })?;
        }
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hints")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
