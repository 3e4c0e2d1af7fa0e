//! Gateways: other systems' clients speak to Lockstep as they are.
//!
//! A gateway is a thin translator at the edge. It keeps no truth: each word that it hears becomes a call to the services
//! that our own API uses, which it knows as the small traits of [`seams`]. The server implements them, the agent those
//! few that its own gateways need.
//!
//! Each gateway is off until it is configured ([`config`]), says who may connect ([`Senders`]), and bounds the size of
//! what it reads, how many it serves at once, and how long it waits ([`text`] for plain TCP; the HTTP ones through
//! `lockstep_net`). Wire formats are described in docs/protocols, one page for each.
//!
//! What these protocols carry is as weak as they are: where there is no certificate, an address is all that says who
//! speaks. So a gateway in plain text never overrides what a host with a certificate says of itself, orders nothing that
//! is not signed, and listens on loopback unless it is told otherwise.

#[cfg(feature = "http")]
mod askers;
pub mod config;
#[cfg(feature = "http")]
pub mod dlm_engine;
pub mod dmon;
#[cfg(feature = "http")]
mod files;
#[cfg(feature = "http")]
pub mod fleetlock;
#[cfg(feature = "http")]
pub mod foreman;
#[cfg(feature = "http")]
mod json;
#[cfg(feature = "http")]
pub mod package_repo;
pub mod prometheus;
#[cfg(feature = "http")]
pub mod rhq;
pub mod seams;
mod senders;
pub mod text;
#[cfg(feature = "http")]
mod web;
pub mod xymon;

pub use senders::Senders;
