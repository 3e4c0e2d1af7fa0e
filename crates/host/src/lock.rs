//! One agent on a host at a time, across restarts in place.
//!
//! The lock is `flock(2)` on a file: the kernel frees it when its last holder ends, however it ends. The locked
//! descriptor becomes standard input, the one descriptor besides the outputs that survives `execve` without
//! anybody's doing: a supervisor that executes itself anew holds the lock without a gap, and finds it again by what
//! its standard input is. Children never get it, because [`process`](crate::process) and [`exec`](crate::exec) give
//! each `/dev/null` as its input.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::Result;
use crate::{fault, flock, fs, layout::Layout};

/// The host's lock, held until this is dropped or the process ends. Functions that must not run twice at a time
/// take it as an argument.
#[derive(Debug)]
#[must_use = "the lock is freed when this is dropped"]
pub struct AgentLock {
    path: PathBuf,
}

impl AgentLock {
    /// Takes the lock, or recognises that this process has it from the program before. Its standard input is the
    /// lock from then on. It does not wait:
    /// [`Error::LockHeld`](crate::Error::LockHeld) if another process has the lock.
    pub fn acquire(layout: &Layout) -> Result<Self> {
        let path = layout.lock_file();
        fs::create_private_dir(&layout.state_dir())?;
        if is_inherited(&path)? {
            return Ok(Self { path });
        }
        let mut file = flock::take(&path)?;
        flock::write_pid(&mut file)
            .and_then(|()| Ok(rustix::stdio::dup2_stdin(&file)?))
            .map_err(|error| flock::failed(&path, error))?;
        Ok(Self { path })
    }

    /// Leaves the lock held: by this process for as long as it lives, and by the program that it executes in its
    /// place, which [`acquire`](Self::acquire)s it without a gap.
    pub fn hand_over(self) {
        std::mem::forget(self);
    }

    /// The lock's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AgentLock {
    /// Standard input becomes `/dev/null`, which closes the last descriptor of the lock.
    fn drop(&mut self) {
        let null = File::open("/dev/null").and_then(|null| Ok(rustix::stdio::dup2_stdin(null)?));
        if let Err(error) = null {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(path = %self.path.display(), error, "the lock stays held until this process ends");
        }
    }
}

/// Executes a program in the place of this one: same process, same children, same lock. Returns only if that
/// failed, and then nothing has changed. Must be called on the main thread: from any other the kernel would take
/// this for the death of the parent of every worker (see [`process`](crate::process)).
pub fn exec_in_place(
    program: &Path,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> io::Error {
    if rustix::thread::gettid() != rustix::process::getpid() {
        return io::Error::other("a program can be executed in place by its main thread only");
    }
    fault::point("lock.exec-in-place");
    #[expect(
        clippy::disallowed_methods,
        reason = "this is not a new process, and its input must stay the lock"
    )]
    let mut command = std::process::Command::new(program);
    command.args(args).envs(fault::carried());
    command.exec()
}

/// True if standard input is the lock's file. It is locked then: usually it was all the time.
fn is_inherited(path: &Path) -> Result<bool> {
    let stdin = rustix::stdio::stdin();
    match flock::is_file_of(stdin, path) {
        Ok(true) => flock::lock(stdin, path).map(|()| true),
        Ok(false) => Ok(false),
        // A closed standard input is none.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::BADF) => Ok(false),
        Err(error) => Err(flock::failed(path, error)),
    }
}
