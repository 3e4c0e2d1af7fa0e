//! The repository of a package, for apt.

use std::path::Path;

use lockstep_model::{AptSource, PackageName};

use super::super::error::PackageError;
use super::super::sources;
use super::Apt;
use crate::error::{Error, Result};
use crate::fs::{read_capped, remove_durable};

/// Largest description of a repository that was there before, in bytes.
const MOST: u64 = 64 * 1024;

impl Apt {
    /// Writes the key, then the source that names it, then asks apt whether it can live with that: two sources of one
    /// place with different keys make apt refuse *all* its sources, and with them every update of the host.
    pub(in super::super) async fn ensure_source(
        &self,
        name: &PackageName,
        source: &AptSource,
    ) -> Result<bool> {
        let key_path = self
            .root
            .join(format!("etc/apt/keyrings/lockstep-{name}.asc"));
        let path = self
            .root
            .join(format!("etc/apt/sources.list.d/lockstep-{name}.sources"));
        let key = sources::key(name, &source.key)?;
        let text = sources::deb822(name, source, &key_path)?;
        let key_changed = sources::ensure(&key_path, &key)?;
        let before = read_capped(&path, MOST).ok().flatten();
        let changed = sources::ensure(&path, &text)?;
        if let Err(why) = self.sources_are_read().await {
            self.give_way(&path, before.filter(|_| changed), &text, &why)
                .await?;
        }
        Ok(changed || key_changed)
    }

    /// True if apt can read its sources; what it said if not.
    async fn sources_are_read(&self) -> Result<()> {
        self.ask("apt-get", &["indextargets", "--format", "$(URI)"], &[0])
            .await?;
        Ok(())
    }

    /// Takes the source away again if it is what apt cannot live with. If apt cannot read its sources without it either,
    /// somebody else's file is to blame, and ours stays.
    async fn give_way(
        &self,
        path: &Path,
        before: Option<Vec<u8>>,
        text: &str,
        why: &Error,
    ) -> Result<()> {
        remove_durable(path)?;
        if self.sources_are_read().await.is_err() {
            sources::ensure(path, text)?;
            tracing::warn!(
                error = why as &dyn std::error::Error,
                "apt cannot read the sources of this host"
            );
            return Ok(());
        }
        put_back(path, before)?;
        let path = path.to_owned();
        let why = why.to_string();
        Err(PackageError::SourceRefused { path, why }.into())
    }
}

fn put_back(path: &Path, before: Option<Vec<u8>>) -> Result<()> {
    if let Some(before) = before {
        sources::ensure(path, &String::from_utf8_lossy(&before))?;
    }
    Ok(())
}
