//! One connection, from the handshake to its end.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, sink};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};
use tracing::{debug, info};

use super::load::{Load, Over};
use super::{Door, Limits, Peer, PeerAddr};

/// How often an HTTP/2 peer must show that it is still there.
const PING_EVERY: Duration = Duration::from_secs(45);

/// How long it may take to.
const PING_WAIT: Duration = Duration::from_secs(20);

/// A connection that has just been accepted.
pub(super) struct Visitor {
    pub(super) stream: TcpStream,
    pub(super) from: SocketAddr,
    pub(super) limits: Arc<Limits>,
    pub(super) crowd: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Nothing was lost by it.
    Itself,
    /// It was cut with requests open.
    Cut,
}

impl Visitor {
    pub(super) async fn serve<S, B>(self, door: Door, service: S) -> Closed
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Door::Tls(tls) = door else {
            without_delay(&self.stream, self.from);
            let Self {
                stream,
                from,
                limits,
                crowd,
                stop,
            } = self;
            let visit = Visit {
                from,
                limits,
                crowd,
                stop,
                peer: Peer::Nobody,
                is_http2: false,
            };
            return visit.serve(stream, service).await;
        };
        let (from, limits) = (self.from, self.limits);
        let greeting = handshake(tls.config(), self.stream, from);
        let stream = tokio::select! {
            () = self.stop.cancelled() => return Closed::Itself,
            greeted = timeout(limits.handshake, greeting) => match greeted {
                Ok(Some(stream)) => stream,
                Ok(None) => return Closed::Itself,
                Err(_) => {
                    debug!(%from, "the TLS handshake took too long");
                    return Closed::Itself;
                }
            },
        };
        let visit = Visit {
            from,
            limits,
            crowd: self.crowd,
            stop: self.stop,
            peer: tls.peer(stream.get_ref().1.peer_certificates().unwrap_or_default()),
            // The version is what the handshake agreed on; guessing it from the first bytes would wait for them forever.
            is_http2: stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        };
        visit.serve(stream, service).await
    }
}

/// A connection on which requests can come.
struct Visit {
    from: SocketAddr,
    limits: Arc<Limits>,
    crowd: Arc<Notify>,
    stop: CancellationToken,
    peer: Peer,
    is_http2: bool,
}

impl Visit {
    async fn serve<T, S, B>(self, stream: T, service: S) -> Closed
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let load = Load::new();
        let (from, limits, peer) = (self.from, self.limits, self.peer);
        let service = {
            let load = load.clone();
            service_fn(move |mut request: Request<Incoming>| {
                let open = load.open();
                request.extensions_mut().insert(PeerAddr(from));
                introduce(&peer, &mut request);
                let answer = service.clone().oneshot(request);
                async move { Ok::<_, S::Error>(answer.await?.map(|body| open.answered_by(body))) }
            })
        };
        let over = load.over(&limits, &self.crowd, &self.stop);
        let stream = TokioIo::new(stream);
        if self.is_http2 {
            let connection = http2(&limits).serve_connection(stream, service);
            last(connection, over, from, limits.grace).await
        } else {
            let connection = http1(&limits).serve_connection(stream, service);
            last(connection, over, from, limits.grace).await
        }
    }
}

/// Serves a connection until it ends or its time is over, and then for the grace at most.
async fn last<C>(
    connection: C,
    over: impl Future<Output = Over>,
    from: SocketAddr,
    grace: Duration,
) -> Closed
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = pin!(connection);
    let over = tokio::select! {
        ended = connection.as_mut() => {
            log_end(from, ended);
            return Closed::Itself;
        }
        over = over => over,
    };
    debug!(%from, ?over, "a connection's time is over");
    if over == Over::NoRequest {
        return Closed::Itself;
    }
    connection.as_mut().graceful_shutdown();
    match timeout(grace, connection).await {
        Ok(ended) => {
            log_end(from, ended);
            Closed::Itself
        }
        Err(_) => Closed::Cut,
    }
}

fn without_delay(stream: &TcpStream, from: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%from, %error, "small packets will be delayed");
    }
}

/// None when it failed; the peer has then been told why.
async fn handshake(
    tls: Arc<ServerConfig>,
    stream: TcpStream,
    from: SocketAddr,
) -> Option<TlsStream<TcpStream>> {
    without_delay(&stream, from);
    match TlsAcceptor::from(tls).accept(stream).into_fallible().await {
        Ok(stream) => Some(stream),
        Err((error, stream)) => {
            log_failure(from, &error);
            take_leave(stream).await;
            None
        }
    }
}

/// That one side does not believe the other is news for an operator. That somebody knocks who does not speak TLS, or
/// hangs up, is not.
fn log_failure(from: SocketAddr, error: &io::Error) {
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    match tls {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)) => {
            info!(%from, %error, "a TLS handshake failed");
        }
        _ => debug!(%from, %error, "a TLS handshake failed"),
    }
}

/// Closes a connection so that the alert which says why reaches the peer. Closing with bytes unread would send a
/// reset, and that overtakes the alert. The caller's deadline bounds it.
async fn take_leave(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        // Whatever still comes is not looked at; when the peer fails as well, there is nothing left to do.
        let _ = tokio::io::copy(&mut stream.take(128 * 1024), &mut sink()).await;
    }
}

/// Says to the handler who asks.
fn introduce(peer: &Peer, request: &mut Request<Incoming>) {
    match peer.clone() {
        Peer::Nobody => {}
        Peer::Verified(certificate) => {
            request.extensions_mut().insert(certificate);
        }
        Peer::Unverified(certificate) => {
            request.extensions_mut().insert(certificate);
        }
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // The head's deadline is kept by `Load`, for both versions alike.
        .header_read_timeout(None)
        .max_header_size(usize::try_from(limits.head_bytes).unwrap_or(usize::MAX))
        .max_buf_size(256 * 1024);
    http
}

fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024);
    http
}

/// Peers go away without a word all the time; that is no event for an operator.
fn log_end(from: SocketAddr, ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        debug!(%from, %error, "a connection failed");
    }
}
