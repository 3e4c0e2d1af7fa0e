//! Who asks: what the server reads from a certificate that TLS has verified.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::HostName;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::{IdentityError, serial_text};

/// The host that a verified certificate names. Whether the certificate was revoked is the store's knowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The host.
    pub host: HostName,
    /// The certificate's serial number, as
    /// [`IssuedCertificate::serial`](super::IssuedCertificate::serial) writes it.
    pub serial: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl PeerIdentity {
    /// Reads a host's certificate from DER. It must have been verified: this looks at what it says, not at who
    /// signed it.
    ///
    /// # Errors
    /// When it is malformed, or is not one that [`CertificateAuthority::issue_host`] makes: one common name, and
    /// meant for clients.
    ///
    /// [`CertificateAuthority::issue_host`]: super::CertificateAuthority::issue_host
    pub fn from_der(der: &[u8]) -> Result<Self, IdentityError> {
        let refuse = |why: &str| IdentityError::ReadCertificate { why: why.into() };
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| refuse("it is not X.509"))?;
        if !rest.is_empty() {
            return Err(refuse("bytes follow behind it"));
        }
        let usage = certificate
            .extended_key_usage()
            .map_err(|_| refuse("its key usage cannot be read"))?;
        if !usage.is_some_and(|usage| usage.value.client_auth) {
            return Err(refuse("it is not meant for clients"));
        }
        let mut names = certificate.subject().iter_common_name();
        let (Some(name), None) = (names.next(), names.next()) else {
            return Err(refuse("exactly one common name is expected"));
        };
        let name = name
            .as_str()
            .map_err(|_| refuse("its common name is not text"))?;
        let time = |seconds| {
            Timestamp::from_second(seconds).map_err(|_| refuse("its validity is out of range"))
        };
        Ok(Self {
            host: HostName::parse(name)?,
            serial: serial_text(certificate.raw_serial()),
            not_before: time(certificate.validity().not_before.timestamp())?,
            not_after: time(certificate.validity().not_after.timestamp())?,
        })
    }

    /// Reads a host's own certificate from PEM, to know when to renew it.
    ///
    /// # Errors
    /// As [`PeerIdentity::from_der`].
    pub fn from_pem(text: &str) -> Result<Self, IdentityError> {
        let block = pem::parse(text).map_err(|_| IdentityError::ReadCertificate {
            why: "it is not PEM".into(),
        })?;
        Self::from_der(block.contents())
    }
}

/// When a certificate is to be renewed: at two thirds of its life, so that a host that is away for a third of it
/// still comes back with a valid one.
#[must_use]
pub fn renew_at(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_before.duration_until(not_after).as_secs().max(0);
    not_before
        .checked_add(SignedDuration::from_secs(life / 3 * 2))
        .unwrap_or(not_after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{CertificateAuthority, HostKey};
    use proptest::prelude::*;
    use std::sync::OnceLock;
    use std::time::Duration;

    fn certificate() -> Vec<u8> {
        static DER: OnceLock<Vec<u8>> = OnceLock::new();
        let make = || {
            let (now, host) = (
                "2026-01-01T00:00:00Z".parse().unwrap(),
                HostName::parse("web1").unwrap(),
            );
            let key = HostKey::generate(&host).unwrap();
            let issued = CertificateAuthority::create("test", now)
                .unwrap()
                .issue_host(&key.csr_pem, &host, now, Duration::from_secs(86_400))
                .unwrap();
            pem::parse(issued.pem).unwrap().into_contents()
        };
        DER.get_or_init(make).clone()
    }

    #[test]
    fn renewal_is_due_after_two_thirds() {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let to: Timestamp = "2026-04-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            renew_at(from, to),
            "2026-03-02T00:00:00Z".parse::<Timestamp>().unwrap()
        );
    }

    proptest! {
        #[test]
        fn renewal_is_never_due_outside_of_the_life(
            from in Timestamp::MIN.as_second()..Timestamp::MAX.as_second(),
            life in 0..400_000_000_i64,
        ) {
            let from = Timestamp::from_second(from).unwrap();
            let to = from.checked_add(SignedDuration::from_secs(life)).unwrap_or(Timestamp::MAX);
            let due = renew_at(from, to);
            prop_assert!(from <= due && due <= to);
        }

        #[test]
        fn no_damage_to_a_certificate_makes_the_reader_panic(
            at in 0_usize..400, byte in any::<u8>(), end in 0_usize..=400,
        ) {
            let mut der = certificate();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            der.truncate(end);
            if let Ok(peer) = PeerIdentity::from_der(&der) {
                prop_assert!(peer.serial.len() <= 32);
            }
        }
    }

    #[test]
    fn no_certificate_is_due_for_renewal_when_it_is_signed() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let authority = CertificateAuthority::create("test", now).unwrap();
        let host = HostName::parse("web1").unwrap();
        let key = HostKey::generate(&host).unwrap();
        for seconds in [60, 3600, 90 * 86_400] {
            let valid = Duration::from_secs(seconds);
            let issued = authority
                .issue_host(&key.csr_pem, &host, now, valid)
                .unwrap();
            let due = renew_at(issued.not_before, issued.not_after);
            let life = SignedDuration::from_secs(seconds.try_into().unwrap());
            assert!(due > now + life / 2, "{seconds} s: due at {due}");
        }
    }
}
