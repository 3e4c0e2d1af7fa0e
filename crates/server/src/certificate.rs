//! The server's own certificate: made at every start, and made anew at two thirds of its life while the server runs.
//!
//! Agents and operators trust the certificate authority, so nobody notices a change.

use std::sync::Arc;
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
    identity: ServerIdentity,
    renew_at: Timestamp,
    names: Vec<String>,
    path: std::path::PathBuf,
}

impl ServerCertificate {
    /// Makes a certificate for these names.
    pub(crate) fn issue(
        data: &DataDir,
        authority: &CertificateAuthority,
        names: Vec<String>,
        valid: Duration,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let path = data.server_certificate();
        let (identity, renew_at) = issue(authority, &names, valid, now, &path)?;
        Ok(Self {
            identity,
            renew_at,
            names,
            path,
        })
    }

    pub(crate) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Renews the certificate as long as the server runs.
    pub(crate) async fn keep_valid(mut self, app: Arc<App>, shown: [TlsAcceptorSource; 2]) {
        loop {
            tokio::select! {
                () = app.stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = app.now();
            if now < self.renew_at {
                continue;
            }
            let valid = app.config.certificates.valid.duration();
            match issue(&app.authority, &self.names, valid, now, &self.path) {
                Ok((identity, renew_at)) => {
                    for listener in &shown {
                        if let Err(error) = listener.renew(&identity) {
                            tracing::error!(%error, "a listener cannot show the server's new certificate");
                        }
                    }
                    self.renew_at = renew_at;
                    tracing::info!(until = %renew_at, "renewed the server's certificate");
                }
                Err(error) => tracing::error!(%error, "the server's certificate cannot be renewed"),
            }
        }
    }
}

fn issue(
    authority: &CertificateAuthority,
    names: &[String],
    valid: Duration,
    now: Timestamp,
    path: &std::path::Path,
) -> Result<(ServerIdentity, Timestamp), Error> {
    let issued = authority
        .issue_server(names, now, valid)
        .map_err(|error| Error::Identity {
            what: "the server's certificate",
            why: error.to_string(),
        })?;
    // For people: openssl x509 -in tls/server.pem -text. The key stays in memory.
    data_dir::write_public(path, &issued.chain_pem)?;
    let renew_at = renew_at(issued.not_before, issued.not_after);
    let identity = ServerIdentity {
        chain_pem: issued.chain_pem.clone(),
        key_pem: issued.key_pem.clone(),
    };
    Ok((identity, renew_at))
}
