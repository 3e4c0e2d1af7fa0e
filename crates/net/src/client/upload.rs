//! Sending a file that is too large for memory.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Method;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::Body;
use serde::de::DeserializeOwned;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::io::ReaderStream;

use super::answer::Answer;
use super::{CallError, HttpClient, Timeouts};

/// How much of the file is in memory at once, beside what the connection holds.
const PIECE: usize = 64 * 1024;

impl HttpClient {
    /// `PUT` of a file's contents as they are now, for a JSON answer. `sent` is told the number of bytes handed to
    /// the connection so far.
    ///
    /// # Errors
    /// When the connection takes nothing for [`Timeouts::stall`], or there is no answer within
    /// [`Timeouts::answer`] behind the last byte. See [`CallError`].
    pub async fn put_file<A: DeserializeOwned>(
        &self,
        path: &str,
        file: File,
        sent: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<A, CallError> {
        let (call, url) = self.call(Method::PUT, path)?;
        let length = match file.metadata().await {
            Ok(metadata) => metadata.len(),
            Err(source) => return Err(CallError::ReadUpload { url, source }),
        };
        let (progress, watched) = watch::channel(0);
        let mut so_far: u64 = 0;
        let pieces =
            ReaderStream::with_capacity(file.take(length), PIECE).inspect_ok(move |piece| {
                so_far = so_far.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                progress.send_replace(so_far);
                sent(so_far);
            });
        let call = call
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .body(Body::wrap_stream(pieces.boxed()));
        let answer = tokio::select! {
            answer = call.send() => match answer {
                Ok(response) => Answer::new(response, url, self.timeouts.stall),
                Err(error) => return Err(CallError::from_transport(&error, url)),
            },
            after = stands_still(watched, length, self.timeouts) => {
                let why = format!("the upload stands still for {} s", after.as_secs_f32());
                return Err(CallError::Unreachable { url, why });
            }
        };
        let url = answer.url.clone();
        let read = async {
            let answer = answer.success(&self.clock).await?;
            answer.json(self.max_answer).await
        };
        self.in_time(&url, read).await
    }
}

/// Ends when nothing has moved for so long that nothing will.
async fn stands_still(mut sent: watch::Receiver<u64>, length: u64, timeouts: Timeouts) -> Duration {
    loop {
        let all = *sent.borrow_and_update() >= length;
        let patience = if all {
            timeouts.answer
        } else {
            // Before the first byte there may be a connection to be made.
            timeouts.stall.max(timeouts.connect)
        };
        match timeout(patience, sent.changed()).await {
            Ok(Ok(())) => {}
            // The body is gone: sent, or dropped because the answer is already on its way.
            Ok(Err(_)) => {
                sleep(timeouts.answer).await;
                return timeouts.answer;
            }
            Err(_) => return patience,
        }
    }
}
