//! Certificates and keys as they are stored (PEM), turned into what TLS uses, with the one crypto provider.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::SetupError;

/// AWS-LC, the only provider; it is passed explicitly everywhere, so that nothing depends on a global default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .clone()
}

/// All certificates of a PEM text, at least one.
pub(crate) fn certificates(
    what: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let refuse = |why: String| SetupError::Certificates { what, why };
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    if chain.is_empty() {
        return Err(refuse("there is no PEM block CERTIFICATE in it".into()));
    }
    Ok(chain)
}

/// The certificates of a PEM text as roots.
pub(crate) fn roots(what: &'static str, pem: &str) -> Result<Arc<RootCertStore>, SetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(what, pem)? {
        roots
            .add(certificate)
            .map_err(|error| SetupError::Certificates {
                what,
                why: error.to_string(),
            })?;
    }
    Ok(Arc::new(roots))
}

/// The private key of a PEM text.
pub(crate) fn private_key(
    what: &'static str,
    pem: &str,
) -> Result<PrivateKeyDer<'static>, SetupError> {
    // The parser's own error could repeat a line of the key.
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| SetupError::PrivateKey {
        what,
        why: "there is no readable PEM block PRIVATE KEY in it".into(),
    })
}
