//! Making metadata: bytes in, bytes out, no clock and no files.
//!
//! The publisher makes [`new_root`], [`next_root`], [`new_targets`] and [`next_targets`]; the server, which holds the
//! online keys, makes [`snapshot`] and [`timestamp`]. Where the holders of a threshold of keys sit apart, one makes
//! the file with the keys at hand and the others add theirs with [`cosign`]. Nothing here asks whether a threshold is
//! met: a file may be on its way from one holder to the next. `check_next_roots` and `check_next_targets` do ask,
//! before anything is published.

mod online;
mod root;
mod targets;

pub use online::{snapshot, timestamp};
pub use root::{RootPlan, new_root, next_root};
pub use targets::{TargetsEdit, new_targets, next_targets};

use crate::error::Result;
use crate::keys::SigningKey;
use crate::metadata::{Envelope, Role};

/// Adds signatures to metadata that others have signed already; the content stays as it is.
///
/// # Errors
/// [`crate::Error::Unreadable`] if the bytes are not metadata of `role`.
pub fn cosign(role: Role, bytes: &[u8], signers: &[&SigningKey]) -> Result<Vec<u8>> {
    Envelope::parse(role, bytes)?.seal(signers)
}
