//! What a client believes, and what it shows.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use lockstep_model::ContentHash;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::credentials::{certificates, private_key, provider, roots};
use crate::{Clock, SetupError};

/// What makes a server believed. Either way its certificate must lead to the authority, be valid now, be meant for
/// servers, and name the host that was asked for.
#[derive(Debug, Clone)]
pub enum Roots {
    /// It leads to one of these authorities (PEM).
    Ca(String),
    /// It leads to the authority whose certificate (DER) has this SHA-256. The server must present that
    /// certificate in its chain: at enrolment a host has not seen it yet.
    Fingerprint(ContentHash),
}

/// A client's certificate and its private key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, PEM.
    pub cert_pem: String,
    /// The private key, PEM.
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

pub(super) fn client_config(
    believed: &Roots,
    identity: Option<&Identity>,
    clock: &Clock,
) -> Result<ClientConfig, SetupError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| SetupError::Tls {
        what: "the client's certificate and key",
        source,
    };
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(clock.clone()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.into()))?;
    let builder =
        match believed {
            Roots::Ca(pem) => builder.with_root_certificates(roots("the server's authority", pem)?),
            Roots::Fingerprint(fingerprint) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(PinnedAuthority {
                    fingerprint: *fingerprint,
                    provider: provider(),
                })),
        };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(
                certificates("the client's certificate", &identity.cert_pem)?,
                private_key("the client's private key", &identity.key_pem)?,
            )
            .map_err(|error| unusable(error.into()))?,
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Servers of ours do not resume sessions, and a cache for others would only cost memory.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Finds the pinned authority among the certificates that the server presents, and then verifies as usual, with that
/// authority as the only root.
#[derive(Debug)]
struct PinnedAuthority {
    fingerprint: ContentHash,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates
            .iter()
            .find(|certificate| self.is_pinned(certificate))
            .ok_or_else(|| {
                CertificateError::Other(OtherError(Arc::new(NotPresented(self.fingerprint))))
            })?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl PinnedAuthority {
    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        digest::digest(&digest::SHA256, certificate).as_ref() == self.fingerprint.as_bytes()
    }
}

/// The server is of another authority than the token, or somebody is in between.
#[derive(Debug, thiserror::Error)]
#[error("it presents no authority with the fingerprint {0}")]
struct NotPresented(ContentHash);
