//! The client's workflow (TUF 1.0.31, section 5): root, timestamp, snapshot, targets, each verified before the next is
//! asked for, each stored as soon as it is verified.
//!
//! Signatures, thresholds, hashes, versions and expiry are judged by `sigstore-tuf`'s state machine, which knows no
//! files and no network. This module feeds it. It differs from the driver that comes with that library in three
//! points:
//!
//! * what cannot be stored fails the refresh, because a protection against old metadata that is only in memory is
//!   none;
//! * the new snapshot is held against the stored one here, and even if the stored timestamp names neither of them. A
//!   server could otherwise show a timestamp, withhold its snapshot, and then offer an older list of releases;
//! * stored metadata that the new timestamp or snapshot still names is not fetched again.

pub(crate) mod search;

use jiff::Timestamp;
use sigstore_tuf::{Metadata, Snapshot, TrustedMetadataSet};

use crate::error::{Error, Result};
use crate::metadata::Role;
use crate::seams::{Fetch, MetadataStore, fetch_capped, fetch_existing, keep, load};

/// Most roots that one refresh walks up. A client that is further behind goes on with the next refresh, since each
/// root is stored as it is verified.
const MOST_ROOTS: u64 = 256;

/// The root that the store holds, verified by itself; nothing below it.
pub(crate) fn stored_root(store: &dyn MetadataStore) -> Result<Option<TrustedMetadataSet>> {
    let name = Role::Root.plain_name();
    let Some(bytes) = load(store, &name)? else {
        return Ok(None);
    };
    TrustedMetadataSet::from_root(&bytes)
        .map(Some)
        .map_err(|error| Error::refused(name, error))
}

/// Brings the store up to date with the repository. What was verified before a failure stays stored; the set that is
/// returned is whole and valid at `now`.
pub(crate) async fn refresh<F: Fetch>(
    store: &dyn MetadataStore,
    fetch: &F,
    now: Timestamp,
) -> Result<TrustedMetadataSet> {
    let mut trusted = stored_root(store)?.ok_or(Error::NoRoot)?;
    refresh_root(&mut trusted, store, fetch).await?;
    // Only the newest root must be fresh: a chain may lead over expired ones.
    trusted
        .check_root_expired(now)
        .map_err(|error| Error::refused(Role::Root.plain_name(), error))?;
    refresh_timestamp(&mut trusted, store, fetch, now).await?;
    refresh_snapshot(&mut trusted, store, fetch, now).await?;
    refresh_targets(&mut trusted, store, fetch, now).await?;
    Ok(trusted)
}

async fn refresh_root<F: Fetch>(
    trusted: &mut TrustedMetadataSet,
    store: &dyn MetadataStore,
    fetch: &F,
) -> Result<()> {
    for _ in 0..MOST_ROOTS {
        let Some(next) = trusted.root().version.checked_add(1) else {
            return Ok(());
        };
        let file = Role::Root.file_name(next);
        let Some(bytes) = fetch_capped(fetch, &file, Role::Root.max_bytes()).await? else {
            return Ok(());
        };
        trusted
            .update_root(&bytes)
            .map_err(|error| Error::refused(file, error))?;
        keep(store, &Role::Root.plain_name(), &bytes)?;
        tracing::info!(version = next, "trusts a new root");
    }
    Err(Error::Refused {
        file: Role::Root.plain_name(),
        why: format!("it is more than {MOST_ROOTS} versions behind; refresh again to go on"),
    })
}

async fn refresh_timestamp<F: Fetch>(
    trusted: &mut TrustedMetadataSet,
    store: &dyn MetadataStore,
    fetch: &F,
    now: Timestamp,
) -> Result<()> {
    let file = Role::Timestamp.plain_name();
    if let Some(stored) = load(store, &file)? {
        // It only says below which versions the repository must not go, and does that when expired too.
        if let Err(error) = trusted.update_timestamp(&stored, Timestamp::MIN) {
            forgets(&file, &error);
        }
    }
    let bytes = fetch_existing(fetch, &file, Role::Timestamp.max_bytes()).await?;
    match trusted.update_timestamp(&bytes, now) {
        Ok(()) => keep(store, &file, &bytes),
        // Nothing new; the one that is trusted must still be valid.
        Err(sigstore_tuf::Error::EqualVersion { .. }) => trusted
            .check_timestamp_expired(now)
            .map_err(|error| Error::refused(file, error)),
        Err(error) => Err(Error::refused(file, error)),
    }
}

async fn refresh_snapshot<F: Fetch>(
    trusted: &mut TrustedMetadataSet,
    store: &dyn MetadataStore,
    fetch: &F,
    now: Timestamp,
) -> Result<()> {
    let file = Role::Snapshot.plain_name();
    let mut before = None;
    if let Some(stored) = load(store, &file)? {
        match verified_by_root(trusted, &stored) {
            Ok(snapshot) => before = Some(snapshot),
            Err(error) => forgets(&file, &error),
        }
        if trusted.update_snapshot(&stored, now).is_ok() {
            return Ok(());
        }
    }
    let pin = trusted
        .timestamp()
        .and_then(|timestamp| timestamp.snapshot_meta())
        .ok_or_else(|| Error::Unreadable {
            file: Role::Timestamp.plain_name(),
            why: "it names no snapshot".into(),
        })?;
    let (name, max) = place(trusted, Role::Snapshot, &file, pin.version, pin.length);
    let bytes = fetch_existing(fetch, &name, max).await?;
    trusted
        .update_snapshot(&bytes, now)
        .map_err(|error| Error::refused(name, error))?;
    if let (Some(before), Some(after)) = (before, trusted.snapshot()) {
        refuse_going_back(&before, after)?;
    }
    keep(store, &file, &bytes)
}

async fn refresh_targets<F: Fetch>(
    trusted: &mut TrustedMetadataSet,
    store: &dyn MetadataStore,
    fetch: &F,
    now: Timestamp,
) -> Result<()> {
    let file = Role::Targets.plain_name();
    if let Some(stored) = load(store, &file)?
        && trusted.update_targets(&stored, now).is_ok()
    {
        return Ok(());
    }
    let (name, max) = pinned_place(trusted, Role::Targets.as_str())?;
    let bytes = fetch_existing(fetch, &name, max).await?;
    trusted
        .update_targets(&bytes, now)
        .map_err(|error| Error::refused(name, error))?;
    keep(store, &file, &bytes)
}

/// Where the repository keeps the metadata of a targets role, top-level or delegated, and how much of it is read.
fn pinned_place(trusted: &TrustedMetadataSet, role: &str) -> Result<(String, usize)> {
    let pin = trusted
        .snapshot()
        .and_then(|snapshot| snapshot.meta.get(&format!("{role}.json")))
        .ok_or_else(|| Error::Unreadable {
            file: Role::Snapshot.plain_name(),
            why: format!("it does not name {role}.json"),
        })?;
    let file = stored_name(role);
    Ok(place(
        trusted,
        Role::Targets,
        &file,
        pin.version,
        pin.length,
    ))
}

fn place(
    trusted: &TrustedMetadataSet,
    role: Role,
    file: &str,
    version: u64,
    length: Option<u64>,
) -> (String, usize) {
    let name = if trusted.root().consistent_snapshot {
        format!("{version}.{file}")
    } else {
        file.to_owned()
    };
    let stated = length.and_then(|length| usize::try_from(length).ok());
    let max = role.max_bytes();
    (name, stated.map_or(max, |stated| stated.min(max)))
}

/// The file name of a targets role. Role names are free text, so everything but letters, digits and `-_.~` is
/// percent-encoded, as in the reference implementation.
pub(crate) fn stored_name(role: &str) -> String {
    format!("{}.json", percent_encoded(role))
}

pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A stored snapshot, if the root's snapshot keys signed it. After these keys were replaced it is worth nothing, which
/// is how a publisher recovers from versions that a thief drove up.
fn verified_by_root(trusted: &TrustedMetadataSet, bytes: &[u8]) -> sigstore_tuf::Result<Snapshot> {
    let role = Role::Snapshot.as_str();
    let snapshot: Metadata<Snapshot> = Metadata::from_slice(bytes)?;
    let root = trusted.root();
    let holders = root
        .role(role)
        .ok_or_else(|| sigstore_tuf::Error::UnknownRole(role.into()))?;
    snapshot.verify_threshold(&root.keys, holders, role)?;
    Ok(snapshot.into_signed())
}

/// No targets metadata may vanish or go back (TUF 1.0.31, section 5.5.5).
fn refuse_going_back(before: &Snapshot, after: &Snapshot) -> Result<()> {
    for (file, old) in &before.meta {
        match after.meta.get(file) {
            None => {
                return Err(Error::Mismatch {
                    file: Role::Snapshot.plain_name(),
                    why: format!("it no longer names {file}"),
                });
            }
            Some(new) if new.version < old.version => {
                return Err(Error::Rollback {
                    file: file.clone(),
                    trusted: old.version,
                    offered: new.version,
                });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Stored metadata that does not verify any more. After a change of keys that is as it should be.
fn forgets(file: &str, error: &sigstore_tuf::Error) {
    tracing::info!(
        file,
        why = %crate::error::chain(error),
        "stored metadata does not verify under the trusted root and sets no lower bound"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_names_cannot_leave_a_directory_or_an_address() {
        assert_eq!(stored_name("targets"), "targets.json");
        assert_eq!(stored_name("../a b?#"), "..%2Fa%20b%3F%23.json");
        assert_eq!(stored_name("ä"), "%C3%A4.json");
    }
}
