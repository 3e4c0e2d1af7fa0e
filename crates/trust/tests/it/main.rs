//! The trust crate as its users see it.
#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be set up is a failed test"
)]

mod attacks;
mod authoring;
mod bundles;
mod checks;
mod delta_lists;
mod deltas;
mod foreign_client;
mod openssl;
mod power_cuts;
mod repo_client;
mod robustness;
mod world;
