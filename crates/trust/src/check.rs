//! What the server asks of metadata that a publisher hands it, before it shows it to the fleet.
//!
//! The checks are those of a client, made one step earlier: what would strand the fleet must not get into the
//! repository. They add the rules that are ours alone: no key twice in a role, no online key among the publisher's,
//! no delegations, because the server keeps none.

use jiff::Timestamp;
use sigstore_tuf::{Metadata, Root, Targets, TrustedMetadataSet};

use crate::author::RootPlan;
use crate::error::{Error, Result};
use crate::keys::PublicKey;
use crate::metadata::{Envelope, Role, Stated};
use crate::releases::{TargetsContent, releases_in};

/// Checks new versions of the root, oldest first, that follow `current`, or that begin a repository. Answers with
/// what the newest says of itself.
///
/// # Errors
/// The first root that is refused, and why: signatures, version, expiry of the last, or a rule of ours.
pub fn check_next_roots(
    current: Option<&[u8]>,
    roots: &[String],
    now: Timestamp,
) -> Result<Stated> {
    let mut chain = roots.iter().map(String::as_bytes);
    let first = match current {
        Some(current) => current,
        None => {
            let first = chain.next().ok_or(Error::NoRoot)?;
            check_first(first)?;
            first
        }
    };
    let mut newest = first;
    let mut trusted = TrustedMetadataSet::from_root(first)
        .map_err(|error| Error::refused(Role::Root.plain_name(), error))?;
    for root in chain {
        let file = Role::Root.file_name(trusted.root().version.saturating_add(1));
        check_rules(&file, root)?;
        trusted
            .update_root(root)
            .map_err(|error| Error::refused(file, error))?;
        newest = root;
    }
    let file = Role::Root.file_name(trusted.root().version);
    trusted
        .check_root_expired(now)
        .map_err(|error| Error::refused(file, error))?;
    crate::metadata::stated(Role::Root, newest)
}

/// Checks that a root lets the server sign: it must name exactly these keys for the online roles.
///
/// # Errors
/// [`Error::Refused`] with the key that differs.
pub fn check_online_keys(root: &[u8], snapshot: &PublicKey, timestamp: &PublicKey) -> Result<()> {
    let plan = RootPlan::of(root)?;
    for (role, named, ours) in [
        (Role::Snapshot, &plan.snapshot_key, snapshot),
        (Role::Timestamp, &plan.timestamp_key, timestamp),
    ] {
        if named.id() != ours.id() || named.material() != ours.material() {
            return Err(Error::Refused {
                file: Role::Root.plain_name(),
                why: format!(
                    "it gives {role} the key {}, but this server signs with {}: make a root with the server's online keys",
                    named.id(),
                    ours.id()
                ),
            });
        }
    }
    Ok(())
}

/// Checks a new list of releases against the root that will be current and the list before it.
///
/// # Errors
/// Why it is refused: signatures, version, expiry, or a release that contradicts itself.
pub fn check_next_targets(
    root: &[u8],
    current: Option<&[u8]>,
    new: &[u8],
    now: Timestamp,
) -> Result<TargetsContent> {
    let wanted = match current {
        Some(current) => crate::metadata::stated(Role::Targets, current)?
            .version
            .saturating_add(1),
        None => 1,
    };
    let offered = crate::metadata::stated(Role::Targets, new)?.version;
    if offered != wanted {
        return Err(Error::WrongVersion {
            file: Role::Targets.file_name(offered),
            wanted,
            offered,
        });
    }
    check_targets(root, new, now)
}

/// Checks that a list of releases is good under `root` now. After a new root the list that is in force must be checked
/// again: its keys may have been taken away.
///
/// # Errors
/// As [`check_next_targets`].
pub fn check_targets(root: &[u8], targets: &[u8], now: Timestamp) -> Result<TargetsContent> {
    let envelope = Envelope::parse(Role::Targets, targets)?;
    let file = Role::Targets.file_name(envelope.version);
    let refused = |error| Error::refused(file.clone(), error);
    let root: Metadata<Root> = Metadata::from_slice(root)
        .map_err(|error| Error::refused(Role::Root.plain_name(), error))?;
    let list: Metadata<Targets> = Metadata::from_slice(targets).map_err(refused)?;
    let root = root.signed();
    let holders = root
        .role(Role::Targets.as_str())
        .ok_or_else(|| Error::Unreadable {
            file: Role::Root.plain_name(),
            why: "it names no role targets".into(),
        })?;
    list.verify_threshold(&root.keys, holders, Role::Targets.as_str())
        .map_err(refused)?;
    if envelope.expires < now {
        return Err(Error::Expired {
            file,
            expired: envelope.expires,
        });
    }
    if list.signed().delegations.is_some() {
        return Err(Error::Refused {
            file,
            why: "it delegates to other roles, and this server keeps no metadata of others".into(),
        });
    }
    releases_in(&envelope)
}

/// The first root of a repository: clients that have it walk up from it, so the chain must begin at 1.
fn check_first(root: &[u8]) -> Result<()> {
    let envelope = Envelope::parse(Role::Root, root)?;
    if envelope.version != 1 {
        return Err(Error::WrongVersion {
            file: Role::Root.plain_name(),
            wanted: 1,
            offered: envelope.version,
        });
    }
    check_rules(&Role::Root.file_name(1), root)
}

fn check_rules(file: &str, root: &[u8]) -> Result<()> {
    let refuse = |why: String| Error::Refused {
        file: file.into(),
        why,
    };
    let envelope = Envelope::parse(Role::Root, root)?;
    if envelope.signed.get("consistent_snapshot") != Some(&serde_json::Value::Bool(true)) {
        return Err(refuse(
            "it does not ask for consistent snapshots, and this server keeps no others".into(),
        ));
    }
    RootPlan::read(&envelope)?.check().map_err(refuse)
}
