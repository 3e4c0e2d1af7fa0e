//! The agent as a client of a real Xymon server, so that a fleet can move from one to the other host by host.
//!
//! `report` puts what our probes found into Xymon's words; `Reporter` sends that at its own pace, beside what the
//! worker tells its own server; [`update()`] keeps the files of a Xymon client current as `clientupdate` did: by the
//! version that the server wants, but all of it or nothing.
//!
//! Xymon has no signatures and no encryption. Whoever can speak for its server, on any machine between here and there,
//! can put programs into the client's directory. So that is off unless the host's own `agent.toml` says otherwise, it is
//! never our own directory, and it never is our own agent.

mod config;
mod home;
pub(crate) mod report;
mod reporter;
mod update;

pub use config::XymonReport;
pub use home::Home;
pub use lockstep_gateway::xymon::client::{Limits, Recipient};
pub(crate) use reporter::Reporter;
pub use update::{UpdateError, update};
