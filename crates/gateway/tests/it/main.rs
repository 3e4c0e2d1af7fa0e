//! Gateways against a server that is not there, each with the real client of its protocol.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts clients as their users' shells would"
)]

mod desk;
mod desk_locks;
mod dlm_engine;
mod dmon;
mod fleetlock;
mod foreman;
mod foreman_client;
mod package_repo;
mod rhq;
mod seeds;
mod tls;
mod updater;
mod web;
mod xymon;
