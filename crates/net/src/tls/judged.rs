//! Judging a client's certificate behind the handshake, so that the answer can be given in the protocol's own words.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{Peer, PeerCertificate, UnverifiedCertificate};
use crate::Clock;

/// Lets every certificate through the handshake whose key the peer holds. Signatures are checked as strictly as ever,
/// and the authorities that count are still named, so that clients with several certificates choose the right one.
#[derive(Debug)]
pub(super) struct Anybody {
    strict: Arc<dyn ClientCertVerifier>,
}

impl Anybody {
    pub(super) fn new(strict: Arc<dyn ClientCertVerifier>) -> Self {
        Self { strict }
    }
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.strict.root_hint_subjects()
    }

    /// [`Judge`] does this later.
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

/// Says which of the certificates that [`Anybody`] let in are valid.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    strict: Arc<dyn ClientCertVerifier>,
    clock: Clock,
}

impl Judge {
    pub(super) fn new(strict: Arc<dyn ClientCertVerifier>, clock: &Clock) -> Self {
        Self {
            strict,
            clock: clock.clone(),
        }
    }

    pub(super) fn peer(&self, chain: &[CertificateDer<'_>]) -> Peer {
        let Some((leaf, others)) = chain.split_first() else {
            return Peer::Nobody;
        };
        match self.verify(leaf, others) {
            Ok(_) => Peer::Verified(PeerCertificate(leaf.to_vec())),
            Err(error) => Peer::Unverified(UnverifiedCertificate {
                der: leaf.to_vec(),
                why: error.to_string(),
            }),
        }
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Result<ClientCertVerified, Error> {
        let now = rustls::time_provider::TimeProvider::current_time(&self.clock)
            .ok_or(Error::FailedToGetCurrentTime)?;
        self.strict.verify_client_cert(leaf, others, now)
    }
}
