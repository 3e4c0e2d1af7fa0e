//! The trust crate as its users see it.

mod attacks;
mod authoring;
mod bundles;
mod checks;
mod foreign_client;
mod openssl;
mod power_cuts;
mod repo_client;
mod robustness;
mod world;
