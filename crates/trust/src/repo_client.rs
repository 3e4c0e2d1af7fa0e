//! The logic behind `lockstep repo-client`: a whole TUF client with the commands that the public conformance suite of
//! The Update Framework drives (`init`, `refresh`, `download`).
//!
//! It is the client that hosts use, plus delegations and plain downloads, so what the suite says of it holds for them.

use aws_lc_rs::digest;
use jiff::Timestamp;
use sigstore_tuf::{TargetFile, TrustedMetadataSet};

use crate::client::{self, percent_encoded, search};
use crate::error::{Error, Result};
use crate::metadata::Role;
use crate::releases::prefixed;
use crate::seams::{Fetch, MetadataStore, fetch_existing, keep, load};

/// Largest target that is downloaded, in bytes: it is held in memory. Hosts do not download bundles this way.
const LARGEST_TARGET: u64 = 256 << 20;

/// Begins to trust a root: checks that it is signed by itself and stores it.
///
/// # Errors
/// Why the root is none, or the store's error.
pub fn init(metadata: &dyn MetadataStore, root: &[u8]) -> Result<()> {
    let name = Role::Root.plain_name();
    TrustedMetadataSet::from_root(root).map_err(|error| Error::refused(name.clone(), error))?;
    keep(metadata, &name, root)
}

/// Brings the stored metadata up to date.
///
/// # Errors
/// What could not be fetched, verified or stored; what was verified before it is kept.
pub async fn refresh<F: Fetch>(
    metadata: &dyn MetadataStore,
    repository: &F,
    now: Timestamp,
) -> Result<()> {
    client::refresh(metadata, repository, now).await.map(drop)
}

/// Refreshes, then downloads each target that `files` does not hold already. `files` stores it under
/// [`file_name`] of its path.
///
/// # Errors
/// What could not be fetched, found, verified or stored. Targets before it are there.
pub async fn download<M: Fetch, T: Fetch>(
    metadata: &dyn MetadataStore,
    repository: &M,
    targets: &T,
    files: &dyn MetadataStore,
    paths: &[String],
    now: Timestamp,
) -> Result<()> {
    let mut trusted = client::refresh(metadata, repository, now).await?;
    for path in paths {
        let target = search::find(&mut trusted, metadata, repository, path, now)
            .await?
            .ok_or_else(|| Error::UnknownTarget {
                target: path.clone(),
            })?;
        let name = file_name(path);
        if let Some(there) = load(files, &name)?
            && check(&target, path, &there).is_ok()
        {
            continue;
        }
        let remote = remote_path(&trusted, &target, path)?;
        let max = usize::try_from(target.length.min(LARGEST_TARGET)).unwrap_or(usize::MAX);
        let bytes = fetch_existing(targets, &remote, max).await?;
        check(&target, path, &bytes)?;
        keep(files, &name, &bytes)?;
    }
    Ok(())
}

/// The one file name that stands for a target path: percent-encoded, with a first dot encoded too, so that no path
/// names another directory or a hidden file.
#[must_use]
pub fn file_name(path: &str) -> String {
    match path.strip_prefix('.') {
        Some(rest) => format!("%2E{}", percent_encoded(rest)),
        None => percent_encoded(path),
    }
}

fn remote_path(trusted: &TrustedMetadataSet, target: &TargetFile, path: &str) -> Result<String> {
    if !trusted.root().consistent_snapshot {
        return Ok(path.to_owned());
    }
    // Any of the hashes names the file; the first that is listed of those everybody has.
    let hash = ["sha256", "sha512"]
        .iter()
        .find_map(|algorithm| target.hashes.get(*algorithm))
        .or_else(|| target.hashes.values().next())
        .ok_or_else(|| mismatch(path, "it has no hash".into()))?;
    Ok(prefixed(path, hash))
}

/// Length and every hash that we know must fit, and there must be one.
fn check(target: &TargetFile, path: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 != target.length {
        return Err(mismatch(
            path,
            format!("it has {} bytes instead of {}", bytes.len(), target.length),
        ));
    }
    let mut known = 0;
    for (algorithm, signed) in &target.hashes {
        let algorithm = match algorithm.as_str() {
            "sha256" => &digest::SHA256,
            "sha512" => &digest::SHA512,
            _ => continue,
        };
        known += 1;
        let found = hex::encode(digest::digest(algorithm, bytes));
        if !found.eq_ignore_ascii_case(signed) {
            return Err(mismatch(
                path,
                format!("its hash is {found} instead of {signed}"),
            ));
        }
    }
    match known {
        0 => Err(mismatch(
            path,
            "no hash of it is of a kind that we know".into(),
        )),
        _ => Ok(()),
    }
}

fn mismatch(path: &str, why: String) -> Error {
    Error::Mismatch {
        file: path.into(),
        why,
    }
}
