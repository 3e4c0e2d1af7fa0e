//! What a `targets.json` says in our words: releases and floors.
//!
//! A release's details stand in its target's `custom` data below the key `lockstep`, the floors in a field
//! `lockstep` of the signed part; the specification leaves both places to the application (TUF 1.0.31, section 4.5
//! and the rule on unknown fields in section 4). A target without our details belongs to somebody else: it is passed
//! over in the list, and refused when it is asked for by name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::{ContentHash, PackageName, Release, ReleaseDetails, Version, target_path};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::metadata::{Envelope, Role};

/// The key under which our own data stands in foreign formats.
pub(crate) const EXTRA: &str = "lockstep";

/// The content of a list of releases. Whether to believe it is for others to say.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetsContent {
    /// Version of the list.
    pub version: u64,
    /// When it stops being valid.
    pub expires: Timestamp,
    /// The releases, in the order of their paths.
    pub releases: Vec<Release>,
    /// The lowest version that may be installed, for each package that has one.
    pub floors: BTreeMap<PackageName, Version>,
}

/// Reads a list of releases, without verifying it.
///
/// # Errors
/// [`Error::Unreadable`] if it is no targets metadata; [`Error::NotARelease`] if a release in it contradicts itself.
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

/// The list without the releases that contradict themselves, and what is wrong with those. A host goes on with the
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
    let (mut releases, mut contradictory) = (Vec::new(), Vec::new());
    for (path, target) in listed {
        if target
            .get("custom")
            .is_some_and(|custom| custom.get(EXTRA).is_some())
        {
            match release(path, target) {
                Ok(release) => releases.push(release),
                Err(error) => contradictory.push(error),
            }
        }
    }
    // The order is ours to keep: a JSON object has none.
    releases.sort_by(|one, other| one.target.cmp(&other.target));
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
        floors,
    };
    Ok((content, contradictory))
}

/// Reads one target as a release, and checks that its parts agree.
pub(crate) fn release(path: &str, target: &Value) -> Result<Release> {
    let refuse = |why: String| Error::NotARelease {
        target: path.into(),
        why,
    };
    let details = target
        .get("custom")
        .and_then(|custom| custom.get(EXTRA))
        .ok_or_else(|| refuse(format!("it has no \"{EXTRA}\" in its custom data")))?;
    let details: ReleaseDetails =
        serde_json::from_value(details.clone()).map_err(|error| refuse(error.to_string()))?;
    // A path that differs could make a host install one package in the name of another.
    let wanted = target_path(&details.package, &details.version, &details.platform);
    if wanted != path {
        return Err(refuse(format!(
            "its custom data says that it is {wanted:?}"
        )));
    }
    let length = target
        .get("length")
        .and_then(Value::as_u64)
        .filter(|&length| length > 0)
        .ok_or_else(|| refuse("it has no length".into()))?;
    let hash = target
        .get("hashes")
        .and_then(|hashes| hashes.get("sha256"))
        .and_then(Value::as_str)
        .ok_or_else(|| refuse("it has no SHA-256".into()))?;
    let hash = ContentHash::parse(hash).map_err(|error| refuse(error.to_string()))?;
    Ok(Release {
        details,
        target: path.into(),
        length,
        hash,
    })
}

/// Where a release's bundle lies below the repository's `targets/`: the hash before the file name, not before the
/// whole path (TUF 1.0.31, section 6.2).
#[must_use]
pub fn consistent_target_path(release: &Release) -> String {
    prefixed(&release.target, &release.hash.to_string())
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
