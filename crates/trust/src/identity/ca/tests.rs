//! What the authority signs, read back with another library.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::HostName;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::CertificateAuthority;
use crate::identity::{HostKey, IdentityError, PeerIdentity, csr_key, sha256};

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    "2026-11-20T12:00:00.75Z".parse().unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::create("Lockstep test", now()).unwrap()
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn der(pem: &str) -> Vec<u8> {
    pem::parse(pem).unwrap().into_contents()
}

#[test]
fn a_hosts_certificate_says_what_the_server_decided() {
    let ca = authority();
    let key = HostKey::generate(&host("asked-for")).unwrap();
    let issued = ca
        .issue_host(&key.csr_pem, &host("web1.example"), now(), 90 * DAY)
        .unwrap();

    let der = der(&issued.pem);
    let peer = PeerIdentity::from_der(&der).unwrap();
    assert_eq!(PeerIdentity::from_pem(&issued.pem).unwrap(), peer);
    assert_eq!(peer.host, host("web1.example"));
    assert_eq!(peer.serial, issued.serial);
    assert_eq!(issued.serial.len(), 32);
    assert_eq!(
        (peer.not_before, peer.not_after),
        (issued.not_before, issued.not_after)
    );
    assert_eq!(peer.not_before.to_string(), "2026-11-20T11:00:00Z");
    assert_eq!(peer.not_after.to_string(), "2027-02-18T12:00:00Z");
    assert_eq!(issued.key, csr_key(&key.csr_pem).unwrap());

    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(sha256(certificate.public_key().raw), issued.key);
    let ca_der = self::der(ca.cert_pem());
    let (_, ca_certificate) = X509Certificate::from_der(&ca_der).unwrap();
    certificate
        .verify_signature(Some(ca_certificate.public_key()))
        .unwrap();
    assert_eq!(certificate.issuer(), ca_certificate.subject());
}

#[test]
fn a_forged_request_gets_no_more_than_its_key_signed() {
    let key = KeyPair::generate().unwrap();
    let mut wish = CertificateParams::default();
    wish.distinguished_name
        .push(DnType::CommonName, "db1.example");
    wish.distinguished_name
        .push(DnType::OrganizationName, "admin");
    wish.subject_alt_names = vec![SanType::DnsName("server.example".try_into().unwrap())];
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    wish.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::Any,
    ];
    // An extension that no library knows must be ignored like the others, not break enrolment.
    wish.custom_extensions = vec![CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 4, 1, 99_999, 1],
        vec![0x05, 0x00],
    )];
    let csr = wish.serialize_request(&key).unwrap().pem().unwrap();
    let issued = authority()
        .issue_host(&csr, &host("web1"), now(), DAY)
        .unwrap();

    let der = der(&issued.pem);
    assert_eq!(PeerIdentity::from_der(&der).unwrap().host, host("web1"));
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.subject().iter().count(), 1);
    assert!(!certificate.is_ca());
    assert!(certificate.subject_alternative_name().unwrap().is_none());
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.client_auth && !purposes.server_auth && !purposes.any);
    assert!(certificate.extensions().iter().all(|extension| {
        !extension
            .oid
            .to_id_string()
            .starts_with("1.3.6.1.4.1.99999")
    }));
}

#[test]
fn a_servers_certificate_names_its_addresses_and_is_no_hosts() {
    let ca = authority();
    let names = ["Lock.example", "localhost", "127.0.0.1", "::1"].map(String::from);
    let server = ca.issue_server(&names, now(), 90 * DAY).unwrap();
    let chain = pem::parse_many(&server.chain_pem).unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(sha256(chain[1].contents()), ca.fingerprint());

    let (_, certificate) = X509Certificate::from_der(chain[0].contents()).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(
        names.value.general_names,
        [
            GeneralName::DNSName("lock.example"),
            GeneralName::DNSName("localhost"),
            GeneralName::IPAddress(&[127, 0, 0, 1]),
            GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ]
    );
    let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && !purposes.client_auth);

    let refused = PeerIdentity::from_der(chain[0].contents())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not meant for clients"), "{refused}");
    let refused = PeerIdentity::from_der(chain[1].contents())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not meant for clients"), "{refused}");
}

#[test]
fn a_server_needs_names_that_are_names() {
    let ca = authority();
    let issue = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        ca.issue_server(&names, now(), DAY).unwrap_err().to_string()
    };
    assert!(issue(&[]).contains("at least one"));
    for bad in ["", "a b", "https://x", "x:7440", "*.example"] {
        assert!(issue(&["good", bad]).contains("neither"), "{bad}");
    }
}

#[test]
fn an_authority_survives_its_files() {
    let ca = authority();
    let loaded = CertificateAuthority::load(ca.cert_pem(), ca.key_pem()).unwrap();
    assert_eq!(loaded.fingerprint(), ca.fingerprint());
    assert_eq!(loaded.not_after(), ca.not_after());
    let key = HostKey::generate(&host("web1")).unwrap();
    loaded
        .issue_host(&key.csr_pem, &host("web1"), now(), DAY)
        .unwrap();
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (one, other) = (authority(), authority());
    let why = |cert: &str, key: &str| {
        CertificateAuthority::load(cert, key)
            .unwrap_err()
            .to_string()
    };
    assert!(why(one.cert_pem(), other.key_pem()).contains("another key"));
    assert!(why("", one.key_pem()).contains("not PEM"));
    assert!(why(one.cert_pem(), "").contains("private key"));
    let key = HostKey::generate(&host("web1")).unwrap();
    let leaf = one
        .issue_host(&key.csr_pem, &host("web1"), now(), DAY)
        .unwrap();
    assert!(why(&leaf.pem, &key.key_pem).contains("not one of an authority"));
}

#[test]
fn nothing_outlives_the_authority() {
    let ca = authority();
    let key = HostKey::generate(&host("web1")).unwrap();
    let last_day = ca.not_after().checked_sub(DAY).unwrap();
    let issued = ca
        .issue_host(&key.csr_pem, &host("web1"), last_day, 90 * DAY)
        .unwrap();
    assert_eq!(issued.not_after, ca.not_after());
    assert!(matches!(
        ca.issue_host(&key.csr_pem, &host("web1"), ca.not_after(), DAY),
        Err(IdentityError::AuthorityExpired { .. })
    ));
    assert!(matches!(
        ca.issue_host(&key.csr_pem, &host("web1"), now(), Duration::MAX),
        Err(IdentityError::Validity { .. })
    ));
    assert!(matches!(
        CertificateAuthority::create("early", Timestamp::UNIX_EPOCH),
        Err(IdentityError::Validity { .. })
    ));
}

#[test]
fn no_two_certificates_have_one_serial() {
    let ca = authority();
    let key = HostKey::generate(&host("web1")).unwrap();
    let issue = || {
        ca.issue_host(&key.csr_pem, &host("web1"), now(), DAY)
            .unwrap()
    };
    let (one, other) = (issue(), issue());
    assert_ne!(one.serial, other.serial);
    assert_eq!(one.key, other.key);
}

#[test]
fn debug_hides_the_keys() {
    let ca = authority();
    let server = ca.issue_server(&["a".into()], now(), DAY).unwrap();
    assert!(!format!("{ca:?}{server:?}").contains("PRIVATE"));
}
