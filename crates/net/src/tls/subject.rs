//! Who a certificate is about.

use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Longest common name that is looked at (X.520's upper bound is 64; a host's name has 253 bytes at most).
const LONGEST: usize = 253;

/// The common name (CN, RFC 5280 section 4.1.2.4) of a certificate's subject, DER. None where it cannot be read, where
/// there is none, and where there are several: of two names neither is the one.
///
/// It says nothing about whether the certificate is to be believed; ask it of a
/// [`PeerCertificate`](super::PeerCertificate) only.
#[must_use]
pub fn common_name(der: &[u8]) -> Option<String> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut names = certificate.subject().iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return None;
    };
    let name = name.as_str().ok()?;
    (!name.is_empty() && name.len() <= LONGEST).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "CN=other.example.org");
        for name in names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_name_is_the_subjects_and_nothing_that_looks_like_it() {
        let der = certificate(&["Host1.example.com"]);
        assert_eq!(common_name(&der).as_deref(), Some("Host1.example.com"));
        assert_eq!(common_name(&certificate(&[])), None);
        assert_eq!(common_name(&certificate(&[""])), None);
        assert_eq!(common_name(&certificate(&[&"a".repeat(254)])), None);
        let mut longer = der;
        longer.push(0);
        assert_eq!(common_name(&longer), None);
    }

    proptest! {
        #[test]
        fn broken_certificates_have_no_name_or_the_right_one(at in 0_usize..400, byte: u8) {
            let mut der = certificate(&["host1.example.com"]);
            let at = at % der.len();
            der[at] = byte;
            // Whatever was read is text of the subject's length; nothing panics.
            if let Some(name) = common_name(&der) {
                prop_assert!(name.len() <= LONGEST);
            }
        }
    }
}
