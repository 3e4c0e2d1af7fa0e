//! The network, and the clock.
//!
//! Everything that leaves the machine or arrives passes through here: over TLS 1.2 or 1.3 with one crypto provider
//! (AWS-LC; the one exception is [`client::PlainFiles`]), and always within limits of time, of bytes and of connections.
//!
//! * [`Clock`] is the only reader of the system's clock; tests drive their own.
//! * [`client::HttpClient`] is how agents and the command line talk to a server. What it believes is given by
//!   [`client::Roots`], what it shows by [`client::Identity`].
//! * `client::crowd` (cargo feature `crowd`) is the same for thousands of hosts in one process: the bench's side.
//! * `tls::serve` (cargo feature `server`) is how a server listens: one loop for both of its ports.
//! * [`exposition`] writes figures for Prometheus; `pages` (cargo feature `pages`) answers for them on loopback.
//! * [`Backoff`] spaces attempts.
//!
//! What may be asked, and what an answer means, is decided elsewhere: this crate moves bytes and JSON.

mod backoff;
pub mod client;
mod clock;
mod credentials;
mod error;
pub mod exposition;
#[cfg(feature = "pages")]
pub mod pages;
#[cfg(feature = "server")]
pub mod tls;

pub use backoff::Backoff;
pub use clock::{Clock, ClockDriver};
pub use error::SetupError;
