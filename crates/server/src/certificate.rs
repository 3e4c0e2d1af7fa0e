//! The server's own certificate: made at every start, and made anew at two thirds of its life while the server runs.
//!
//! Agents and operators trust the certificate authority, so nobody notices a change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_net::tls::{ServerIdentity, TlsAcceptorSource};
use lockstep_trust::identity::{CertificateAuthority, renew_at};

use crate::Error;
use crate::app::App;
use crate::data_dir::{self, DataDir};

/// How often the certificate's age is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// The certificate that the listeners show.
pub(crate) struct ServerCertificate {
    names: Vec<String>,
    path: PathBuf,
    valid: Duration,
    renew_at: Mutex<Timestamp>,
    listeners: Vec<TlsAcceptorSource>,
}

impl ServerCertificate {
    /// Makes a certificate for these names.
    pub(crate) fn issue(
        data: &DataDir,
        authority: &CertificateAuthority,
        names: Vec<String>,
        valid: Duration,
        now: Timestamp,
    ) -> Result<(Self, ServerIdentity), Error> {
        let certificate = Self {
            names,
            path: data.server_certificate(),
            valid,
            renew_at: Mutex::new(now),
            listeners: Vec::new(),
        };
        let identity = certificate.make(authority, now)?;
        Ok((certificate, identity))
    }

    /// The listeners to whom a new certificate is given.
    pub(crate) fn shown_by(mut self, listeners: [TlsAcceptorSource; 2]) -> Self {
        self.listeners = listeners.into();
        self
    }

    /// Makes a new certificate and shows it, if two thirds of the old one's life are over.
    pub(crate) fn renew_if_due(&self, app: &App) -> Result<(), Error> {
        let now = app.now();
        if now < *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(());
        }
        let identity = self.make(&app.authority, now)?;
        for listener in &self.listeners {
            listener.renew(&identity).map_err(|error| Error::Identity {
                what: "the server's TLS",
                why: error.to_string(),
            })?;
        }
        tracing::info!("renewed the server's certificate");
        Ok(())
    }

    fn make(
        &self,
        authority: &CertificateAuthority,
        now: Timestamp,
    ) -> Result<ServerIdentity, Error> {
        let issued = authority
            .issue_server(&self.names, now, self.valid)
            .map_err(|error| Error::Identity {
                what: "the server's certificate",
                why: error.to_string(),
            })?;
        // For people: openssl x509 -in tls/server.pem -text. The key stays in memory.
        data_dir::write_public(&self.path, &issued.chain_pem)?;
        *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) =
            renew_at(issued.not_before, issued.not_after);
        Ok(ServerIdentity {
            chain_pem: issued.chain_pem,
            key_pem: issued.key_pem,
        })
    }
}

/// Keeps the certificate valid as long as the server runs.
pub(crate) async fn keep_valid(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(error) = app.certificate.renew_if_due(&app) {
            tracing::error!(%error, "the server's certificate cannot be renewed; tried again");
        }
    }
}
