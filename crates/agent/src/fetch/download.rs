//! The download of one bundle: resumed where it broke, bounded by the signed length, verified before anyone reads it.

use std::path::{Path, PathBuf};

use lockstep_host::fault;
use lockstep_host::fs;
use lockstep_host::slots::Slots;
use lockstep_model::{ContentHash, Outcome, Release, RunReason};
use lockstep_net::client::{CallError, HttpClient};
use lockstep_trust::consistent_target_path;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tracing::{info, warn};

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
    // Each package has files of its own: those of several may be fetched at one time.
    let package = &release.details.package;
    let name = format!("{package}-{}", release.hash);
    keep_only(&dir, package.as_str(), &name);
    let whole = dir.join(format!("{name}.bundle"));
    let part = dir.join(format!("{name}.part"));
    if hash_of(&whole).await == Some(release.hash) {
        return Ok(whole);
    }
    check_space(release, place, &part)?;
    let mut why = String::new();
    for attempt in 1..=ATTEMPTS {
        transfer(release, place, client, &part).await?;
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

/// Space for the download and for the unpacked slot, before the first byte is asked for.
fn check_space(release: &Release, place: &Place, part: &Path) -> Result<(), Unready> {
    let there = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
    match Slots::new(place.layout.clone()).check_space(release, there) {
        Ok(()) => Ok(()),
        Err(error) => Err(place.again(words(&error))),
    }
}

/// Brings the part file to the signed length, beginning at what is there.
async fn transfer(
    release: &Release,
    place: &Place,
    client: &HttpClient,
    part: &Path,
) -> Result<(), Unready> {
    let io_failed =
        |error: std::io::Error| place.again(format!("failed to write {}: {error}", part.display()));
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(part)
        .await
        .map_err(io_failed)?;
    let mut have = file
        .seek(std::io::SeekFrom::End(0))
        .await
        .map_err(io_failed)?;
    if have > release.length {
        file.set_len(0).await.map_err(io_failed)?;
        have = 0;
    }
    if have == release.length {
        return Ok(());
    }
    if have > 0 {
        info!(have, of = release.length, "going on with the download");
    }
    let path = format!("/repo/targets/{}", consistent_target_path(release));
    let mut download = client
        .download_from(&path, have, release.length)
        .await
        .map_err(|error| place.call_failed(&error))?;
    if !download.resumed() {
        file.set_len(0).await.map_err(io_failed)?;
        have = 0;
    }
    file.seek(std::io::SeekFrom::Start(have))
        .await
        .map_err(io_failed)?;
    let end = loop {
        match download.chunk().await {
            Ok(Some(chunk)) => {
                let left = release.length - have;
                if chunk.len() as u64 > left {
                    // More than was signed: the rest is not even looked at, and what came is not trusted either.
                    file.set_len(0).await.map_err(io_failed)?;
                    file.flush().await.map_err(io_failed)?;
                    let why = format!(
                        "the server sends more than the signed {} bytes",
                        release.length
                    );
                    return Err(place.again(RunReason::NotVerified { why }.to_string()));
                }
                file.write_all(&chunk).await.map_err(io_failed)?;
                have += chunk.len() as u64;
                fault::point("chunk");
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // What arrived is kept for the next try, whatever ended the transfer.
    file.flush().await.map_err(io_failed)?;
    end.map_err(|error: CallError| place.call_failed(&error))?;
    if have < release.length {
        return Err(place.again(format!(
            "the download ended after {have} of {} bytes",
            release.length
        )));
    }
    Ok(())
}

/// The hash of a file; none if it cannot be read.
async fn hash_of(path: &Path) -> Option<ContentHash> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || fs::hash_file(&path).ok())
        .await
        .ok()
        .flatten()
}

/// Removes what is left of downloads of a package that nobody wants any more, and what no package has.
fn keep_only(dir: &Path, package: &str, wanted: &str) {
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
            && !name.starts_with(wanted)
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
        keep_only(dir.path(), "a", "a-11");
        let left = std::fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a-11.part", "a-b-22.part"]);
    }
}
