//! One run on a host at a time.
//!
//! The agent's daemon and the command line can both carry out a run; whoever does holds this lock
//! ([`Layout::run_lock`]). It belongs to the process: it is freed when that ends, however it ends, and none of its
//! children inherits it, so a script that goes on in the background holds nobody up.

use std::fs::File;
use std::path::PathBuf;

use crate::error::Result;
use crate::{Layout, flock, fs};

/// The right to carry out a run, held until this is dropped or the process ends.
#[derive(Debug)]
#[must_use = "the lock is freed when this is dropped"]
pub struct RunLock {
    file: File,
    path: PathBuf,
}

impl RunLock {
    /// Takes the lock. [`Error::LockHeld`](crate::Error::LockHeld), with the holder's pid, if another process or another part of this one
    /// has it; that takes a tenth of a second to find out.
    pub fn acquire(layout: &Layout) -> Result<Self> {
        let path = layout.run_lock();
        fs::create_private_dir(&layout.state_dir())?;
        let mut file = flock::take_from_askers(&path)?;
        flock::write_pid(&mut file).map_err(|error| flock::failed(&path, error))?;
        Ok(Self { file, path })
    }

    /// True if somebody carries out a run. The lock is shared for a moment to learn it, and never taken. A lock that
    /// cannot be asked counts as free: [`acquire`](Self::acquire) says what is wrong with it.
    #[must_use]
    pub fn is_held(layout: &Layout) -> bool {
        flock::is_held(&layout.run_lock()).unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "cannot learn whether a run is in progress");
            false
        })
    }
}

impl Drop for RunLock {
    /// The file stays, empty, so that nobody reads the pid of one who is gone.
    fn drop(&mut self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(path = %self.path.display(), %error, "the pid stays in the lock's file");
        }
        flock::unlock(&self.file, &self.path);
    }
}
