//! The whole thing with real processes: servers, agents and commands, as an operator runs them.
//!
//! Each test has a [`world::World`] of its own in a temporary directory: one server, a publisher, and as many hosts
//! as it asks for. Candidates are small bundles whose program is a script around the program under test, so that a
//! new version can be given any fault.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test fails by panicking, and starts processes as an operator's shell would"
)]

mod bench;
mod brought;
mod bundles;
mod candidate;
mod clientupdate;
mod deltas;
mod dmon;
mod followed;
mod full_disk;
mod hostile;
mod local;
mod locks;
mod mirrors;
mod mixed;
mod monitoring;
mod operators;
mod packages;
mod power_cut;
mod proxy;
mod rhq;
mod rollouts;
mod runs;
mod simulate;
mod surroundings;
mod updates;
mod users;
mod world;
mod xymon;
