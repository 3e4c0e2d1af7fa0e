//! Trust: what makes a fleet believe a release, and a server believe a host.
//!
//! * [`identity`]: the fleet's certificate authority, hosts' keys and certificates, tokens.
//! * [`SigningKey`], [`author`]: the publisher's and the server's keys, and the metadata of The Update Framework that
//!   they sign. [`check_next_roots`] and [`check_next_targets`] are what the server asks of it before it publishes.
//! * [`TrustedRepository`]: the verifying client of a host. It reads and writes through two seams,
//!   [`MetadataStore`] and [`Fetch`]; [`repo_client`] is the same client behind the conformance suite's commands.
//! * [`bundle`]: the file that a release is, built so that the same tree gives the same bytes.
//! * [`delta`]: what leads from one bundle's archive to another's.
//!
//! No network, no clock: bytes and time are arguments. Verification itself is the work of `sigstore-tuf`, which no
//! other crate imports and no type here shows.

pub mod author;
pub mod bundle;
pub mod delta;
pub mod identity;
pub mod repo_client;

mod check;
mod client;
mod error;
mod hash;
mod keys;
mod metadata;
mod releases;
mod repository;
mod seams;

pub use check::{check_next_roots, check_next_targets, check_online_keys, check_targets};
pub use error::{Error, Result};
pub use keys::{PublicKey, SigningKey};
pub use metadata::{Role, Stated, stated};
pub use releases::{TargetsContent, consistent_delta_path, consistent_target_path, releases_of};
pub use repository::TrustedRepository;
pub use seams::{Fetch, MetadataStore};
