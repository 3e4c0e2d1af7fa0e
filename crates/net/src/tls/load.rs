//! How busy a connection is, and when its time is over.
//!
//! A request counts as open from the moment its head is complete until the last byte of its answer has been handed
//! over, or has been given up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Limits;

/// Counts the requests of one connection.
#[derive(Debug, Clone)]
pub(super) struct Load(watch::Sender<Counts>);

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// Requests that ever came.
    begun: u64,
    /// Those of them that are not answered yet.
    open: u64,
}

/// One open request; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct OpenRequest(watch::Sender<Counts>);

/// An answer's body, which keeps its request open.
#[derive(Debug)]
pub(super) struct OpenBody<B> {
    body: B,
    _request: OpenRequest,
}

/// Why a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Its first request did not come in time.
    NoRequest,
    /// It has been idle for too long.
    Idle,
    /// Another needs its place, and it was idle longest.
    Crowded,
    /// It has stood for as long as one may.
    Aged,
    /// The server ends.
    Stopped,
}

impl Load {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Counts::default()))
    }

    pub(super) fn open(&self) -> OpenRequest {
        self.0.send_modify(|counts| {
            counts.begun += 1;
            counts.open += 1;
        });
        OpenRequest(self.0.clone())
    }

    /// Waits until the connection's time is over.
    pub(super) async fn over(
        &self,
        limits: &Limits,
        crowd: &Arc<Notify>,
        stop: &CancellationToken,
    ) -> Over {
        tokio::select! {
            () = stop.cancelled() => Over::Stopped,
            () = sleep(limits.lifetime) => Over::Aged,
            over = self.unused(limits, crowd) => over,
        }
    }

    async fn unused(&self, limits: &Limits, crowd: &Arc<Notify>) -> Over {
        let mut counts = self.0.subscribe();
        if timeout(limits.first_request, after(&mut counts, 0))
            .await
            .is_err()
        {
            return Over::NoRequest;
        }
        loop {
            let begun = all_answered(&mut counts).await;
            tokio::select! {
                () = after(&mut counts, begun) => {}
                () = sleep(limits.idle) => return Over::Idle,
                // Waiters are woken in the order in which they came: the longest idle first.
                () = crowd.notified() => return Over::Crowded,
            }
        }
    }
}

/// Waits for a request after the first `begun`.
async fn after(counts: &mut watch::Receiver<Counts>, begun: u64) {
    // The sender lives in `Load`, which the waiting future borrows: the channel cannot be closed.
    let _ = counts.wait_for(|counts| counts.begun > begun).await;
}

/// Waits until no request is open, and says how many there have been.
async fn all_answered(counts: &mut watch::Receiver<Counts>) -> u64 {
    match counts.wait_for(|counts| counts.open == 0).await {
        Ok(counts) => counts.begun,
        Err(_) => 0,
    }
}

impl OpenRequest {
    pub(super) fn answered_by<B>(self, body: B) -> OpenBody<B> {
        OpenBody {
            body,
            _request: self,
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.open -= 1);
    }
}

impl<B: Body + Unpin> Body for OpenBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits() -> Limits {
        Limits {
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            lifetime: Duration::from_secs(3600),
            ..Limits::default()
        }
    }

    /// How long it took, in seconds of the paused clock, until the connection was over, and why.
    async fn outcome(load: Load, crowd: Arc<Notify>, stop: CancellationToken) -> (u64, Over) {
        let start = tokio::time::Instant::now();
        let over = load.over(&limits(), &crowd, &stop).await;
        (start.elapsed().as_secs(), over)
    }

    fn parts() -> (Load, Arc<Notify>, CancellationToken) {
        (Load::new(), Arc::default(), CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_gets_little_time() {
        let (load, crowd, stop) = parts();
        crowd.notify_one();
        assert_eq!(outcome(load, crowd, stop).await, (10, Over::NoRequest));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_gets_more() {
        let (load, crowd, stop) = parts();
        drop(load.open());
        assert_eq!(outcome(load, crowd, stop).await, (60, Over::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_begins_the_idle_time_anew() {
        let (load, crowd, stop) = parts();
        drop(load.open());
        let waiting = tokio::spawn(outcome(load.clone(), crowd, stop));
        for _ in 0..3 {
            sleep(Duration::from_secs(50)).await;
            // Both changes happen before the other task can look.
            drop(load.open());
        }
        assert_eq!(waiting.await.unwrap(), (210, Over::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_request_keeps_it_until_it_is_aged() {
        let (load, crowd, stop) = parts();
        crowd.notify_one();
        let _open = load.open();
        assert_eq!(outcome(load, crowd, stop).await, (3600, Over::Aged));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_one_makes_room() {
        let crowd = Arc::new(Notify::new());
        let waiting = |_| {
            let load = Load::new();
            drop(load.open());
            tokio::spawn(outcome(load, crowd.clone(), CancellationToken::new()))
        };
        let mut connections = Vec::new();
        for n in 0..3 {
            connections.push(waiting(n));
            sleep(Duration::from_secs(1)).await;
        }
        crowd.notify_one();
        let mut ends = Vec::new();
        for connection in connections {
            ends.push(connection.await.unwrap().1);
        }
        assert_eq!(ends, [Over::Crowded, Over::Idle, Over::Idle]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_busy_ones_too() {
        let (load, crowd, stop) = parts();
        let _open = load.open();
        stop.cancel();
        assert_eq!(outcome(load, crowd, stop).await, (0, Over::Stopped));
    }
}
