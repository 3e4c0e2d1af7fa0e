//! The host's side of its certificate: its key, and the request that proves that it holds the key.

use std::fmt;

use lockstep_model::{ContentHash, HostName};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData as _, SubjectPublicKeyInfo,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::{IdentityError, sha256};

/// Longest certificate request that is looked at, in bytes of PEM. One for a P-256 key has about 500.
const LONGEST_REQUEST: usize = 16 * 1024;

/// A host's private key with a certificate request for it, both PEM. The key stays on the host.
#[derive(Clone)]
pub struct HostKey {
    /// The private key, PKCS #8. To be stored readable by root alone.
    pub key_pem: String,
    /// The certificate request, PKCS #10.
    pub csr_pem: String,
}

impl HostKey {
    /// Makes a new key (ECDSA on P-256) and a request for it.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(host: &HostName) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|error| IdentityError::GenerateKey(error.into()))?;
        Ok(Self {
            csr_pem: request(&key, host)?,
            key_pem: key.serialize_pem(),
        })
    }
}

/// A certificate request (PEM) for a key that the host already has: a renewal, or an enrolment that is repeated.
///
/// # Errors
/// When `key_pem` is not a private key.
pub fn csr_for(key_pem: &str, host: &HostName) -> Result<String, IdentityError> {
    let key = KeyPair::from_pem(key_pem).map_err(|error| IdentityError::ReadKey(error.into()))?;
    request(&key, host)
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostKey").finish_non_exhaustive()
    }
}

/// The request states the host's name for people who read it; the server does not.
fn request(key: &KeyPair, host: &HostName) -> Result<String, IdentityError> {
    let failed = |error: rcgen::Error| IdentityError::MakeRequest {
        host: host.to_string(),
        source: error.into(),
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, host.as_str());
    params
        .serialize_request(key)
        .and_then(|request| request.pem())
        .map_err(failed)
}

/// The identity of the key that a certificate request is for: the SHA-256 of its `SubjectPublicKeyInfo` (DER,
/// RFC 5280 section 4.1). The request's signature is checked first.
///
/// # Errors
/// When the request is malformed, is not signed with its own key, or the key is of a kind that is not accepted.
pub fn csr_key(csr_pem: &str) -> Result<ContentHash, IdentityError> {
    ProvenKey::of_request(csr_pem).map(|proven| proven.id)
}

/// A public key whose owner proved to hold the private one. It is all that is ever taken from a request.
pub(super) struct ProvenKey {
    pub(super) key: SubjectPublicKeyInfo,
    pub(super) id: ContentHash,
}

impl ProvenKey {
    pub(super) fn of_request(csr_pem: &str) -> Result<Self, IdentityError> {
        let refuse = |why: &str| IdentityError::ReadRequest { why: why.into() };
        if csr_pem.len() > LONGEST_REQUEST {
            return Err(refuse("it is longer than 16 KiB"));
        }
        let block = pem::parse(csr_pem).map_err(|_| refuse("it is not PEM"))?;
        if block.tag() != "CERTIFICATE REQUEST" {
            return Err(refuse("a PEM block CERTIFICATE REQUEST is expected"));
        }
        let (rest, request) = X509CertificationRequest::from_der(block.contents())
            .map_err(|_| refuse("it is not a PKCS #10 request"))?;
        if !rest.is_empty() {
            return Err(refuse("bytes follow behind the PKCS #10 request"));
        }
        let spki = request.certification_request_info.subject_pki.raw;
        let key = SubjectPublicKeyInfo::from_der(spki)
            .map_err(|_| refuse("its key is of an unknown kind"))?;
        // The kinds that every verifier in use knows, and whose keys cannot be made too short.
        let accepted = [
            &PKCS_ECDSA_P256_SHA256,
            &PKCS_ECDSA_P384_SHA384,
            &PKCS_ED25519,
        ];
        if !accepted.contains(&key.algorithm()) {
            return Err(refuse(
                "its key is not ECDSA on P-256 or P-384, nor Ed25519",
            ));
        }
        request
            .verify_signature()
            .map_err(|_| refuse("it is not signed with the key it is for"))?;
        Ok(Self {
            key,
            id: sha256(spki),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web1() -> HostName {
        HostName::parse("web1").unwrap()
    }

    #[test]
    fn a_key_keeps_its_identity_over_requests() {
        let host = HostKey::generate(&web1()).unwrap();
        let again = csr_for(&host.key_pem, &HostName::parse("other.example").unwrap()).unwrap();
        assert_eq!(csr_key(&again).unwrap(), csr_key(&host.csr_pem).unwrap());
        let other = HostKey::generate(&web1()).unwrap();
        assert_ne!(
            csr_key(&other.csr_pem).unwrap(),
            csr_key(&host.csr_pem).unwrap()
        );
    }

    #[test]
    fn a_request_with_another_ones_key_is_refused() {
        let mut mine = pem::parse(HostKey::generate(&web1()).unwrap().csr_pem)
            .unwrap()
            .into_contents();
        let theirs = pem::parse(HostKey::generate(&web1()).unwrap().csr_pem)
            .unwrap()
            .into_contents();
        // Both requests have one shape, so the public key (behind its uncompressed-point mark) can be swapped.
        let mark = [0x03, 0x42, 0x00, 0x04];
        let at = |der: &[u8]| der.windows(4).position(|four| four == mark).unwrap() + 4;
        let (to, from) = (at(&mine), at(&theirs));
        mine[to..to + 64].copy_from_slice(&theirs[from..from + 64]);
        let forged = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", mine));
        let error = csr_key(&forged).unwrap_err().to_string();
        assert!(error.contains("not signed with the key"), "{error}");
    }

    #[test]
    fn keys_of_other_kinds_are_refused() {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let error = csr_key(&request(&key, &web1()).unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("not ECDSA on P-256"), "{error}");
        for accepted in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
            let key = KeyPair::generate_for(accepted).unwrap();
            csr_key(&request(&key, &web1()).unwrap()).unwrap();
        }
    }

    #[test]
    fn each_refusal_says_why() {
        let why = |text: &str| csr_key(text).unwrap_err().to_string();
        assert!(why("").contains("not PEM"));
        assert!(why(&"x".repeat(LONGEST_REQUEST + 1)).contains("longer than 16 KiB"));
        let key = HostKey::generate(&web1()).unwrap();
        assert!(why(&key.key_pem).contains("CERTIFICATE REQUEST is expected"));
        let mut der = pem::parse(&key.csr_pem).unwrap().into_contents();
        der.push(0);
        let longer = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
        assert!(why(&longer).contains("bytes follow"));
        let empty = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", vec![1, 2, 3]));
        assert!(why(&empty).contains("not a PKCS #10"));
    }

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(
            format!("{:?}", HostKey::generate(&web1()).unwrap()),
            "HostKey { .. }"
        );
    }
}
