//! The server's certificate authority: it says which key is which host's, and signs the server's own certificate.
//!
//! Two kinds of certificate leave it, and neither can stand in for the other: a host's is for clients only and
//! names the host, a server's is for servers only and names the addresses. The authority itself can sign no
//! further authorities.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use lockstep_model::{ContentHash, HostName};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
    SerialNumber,
};
use rustls_pki_types::DnsName;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::csr::ProvenKey;
use super::{IdentityError, serial_text, sha256};

/// How long an authority is valid. It outlives the machines; replacing it means to enrol every host again.
const LIFE: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);

/// Certificates are valid from an hour before they were signed, for hosts whose clocks are behind.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// A certificate authority with its private key.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
    key_pem: String,
    fingerprint: ContentHash,
    not_after: Timestamp,
}

/// A host's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificate, PEM.
    pub pem: String,
    /// Its serial number: 128 bits in lower-case hexadecimal, most of them random.
    pub serial: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// SHA-256 of the public key it is for (its `SubjectPublicKeyInfo`).
    pub key: ContentHash,
}

/// A server's certificate with its private key.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The certificate and behind it the authority's, PEM. The authority's is there for hosts that know no more
    /// of it than its fingerprint.
    pub chain_pem: String,
    /// The private key, PKCS #8 in PEM.
    pub key_pem: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl CertificateAuthority {
    /// Makes a new authority with a new key (ECDSA on P-256), valid for twenty years.
    ///
    /// # Errors
    /// When there is no randomness, or the name cannot stand in a certificate.
    pub fn create(name: &str, now: Timestamp) -> Result<Self, IdentityError> {
        let key = new_key()?;
        let validity = Validity::starting(now, LIFE.unsigned_abs())?;
        let mut params = CertificateParams::default();
        validity.write_to(&mut params);
        params.serial_number = Some(new_serial()?);
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate =
            params
                .self_signed(&key)
                .map_err(|error| IdentityError::CreateAuthority {
                    name: name.into(),
                    source: error.into(),
                })?;
        Self::load(&certificate.pem(), &key.serialize_pem())
    }

    /// Loads an authority from its certificate and its private key, both PEM.
    ///
    /// # Errors
    /// When one of them is malformed, the certificate is not an authority's, or they do not belong together.
    pub fn load(cert_pem: &str, key_pem: &str) -> Result<Self, IdentityError> {
        let refuse = |why: &str| IdentityError::LoadAuthority { why: why.into() };
        let key =
            KeyPair::from_pem(key_pem).map_err(|error| IdentityError::ReadKey(error.into()))?;
        let block = pem::parse(cert_pem).map_err(|_| refuse("its certificate is not PEM"))?;
        let der = block.contents();
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| refuse("its certificate is not X.509"))?;
        if !certificate.is_ca() {
            return Err(refuse("its certificate is not one of an authority"));
        }
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(refuse("its certificate is for another key"));
        }
        let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|_| refuse("its validity is out of range"))?;
        let fingerprint = sha256(der);
        let issuer = Issuer::from_ca_cert_der(&der.into(), key)
            .map_err(|error| refuse(&error.to_string()))?;
        Ok(Self {
            issuer,
            cert_pem: cert_pem.into(),
            key_pem: key_pem.into(),
            fingerprint,
            not_after,
        })
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The authority's private key, PKCS #8 in PEM. Whoever reads it can be any host and any server.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// SHA-256 of the authority's certificate (DER): what enrolment tokens carry.
    #[must_use]
    pub fn fingerprint(&self) -> ContentHash {
        self.fingerprint
    }

    /// Until when the authority is valid; no certificate it signs outlives it.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Signs a certificate that says: this key is that host's. From the request only the key is taken, once its
    /// signature has proven that the sender holds it; the names and extensions in it are ignored. The
    /// certificate is for TLS clients only, and the host is its common name. (X.520 ends a common name at 64 bytes;
    /// longer host names are written all the same, since only our server reads them.)
    ///
    /// # Errors
    /// When the request is refused, or the authority has expired.
    pub fn issue_host(
        &self,
        csr_pem: &str,
        host: &HostName,
        now: Timestamp,
        valid: Duration,
    ) -> Result<IssuedCertificate, IdentityError> {
        let proven = ProvenKey::of_request(csr_pem)?;
        let validity = self.validity(now, valid)?;
        let serial = new_serial()?;
        let mut params = end_entity(ExtendedKeyUsagePurpose::ClientAuth);
        validity.write_to(&mut params);
        params.serial_number = Some(serial.clone());
        params.distinguished_name = common_name(host.as_str());
        let certificate = params
            .signed_by(&proven.key, &self.issuer)
            .map_err(|error| sign_failed(host.as_str(), error))?;
        Ok(IssuedCertificate {
            pem: certificate.pem(),
            serial: serial_text(&serial.to_bytes()),
            not_before: validity.from,
            not_after: validity.to,
            key: proven.id,
        })
    }

    /// Signs a certificate for a server with a new key, for TLS servers only.
    ///
    /// `names` are the DNS names and IP addresses by which agents and operators reach it.
    ///
    /// # Errors
    /// When there is no name, one is neither a DNS name nor an IP address, or the authority has expired.
    pub fn issue_server(
        &self,
        names: &[String],
        now: Timestamp,
        valid: Duration,
    ) -> Result<ServerCertificate, IdentityError> {
        let first = names.first().ok_or(IdentityError::NoServerName)?;
        let key = new_key()?;
        let validity = self.validity(now, valid)?;
        let mut params = end_entity(ExtendedKeyUsagePurpose::ServerAuth);
        validity.write_to(&mut params);
        params.serial_number = Some(new_serial()?);
        params.distinguished_name = common_name(first);
        params.subject_alt_names = names
            .iter()
            .map(|name| alternative_name(name))
            .collect::<Result<_, _>>()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|error| sign_failed(first, error))?;
        Ok(ServerCertificate {
            chain_pem: certificate.pem() + &self.cert_pem,
            key_pem: key.serialize_pem(),
            not_before: validity.from,
            not_after: validity.to,
        })
    }

    fn validity(&self, now: Timestamp, valid: Duration) -> Result<Validity, IdentityError> {
        if now >= self.not_after {
            return Err(IdentityError::AuthorityExpired { at: self.not_after });
        }
        let mut validity = Validity::starting(now, valid)?;
        validity.to = validity.to.min(self.not_after);
        Ok(validity)
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("fingerprint", &self.fingerprint)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// From when to when a certificate is valid, in whole seconds, as X.509 counts.
struct Validity {
    from: Timestamp,
    to: Timestamp,
}

impl Validity {
    fn starting(now: Timestamp, valid: Duration) -> Result<Self, IdentityError> {
        let refuse = || IdentityError::Validity {
            from: now,
            seconds: valid.as_secs(),
        };
        let length = SignedDuration::try_from(valid).map_err(|_| refuse())?;
        let now = Timestamp::from_second(now.as_second()).map_err(|_| refuse())?;
        // A certificate whose life is short must not be born old: it would be due for renewal at once.
        let skew = SKEW.min(length / 10);
        let from = now.checked_sub(skew).map_err(|_| refuse())?;
        let from = Timestamp::from_second(from.as_second()).map_err(|_| refuse())?;
        let to = now.checked_add(length).map_err(|_| refuse())?;
        // X.509 can say more, but nothing before 1970 is a clock that was set.
        if from < Timestamp::UNIX_EPOCH || length.as_secs() == 0 {
            return Err(refuse());
        }
        let to = Timestamp::from_second(to.as_second()).map_err(|_| refuse())?;
        Ok(Self { from, to })
    }

    fn write_to(&self, params: &mut CertificateParams) {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let since_epoch = |at: Timestamp| at.duration_since(Timestamp::UNIX_EPOCH).unsigned_abs();
        params.not_before = epoch + since_epoch(self.from);
        params.not_after = epoch + since_epoch(self.to);
    }
}

fn new_key() -> Result<KeyPair, IdentityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|error| IdentityError::GenerateKey(error.into()))
}

/// 16 random bytes, the first two bits fixed at 01: so the number is positive and its text always has 32 digits.
fn new_serial() -> Result<SerialNumber, IdentityError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| IdentityError::Random)?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn end_entity(purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn alternative_name(name: &str) -> Result<SanType, IdentityError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refuse = || IdentityError::ServerName { name: name.into() };
    let dns = DnsName::try_from(name).map_err(|_| refuse())?;
    let dns = dns
        .to_lowercase_owned()
        .as_ref()
        .try_into()
        .map_err(|_| refuse())?;
    Ok(SanType::DnsName(dns))
}

fn sign_failed(subject: &str, error: rcgen::Error) -> IdentityError {
    IdentityError::Sign {
        subject: subject.into(),
        source: error.into(),
    }
}

#[cfg(test)]
mod tests;
