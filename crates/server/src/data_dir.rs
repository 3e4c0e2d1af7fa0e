//! The data directory: what the server made for itself and keeps beside the database.
//!
//! ```text
//! server.lock             held while a server runs
//! ca/ca.pem, ca/ca.key    the certificate authority of the fleet
//! keys/snapshot.pem       online keys of the repository
//! keys/timestamp.pem
//! tls/server.pem          the server's own certificate, for people to look at
//! operator.toml           how the command line reaches this server
//! admin.password          the first user's password, until it is changed
//! server.db               the database, unless the configuration names another
//! artifacts/              bundles by their hash
//! ```
//!
//! The directory belongs to the server's user alone. Every file is written whole and durably or not at all, so a
//! start that was cut off leaves files that are there or are not, and the next start goes on from them.

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// Largest file that is read from the data directory; all of them are keys, certificates and short texts.
const LARGEST: u64 = 1024 * 1024;

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    /// Holds the lock until the server ends.
    _lock: File,
}

impl DataDir {
    /// Creates the directory where it is missing, and takes it for this process.
    pub(crate) fn take(root: &Path) -> Result<Self, Error> {
        create(root)?;
        let path = root.join("server.lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: root.into() }),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        for directory in ["ca", "keys", "tls"] {
            create(&root.join(directory))?;
        }
        Ok(Self {
            root: root.into(),
            _lock: lock,
        })
    }

    pub(crate) fn authority_certificate(&self) -> PathBuf {
        self.root.join("ca/ca.pem")
    }

    pub(crate) fn authority_key(&self) -> PathBuf {
        self.root.join("ca/ca.key")
    }

    /// The online key of a role, `snapshot` or `timestamp`.
    pub(crate) fn online_key(&self, role: &str) -> PathBuf {
        self.root.join("keys").join(format!("{role}.pem"))
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.root.join("tls/server.pem")
    }

    pub(crate) fn operator_file(&self) -> PathBuf {
        self.root.join("operator.toml")
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        crate::first_start::password_file(&self.root)
    }

    /// Releases that are unpacked for gateways; nothing in it is worth keeping.
    pub(crate) fn opened(&self) -> PathBuf {
        self.root.join("opened")
    }

    pub(crate) fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }
}

/// Creates a directory that only the server may enter. One that exists keeps its mode.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    let make = || {
        if path.is_dir() {
            return Ok(());
        }
        DirBuilder::new().mode(0o700).recursive(true).create(path)?;
        sync_directory_of(path)
    };
    make().map_err(failed("create", path))
}

/// Reads a text file of the data directory; none if it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Error> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Writes a file that only the server may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    write(path, text, 0o600).map_err(failed("write", path))
}

/// Writes a file that everybody may read who gets into the directory.
pub(crate) fn write_public(path: &Path, text: &str) -> Result<(), Error> {
    write(path, text, 0o644).map_err(failed("write", path))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_directory_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(failed("remove", path))
}

/// Writes a file durably: under another name first, synced, and only then under its own.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory_of(path)
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> Error {
    let path = path.to_owned();
    move |source| Error::DataDirectory {
        what,
        path,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_belongs_to_one_server() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("data");
        let first = DataDir::take(&root).unwrap();
        assert!(matches!(DataDir::take(&root), Err(Error::InUse { .. })));
        drop(first);
        assert!(DataDir::take(&root).is_ok());
    }

    #[test]
    fn nobody_else_may_look_into_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("data");
        let data = DataDir::take(&root).unwrap();
        write_private(&data.authority_key(), "secret").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&data.authority_key()), 0o600);
        assert_eq!(
            read(&data.authority_key()).unwrap().as_deref(),
            Some("secret")
        );
        assert_eq!(read(&data.authority_certificate()).unwrap(), None);
    }
}
