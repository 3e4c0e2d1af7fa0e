//! Authorities, certificates, listeners and clients for the tests. The year is always 2026.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use lockstep_model::ContentHash;
use lockstep_net::client::{ClientSettings, HttpClient, Identity, Roots};
use lockstep_net::tls::{ClientAuth, Ended, Limits, ServerIdentity, TlsAcceptorSource, serve};
use lockstep_net::{Clock, ClockDriver};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
    der: Vec<u8>,
}

/// A certificate and its key.
pub(crate) struct Leaf {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn server(&self, names: &[&str]) -> Leaf {
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn host(&self, name: &str) -> Leaf {
        self.issue(&[name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    pub(crate) fn fingerprint(&self) -> ContentHash {
        fingerprint(&self.der)
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::Ca(self.pem.clone())
    }
}

pub(crate) fn fingerprint(der: &[u8]) -> ContentHash {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    ContentHash::parse(&format!("{digest:?}")[7..]).unwrap()
}

impl Leaf {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            cert_pem: self.pem.clone(),
            key_pem: self.key.clone(),
        }
    }

    /// As a server's, with `others` (PEM) behind it in the chain.
    pub(crate) fn with_chain(&self, others: &str) -> ServerIdentity {
        ServerIdentity {
            chain_pem: format!("{}{others}", self.pem),
            key_pem: self.key.clone(),
        }
    }
}

/// One authority, one listener on 127.0.0.1, and time that stands still.
pub(crate) struct World {
    pub(crate) ca: Authority,
    pub(crate) clock: Clock,
    pub(crate) time: ClockDriver,
    pub(crate) tls: TlsAcceptorSource,
    pub(crate) addr: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<Ended>,
}

impl World {
    pub(crate) async fn serving(router: Router) -> Self {
        Self::limited(router, Limits::default()).await
    }

    pub(crate) async fn limited(router: Router, limits: Limits) -> Self {
        let ca = Authority::new("the authority");
        let shown = ca.server(&["127.0.0.1"]).with_chain(&ca.pem);
        Self::showing(ca, &shown, router, limits).await
    }

    pub(crate) async fn showing(
        ca: Authority,
        identity: &ServerIdentity,
        router: Router,
        limits: Limits,
    ) -> Self {
        let auth = ClientAuth::Optional {
            ca_pem: ca.pem.clone(),
        };
        Self::asking(ca, identity, &auth, router, limits).await
    }

    /// One that lets every certificate in and judges it afterwards.
    pub(crate) async fn judging(router: Router) -> Self {
        let ca = Authority::new("the authority");
        let shown = ca.server(&["127.0.0.1"]).with_chain(&ca.pem);
        let auth = ClientAuth::Judged {
            ca_pem: ca.pem.clone(),
        };
        Self::asking(ca, &shown, &auth, router, Limits::default()).await
    }

    async fn asking(
        ca: Authority,
        identity: &ServerIdentity,
        auth: &ClientAuth,
        router: Router,
        limits: Limits,
    ) -> Self {
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let (clock, time) = Clock::driven(start);
        let tls = TlsAcceptorSource::new(identity, auth, &clock).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, tls.clone(), router, limits, stop.clone()));
        Self {
            ca,
            clock,
            time,
            tls,
            addr,
            stop,
            server,
        }
    }

    pub(crate) fn settings(&self) -> ClientSettings {
        let mut settings = ClientSettings::new(format!("https://{}", self.addr), self.ca.roots());
        settings.timeouts.answer = Duration::from_secs(8);
        settings.timeouts.stall = Duration::from_secs(8);
        settings
    }

    pub(crate) fn client(&self) -> HttpClient {
        self.client_of(self.settings())
    }

    pub(crate) fn client_of(&self, settings: ClientSettings) -> HttpClient {
        HttpClient::new(settings, &self.clock).unwrap()
    }

    pub(crate) fn believing(&self, roots: Roots) -> HttpClient {
        let mut settings = self.settings();
        settings.roots = roots;
        self.client_of(settings)
    }

    pub(crate) fn client_as(&self, leaf: &Leaf) -> HttpClient {
        let mut settings = self.settings();
        settings.identity = Some(leaf.identity());
        self.client_of(settings)
    }

    /// A TLS connection without HTTP, speaking `protocol` and resuming sessions where the server lets it.
    pub(crate) fn connector(&self, protocol: &str) -> TlsConnector {
        use rustls_pki_types::pem::PemObject as _;
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(rustls_pki_types::CertificateDer::from_pem_slice(self.ca.pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config =
            rustls::ClientConfig::builder_with_details(provider, Arc::new(self.clock.clone()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        TlsConnector::from(Arc::new(config))
    }

    /// A client that shows this certificate and signs with this key, whether or not they belong together.
    pub(crate) fn presenting(&self, identity: &Identity) -> Arc<rustls::ClientConfig> {
        use rustls_pki_types::pem::PemObject as _;
        use rustls_pki_types::{CertificateDer, PrivateKeyDer};
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca.pem.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let leaf = CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).unwrap();
        let shown = rustls::sign::CertifiedKey::new(vec![leaf], key);
        let config =
            rustls::ClientConfig::builder_with_details(provider, Arc::new(self.clock.clone()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        Arc::new(config)
    }

    pub(crate) async fn connect(&self, connector: &TlsConnector) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.addr).await.unwrap();
        let name = self.addr.ip().into();
        connector.connect(name, tcp).await.unwrap()
    }
}
