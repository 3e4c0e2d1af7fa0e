//! Fleets that are not there.
//!
//! * [`mod@bench`] is a fleet of simulated agents over the real protocol: each enrols, reports and obeys orders as a host
//!   does, with a certificate and a connection of its own, and tens of thousands of them live in one process. What it
//!   measures is the server.
//! * [`simulate`] is a rollout over a million hosts without names, decided by the functions that decide over real ones.
//!
//! Whatever is drawn by lot is drawn from a seed, so that a fleet behaves the same when it is asked again.

pub mod bench;
pub mod simulate;
