//! Releases, unpacked: what gateways serve from whose clients know no bundles.
//!
//! A bundle is unpacked by the same careful code as on a host, once, into a directory of its own below the data
//! directory. The last few stay there; one that somebody reads from stays as long as he does.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lockstep_gateway::seams::Tree;
use lockstep_host::fs;
use lockstep_host::unpack::{self, Limits};
use lockstep_model::{BundleManifest, ContentHash, Release};
use tokio::sync::Mutex;

use crate::app::App;
use crate::web::Refusal;

/// Directories that are kept after their last reader.
const KEPT: usize = 8;
/// Largest release that is unpacked, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024 * 1024;

/// The directories.
#[derive(Debug)]
pub(crate) struct Opened {
    root: PathBuf,
    /// Those that were asked for last come last. One at a time is unpacked.
    kept: Mutex<VecDeque<(ContentHash, Arc<Directory>)>>,
}

/// A directory, removed when nobody needs it any more.
#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_tree(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "an unpacked release could not be removed");
        }
    }
}

impl Opened {
    /// Begins with an empty directory: what a killed server left behind is of no use.
    pub(crate) fn in_directory(root: PathBuf) -> Result<Self, crate::Error> {
        if let Err(error) = fs::remove_tree(&root) {
            tracing::warn!(path = %root.display(), %error, "what an earlier server unpacked could not be removed");
        }
        crate::data_dir::create(&root)?;
        Ok(Self {
            root,
            kept: Mutex::default(),
        })
    }

    /// The files of a release.
    pub(crate) async fn tree(&self, app: &App, release: &Release) -> Result<Tree, Refusal> {
        let mut kept = self.kept.lock().await;
        let found = kept.iter().position(|(hash, _)| *hash == release.hash);
        let directory = match found.and_then(|index| kept.remove(index)) {
            Some((_, directory)) => directory,
            None => Arc::new(self.unpack(app, release).await?),
        };
        kept.push_back((release.hash, Arc::clone(&directory)));
        while kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(Tree {
            root: directory.0.clone(),
            keep: directory,
        })
    }

    async fn unpack(&self, app: &App, release: &Release) -> Result<Directory, Refusal> {
        if release.details.unpacked_bytes > LARGEST {
            return Err(Refusal::conflict(format!(
                "{} {} has {} bytes unpacked; gateways serve {LARGEST} at most",
                release.details.package, release.details.version, release.details.unpacked_bytes
            )));
        }
        let bundle = app.artifacts.path(&release.hash);
        let target = self
            .root
            .join(format!("{}-{:08x}", release.hash, fastrand::u32(..)));
        let release = release.clone();
        let unpacked = tokio::task::spawn_blocking(move || {
            let directory = Directory(target);
            unpack(&bundle, &directory.0, &release).map(|()| directory)
        });
        unpacked
            .await
            .map_err(|error| Refusal::internal("unpacking a release", &error))?
            .map_err(|why| {
                tracing::error!(why, "a release could not be unpacked");
                Refusal::busy(
                    "the release cannot be opened; the server's log says why",
                    AGAIN,
                )
            })
    }
}

/// When to ask again for what could not be unpacked: the disk may have room by then.
const AGAIN: Duration = Duration::from_secs(60);

fn unpack(bundle: &Path, target: &Path, release: &Release) -> Result<(), String> {
    let words =
        |what: &str, error: &dyn std::fmt::Display| format!("{what} {}: {error}", bundle.display());
    let hash = fs::hash_file(bundle).map_err(|error| words("reading", &error))?;
    if hash != release.hash {
        return Err(format!(
            "{} is damaged: it has the hash {hash}",
            bundle.display()
        ));
    }
    let file = File::open(bundle).map_err(|error| words("opening", &error))?;
    unpack::unpack(file, target, Limits::of(release))
        .map_err(|error| words("unpacking", &error))?;
    let manifest = target.join(BundleManifest::FILE);
    fs::remove_durable(&manifest).map_err(|error| words("removing the manifest of", &error))
}
