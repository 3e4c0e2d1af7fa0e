//! Many hosts that speak out of one process: a bench of thousands of simulated agents.
//!
//! To the server each of them is a client of its own: with its own certificate, its own TLS connection and HTTP/2 on
//! it, kept alive as [`HttpClient`](super::HttpClient) does it. Here they share what can be shared: the server's
//! addresses, the authorities that are believed, and the crypto provider. There is no pool and nothing is connected
//! anew by itself: a [`Line`] lives as long as its connection, and who held it decides when to call again.

mod hints;
mod line;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use reqwest::Url;
use rustls::ClientConfig;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{CallError, Identity, Timeouts, base_url};
use crate::credentials::{certificates, private_key, provider, roots};
use crate::{Clock, SetupError};

pub use hints::Hints;
pub use line::Line;

/// The server that a crowd speaks to, and what all of the crowd share.
pub struct Crowd {
    base: Arc<str>,
    /// `HOST:PORT` of the address, and the path before all paths.
    authority: String,
    prefix: String,
    name: ServerName<'static>,
    host: String,
    port: u16,
    verifier: Arc<WebPkiServerVerifier>,
    timeouts: Timeouts,
    clock: Clock,
}

/// One of the crowd: a certificate and its key, ready for TLS.
pub struct Face {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Flow control of one connection, in bytes: an answer to a report has some thousand.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
/// Bytes of one stream that wait to be sent.
const SEND_BUFFER: usize = 16 * 1024;

impl Crowd {
    /// A crowd that speaks to the server at `base_url` and believes the authorities in `ca_pem`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the certificates are unusable.
    pub fn new(
        address: &str,
        ca_pem: &str,
        timeouts: Timeouts,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let base = base_url(address, &["https"])?;
        let refuse = |why: &str| SetupError::BaseUrl {
            url: base.to_string(),
            why: why.into(),
        };
        let url = Url::parse(&base).map_err(|error| refuse(&error.to_string()))?;
        let host = url.host_str().ok_or_else(|| refuse("it names no host"))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let name = ServerName::try_from(host.clone())
            .map_err(|_| refuse("no certificate could name its host"))?;
        let roots = roots("the server's authority", ca_pem)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| SetupError::Tls {
                what: "the server's authority",
                source: error.into(),
            })?;
        Ok(Self {
            authority: authority(&host, port),
            prefix: url.path().trim_end_matches('/').to_owned(),
            base,
            name,
            host,
            port,
            verifier,
            timeouts,
            clock: clock.clone(),
        })
    }

    /// The addresses of the server.
    ///
    /// # Errors
    /// When its name cannot be resolved.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, CallError> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<_> = found.map_err(|error| self.unreachable(&error))?.collect();
        match found.is_empty() {
            true => Err(self.unreachable(&"its name has no address")),
            false => Ok(found),
        }
    }

    /// Connects one of the crowd to one of the server's addresses, from the local address `from` if one is given. The
    /// whole, handshakes included, takes [`Timeouts::connect`] at most.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn connect(
        self: &Arc<Self>,
        face: &Face,
        to: SocketAddr,
        from: Option<IpAddr>,
    ) -> Result<Line, CallError> {
        match timeout(self.timeouts.connect, self.greet(face, to, from)).await {
            Ok(line) => line,
            Err(_) => Err(self.unreachable(&"no connection in time")),
        }
    }

    async fn greet(
        self: &Arc<Self>,
        face: &Face,
        to: SocketAddr,
        from: Option<IpAddr>,
    ) -> Result<Line, CallError> {
        let tls = Arc::new(self.tls(face)?);
        let stream = dial(to, from).await.map_err(|e| self.unreachable(&e))?;
        let connector = TlsConnector::from(tls);
        let stream = match connector.connect(self.name.clone(), stream).await {
            Ok(stream) => stream,
            Err(error) => {
                return Err(match CallError::against_server(&error) {
                    Some(why) => CallError::ServerNotBelieved {
                        url: self.base.to_string(),
                        why,
                    },
                    None => self.unreachable(&error),
                });
            }
        };
        let alive = self.timeouts.answer / 3;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(32 * 1024)
            .keep_alive_interval(alive)
            .keep_alive_timeout(alive)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&error))?;
        // It ends with its connection, at the latest when the line was dropped; who calls hears of it by the call.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Line::new(Arc::clone(self), sender))
    }

    fn tls(&self, face: &Face) -> Result<ClientConfig, CallError> {
        let unusable = |error: rustls::Error| self.unreachable(&error);
        let mut config =
            ClientConfig::builder_with_details(provider(), Arc::new(self.clock.clone()))
                .with_safe_default_protocol_versions()
                .map_err(unusable)?
                .with_webpki_verifier(Arc::clone(&self.verifier))
                .with_client_auth_cert(face.chain.clone(), face.key.clone_key())
                .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A cache for each of ten thousand would be the largest thing here, and servers of ours do not resume.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn unreachable(&self, why: &dyn fmt::Display) -> CallError {
        CallError::Unreachable {
            url: self.base.to_string(),
            why: why.to_string(),
        }
    }
}

impl Face {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// When one of them is not PEM.
    pub fn new(identity: &Identity) -> Result<Self, SetupError> {
        Ok(Self {
            chain: certificates("the client's certificate", &identity.cert_pem)?,
            key: private_key("the client's private key", &identity.key_pem)?,
        })
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").finish_non_exhaustive()
    }
}
impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What stands in a request's `:authority`; an IPv6 address stands in brackets (RFC 3986 section 3.2.2).
fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// A connection to `to`, from an address of ours if one is given: each has some 28,000 ports for one address of a
/// server, and no more.
async fn dial(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
