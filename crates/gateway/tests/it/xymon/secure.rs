//! `starttls`, as clients newer than Debian's speak it.

use std::sync::Arc;

use lockstep_net::Clock;
use lockstep_net::tls::{ClientAuth, ServerIdentity, TlsAcceptorSource};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::world::{LONG, Setup};

#[tokio::test]
async fn a_connection_becomes_a_secure_one() {
    let shown = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let identity = ServerIdentity {
        chain_pem: shown.cert.pem(),
        key_pem: shown.signing_key.serialize_pem(),
    };
    let tls = TlsAcceptorSource::new(&identity, &ClientAuth::None, &Clock::system()).unwrap();
    let setup = Setup {
        tls: Some(tls),
        ..Setup::default()
    };
    let server = setup.start().await;

    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(shown.cert.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    // By its size, and by the half-close of TLS.
    let report = "client www,example,org.linux linux\n[date]\nx\n";
    let sized = format!("size:{}\n{report}", report.len());
    for (message, close) in [(sized.as_str(), false), (report, true)] {
        let mut plain = TcpStream::connect(server.address).await.unwrap();
        plain.write_all(b"starttls\n").await.unwrap();
        let mut answer = [0; 7];
        plain.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"OK TLS\n");
        let name = "localhost".try_into().unwrap();
        let mut secure = connector.connect(name, plain).await.unwrap();
        secure.write_all(message.as_bytes()).await.unwrap();
        if close {
            secure.shutdown().await.unwrap();
        }
        secure.flush().await.unwrap();
        let mut answer = String::new();
        let read = timeout(LONG, secure.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        assert_eq!(answer, "log:/var/log/messages:10240\n");
    }
    // In plain text it goes on as ever.
    assert!(!server.say(report).await.is_empty());
}
