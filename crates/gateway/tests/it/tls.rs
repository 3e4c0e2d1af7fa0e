//! Authorities, certificates, a listener over TLS, and a client that shows every byte.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use lockstep_net::Clock;
use lockstep_net::tls::{ClientAuth, Limits, ServerIdentity, TlsAcceptorSource, serve};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::web::Answer;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, PEM.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Leaf {
    /// Writes both down and says where.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (cert, key) = (
            dir.join(format!("{name}.pem")),
            dir.join(format!("{name}.key")),
        );
        std::fs::write(&cert, &self.pem).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (cert, key)
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, names: &[&str], cn: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, cn);
        // As Puppet's certificates: good for both sides.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            pem: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn host(&self, cn: &str) -> Leaf {
        self.issue(&[], cn)
    }
}

/// The listener. It ends when this is dropped.
pub(crate) struct Secure {
    pub(crate) ca: Authority,
    pub(crate) address: SocketAddr,
    _stop: DropGuard,
}

impl Secure {
    /// One that judges clients' certificates behind the handshake.
    pub(crate) async fn serve(routes: Router) -> Self {
        let ca = Authority::new("the authority");
        let shown = ca.issue(&["localhost", "127.0.0.1"], "localhost");
        let identity = ServerIdentity {
            chain_pem: shown.pem,
            key_pem: shown.key,
        };
        let auth = ClientAuth::Judged {
            ca_pem: ca.pem.clone(),
        };
        let door = TlsAcceptorSource::new(&identity, &auth, &Clock::system()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(
            listener,
            door,
            routes,
            Limits::default(),
            stop.clone(),
        ));
        Self {
            ca,
            address,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// A connection that shows this certificate, or none.
    pub(crate) async fn connect(&self, leaf: Option<&Leaf>) -> Line {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca.pem.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match leaf {
            None => config.with_no_client_auth(),
            Some(leaf) => {
                let cert = CertificateDer::from_pem_slice(leaf.pem.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        let tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let name = self.address.ip().into();
        Line(connector.connect(name, tcp).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, leaf: Option<&Leaf>, request: &str, more: &str) -> Answer {
        self.connect(leaf).await.ask(request, more).await
    }
}

/// A connection that stays open from request to request.
pub(crate) struct Line(TlsStream<TcpStream>);

impl Line {
    /// Sends a request as `GET /path`, with more lines of its head, and reads the whole answer.
    pub(crate) async fn ask(&mut self, request: &str, more: &str) -> Answer {
        let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
        self.0.write_all(head.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                break end;
            }
            self.more(&mut bytes).await;
        };
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut answer = Answer::parse_head(head);
        let length: usize = match request.starts_with("HEAD ") {
            true => 0,
            false => answer.header("content-length").parse().unwrap(),
        };
        while bytes.len() < end + 4 + length {
            self.more(&mut bytes).await;
        }
        answer.body = bytes[end + 4..].to_vec();
        answer
    }

    async fn more(&mut self, bytes: &mut Vec<u8>) {
        let mut piece = [0; 4096];
        let read = self.0.read(&mut piece).await.unwrap();
        assert!(read > 0, "the connection ended in the middle of an answer");
        bytes.extend_from_slice(&piece[..read]);
    }
}
