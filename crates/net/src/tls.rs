//! Listening: TLS, HTTP/1.1 and HTTP/2, for any tower service.
//!
//! What a listener promises, whatever comes from outside:
//!
//! * A client without a certificate may connect, because enrolment has none yet; handlers decide by
//!   [`PeerCertificate`]. A certificate that *is* shown but is expired, from elsewhere or not meant for clients ends
//!   the handshake. Sessions are never resumed, so this holds for every connection. Only a listener for other systems'
//!   clients, with [`ClientAuth::Judged`], lets such a certificate in; it is an [`UnverifiedCertificate`] then.
//! * There are at most so many connections ([`Limits`]); those beyond wait in the kernel's backlog. When all
//!   places are taken, the connection that has been idle longest makes room.
//! * A slow or silent peer occupies a place for a bounded time, and delays nobody else.
//! * The server's certificate can be replaced while it serves ([`TlsAcceptorSource::renew`]).

mod acceptor;
mod connection;
mod judged;
mod load;
mod serve;
mod subject;

use std::net::SocketAddr;

pub use acceptor::{ClientAuth, ServerIdentity, TlsAcceptorSource};
pub use serve::{Ended, Limits, serve};
pub use subject::common_name;

/// How connections begin. Clones share what they show.
#[derive(Debug, Clone)]
pub enum Door {
    /// With a TLS handshake.
    Tls(TlsAcceptorSource),
    /// In plain HTTP/1.1, for other systems' clients that know nothing else. Our own listeners never do this.
    Plain,
}

impl From<TlsAcceptorSource> for Door {
    fn from(source: TlsAcceptorSource) -> Self {
        Self::Tls(source)
    }
}

/// The certificate (DER) that the peer showed, verified, and proved to hold. An extension of every request on a
/// connection whose peer showed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Vec<u8>);

/// A certificate that the peer showed and proved to hold, and that is not valid here: of another authority, expired, or
/// not meant for clients. An extension of every request on its connection, and only where [`ClientAuth::Judged`] lets it
/// come so far. It says nothing about who the peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedCertificate {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// What is wrong with it.
    pub why: String,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
enum Peer {
    /// It showed no certificate.
    Nobody,
    /// It is who its certificate says.
    Verified(PeerCertificate),
    /// It showed one that says nothing here.
    Unverified(UnverifiedCertificate),
}

/// Where a request comes from. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
