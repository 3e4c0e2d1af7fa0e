//! Locks of package managers that other programs hold.
//!
//! apt, dpkg and rpm lock whole files with `fcntl(2)`, for which the kernel can be asked who holds them; dnf writes its
//! process id into files. Nothing is ever locked or removed here: the tools do that themselves. It is looked before a
//! tool is started, because not all of them can wait, and the error should name the holder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use tokio::time::Instant;

use super::error::PackageError;
use crate::fs::read_capped;

/// How often it is looked whether a lock is free.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its program, as the kernel names it (`comm` of proc(5)).
    pub program: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.program {
            Some(program) => write!(f, "process {} ({program})", self.pid),
            None => write!(f, "process {}", self.pid),
        }
    }
}

/// The holder in a sentence.
pub(super) fn name_of(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".into(), Holder::to_string)
}

/// The files that tell whether somebody else is at work.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks {
    /// Locked with `fcntl(2)`.
    pub(super) files: Vec<PathBuf>,
    /// Hold a process id. They count only when the tool itself says that it is locked out, because they stay when
    /// their writer is killed.
    pub(super) pids: Vec<PathBuf>,
}

impl Locks {
    /// The first lock that is held, and by whom.
    fn held(&self) -> Option<(PathBuf, Holder)> {
        self.files
            .iter()
            .find_map(|path| Some((path.clone(), holder_of(path)?)))
    }

    /// What to blame when a tool said that it is locked out.
    fn blamed(&self) -> Option<(PathBuf, Option<Holder>)> {
        let named = || {
            let read = |path: &PathBuf| Some((path.clone(), writer_of(path)?));
            self.pids.iter().find_map(read)
        };
        let (path, holder) = self.held().or_else(named)?;
        Some((path, Some(holder)))
    }

    /// Waits until none of the files is locked.
    pub(super) async fn wait_free(
        &self,
        doing: &str,
        wait: &Wait,
    ) -> std::result::Result<(), PackageError> {
        while let Some((path, holder)) = self.held() {
            if wait.is_over() {
                return Err(wait.busy(doing, path, Some(holder)));
            }
            tracing::debug!(path = %path.display(), %holder, "waiting for the package manager");
            tokio::time::sleep(PAUSE.min(wait.left())).await;
        }
        Ok(())
    }

    /// The error for a tool that was locked out until the time was over.
    pub(super) fn locked_out(&self, doing: &str, wait: &Wait) -> PackageError {
        let first = || self.files.first().or(self.pids.first()).cloned();
        let (path, holder) = self
            .blamed()
            .unwrap_or_else(|| (first().unwrap_or_default(), None));
        wait.busy(doing, path, holder)
    }
}

/// A time to wait.
#[derive(Debug)]
pub(super) struct Wait {
    since: Instant,
    longest: Duration,
}

impl Wait {
    pub(super) fn begin(longest: Duration) -> Self {
        let since = Instant::now();
        Self { since, longest }
    }

    pub(super) fn left(&self) -> Duration {
        self.longest.saturating_sub(self.since.elapsed())
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    fn busy(&self, doing: &str, path: PathBuf, holder: Option<Holder>) -> PackageError {
        PackageError::Busy {
            doing: doing.into(),
            path,
            holder,
            waited: self.since.elapsed(),
        }
    }
}

/// Who holds an `fcntl(2)` lock on any part of the file. None also if there is no such file: its creator locks it.
fn holder_of(path: &Path) -> Option<Holder> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
    let pid = lock.pid?.as_raw_nonzero().get().unsigned_abs();
    Some(described(pid))
}

/// The process that wrote its id into the file, if it is still there.
fn writer_of(path: &Path) -> Option<Holder> {
    let text = read_capped(path, 32).ok().flatten()?;
    let pid: u32 = String::from_utf8_lossy(&text).trim().parse().ok()?;
    Path::new("/proc")
        .join(pid.to_string())
        .exists()
        .then(|| described(pid))
}

fn described(pid: u32) -> Holder {
    let comm = read_capped(&Path::new("/proc").join(pid.to_string()).join("comm"), 64);
    let program = comm
        .ok()
        .flatten()
        .map(|comm| String::from_utf8_lossy(&comm).trim().to_owned());
    Holder { pid, program }
}
