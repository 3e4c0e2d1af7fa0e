//! Who this host is: its key, its certificate, and the authority that signed it.
//!
//! The key is made on the host and never leaves it. Files are written in an order in which a crash leaves nothing
//! that the next enrolment or renewal does not complete: the key first, the certificate last.

use std::path::PathBuf;

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_host::fs::{self, Mode};
use lockstep_model::api::{AgentHeaders, RenewAnswer, RenewRequest};
use lockstep_model::{HostName, Version};
use lockstep_net::Clock;
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_trust::identity::{HostKey, PeerIdentity, csr_for, renew_at};
use tracing::info;

use crate::Error;

/// The identity of an enrolled host.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name in the certificate.
    pub host: HostName,
    /// When the certificate begins.
    pub not_before: Timestamp,
    /// When the certificate ends.
    pub not_after: Timestamp,
    files: Files,
    ca_pem: String,
    certificate_pem: String,
}

/// Where the identity lies.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) ca: PathBuf,
    /// The TUF root that enrolment handed over: where all trust in releases begins.
    pub(crate) trusted_root: PathBuf,
}

impl Files {
    pub(crate) fn below(layout: &Layout) -> Self {
        let dir = layout.identity_dir();
        Self {
            key: dir.join("key.pem"),
            certificate: dir.join("certificate.pem"),
            ca: dir.join("ca.pem"),
            trusted_root: dir.join("root.json"),
        }
    }
}

/// Largest identity file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

impl Identity {
    /// Loads the identity of an enrolled host.
    pub fn load(layout: &Layout) -> Result<Self, Error> {
        let files = Files::below(layout);
        let certificate_pem = read_pem(&files.certificate)?;
        let ca_pem = read_pem(&files.ca)?;
        let peer = PeerIdentity::from_pem(&certificate_pem)?;
        let PeerIdentity {
            host,
            not_before,
            not_after,
            ..
        } = peer;
        Ok(Self {
            host,
            not_before,
            not_after,
            files,
            ca_pem,
            certificate_pem,
        })
    }

    /// A client for the agent API of a server, as this host.
    pub fn client(
        &self,
        server: &str,
        version: &Version,
        clock: &Clock,
    ) -> Result<HttpClient, Error> {
        let key_pem = read_pem(&self.files.key)?;
        let identity = lockstep_net::client::Identity {
            cert_pem: self.certificate_pem.clone(),
            key_pem,
        };
        let settings = ClientSettings {
            identity: Some(identity),
            headers: vec![(AgentHeaders::VERSION.into(), version.to_string())],
            ..ClientSettings::new(server, Roots::Ca(self.ca_pem.clone()))
        };
        Ok(HttpClient::new(settings, clock)?)
    }

    /// When the certificate should be renewed: at two thirds of its life.
    #[must_use]
    pub fn renew_at(&self) -> Timestamp {
        renew_at(self.not_before, self.not_after)
    }

    /// Asks for a new certificate for the same key, puts it in place, and returns the new identity. The key stays, so
    /// that one rename is the whole exchange: at every instant key and certificate fit together.
    pub async fn renew(&self, layout: &Layout, client: &HttpClient) -> Result<Self, Error> {
        let key_pem = read_pem(&self.files.key)?;
        let csr = csr_for(&key_pem, &self.host)?;
        let answer: RenewAnswer = client
            .post_json("/agent/v1/renew", &RenewRequest { csr })
            .await?;
        fs::write_durable(&self.files.ca, answer.ca.as_bytes(), Mode::Public)?;
        fs::write_durable(
            &self.files.certificate,
            answer.certificate.as_bytes(),
            Mode::Public,
        )?;
        let renewed = Self::load(layout)?;
        info!(until = %renewed.not_after, "the certificate was renewed");
        Ok(renewed)
    }
}

/// The host's key and a request for a certificate; the key is made where there is none.
pub(crate) fn key_and_request(files: &Files, name: &HostName) -> Result<String, Error> {
    if let Some(key) = fs::read_capped(&files.key, MAX_BYTES)? {
        let key = String::from_utf8_lossy(&key);
        return Ok(csr_for(&key, name)?);
    }
    let key = HostKey::generate(name)?;
    fs::write_durable(&files.key, key.key_pem.as_bytes(), Mode::Private)?;
    Ok(key.csr_pem)
}

fn read_pem(path: &std::path::Path) -> Result<String, Error> {
    let bytes = fs::read_capped(path, MAX_BYTES)?
        .ok_or_else(|| Error::NotEnrolled { path: path.into() })?;
    String::from_utf8(bytes).map_err(|_| Error::Config {
        path: path.into(),
        why: "it is not PEM text".into(),
    })
}
