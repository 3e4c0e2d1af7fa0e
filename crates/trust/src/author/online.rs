//! What the server signs by itself: the snapshot, and the timestamp that keeps it fresh.
//!
//! Both name what they stand for by version, length and hash, so nothing can be put together from parts of different
//! times. They say nothing about releases: who steals these keys can hold the newest list back, not change it.

use jiff::Timestamp;
use serde_json::json;

use crate::error::Result;
use crate::hash::sha256;
use crate::keys::SigningKey;
use crate::metadata::{Envelope, Role};

/// Makes the snapshot that names `targets`. `version` must be higher than every snapshot before it.
///
/// # Errors
/// [`crate::Error::Unreadable`] if `targets` is not targets metadata.
pub fn snapshot(
    targets: &[u8],
    version: u64,
    expires: Timestamp,
    key: &SigningKey,
) -> Result<Vec<u8>> {
    naming(
        Role::Targets,
        targets,
        Role::Snapshot,
        version,
        expires,
        key,
    )
}

/// Makes the timestamp that names `snapshot`. `version` must be higher than every timestamp before it.
///
/// # Errors
/// [`crate::Error::Unreadable`] if `snapshot` is not snapshot metadata.
pub fn timestamp(
    snapshot: &[u8],
    version: u64,
    expires: Timestamp,
    key: &SigningKey,
) -> Result<Vec<u8>> {
    naming(
        Role::Snapshot,
        snapshot,
        Role::Timestamp,
        version,
        expires,
        key,
    )
}

fn naming(
    named: Role,
    bytes: &[u8],
    role: Role,
    version: u64,
    expires: Timestamp,
    key: &SigningKey,
) -> Result<Vec<u8>> {
    let content = Envelope::parse(named, bytes)?;
    let mut envelope = Envelope::new(role, version, expires);
    envelope.signed.insert(
        "meta".into(),
        json!({
            named.plain_name(): {
                "version": content.version,
                "length": bytes.len(),
                "hashes": { "sha256": sha256(bytes) },
            }
        }),
    );
    envelope.seal(&[key])
}
