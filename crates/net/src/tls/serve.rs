//! The accept loop.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::{error, warn};

use super::Door;
use super::connection::{Closed, Visitor};

/// How much a listener gives to whom.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, handshakes among them.
    pub connections: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the first request's head may take to arrive.
    pub first_request: Duration,
    /// How long a connection without an open request is kept. Clients must give up theirs earlier, or they send into
    /// a connection that is just being closed.
    pub idle: Duration,
    /// How long a connection is kept at all: bounds what a peer can hold that never takes its answers, and lets a
    /// fleet spread again over several servers.
    pub lifetime: Duration,
    /// How long open requests may take to end, when their connection's time is over or the server stops.
    pub grace: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Longest head of a request, in bytes.
    pub head_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(150),
            lifetime: Duration::from_secs(3600),
            grace: Duration::from_secs(10),
            streams: 64,
            head_bytes: 32 * 1024,
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Connections that did not end within the grace and were cut.
    pub cut: usize,
}

/// How long to wait after a failed accept; the usual reason is that the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `stop` is cancelled and then, within [`Limits::grace`], lets open requests end.
///
/// `service` is cloned for each request. Requests carry [`PeerAddr`](super::PeerAddr), and
/// [`PeerCertificate`](super::PeerCertificate) where the peer showed one.
pub async fn serve<S, B>(
    listener: TcpListener,
    door: impl Into<Door>,
    service: S,
    limits: Limits,
    stop: CancellationToken,
) -> Ended
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let door = door.into();
    let limits = Arc::new(limits);
    let places = Arc::new(Semaphore::new(limits.connections));
    let crowd = Arc::new(Notify::new());
    let mut connections = JoinSet::new();

    loop {
        // The place comes first: who finds none waits in the backlog, where waiting costs us nothing.
        let place = match places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                crowd.notify_one();
                tokio::select! {
                    () = stop.cancelled() => break,
                    place = places.clone().acquire_owned() => match place {
                        Ok(place) => place,
                        Err(_) => break,
                    },
                }
            }
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while let Some(ended) = connections.try_join_next() {
            closed(ended);
        }
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        let visitor = Visitor {
            stream,
            from,
            limits: limits.clone(),
            crowd: crowd.clone(),
            stop: stop.clone(),
        };
        let visit = visitor.serve(door.clone(), service.clone());
        connections.spawn(async move {
            let closed = visit.await;
            drop(place);
            closed
        });
    }

    // New connections are refused from here on, not left waiting for a server that is going away.
    drop(listener);
    end(connections, &limits).await
}

/// Every connection ends by itself within the grace; the second more is for one whose handler blocks its thread.
async fn end(mut connections: JoinSet<Closed>, limits: &Limits) -> Ended {
    let mut cut = 0;
    let all = async {
        while let Some(ended) = connections.join_next().await {
            cut += usize::from(closed(ended) == Closed::Cut);
        }
    };
    let in_time = timeout(limits.grace + Duration::from_secs(1), all).await;
    if in_time.is_err() {
        cut += connections.len();
        connections.abort_all();
    }
    Ended { cut }
}

fn closed(ended: Result<Closed, JoinError>) -> Closed {
    ended.unwrap_or_else(|error| {
        error!(%error, "a connection's task failed");
        Closed::Cut
    })
}
