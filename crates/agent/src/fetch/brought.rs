//! A bundle that a person brought to the host as a file, for hosts that reach no server: on a stick, with the metadata
//! that `release mirror` wrote beside it.
//!
//! Nothing is believed here that would not be believed from a server. The metadata must verify from the root on that this
//! host trusts, be fresh, and be no older than what the host has seen; and it must list the very bytes. What is taken is
//! copied to where downloads lie, so that the run which follows is like any other, and needs the stick no more.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use lockstep_host::fs::{self, Hasher, Mode, Replacement};
use lockstep_host::slots::Slots;
use lockstep_model::{ContentHash, Platform, Release};
use lockstep_net::client::HttpClient;
use tracing::info;

use super::download::{Names, hash_of, keep_only};
use super::{Place, leaves_out_a_step};
use crate::repository::{self, Repository};

/// Why a bundle that was brought is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// It cannot be read, or not be copied.
    #[error("{} cannot be taken: {source}", file.display())]
    File { file: PathBuf, source: io::Error },
    /// It is not what is signed, or nobody can tell.
    #[error(transparent)]
    Repository(#[from] repository::Error),
    /// The machine did not do what was asked.
    #[error(transparent)]
    Host(#[from] lockstep_host::Error),
    /// It is signed, and does not fit here.
    #[error("{0}")]
    Unfit(String),
}

/// Verifies a bundle and lays it where the run expects it.
pub(crate) async fn take(
    file: &Path,
    metadata: Option<&Path>,
    place: &Place,
    client: &HttpClient,
) -> Result<Release, NotTaken> {
    let unreadable = |source| NotTaken::File {
        file: file.into(),
        source,
    };
    // Looked at first: to open a fifo would wait for its writer.
    let kind = tokio::fs::metadata(file).await.map_err(unreadable)?;
    if !kind.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let hash = hash_of(file).await;
    let hash = hash.ok_or_else(|| unreadable(io::Error::other("it cannot be read")))?;
    let release = listed(hash, file, metadata, place, client).await?;
    let (details, platform) = (&release.details, Platform::of_this_program());
    if !details.platform.runs_on(&platform) {
        return Err(NotTaken::Unfit(format!(
            "the bundle is made for {}, this host is {platform}",
            details.platform
        )));
    }
    if let Some(why) = leaves_out_a_step(&release, place) {
        return Err(NotTaken::Unfit(why));
    }
    let (from, to, place) = (file.to_owned(), release.clone(), place.clone());
    let copying = tokio::task::spawn_blocking(move || copy(&from, &to, &place)).await;
    copying.map_err(|error| unreadable(io::Error::other(error)))??;
    info!(version = %release.details.version, file = %file.display(), "took a bundle that was brought, as the publisher signed it");
    Ok(release)
}

/// The release of these bytes, by the metadata that came with the bundle, or by what the host has stored.
async fn listed(
    hash: ContentHash,
    file: &Path,
    metadata: Option<&Path>,
    place: &Place,
    client: &HttpClient,
) -> Result<Release, NotTaken> {
    let mut repository = Repository::open(&place.layout, client, place.clock.now()).await?;
    let beside = match metadata {
        Some(dir) => Some(within(dir).ok_or_else(|| {
            NotTaken::Unfit(format!(
                "{} holds no metadata: neither timestamp.json nor repo/metadata/timestamp.json",
                dir.display()
            ))
        })?),
        None => file.ancestors().skip(1).take(NEAREST).find_map(within),
    };
    match beside {
        Some(dir) => repository.refresh_from(&dir).await?,
        None => repository.refresh_from_stored(&place.layout).await?,
    }
    Ok(repository.of_bytes(hash)?)
}

/// Directories above a bundle in which metadata is looked for. A mirror has it four above:
/// `repo/targets/PACKAGE/VERSION/FILE`.
const NEAREST: usize = 5;

/// Where metadata lies in a directory: in itself, as `metadata/`, or as `repo/metadata/`.
fn within(dir: &Path) -> Option<PathBuf> {
    let places = [dir.into(), dir.join("metadata"), dir.join("repo/metadata")];
    let mut places = places.into_iter();
    places.find(|place| place.join("timestamp.json").is_file())
}

/// Copies the bundle, and keeps the copy only if it is what was signed: sticks are pulled, and files changed meanwhile.
fn copy(from: &Path, release: &Release, place: &Place) -> Result<(), NotTaken> {
    let dir = place.layout.downloads();
    fs::create_private_dir(&dir)?;
    let names = Names::of(release, &dir);
    keep_only(&dir, release.details.package.as_str(), &names);
    Slots::new(place.layout.clone()).check_space(release, 0)?;
    let failed = |source| NotTaken::File {
        file: from.into(),
        source,
    };
    let mut source = File::open(from).map_err(failed)?.take(release.length + 1);
    let mut target = Replacement::begin_as(&names.bundle(), Mode::Private)?;
    let (mut hash, mut piece) = (Hasher::default(), vec![0; 64 * 1024]);
    loop {
        let count = source.read(&mut piece).map_err(failed)?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        target.file().write_all(&piece[..count]).map_err(failed)?;
    }
    if hash.finish() != release.hash {
        return Err(failed(io::Error::other("it changed while it was read")));
    }
    Ok(target.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_found_above_a_bundle_of_a_mirror() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = dir.path().join("repo/metadata");
        std::fs::create_dir_all(&metadata).unwrap();
        File::create(metadata.join("timestamp.json")).unwrap();
        let bundle = dir
            .path()
            .join("repo/targets/lockstep/2.0.0/HASH.lockstep-2.0.0.tar.zst");
        let found = bundle.ancestors().skip(1).take(NEAREST).find_map(within);
        assert_eq!(found.as_ref(), Some(&metadata));
        for place in [dir.path(), &dir.path().join("repo"), &metadata] {
            assert_eq!(
                within(place).as_ref(),
                Some(&metadata),
                "{}",
                place.display()
            );
        }
        assert_eq!(within(&dir.path().join("repo/targets")), None);
    }
}
