//! Where the client's bytes live: [`MetadataStore`] on this side, [`Fetch`] on the other.

use std::future::Future;
use std::io;

use crate::error::{Cause, Error, Result};

/// Keeps what has been verified, from one run of the program to the next. It is what protects against older metadata,
/// so it must not forget.
///
/// Names are plain file names: `root.json`, `timestamp.json`, `snapshot.json`, `targets.json`, and for delegated roles
/// the percent-encoded name with `.json` behind it. The bytes are those that were served.
pub trait MetadataStore: Send + Sync {
    /// What was stored under `name`; none if nothing was.
    ///
    /// # Errors
    /// Whatever keeps it from being read. It must not be taken for "nothing".
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Stores `bytes` under `name` in place of what was there, all or nothing, and durably: the client stores in an
    /// order (root first, then what the root allows) in which a power cut between two calls loses no protection,
    /// provided that what returned is on disk.
    ///
    /// # Errors
    /// Whatever kept it from being durable. The refresh then fails.
    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// Fetches files of a repository, by their names or by target paths.
pub trait Fetch: Sync {
    /// The file's bytes; none if the repository says that it does not have it.
    ///
    /// At most `max` bytes are wanted. An implementation stops reading behind them and reports an error, so that an
    /// endless answer costs nothing; what it returns is measured again.
    ///
    /// # Errors
    /// Whatever else happened. It comes back as the source of [`Error::Fetch`].
    fn fetch(
        &self,
        name: &str,
        max: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>> + Send;
}

/// Fetches with the limit enforced, whatever the implementation does.
pub(crate) async fn fetch_capped<F: Fetch>(
    fetch: &F,
    name: &str,
    max: usize,
) -> Result<Option<Vec<u8>>> {
    let bytes = fetch
        .fetch(name, max)
        .await
        .map_err(|source: Cause| Error::Fetch {
            file: name.into(),
            source,
        })?;
    match bytes {
        Some(bytes) if bytes.len() > max => Err(Error::TooLong {
            file: name.into(),
            max,
        }),
        bytes => Ok(bytes),
    }
}

/// Fetches a file that must be there.
pub(crate) async fn fetch_existing<F: Fetch>(fetch: &F, name: &str, max: usize) -> Result<Vec<u8>> {
    fetch_capped(fetch, name, max)
        .await?
        .ok_or_else(|| Error::Missing { file: name.into() })
}

pub(crate) fn load(store: &dyn MetadataStore, name: &str) -> Result<Option<Vec<u8>>> {
    store.load(name).map_err(|source| Error::Store {
        file: name.into(),
        verb: "loaded",
        source,
    })
}

pub(crate) fn keep(store: &dyn MetadataStore, name: &str, bytes: &[u8]) -> Result<()> {
    store.store(name, bytes).map_err(|source| Error::Store {
        file: name.into(),
        verb: "kept",
        source,
    })
}
