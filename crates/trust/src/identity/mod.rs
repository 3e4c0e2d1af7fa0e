//! Who is who: the server's certificate authority, the hosts' keys and certificates, and the tokens that let a
//! host enrol and an operator ask.
//!
//! * A host makes its own key and never shows it to anyone; the server signs only what the host's
//!   certificate request proves: that it holds the key ([`CertificateAuthority::issue_host`]). Every name and
//!   extension in the request is ignored.
//! * A host believes a server whose certificate comes from the authority with the fingerprint in its
//!   [`EnrollmentToken`].
//! * A user is believed by a [`password`], and from then on by a [`SessionSecret`].
//! * A handler learns who asks from the certificate that TLS has verified ([`PeerIdentity`]).
//!
//! No private key and no secret appears in a `Debug` output or in an error. There is no TLS in here: connections
//! are `net`'s.

mod ca;
mod csr;
mod error;
pub mod password;
mod peer;
mod session;
mod token;

pub use ca::{CertificateAuthority, IssuedCertificate, ServerCertificate};
pub use csr::{HostKey, csr_for, csr_key};
pub use error::IdentityError;
pub use peer::{PeerIdentity, renew_at};
pub use session::SessionSecret;
pub use token::{EnrollmentToken, KioskToken, OperatorToken, TokenError, new_secret, same_secret};

use aws_lc_rs::digest;
use lockstep_model::ContentHash;

/// SHA-256 of some bytes.
fn sha256(bytes: &[u8]) -> ContentHash {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut array = [0; 32];
    array.copy_from_slice(digest.as_ref());
    ContentHash::from_digest(array)
}

/// A serial number as it is stored and shown: lower-case hexadecimal, without the zero byte that DER puts before
/// a number whose first bit is set.
fn serial_text(der_integer: &[u8]) -> String {
    let significant = match der_integer {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hex::encode(significant)
}
