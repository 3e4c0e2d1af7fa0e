//! How much space is left.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// There is not enough free space on a file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{needed} bytes are needed below {}, {free} are free", path.display())]
pub struct NoSpace {
    /// Where.
    pub path: PathBuf,
    /// How many bytes are needed.
    pub needed: u64,
    /// How many bytes are free.
    pub free: u64,
}

/// How many bytes an unprivileged process can still write below `path`, which need not exist: then its nearest
/// parent that does is asked.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(nearest_existing(path)).map_err(|error| Error::Space {
        path: path.into(),
        source: error.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Checks that so many bytes are free below `path`, which need not exist; [`Error::NoSpace`] if not.
pub fn check_space(path: &Path, needed: u64) -> Result<()> {
    let free = free_bytes(path)?;
    if needed > free {
        let path = path.into();
        return Err(Error::NoSpace(NoSpace { path, needed, free }));
    }
    Ok(())
}

/// Which file system a path is on, or would be.
pub(crate) fn device(path: &Path) -> Result<u64> {
    match rustix::fs::stat(nearest_existing(path)) {
        Ok(stat) => Ok(stat.st_dev),
        Err(error) => Err(Error::Space {
            path: path.into(),
            source: error.into(),
        }),
    }
}

fn nearest_existing(path: &Path) -> &Path {
    path.ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_parent_is_asked() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("not/yet/there");
        assert_eq!(nearest_existing(&missing), root.path());
        check_space(&missing, 0).unwrap();
        let error = check_space(&missing, u64::MAX).unwrap_err();
        assert!(
            error.to_string().contains("bytes are needed below"),
            "{error}"
        );
        assert!(matches!(
            error,
            Error::NoSpace(NoSpace {
                needed: u64::MAX,
                ..
            })
        ));
    }
}
