//! Artifacts: the bundles themselves, as files named by their SHA-256 in one directory.
//!
//! A file with such a name is always whole and durable: bytes are written to a temporary file, counted and hashed
//! on their way, synced, and only then given their name. Whatever goes wrong leaves nothing behind, and what a
//! killed server left is removed when the directory is opened again.

use std::fs::{self, Permissions, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use lockstep_model::ContentHash;
use lockstep_model::api::operator::StoredArtifact;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use crate::{Cause, Error};

/// A directory of artifacts. Several servers may share it.
#[derive(Debug, Clone)]
pub struct Artifacts {
    directory: PathBuf,
}

/// What the names of temporary files begin with.
const INCOMING: &str = "incoming-";

impl Artifacts {
    /// Opens the directory, makes it if it is not there, and removes what was left over by servers that died.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn in_directory(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        let directory = directory.into();
        blocking(move || {
            fs::create_dir_all(&directory)
                .map_err(Error::file("make the directory of artifacts", &directory))?;
            remove_leftovers(&directory)?;
            Ok(Self { directory })
        })
        .await
    }

    /// Where the artifact is, or would be.
    #[must_use]
    pub fn path(&self, hash: &ContentHash) -> PathBuf {
        self.directory.join(hash.to_string())
    }

    /// True if the artifact is there.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn contains(&self, hash: &ContentHash) -> Result<bool, Error> {
        let path = self.path(hash);
        tokio::fs::try_exists(&path)
            .await
            .map_err(Error::file("look for the artifact", path))
    }

    /// Stores an artifact of at most `max` bytes. The same artifact again, or twice at once, is harmless, and mends
    /// a file that was damaged.
    ///
    /// # Errors
    /// [`Error::ArtifactDiffers`], [`Error::ArtifactTooLong`], [`Error::ArtifactCutOff`] when the stream ends with an
    /// error, [`Error::File`] when the disk does. Nothing of it is kept then.
    pub async fn put<S, E>(
        &self,
        bytes: S,
        expected: &ContentHash,
        max: u64,
    ) -> Result<StoredArtifact, Error>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let directory = self.directory.clone();
        let (temporary, file) = blocking(move || begin(&directory)).await?;
        let mut file = tokio::fs::File::from_std(file);
        let cannot_write = || Error::file("write", temporary.path());
        let mut digest = Context::new(&SHA256);
        let mut length: u64 = 0;
        let mut bytes = pin!(bytes);
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|error| Error::ArtifactCutOff {
                hash: *expected,
                received: length,
                source: Cause::from(error.into()),
            })?;
            length = length.saturating_add(chunk.len() as u64);
            if length > max {
                return Err(Error::ArtifactTooLong {
                    hash: *expected,
                    max,
                });
            }
            digest.update(&chunk);
            file.write_all(&chunk).await.map_err(cannot_write())?;
        }
        let found = hash_of(digest);
        if found != *expected {
            return Err(Error::ArtifactDiffers {
                expected: *expected,
                found,
                length,
            });
        }
        file.flush().await.map_err(cannot_write())?;
        file.sync_all().await.map_err(cannot_write())?;
        let path = self.path(expected);
        blocking(move || finish(temporary, &path)).await?;
        Ok(StoredArtifact {
            hash: found,
            length,
        })
    }

    /// Opens an artifact for reading, anywhere in it, and says how long it is; none if it is not there.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn open(&self, hash: &ContentHash) -> Result<Option<(tokio::fs::File, u64)>, Error> {
        let path = self.path(hash);
        let file = match tokio::fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("open", path)(error)),
        };
        let length = file
            .metadata()
            .await
            .map_err(Error::file("look at", path))?
            .len();
        Ok(Some((file, length)))
    }

    /// Removes an artifact. Who is reading it reads on. False if it was not there.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn remove(&self, hash: &ContentHash) -> Result<bool, Error> {
        let path = self.path(hash);
        blocking(move || match fs::remove_file(&path) {
            Ok(()) => sync_directory_of(&path).map(|()| true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::file("remove", path)(error)),
        })
        .await
    }
}

/// Makes the temporary file, and locks it for as long as it is being written, so that nobody takes it for a
/// leftover.
fn begin(directory: &Path) -> Result<(NamedTempFile, fs::File), Error> {
    let failed = || Error::file("make a file in", directory);
    let temporary = tempfile::Builder::new()
        .prefix(INCOMING)
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(failed())?;
    temporary.as_file().lock().map_err(failed())?;
    let file = temporary.as_file().try_clone().map_err(failed())?;
    Ok((temporary, file))
}

/// Gives the synced file its name.
fn finish(temporary: NamedTempFile, path: &Path) -> Result<(), Error> {
    temporary
        .persist(path)
        .map_err(|error| Error::file("give its name to", path)(error.error))?;
    sync_directory_of(path)
}

fn sync_directory_of(path: &Path) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::file("sync the directory", directory))
}

fn remove_leftovers(directory: &Path) -> Result<(), Error> {
    let failed = || Error::file("tidy up", directory);
    for entry in fs::read_dir(directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if !entry.file_name().to_string_lossy().starts_with(INCOMING) {
            continue;
        }
        let file = match fs::File::open(entry.path()) {
            Ok(file) => file,
            // Its writer was just done with it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::file("open", entry.path())(error)),
        };
        match file.try_lock() {
            Ok(()) => {
                tracing::info!(file = %entry.path().display(), "removing what a dead server left");
                match fs::remove_file(entry.path()) {
                    // Its writer was just done with it.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    removed => removed.map_err(Error::file("remove", entry.path()))?,
                }
            }
            // A living server is writing it.
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(Error::file("lock", entry.path())(error));
            }
        }
    }
    Ok(())
}

fn hash_of(digest: Context) -> ContentHash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    ContentHash::from_digest(bytes)
}

/// Runs what waits for the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is being shut down.
        Err(_) => Err(Error::Closed),
    }
}
