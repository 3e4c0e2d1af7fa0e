//! What a `targets.json` says in our words: releases, deltas and floors.
//!
//! A release's details stand in its target's `custom` data below the key `lockstep`, those of a delta below the key
//! `lockstep-delta`, so that agents from before there were deltas pass them over, and the floors in a field `lockstep`
//! of the signed part; the specification leaves these places to the application (TUF 1.0.31, section 4.5 and the rule
//! on unknown fields in section 4). A target without our details belongs to somebody else: it is passed over in the
//! list, and refused when it is asked for by name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::{
    ContentHash, Delta, DeltaDetails, PackageName, Release, ReleaseDetails, Version, target_path,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::metadata::{Envelope, Role};

/// The key under which our own data stands in foreign formats.
pub(crate) const EXTRA: &str = "lockstep";
/// The key under which a delta's details stand.
pub(crate) const DELTA: &str = "lockstep-delta";

/// The content of a list of releases. Whether to believe it is for others to say.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetsContent {
    /// Version of the list.
    pub version: u64,
    /// When it stops being valid.
    pub expires: Timestamp,
    /// The releases, in the order of their paths.
    pub releases: Vec<Release>,
    /// What leads from one release to another, in the order of the paths.
    pub deltas: Vec<Delta>,
    /// The lowest version that may be installed, for each package that has one.
    pub floors: BTreeMap<PackageName, Version>,
}

/// Reads a list of releases, without verifying it.
///
/// # Errors
/// [`Error::Unreadable`] if it is no targets metadata; [`Error::NotARelease`] if a release or a delta in it contradicts
/// itself.
pub fn releases_of(targets: &[u8]) -> Result<TargetsContent> {
    releases_in(&Envelope::parse(Role::Targets, targets)?)
}

/// As [`releases_of`].
pub(crate) fn releases_in(envelope: &Envelope) -> Result<TargetsContent> {
    let (content, mut contradictory) = sort_out(envelope)?;
    match contradictory.pop() {
        Some(error) => Err(error),
        None => Ok(content),
    }
}

/// The list without the releases and deltas that contradict themselves, and what is wrong with those. A host goes on with the
/// others; a publisher or server stops.
pub(crate) fn sort_out(envelope: &Envelope) -> Result<(TargetsContent, Vec<Error>)> {
    let unreadable = |why: String| Error::Unreadable {
        file: Role::Targets.plain_name(),
        why,
    };
    let listed = envelope
        .signed
        .get("targets")
        .and_then(Value::as_object)
        .ok_or_else(|| unreadable("it has no object \"targets\"".into()))?;
    let (mut releases, mut deltas, mut contradictory) = (Vec::new(), Vec::new(), Vec::new());
    for (path, target) in listed {
        let is = |key| {
            let custom = target.get("custom");
            custom.is_some_and(|custom| custom.get(key).is_some())
        };
        if is(EXTRA) {
            match release(path, target) {
                Ok(release) => releases.push(release),
                Err(error) => contradictory.push(error),
            }
        } else if is(DELTA) {
            match delta(path, target) {
                Ok(delta) => deltas.push(delta),
                Err(error) => contradictory.push(error),
            }
        }
    }
    // The order is ours to keep: a JSON object has none.
    releases.sort_by(|one, other| one.target.cmp(&other.target));
    deltas.sort_by(|one, other| one.target.cmp(&other.target));
    let floors = match envelope
        .signed
        .get(EXTRA)
        .and_then(|ours| ours.get("floors"))
    {
        None => BTreeMap::new(),
        Some(floors) => serde_json::from_value(floors.clone())
            .map_err(|error| unreadable(format!("its floors: {error}")))?,
    };
    let content = TargetsContent {
        version: envelope.version,
        expires: envelope.expires,
        releases,
        deltas,
        floors,
    };
    Ok((content, contradictory))
}

/// Reads one target as a release, and checks that its parts agree.
pub(crate) fn release(path: &str, target: &Value) -> Result<Release> {
    let details: ReleaseDetails = details(path, target, EXTRA)?;
    // A path that differs could make a host install one package in the name of another.
    let wanted = target_path(&details.package, &details.version, &details.platform);
    if wanted != path {
        return Err(refuse(path, says(&wanted)));
    }
    let (length, hash) = file(path, target)?;
    Ok(Release {
        details,
        target: path.into(),
        length,
        hash,
    })
}

/// Reads one target as a delta, and checks that its parts agree.
fn delta(path: &str, target: &Value) -> Result<Delta> {
    let details: DeltaDetails = details(path, target, DELTA)?;
    let wanted = details.target_path();
    if wanted != path {
        return Err(refuse(path, says(&wanted)));
    }
    let (length, hash) = file(path, target)?;
    Ok(Delta {
        details,
        target: path.into(),
        length,
        hash,
    })
}

fn details<T: DeserializeOwned>(path: &str, target: &Value, key: &str) -> Result<T> {
    let details = target
        .get("custom")
        .and_then(|custom| custom.get(key))
        .ok_or_else(|| refuse(path, format!("it has no \"{key}\" in its custom data")))?;
    serde_json::from_value(details.clone()).map_err(|error| refuse(path, error.to_string()))
}

/// Length and hash of what lies at a target's path.
fn file(path: &str, target: &Value) -> Result<(u64, ContentHash)> {
    let length = target
        .get("length")
        .and_then(Value::as_u64)
        .filter(|&length| length > 0)
        .ok_or_else(|| refuse(path, "it has no length".into()))?;
    let hash = target
        .get("hashes")
        .and_then(|hashes| hashes.get("sha256"))
        .and_then(Value::as_str)
        .ok_or_else(|| refuse(path, "it has no SHA-256".into()))?;
    let hash = ContentHash::parse(hash).map_err(|error| refuse(path, error.to_string()))?;
    Ok((length, hash))
}

fn says(wanted: &str) -> String {
    format!("its custom data says that it is {wanted:?}")
}

fn refuse(path: &str, why: String) -> Error {
    Error::NotARelease {
        target: path.into(),
        why,
    }
}

/// Where a release's bundle lies below the repository's `targets/`: the hash before the file name, not before the
/// whole path (TUF 1.0.31, section 6.2).
#[must_use]
pub fn consistent_target_path(release: &Release) -> String {
    prefixed(&release.target, &release.hash.to_string())
}

/// Where a delta lies below the repository's `targets/`; see [`consistent_target_path`].
#[must_use]
pub fn consistent_delta_path(delta: &Delta) -> String {
    prefixed(&delta.target, &delta.hash.to_string())
}

/// `dir/HASH.file`.
pub(crate) fn prefixed(path: &str, hash: &str) -> String {
    match path.rsplit_once('/') {
        Some((dir, file)) => format!("{dir}/{hash}.{file}"),
        None => format!("{hash}.{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(version: &str) -> Value {
        json!({
            "length": 1000,
            "hashes": { "sha256": "ab".repeat(32) },
            "custom": { "lockstep": {
                "package": "lockstep", "version": version, "platform": "linux-x86_64",
                "unpacked_bytes": 4000, "entries": 3, "requires": { "server": ">=1.3, <2" },
            } },
        })
    }
    const PATH: &str = "lockstep/1.4.0/lockstep-1.4.0-linux-x86_64.tar.zst";

    #[test]
    fn a_release_is_read_whole() {
        let release = release(PATH, &target("1.4.0")).unwrap();
        assert_eq!(release.length, 1000);
        assert_eq!(release.details.entries, 3);
        let hash = "ab".repeat(32);
        assert_eq!(
            consistent_target_path(&release),
            format!("lockstep/1.4.0/{hash}.lockstep-1.4.0-linux-x86_64.tar.zst")
        );
        assert_eq!(prefixed("flat", "h"), "h.flat");
    }

    #[test]
    fn a_delta_is_read_whole_and_is_no_release() {
        let end = |version: &str, byte: &str| json!({ "version": version, "content": { "hash": byte.repeat(32), "length": 9000 } });
        let target = |from: &str| {
            json!({
                "length": 77,
                "hashes": { "sha256": "cd".repeat(32) },
                "custom": { "lockstep-delta": {
                    "package": "lockstep", "platform": "linux-x86_64", "algorithm": "bsdiff",
                    "from": end(from, "01"), "to": end("1.4.0", "02"),
                } },
            })
        };
        let path = "lockstep/1.4.0/lockstep-1.4.0-linux-x86_64.from-1.3.9.delta";
        let read = delta(path, &target("1.3.9")).unwrap();
        assert_eq!((read.length, read.details.to.content.length), (77, 9000));
        let hash = "cd".repeat(32);
        assert_eq!(
            consistent_delta_path(&read),
            format!("lockstep/1.4.0/{hash}.lockstep-1.4.0-linux-x86_64.from-1.3.9.delta")
        );
        let error = delta(path, &target("1.3.8")).unwrap_err().to_string();
        assert!(error.contains("says that it is"), "{error}");
        let error = release(path, &target("1.3.9")).unwrap_err().to_string();
        assert!(
            error.contains("no \"lockstep\" in its custom data"),
            "{error}"
        );
    }

    #[test]
    fn parts_that_disagree_are_refused() {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut target = target("1.4.0");
            change(&mut target);
            release(PATH, &target).unwrap_err().to_string()
        };
        for (words, error) in [
            (
                "says that it is \"lockstep/1.5.0",
                release(PATH, &target("1.5.0")).unwrap_err().to_string(),
            ),
            (
                "no \"lockstep\" in its custom data",
                with(&|t| t["custom"] = json!({})),
            ),
            (
                "no \"lockstep\" in its custom data",
                with(&|t| t["custom"] = json!("x")),
            ),
            ("no length", with(&|t| t["length"] = json!(0))),
            ("no length", with(&|t| t["length"] = json!(-1))),
            (
                "no SHA-256",
                with(&|t| t["hashes"] = json!({ "sha512": "ab" })),
            ),
            (
                "not a SHA-256",
                with(&|t| t["hashes"]["sha256"] = json!("ab")),
            ),
            (
                "package name",
                with(&|t| t["custom"]["lockstep"]["package"] = json!("../x")),
            ),
            (
                "missing field",
                with(&|t| t["custom"]["lockstep"] = json!({ "package": "a" })),
            ),
        ] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
