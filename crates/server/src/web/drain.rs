//! What is left of a request when its answer is ready.
//!
//! A request that is refused for its head is answered before its body was read. Over HTTP/1.1 the connection must then end,
//! and a client that has sent the next request already finds it cut (RFC 9112, section 9.6). So what is left is read and
//! thrown away first, if it is little and comes soon.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// Most that is read and thrown away, in bytes.
const LITTLE: usize = 64 * 1024;
/// How long it is waited for.
const SOON: Duration = Duration::from_secs(1);

/// A body that can still be read when its handler has dropped it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn with<T>(&self, what: impl FnOnce(&mut Body) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// Reads what the handler has left of the request's body.
pub(super) async fn drained(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = Shared(Arc::new(Mutex::new(body)));
    let handed = Request::from_parts(parts, Body::new(body.clone()));
    let response = next.run(handed).await;
    // Whoever does not send it soon finds the connection closed.
    let _ = tokio::time::timeout(SOON, rest(body)).await;
    response
}

async fn rest(mut body: Shared) {
    let mut read = 0;
    while read <= LITTLE && !body.is_end_stream() {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn little_is_read_to_its_end_and_much_is_not() {
        let part = || Ok::<_, std::io::Error>(Bytes::from(vec![0; 1024]));
        let body = |parts: usize| {
            let parts: Vec<_> = (0..parts).map(|_| part()).collect();
            Shared(Arc::new(Mutex::new(Body::from_stream(stream::iter(parts)))))
        };
        for (parts, is_read) in [(0, true), (10, true), (1000, false)] {
            let body = body(parts);
            rest(body.clone()).await;
            let mut left = body;
            let next = poll_fn(|cx| Pin::new(&mut left).poll_frame(cx)).await;
            assert_eq!(next.is_none(), is_read, "{parts}");
        }
    }
}
