//! `download FILE`: a file of the installation's `download/`, else a release of ours by its id.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lockstep_model::{PackageName, Version};
use tokio::io::{AsyncReadExt as _, AsyncWrite};

use super::archive::{self, Member};
use super::context::{Context, blocking};
use super::wire::send;
use crate::seams::{Hosts, Packages, Ticket, Tree, Trouble};

/// What is sent.
#[derive(Debug)]
pub(super) enum Download {
    /// A file, as it is.
    File {
        /// Opened for this download: whoever replaces the file meanwhile does not disturb it.
        file: tokio::fs::File,
        /// Its place among the downloads.
        _ticket: Ticket,
    },
    /// The files of a release, as a plain tar archive.
    Tree {
        /// Where they are.
        tree: Tree,
        /// What they are.
        members: Vec<Member>,
        /// When the release was published, in seconds.
        modified: u64,
        /// Its place among the downloads.
        _ticket: Ticket,
    },
}

/// The package and version of an id `PACKAGE-VERSION`. Both may have dashes; the first one behind which a version begins
/// is the one between them.
#[must_use]
pub(super) fn parse_id(id: &str) -> Option<(PackageName, Version)> {
    let places = id.match_indices('-').map(|(at, _)| at);
    places.take(64).find_map(|at| {
        let (package, version) = (id.get(..at)?, id.get(at + 1..)?);
        Some((
            PackageName::parse(package).ok()?,
            Version::parse(version).ok()?,
        ))
    })
}

/// Finds what `download NAME` asks for. Of our packages only the one that the gateway is configured for is handed out.
///
/// # Errors
/// In words: it is not there, cannot be read, or must wait.
pub(super) async fn find<D: Hosts + Packages>(
    context: &Arc<Context<D>>,
    name: &str,
) -> Result<Download, String> {
    let (home, wanted) = (context.home.clone(), name.to_owned());
    let path = blocking(move || home.download(&wanted)).await.flatten();
    if let Some(path) = path {
        let _ticket = context.desk.admit().await.map_err(told)?;
        let file = tokio::fs::File::open(&path).await;
        let file = file.map_err(|error| format!("cannot open {}: {error}", path.display()))?;
        return Ok(Download::File { file, _ticket });
    }
    let id = name.strip_suffix(".tar").and_then(parse_id);
    let (package, version) = id.ok_or("there is no such file")?;
    if package != context.config.package {
        return Err(format!(
            "{package} is not the package of this gateway, {}",
            context.config.package
        ));
    }
    let offer = context.desk.find(&package, &version).await.map_err(told)?;
    let offer = offer.ok_or_else(|| format!("there is no release {package} {version}"))?;
    let _ticket = context.desk.admit().await.map_err(told)?;
    let tree = context.desk.open(&offer).await.map_err(told)?;
    let root = tree.root.clone();
    let members = blocking(move || archive::members(&root)).await;
    let members = members
        .unwrap_or_else(|| Err(io::Error::other("the server is stopping")))
        .map_err(|error| format!("cannot read the files of {package} {version}: {error}"))?;
    let modified = u64::try_from(offer.published_at.as_second()).unwrap_or(0);
    Ok(Download::Tree {
        tree,
        members,
        modified,
        _ticket,
    })
}

fn told(trouble: Trouble) -> String {
    trouble.to_string()
}

impl Download {
    /// Sends it; the number of bytes that went. As long as the receiver takes something within each `idle`, there is no
    /// limit of time.
    ///
    /// # Errors
    /// When the receiver is gone, or a file cannot be read.
    pub(super) async fn send<S: AsyncWrite + Unpin>(
        self,
        stream: &mut S,
        idle: Duration,
    ) -> io::Result<u64> {
        match self {
            Self::File { mut file, .. } => {
                let mut buffer = vec![0; 64 * 1024];
                let mut sent = 0;
                loop {
                    let read = file.read(&mut buffer).await?;
                    if read == 0 {
                        return Ok(sent);
                    }
                    send(stream, &buffer[..read], idle).await?;
                    sent += read as u64;
                }
            }
            Self::Tree {
                ref tree,
                ref members,
                modified,
                ..
            } => {
                let root: PathBuf = tree.root.clone();
                archive::stream(stream, &root, members, modified, idle).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_a_package_and_a_version() {
        for (id, expected) in [
            ("xymon-client-1.2.3", Some(("xymon-client", "1.2.3"))),
            (
                "xymon-client-1.2.3-rc.1",
                Some(("xymon-client", "1.2.3-rc.1")),
            ),
            ("new", None),
            ("xymon-client-7", None),
            ("-1.2.3", None),
        ] {
            let found = parse_id(id);
            let found = found
                .as_ref()
                .map(|(package, version)| (package.as_str(), version.to_string()));
            let found = found
                .as_ref()
                .map(|(package, version)| (*package, version.as_str()));
            assert_eq!(found, expected, "{id}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = parse_id(&text);
        }
    }
}
