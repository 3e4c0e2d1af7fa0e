//! Looking at a TLS server: how long its handshake takes, and what it shows.

use std::io;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::{Belief, CallError};

/// What a server showed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its certificates (DER), its own first.
    pub certificates: Vec<Vec<u8>>,
    /// How long the handshake took.
    pub took: Duration,
}

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// TLS knows no such name for a server.
    #[error("{name:?} is neither a server's name nor an address")]
    Name {
        /// What was given.
        name: String,
    },
    /// The server's certificate is not believed.
    #[error("{name} is not believed: {why}")]
    NotBelieved {
        /// The server.
        name: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The handshake did not come to its end.
    #[error("shake hands with {name} by TLS: {source}")]
    Handshake {
        /// The server.
        name: String,
        /// What happened.
        source: io::Error,
    },
}

/// Shakes hands on a fresh connection, and hangs up. `name` is whom the server should be. Nothing here has a time
/// limit.
///
/// # Errors
/// See [`LookError`].
pub async fn look(stream: TcpStream, name: &str, belief: &Belief) -> Result<Shown, LookError> {
    let whom =
        ServerName::try_from(name.to_owned()).map_err(|_| LookError::Name { name: name.into() })?;
    let began = Instant::now();
    let connected = TlsConnector::from(belief.config().clone())
        .connect(whom, stream)
        .await;
    let stream = connected.map_err(|source| match CallError::against_server(&source) {
        Some(why) => LookError::NotBelieved {
            name: name.into(),
            why,
        },
        None => LookError::Handshake {
            name: name.into(),
            source,
        },
    })?;
    let took = began.elapsed();
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(Shown {
        certificates: certificates.iter().map(|der| der.to_vec()).collect(),
        took,
    })
}
