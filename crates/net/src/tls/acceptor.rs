//! What a listener shows to clients, and what it asks of them.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Peer;
use super::judged::{Anybody, Judge};
use crate::credentials::{certificates, private_key, provider, roots};
use crate::{Clock, SetupError};

/// A server's certificate and its private key.
#[derive(Clone)]
pub struct ServerIdentity {
    /// The certificate, and behind it those of its authorities, PEM. Hosts that enrol need the authority's among
    /// them.
    pub chain_pem: String,
    /// The private key, PEM.
    pub key_pem: String,
}

/// What is asked of clients.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// Nothing: they show who they are in some other way.
    None,
    /// A certificate, if they have one; and then it must be valid.
    Optional {
        /// The authorities (PEM) whose certificates are valid.
        ca_pem: String,
    },
    /// A certificate, if they have one, whosever it is. The handshake asks for the proof that its key is held and for
    /// nothing else; whether it is valid is judged behind it, so that a handler can say in its own protocol that it is
    /// not. Requests carry [`PeerCertificate`](super::PeerCertificate) or
    /// [`UnverifiedCertificate`](super::UnverifiedCertificate). For other systems' clients, which take a broken
    /// handshake for a broken server; our own listeners use [`Optional`](Self::Optional).
    Judged {
        /// The authorities (PEM) whose certificates are valid.
        ca_pem: String,
    },
}

/// Makes TLS connections out of plain ones. Clones share one certificate, so [`renew`](Self::renew) on any of them
/// renews all.
#[derive(Clone)]
pub struct TlsAcceptorSource {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    /// None where the handshake has judged already.
    judge: Option<Judge>,
}

impl TlsAcceptorSource {
    /// Certificates of clients are judged by `clock`.
    ///
    /// # Errors
    /// When a certificate or the key cannot be read, or they do not belong together.
    pub fn new(
        identity: &ServerIdentity,
        auth: &ClientAuth,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let mut judge = None;
        let verifier: Arc<dyn ClientCertVerifier> = match auth {
            ClientAuth::None => Arc::new(NoClientAuth),
            ClientAuth::Optional { ca_pem } => issued_by(ca_pem)?,
            ClientAuth::Judged { ca_pem } => {
                let strict = issued_by(ca_pem)?;
                judge = Some(Judge::new(strict.clone(), clock));
                Arc::new(Anybody::new(strict))
            }
        };
        let shown = Arc::new(Shown(RwLock::new(certified_key(identity)?)));
        let mut config = ServerConfig::builder_with_details(provider(), Arc::new(clock.clone()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.into()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A resumed session would carry over a client's certificate without looking at it again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            shown,
            judge,
        })
    }

    /// Shows another certificate from the next handshake on. Connections that stand are not touched.
    ///
    /// # Errors
    /// When certificate or key cannot be read or do not belong together; the old ones stay.
    pub fn renew(&self, identity: &ServerIdentity) -> Result<(), SetupError> {
        let key = certified_key(identity)?;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// Makes a connection that began in plain text a TLS one: for protocols that ask for it in their own words. How long
    /// that may take is the caller's to say.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
        TlsAcceptor::from(self.config()).accept(stream).await
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Who it is that came through the handshake with this chain.
    pub(super) fn peer(&self, chain: &[CertificateDer<'_>]) -> Peer {
        match (&self.judge, chain.first()) {
            (_, None) => Peer::Nobody,
            (None, Some(leaf)) => Peer::Verified(super::PeerCertificate(leaf.to_vec())),
            (Some(judge), Some(_)) => judge.peer(chain),
        }
    }
}

/// Believes what these authorities have issued for clients, and those who show nothing.
fn issued_by(ca_pem: &str) -> Result<Arc<dyn ClientCertVerifier>, SetupError> {
    let roots = roots("the authority of the clients' certificates", ca_pem)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(error.into()))?;
    Ok(verifier)
}

/// The certificate that is shown now.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

fn certified_key(identity: &ServerIdentity) -> Result<Arc<CertifiedKey>, SetupError> {
    let chain = certificates("the server's certificate", &identity.chain_pem)?;
    let key = private_key("the server's private key", &identity.key_pem)?;
    CertifiedKey::from_der(chain, key, &provider())
        .map(Arc::new)
        .map_err(|error| unusable(error.into()))
}

fn unusable(source: Box<dyn std::error::Error + Send + Sync>) -> SetupError {
    SetupError::Tls {
        what: "the server's certificate and key",
        source,
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity").finish_non_exhaustive()
    }
}
impl fmt::Debug for TlsAcceptorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptorSource").finish_non_exhaustive()
    }
}
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}
