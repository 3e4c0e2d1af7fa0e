//! What makes strangers believed: servers that are not ours and are only looked at.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::credentials::{provider, roots};
use crate::{Clock, SetupError};

/// Which strangers are believed. Clones share the authorities.
#[derive(Clone)]
pub struct Belief(Arc<ClientConfig>);

impl Belief {
    /// Those that the system's own authorities vouch for. They are read from the disk, unless somebody still holds
    /// such a belief.
    ///
    /// # Errors
    /// When there are no such authorities.
    pub async fn as_the_system(clock: &Clock) -> Result<Self, SetupError> {
        let read = tokio::task::spawn_blocking(system_roots).await;
        let roots = read.map_err(|error| SetupError::Certificates {
            what: SYSTEM,
            why: error.to_string(),
        })??;
        let config = builder(clock)?.with_root_certificates(roots);
        Ok(Self::new(config.with_no_client_auth()))
    }

    /// Those that these authorities (PEM) vouch for, and no others.
    ///
    /// # Errors
    /// When there is no certificate in it.
    pub fn in_authorities(pem: &str, clock: &Clock) -> Result<Self, SetupError> {
        let roots = roots("the authority", pem)?;
        let config = builder(clock)?.with_root_certificates(roots);
        Ok(Self::new(config.with_no_client_auth()))
    }

    /// Anyone, whatever is shown. Only for reading what is shown, and where somebody has asked for it.
    ///
    /// # Errors
    /// Never in practice: when TLS itself cannot be set up.
    pub fn in_anyone(clock: &Clock) -> Result<Self, SetupError> {
        let config = builder(clock)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider())));
        Ok(Self::new(config.with_no_client_auth()))
    }

    fn new(mut config: ClientConfig) -> Self {
        // Each look is a first one, and nothing is kept of it.
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }

    pub(super) fn config(&self) -> &Arc<ClientConfig> {
        &self.0
    }
}

impl fmt::Debug for Belief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Belief").finish_non_exhaustive()
    }
}

fn builder(clock: &Clock) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, SetupError> {
    ClientConfig::builder_with_details(provider(), Arc::new(clock.clone()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client {
            source: error.into(),
        })
}

const SYSTEM: &str = "the system's authorities";

/// Well over a hundred authorities: they are held once, and only while somebody needs them.
fn system_roots() -> Result<Arc<RootCertStore>, SetupError> {
    static SHARED: Mutex<Weak<RootCertStore>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(roots) = shared.upgrade() {
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems carry a certificate that TLS has no use for; it is as if it were not there.
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let why = match found.errors.first() {
            Some(error) => error.to_string(),
            None => "there are none; install the package ca-certificates".into(),
        };
        return Err(SetupError::Certificates { what: SYSTEM, why });
    }
    let roots = Arc::new(roots);
    *shared = Arc::downgrade(&roots);
    Ok(roots)
}

/// Believes everybody, also those whose certificate is too broken to verify a signature with.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
