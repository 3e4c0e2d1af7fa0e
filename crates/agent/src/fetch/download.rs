//! The download of one bundle: resumed where it broke, bounded by the signed length, verified before anyone reads it.

use std::path::{Path, PathBuf};

use lockstep_host::fault;
use lockstep_host::fs;
use lockstep_host::slots::Slots;
use lockstep_model::{ContentHash, Outcome, Release, RunReason};
use lockstep_net::client::HttpClient;
use lockstep_trust::consistent_target_path;
use tracing::{info, warn};

use super::mirror::{Ask, bring};
use super::transfer::Wanted;
use super::{Place, Unready};
use crate::words;

/// A bundle whose bytes are wrong is fetched anew this often in all, because a broken proxy is no reason to hold
/// anything against a release; after that it is.
const ATTEMPTS: u32 = 3;

/// Downloads the release's bundle and returns where it lies, complete and verified.
pub(super) async fn download(
    release: &Release,
    place: &Place,
    client: &HttpClient,
) -> Result<PathBuf, Unready> {
    let dir = place.layout.downloads();
    let host_failed = |error: lockstep_host::Error| place.host_failed(&error);
    fs::create_private_dir(&dir).map_err(host_failed)?;
    let names = Names::of(release, &dir);
    keep_only(&dir, release.details.package.as_str(), &names);
    let (whole, part) = (names.bundle(), names.part());
    if hash_of(&whole).await == Some(release.hash) {
        return Ok(whole);
    }
    check_space(release, place, &part)?;
    let mut why = String::new();
    for attempt in 1..=ATTEMPTS {
        let wanted = Wanted {
            path: &format!("/repo/targets/{}", consistent_target_path(release)),
            length: release.length,
        };
        // A mirror whose bytes are wrong is asked once.
        let ask = match attempt {
            1 => Ask::Both,
            _ => Ask::Server,
        };
        let sent = bring(wanted, ask, place, client, &part).await;
        sent.map_err(|broken| broken.unready(place))?;
        fault::point("transferred");
        match hash_of(&part).await {
            Some(hash) if hash == release.hash => {
                fs::sync_file(&part).map_err(host_failed)?;
                fs::rename_durable(&part, &whole).map_err(host_failed)?;
                info!(version = %release.details.version, bytes = release.length, "the bundle is complete and verified");
                return Ok(whole);
            }
            found => {
                let found = found.map_or("nothing".into(), |hash| hash.short());
                why = format!(
                    "its bytes hash to {found}, the publisher signed {}",
                    release.hash.short()
                );
                warn!(
                    attempt,
                    why, "the downloaded bundle is not the signed one and was thrown away"
                );
                fs::remove_durable(&part).map_err(host_failed)?;
            }
        }
    }
    Err(Unready::Failed {
        outcome: Outcome::Failed,
        reason: RunReason::NotVerified { why },
    })
}

/// Where the files of one release's download lie. Each package has files of its own: those of several may be fetched at
/// one time.
#[derive(Debug, Clone)]
pub(super) struct Names {
    dir: PathBuf,
    stem: String,
}

impl Names {
    /// Below the directory of downloads.
    pub(super) fn of(release: &Release, dir: &Path) -> Self {
        Self {
            dir: dir.into(),
            stem: format!("{}-{}", release.details.package, release.hash),
        }
    }

    /// A file with this ending, which has no `-`: what is before the last one is the package.
    pub(super) fn with(&self, ending: &str) -> PathBuf {
        self.dir.join(format!("{}.{ending}", self.stem))
    }

    /// The bundle, complete and verified.
    pub(super) fn bundle(&self) -> PathBuf {
        self.with("bundle")
    }

    /// The bundle as far as it is there.
    pub(super) fn part(&self) -> PathBuf {
        self.with("part")
    }
}

/// Space for the download and for the unpacked slot, before the first byte is asked for.
fn check_space(release: &Release, place: &Place, part: &Path) -> Result<(), Unready> {
    let there = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
    match Slots::new(place.layout.clone()).check_space(release, there) {
        Ok(()) => Ok(()),
        Err(error) => Err(place.again(words(&error))),
    }
}

/// The hash of a file; none if it cannot be read.
pub(super) async fn hash_of(path: &Path) -> Option<ContentHash> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || fs::hash_file(&path).ok())
        .await
        .ok()
        .flatten()
}

/// Removes what is left of downloads of a package that nobody wants any more, and what no package has.
pub(super) fn keep_only(dir: &Path, package: &str, wanted: &Names) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_of_another = name
            .rsplit_once('-')
            .is_some_and(|(owner, _)| owner != package);
        if !is_of_another
            && !name.starts_with(&wanted.stem)
            && let Err(error) = fs::remove_durable(&entry.path())
        {
            warn!(
                error = words(&error),
                "an old download could not be removed"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_of_other_packages_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a-00.part", "a-11.part", "a-b-22.part", "33.part"] {
            std::fs::File::create_new(dir.path().join(name)).unwrap();
        }
        let wanted = Names {
            dir: dir.path().into(),
            stem: "a-11".into(),
        };
        keep_only(dir.path(), "a", &wanted);
        let left = std::fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a-11.part", "a-b-22.part"]);
    }
}
