//! Why a client or a listener could not be set up.

use std::error::Error;

/// The settings, certificates or keys given are of no use. Nothing was sent or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Certificates could not be read.
    #[error("read {what}: {why}")]
    Certificates {
        /// Which.
        what: &'static str,
        /// What is wrong with them.
        why: String,
    },
    /// A private key could not be read.
    #[error("read {what}: {why}")]
    PrivateKey {
        /// Which.
        what: &'static str,
        /// What is wrong with it; never the key itself.
        why: String,
    },
    /// Certificate and key are readable, but of no use together.
    #[error("use {what} for TLS")]
    Tls {
        /// What was to be used.
        what: &'static str,
        /// Why it cannot be.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The address of the server is not one.
    #[error("{url:?} is not a server's address: {why}; write for example \"https://server:7440\"")]
    BaseUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header cannot be sent.
    #[error("{name:?} is not a header that can be sent, or its value is not")]
    Header {
        /// Its name. Its value may be a secret.
        name: String,
    },
    /// The HTTP client could not be made.
    #[error("make the HTTP client")]
    Client {
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
