//! Keeping a Xymon client's directory current: one download, one exchange.

use std::fs::File;
use std::path::{Path, PathBuf};

use lockstep_gateway::xymon::client::{ClientError, Limits, Recipient, download, is_version};
use lockstep_host::fs::{self, Mode, Replacement};
use lockstep_host::overlay::{Layer, Overlay};
use lockstep_host::{fault, unpack};
use tokio::task::spawn_blocking;
use tracing::info;

use super::home::{Home, VERSION_FILE};

/// Most members and bytes of a package. Xymon's own has about 30 files and 3 MB.
const LIMITS: unpack::Limits = unpack::Limits {
    entries: 20_000,
    bytes: 1024 * 1024 * 1024,
};
/// What a client must be able to start. `clientupdate` gives them this right as well.
const PROGRAMS: [&str; 2] = ["bin/xymonclient.sh", "bin/clientupdate"];

/// Why a client's directory is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The version cannot be the name of a package.
    #[error(
        "{0:?} is no version of a client: letters, digits and . _ - + are, with a letter or digit first"
    )]
    Version(String),
    /// The package did not come.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server has no such package, or does not give it to this host.
    #[error("the Xymon server {server} sends nothing for {file}")]
    Nothing {
        /// Which server.
        server: Recipient,
        /// The package's file.
        file: String,
    },
    /// The directory could not be changed.
    #[error(transparent)]
    Host(#[from] lockstep_host::Error),
    /// The work was cut off.
    #[error("the update did not come to its end: {0}")]
    CutOff(String),
}

impl UpdateError {
    /// True if the package is to blame: it will be refused again.
    #[must_use]
    pub fn blames_package(&self) -> bool {
        match self {
            Self::Version(_) => true,
            Self::Host(error) => error.blames_bundle(),
            Self::Client(error) => matches!(error, ClientError::TooLarge { .. }),
            _ => false,
        }
    }
}

/// Brings a client's directory to a version: fetches `VERSION.tar` and puts it on top, all of it or nothing. Returns how
/// many members it had.
///
/// The files are not signed, and come in plain text. Before they are in force everything is durable, and what was there
/// before stays as `HOME.old`.
///
/// # Errors
/// If it does not come, is not whole, or does what no package may do. The directory is then as it was.
pub async fn update(
    home: &Home,
    server: &Recipient,
    version: &str,
    limits: &Limits,
) -> Result<u64, UpdateError> {
    if !is_version(version) {
        return Err(UpdateError::Version(version.chars().take(100).collect()));
    }
    // Held from here on, so that two at once do not fetch the same.
    let path = home.path().to_owned();
    let begin = move || {
        let overlay = Overlay::begin(&path)?;
        // What a killed one had fetched.
        fs::remove_leftovers(path.parent().unwrap_or(&path))?;
        Ok(overlay)
    };
    let overlay = blocking(begin).await?;
    fault::point("xymon.fetch");
    let (package, length) = fetch(home, server, version, limits).await?;
    fault::point("xymon.fetched");
    let (version, path) = (version.to_owned(), home.path().to_owned());
    let members = blocking(move || {
        let applied = apply(&overlay, &package, length, &version);
        let removed = fs::remove_durable(&package);
        let members = applied?;
        removed?;
        info!(home = %path.display(), version, members, "the Xymon client is at another version");
        Ok(members)
    });
    members.await
}

/// Where a package lies while it comes: beside the directory, which is a place that can be written to.
fn package_path(home: &Home) -> PathBuf {
    let name = home.path().file_name().unwrap_or_default();
    let name = format!(".{}.tar", name.to_string_lossy());
    home.path().with_file_name(name)
}

async fn fetch(
    home: &Home,
    server: &Recipient,
    version: &str,
    limits: &Limits,
) -> Result<(PathBuf, u64), UpdateError> {
    let path = package_path(home);
    let file = format!("{version}.tar");
    let mut package = Replacement::begin_as(&path, Mode::Private)?;
    let bytes = download(server, &file, package.file(), limits).await?;
    if bytes == 0 {
        let server = server.clone();
        return Err(UpdateError::Nothing { server, file });
    }
    package.finish()?;
    Ok((path, bytes))
}

fn apply(
    overlay: &Overlay,
    package: &Path,
    length: u64,
    version: &str,
) -> Result<u64, UpdateError> {
    // An archive holds no more than its length; the files that stay are shared.
    fs::check_space(package, length.saturating_add(length / 10))?;
    let read = |source| {
        let path = package.to_owned();
        UpdateError::Host(lockstep_host::Error::Read { path, source })
    };
    let layer = Layer {
        limits: LIMITS,
        programs: &PROGRAMS,
        note: (VERSION_FILE, version.as_bytes()),
    };
    Ok(overlay.apply(File::open(package).map_err(read)?, layer)?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UpdateError> + Send + 'static,
) -> Result<T, UpdateError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(UpdateError::CutOff(error.to_string())),
    }
}

#[cfg(test)]
pub(super) mod tests;
