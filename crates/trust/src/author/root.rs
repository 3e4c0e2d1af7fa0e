//! The root: which keys sign what, and how many of them it takes.

use std::slice;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::keys::{PublicKey, SigningKey};
use crate::metadata::{Envelope, Role};

/// What a root says. [`RootPlan::of`] reads it from a root, so that a rotation is: read, change, [`next_root`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPlan {
    /// The keys that sign roots. They stay offline.
    pub root_keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub root_threshold: usize,
    /// The keys that sign the list of releases. They stay with the publisher.
    pub targets_keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub targets_threshold: usize,
    /// The server's key for snapshots.
    pub snapshot_key: PublicKey,
    /// The server's key for timestamps.
    pub timestamp_key: PublicKey,
    /// When the root stops being valid.
    pub expires: Timestamp,
}

/// Most keys of one role. More would make roots long and signing tedious, and serve nobody.
const MOST_KEYS: usize = 32;

impl RootPlan {
    /// Reads the plan from a root, without verifying it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it is no root, or names more than one key for an online role.
    pub fn of(root: &[u8]) -> Result<Self> {
        Self::read(&Envelope::parse(Role::Root, root)?)
    }

    pub(crate) fn read(envelope: &Envelope) -> Result<Self> {
        let signed = &envelope.signed;
        let (root_keys, root_threshold) = role_of(signed, Role::Root)?;
        let (targets_keys, targets_threshold) = role_of(signed, Role::Targets)?;
        Ok(Self {
            root_keys,
            root_threshold,
            targets_keys,
            targets_threshold,
            snapshot_key: only_key_of(signed, Role::Snapshot)?,
            timestamp_key: only_key_of(signed, Role::Timestamp)?,
            expires: envelope.expires,
        })
    }

    /// The rules that a root of ours must keep.
    ///
    /// # Errors
    /// The rule that is broken, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (role, keys, threshold) in [
            (Role::Root, &self.root_keys, self.root_threshold),
            (Role::Targets, &self.targets_keys, self.targets_threshold),
        ] {
            if keys.len() > MOST_KEYS {
                return Err(format!(
                    "{role} has {} keys, at most {MOST_KEYS} are allowed",
                    keys.len()
                ));
            }
            if threshold == 0 || threshold > keys.len() {
                return Err(format!(
                    "{role} needs {threshold} signatures of {} keys",
                    keys.len()
                ));
            }
            for (place, key) in keys.iter().enumerate() {
                // One holder must not be able to sign twice under two ids.
                if keys[..place]
                    .iter()
                    .any(|other| other.material() == key.material())
                {
                    return Err(format!("{role} names the key {} twice", key.id()));
                }
                // Who takes the server must not be able to sign releases.
                for online in [&self.snapshot_key, &self.timestamp_key] {
                    if online.material() == key.material() {
                        return Err(format!(
                            "{role} names the server's online key {}, which must not sign it",
                            key.id()
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn write_into(&self, signed: &mut Map<String, Value>) {
        let mut keys = Map::new();
        let mut roles = Map::new();
        for (role, holders, threshold) in [
            (Role::Root, self.root_keys.as_slice(), self.root_threshold),
            (Role::Targets, &self.targets_keys, self.targets_threshold),
            (Role::Snapshot, slice::from_ref(&self.snapshot_key), 1),
            (Role::Timestamp, slice::from_ref(&self.timestamp_key), 1),
        ] {
            let ids: Vec<&str> = holders.iter().map(PublicKey::id).collect();
            roles.insert(
                role.to_string(),
                json!({ "keyids": ids, "threshold": threshold }),
            );
            for key in holders {
                keys.insert(key.id().into(), key.to_json());
            }
        }
        signed.insert("consistent_snapshot".into(), json!(true));
        signed.insert("keys".into(), Value::Object(keys));
        signed.insert("roles".into(), Value::Object(roles));
    }
}

/// Makes the first root of a repository, version 1.
///
/// # Errors
/// [`Error::Author`] if the plan breaks a rule or a signer is not among the root keys.
pub fn new_root(plan: &RootPlan, signers: &[&SigningKey]) -> Result<Vec<u8>> {
    make(
        Envelope::new(Role::Root, 1, plan.expires),
        plan,
        &[],
        signers,
    )
}

/// Makes the root after `old`, signed with old keys, new keys, or both: clients demand the threshold of both.
///
/// # Errors
/// [`Error::Author`] if the plan breaks a rule or a signer is a root key in neither root; [`Error::Unreadable`] if
/// `old` is no root.
pub fn next_root(old: &[u8], plan: &RootPlan, signers: &[&SigningKey]) -> Result<Vec<u8>> {
    let envelope = Envelope::parse(Role::Root, old)?;
    let (old_keys, _) = role_of(&envelope.signed, Role::Root)?;
    make(envelope.into_next(plan.expires)?, plan, &old_keys, signers)
}

fn make(
    mut envelope: Envelope,
    plan: &RootPlan,
    old_keys: &[PublicKey],
    signers: &[&SigningKey],
) -> Result<Vec<u8>> {
    let refuse = |why| Error::Author {
        role: Role::Root,
        why,
    };
    plan.check().map_err(refuse)?;
    for signer in signers {
        let known = plan
            .root_keys
            .iter()
            .chain(old_keys)
            .any(|key| key.id() == signer.id());
        if !known {
            return Err(refuse(format!("{} is not a root key", signer.id())));
        }
    }
    plan.write_into(&mut envelope.signed);
    envelope.seal(signers)
}

/// The keys and the threshold that a root gives to a role.
fn role_of(signed: &Map<String, Value>, role: Role) -> Result<(Vec<PublicKey>, usize)> {
    let unreadable = |why: String| Error::Unreadable {
        file: Role::Root.plain_name(),
        why,
    };
    let stated = signed
        .get("roles")
        .and_then(|roles| roles.get(role.as_str()))
        .ok_or_else(|| unreadable(format!("it names no role {role}")))?;
    let threshold = stated
        .get("threshold")
        .and_then(Value::as_u64)
        .and_then(|threshold| usize::try_from(threshold).ok())
        .ok_or_else(|| unreadable(format!("{role} has no threshold")))?;
    let ids = stated
        .get("keyids")
        .and_then(Value::as_array)
        .ok_or_else(|| unreadable(format!("{role} has no keys")))?;
    let mut keys = Vec::new();
    for id in ids {
        let id = id
            .as_str()
            .ok_or_else(|| unreadable(format!("{role} names a key that is no text")))?;
        let object = signed
            .get("keys")
            .and_then(|keys| keys.get(id))
            .ok_or_else(|| unreadable(format!("{role} names the key {id}, which is not listed")))?;
        keys.push(PublicKey::declared(id, object)?);
    }
    Ok((keys, threshold))
}

fn only_key_of(signed: &Map<String, Value>, role: Role) -> Result<PublicKey> {
    let (mut keys, threshold) = role_of(signed, role)?;
    match (keys.pop(), keys.is_empty(), threshold) {
        (Some(key), true, 1) => Ok(key),
        _ => Err(Error::Unreadable {
            file: Role::Root.plain_name(),
            why: format!("{role} must have one key and threshold 1: the server signs it alone"),
        }),
    }
}
