//! A daemon's pid file.
//!
//! Service scripts and people find the daemon by it. What keeps a second daemon away is the `flock(2)` on the file
//! and not its being there: a file that a killed daemon left behind is no obstacle, whatever pid it names.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};
use crate::{flock, fs};

/// The pid file of this process, held until this is dropped or the process ends.
///
/// A program that this process executes in its place does not inherit it, and holds it anew.
#[derive(Debug)]
#[must_use = "the file is removed when this is dropped"]
pub struct PidFile {
    file: File,
    path: PathBuf,
}

/// Longest contents of a file that is taken for a pid file, in bytes.
const LONGEST: u64 = 32;

impl PidFile {
    /// Writes this process's pid into the file, mode `0600`, and holds it. Missing directories are created.
    ///
    /// [`Error::LockHeld`] if another process holds it. [`Error::Nonsense`] if the file is there and is no pid file,
    /// such as one that was named by mistake: it stays as it is.
    pub fn hold(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent()
            && !parent.as_os_str().is_empty()
        {
            fs::create_dir(parent)?;
        }
        let mut file = flock::take_from_askers(path)?;
        let mut before = Vec::new();
        (&file)
            .take(LONGEST + 1)
            .read_to_end(&mut before)
            .reading(path)?;
        if !is_pid(&before) {
            return Err(Error::Nonsense {
                path: path.into(),
                why: "it holds something else than the id of a process; name another pid file, or remove it"
                    .into(),
            });
        }
        flock::write_pid(&mut file).writing(path)?;
        Ok(Self {
            file,
            path: path.into(),
        })
    }

    /// True if a process holds it. A file that cannot be asked counts as free: [`hold`](Self::hold) says what is wrong.
    #[must_use]
    pub fn is_held(path: &Path) -> bool {
        flock::is_held(path).unwrap_or_default()
    }

    /// Tells the process that holds it that there is news (SIGHUP). False if nobody holds it.
    #[must_use]
    pub fn hang_up(path: &Path) -> bool {
        if !Self::is_held(path) {
            return false;
        }
        let pid = flock::read_pid(path).and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| {
            rustix::process::kill_process(pid, rustix::process::Signal::HUP).is_ok()
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    /// Removes the file while it is still locked, unless another has its name meanwhile.
    fn drop(&mut self) {
        if flock::is_file_of(&self.file, &self.path).is_ok_and(|ours| ours)
            && let Err(error) = rustix::fs::unlink(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the pid file stays; the next start takes it over");
        }
        flock::unlock(&self.file, &self.path);
    }
}

/// Digits, or nothing: a file that was cut off before its pid was written, or whose bytes a power cut turned to
/// zeros.
fn is_pid(bytes: &[u8]) -> bool {
    bytes.len() as u64 <= LONGEST
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pid_is_told_apart() {
        for pid in ["", "\n", "7", "12345\n", "\0\0\0\0", " 12 "] {
            assert!(is_pid(pid.as_bytes()), "{pid:?}");
        }
        for other in ["root:x:0:0", "12a", "-1", &"1".repeat(33)] {
            assert!(!is_pid(other.as_bytes()), "{other:?}");
        }
    }
}
