//! The signed repository as this host sees it: metadata on disk, fetched from the server, believed only where it
//! verifies.

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_host::fs::{self, Mode};
use lockstep_host::pid_file::PidFile;
use lockstep_model::{ContentHash, Delta, PackageName, Platform, Release, Version};
use lockstep_net::client::{CallError, HttpClient};
use lockstep_trust::{Fetch, MetadataStore, TrustedRepository};
use tracing::info;

use crate::identity::Files;

/// Why the repository does not say what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The publisher has not made a root yet, or the server cannot be asked for it.
    #[error("there is no trusted root to begin with: {0}")]
    NoRoot(CallError),
    /// The metadata does not verify, or could not be fetched.
    #[error(transparent)]
    Trust(#[from] lockstep_trust::Error),
    /// The machine did not do what was asked.
    #[error(transparent)]
    Host(#[from] lockstep_host::Error),
    /// No release has these bytes.
    #[error(
        "no release of lockstep that the publisher signed has the bytes of the bundle, which hash to {}; newer metadata may list it",
        hash.short()
    )]
    NotListed {
        /// What they hash to.
        hash: ContentHash,
    },
    /// No such release.
    #[error("the repository lists no release {version} of lockstep for {platform}")]
    NoRelease {
        /// The version.
        version: Version,
        /// The platform.
        platform: Platform,
    },
}

/// Largest root that is taken from the server when enrolment had none to hand over.
pub(crate) const MAX_ROOT: u64 = 512 * 1024;
/// Largest metadata file that is read from disk.
const MAX_METADATA: u64 = 16 * 1024 * 1024;

/// Another process of this host that reads or writes the metadata is waited for, so often and so long each time: it takes
/// one answer of the server for each file.
const TURNS: u32 = 60;
const TURN: Duration = Duration::from_millis(500);

/// The repository, open. One process of a host has it open at a time: the worker for the agent's own releases, runs of
/// bundles for theirs. What one has verified must not be taken back by another that is slower.
pub(crate) struct Repository {
    trusted: TrustedRepository,
    now: Timestamp,
    _alone: PidFile,
}

impl Repository {
    /// Opens what this host knows of the repository. A host that was enrolled before the publisher had made a root
    /// asks for it once, over the same authenticated connection by which enrolment would have handed it over.
    pub(crate) async fn open(
        layout: &Layout,
        client: &HttpClient,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let alone = alone(layout).await?;
        let path = Files::below(layout).trusted_root;
        let root = match fs::read_capped(&path, MAX_ROOT)? {
            Some(root) => root,
            None => {
                let root = client
                    .get_capped("/agent/v1/root", MAX_ROOT as usize)
                    .await
                    .map_err(Error::NoRoot)?;
                fs::write_durable(&path, &root, Mode::Public)?;
                info!(
                    "took over the repository's root, which the publisher made after this host was enrolled"
                );
                root
            }
        };
        fs::create_private_dir(&layout.tuf_dir())?;
        let store = OnDisk {
            layout: layout.clone(),
        };
        let trusted = TrustedRepository::open(Box::new(store), Some(&root))?;
        Ok(Self {
            trusted,
            now,
            _alone: alone,
        })
    }

    /// Brings the metadata up to date, as the specification orders it.
    pub(crate) async fn refresh(&mut self, client: &HttpClient) -> Result<(), Error> {
        Ok(self
            .trusted
            .refresh(&FromServer { client }, self.now)
            .await?)
    }

    /// The same with metadata that lies in a directory, as `release mirror` writes it. It is believed as little as a
    /// server is.
    pub(crate) async fn refresh_from(&mut self, dir: &Path) -> Result<(), Error> {
        Ok(self.trusted.refresh(&FromFiles { dir }, self.now).await?)
    }

    /// Without anything new: what is stored must verify, and be valid still.
    pub(crate) async fn refresh_from_stored(&mut self, layout: &Layout) -> Result<(), Error> {
        self.refresh_from(&layout.tuf_dir()).await
    }

    /// The release behind a target path.
    pub(crate) fn release(&self, target: &str) -> Result<Release, Error> {
        Ok(self.trusted.release(target, self.now)?)
    }

    /// What leads to a release from others, the smallest first.
    pub(crate) fn deltas_to(&self, release: &Release) -> Vec<Delta> {
        self.trusted.deltas_to(release)
    }

    /// The agent's release whose bundle has these bytes.
    pub(crate) fn of_bytes(&self, hash: ContentHash) -> Result<Release, Error> {
        let own = PackageName::lockstep();
        let mut releases = self.trusted.releases().iter();
        let is_meant = |it: &&Release| it.hash == hash && it.details.package == own;
        let found = releases.find(is_meant).ok_or(Error::NotListed { hash })?;
        // Asked once more by its path, where the floor is applied.
        self.release(&found.target)
    }

    /// The agent's release of a version for this host.
    pub(crate) fn find(&self, version: &Version) -> Result<Release, Error> {
        let (own, platform) = (PackageName::lockstep(), Platform::of_this_program());
        let mut releases = self.trusted.releases().iter();
        let fits = |release: &&Release| {
            let details = &release.details;
            details.package == own
                && details.version == *version
                && details.platform.runs_on(&platform)
        };
        let target = releases.find(fits).map(|release| release.target.clone());
        let target = target.ok_or(Error::NoRelease {
            version: version.clone(),
            platform,
        })?;
        // Asked once more by its path, where the floor is applied.
        self.release(&target)
    }
}

/// Waits for its turn.
async fn alone(layout: &Layout) -> Result<PidFile, Error> {
    let path = layout.state_dir().join("tuf.pid");
    let mut turns = 0;
    loop {
        match PidFile::hold(&path) {
            Err(lockstep_host::Error::LockHeld { .. }) if turns < TURNS => {
                turns += 1;
                tokio::time::sleep(TURN).await;
            }
            held => return Ok(held?),
        }
    }
}

/// Trusted metadata below the agent's state, one durable file each.
struct OnDisk {
    layout: Layout,
}

impl MetadataStore for OnDisk {
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        fs::read_capped(&self.layout.tuf_dir().join(name), MAX_METADATA).map_err(io::Error::other)
    }

    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write_durable(&self.layout.tuf_dir().join(name), bytes, Mode::Private)
            .map_err(io::Error::other)
    }
}

struct FromServer<'a> {
    client: &'a HttpClient,
}

impl Fetch for FromServer<'_> {
    async fn fetch(
        &self,
        name: &str,
        max: usize,
    ) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        match self
            .client
            .get_capped(&format!("/repo/metadata/{name}"), max)
            .await
        {
            Ok(bytes) => Ok(Some(bytes)),
            Err(CallError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Metadata in a directory.
struct FromFiles<'a> {
    dir: &'a Path,
}

impl Fetch for FromFiles<'_> {
    async fn fetch(
        &self,
        name: &str,
        max: usize,
    ) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        // One file of a few kilobytes at a time.
        Ok(fs::read_capped(&self.dir.join(name), max as u64)?)
    }
}
