//! What can go wrong with keys, certificates and requests for them.

use std::error::Error;

use jiff::Timestamp;
use lockstep_model::WordError;

/// The cause beneath: the libraries' own errors are not part of this crate's face.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// Why an identity could not be made, read or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// No key could be generated.
    #[error("generate a private key")]
    GenerateKey(#[source] Cause),
    /// A private key could not be read.
    #[error("read a private key: a PKCS #8 key in PEM is expected")]
    ReadKey(#[source] Cause),
    /// The system gave no random bytes.
    #[error("get random bytes from the system")]
    Random,
    /// A password could not be hashed, or what was kept of it is no hash.
    #[error("hash a password: {why}")]
    Password {
        /// What is wrong.
        why: String,
    },
    /// The certificate authority could not be made.
    #[error("create the certificate authority {name:?}")]
    CreateAuthority {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The certificate authority could not be read from its files.
    #[error("load the certificate authority: {why}")]
    LoadAuthority {
        /// What is wrong with its certificate or key.
        why: String,
    },
    /// The certificate authority has expired, so nothing it signs would be believed.
    #[error("the certificate authority expired at {at}: make a new one and enrol the hosts again")]
    AuthorityExpired {
        /// When.
        at: Timestamp,
    },
    /// The certificate request is not one, or its signature does not prove that the sender holds the key.
    #[error("read a certificate request: {why}")]
    ReadRequest {
        /// What is wrong with it.
        why: String,
    },
    /// A certificate request could not be made.
    #[error("make a certificate request for {host}")]
    MakeRequest {
        /// For which host.
        host: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The server's certificate was to name something that is no DNS name and no IP address.
    #[error("{name:?} is neither a DNS name nor an IP address that a certificate can hold")]
    ServerName {
        /// The name.
        name: String,
    },
    /// The server's certificate was to name nothing.
    #[error("a server's certificate needs at least one DNS name or IP address")]
    NoServerName,
    /// The certificate's time is out of range.
    #[error("a certificate cannot be valid from {from} for {seconds} s")]
    Validity {
        /// From when.
        from: Timestamp,
        /// For how long.
        seconds: u64,
    },
    /// A certificate could not be signed.
    #[error("sign a certificate for {subject}")]
    Sign {
        /// For whom.
        subject: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A certificate could not be read, or is not one of a host.
    #[error("read a host's certificate: {why}")]
    ReadCertificate {
        /// What is wrong with it.
        why: String,
    },
    /// The name in a certificate is no host name.
    #[error("the certificate names no host")]
    HostName(#[from] WordError),
}
