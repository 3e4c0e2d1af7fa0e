//! `[pages]`: another address for people, with a certificate that their browsers know.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// The pages and the API at a second address. The first one always shows a certificate of the fleet's own authority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Front {
    /// The address, e.g. `0.0.0.0:443`. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// A file with the certificate and those of its issuers, PEM, the server's own first.
    pub certificate: PathBuf,
    /// A file with its key, PEM.
    pub key: PathBuf,
}
