//! The second address for people, whose certificate comes from elsewhere and is renewed by others.
//!
//! The files are looked at every minute and at SIGHUP. Files that cannot be used change nothing: the certificate that was
//! shown before is shown on, and the log says why.

use std::sync::Arc;
use std::time::Duration;

use lockstep_net::Clock;
use lockstep_net::tls::{ClientAuth, ServerIdentity, TlsAcceptorSource};

use crate::Error;
use crate::app::App;
use crate::config::Front;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);
/// Longest chain or key that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What is shown there, and what it was made of.
#[derive(Debug)]
pub(crate) struct Shown {
    front: Front,
    identity: ServerIdentity,
    source: TlsAcceptorSource,
}

impl Shown {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub(crate) fn read(front: Front, clock: &Clock) -> Result<Self, Error> {
        let identity = identity(&front)?;
        let made = TlsAcceptorSource::new(&identity, &ClientAuth::None, clock);
        let source = made.map_err(|error| unusable(&front, error.to_string()))?;
        Ok(Self {
            front,
            identity,
            source,
        })
    }

    /// How connections there begin.
    pub(crate) fn source(&self) -> TlsAcceptorSource {
        self.source.clone()
    }

    /// Shows what the files say now, if that is something else. True if it was.
    fn look(&mut self) -> Result<bool, Error> {
        let identity = identity(&self.front)?;
        let same = identity.chain_pem == self.identity.chain_pem
            && identity.key_pem == self.identity.key_pem;
        if same {
            return Ok(false);
        }
        let renewed = self.source.renew(&identity);
        renewed.map_err(|error| unusable(&self.front, error.to_string()))?;
        self.identity = identity;
        Ok(true)
    }
}

/// Follows the files for as long as the server runs.
pub(crate) async fn follow(app: Arc<App>, mut shown: Shown) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.reload_front.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        match shown.look() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(certificate = %shown.front.certificate.display(), "the pages show a new certificate");
            }
            Err(error) => {
                tracing::error!(%error, "the certificate of the pages cannot be used; the one before is shown on");
            }
        }
    }
}

fn identity(front: &Front) -> Result<ServerIdentity, Error> {
    let read = |path: &std::path::Path| {
        let failed = |why: String| Error::Config {
            path: path.into(),
            why,
        };
        let length = std::fs::metadata(path)
            .map_err(|error| failed(error.to_string()))?
            .len();
        if length > LARGEST {
            return Err(failed(format!(
                "has {length} bytes; {LARGEST} are read at most"
            )));
        }
        std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
    };
    Ok(ServerIdentity {
        chain_pem: read(&front.certificate)?,
        key_pem: read(&front.key)?,
    })
}

fn unusable(front: &Front, why: String) -> Error {
    Error::Config {
        path: front.certificate.clone(),
        why: format!("and its key cannot be shown to browsers: {why}"),
    }
}
