//! Long-lived processes, watched by descriptor: the supervisor's worker.
//!
//! A process is held by a pidfd (Linux 5.4), so it can never be mistaken for another with the same id, and it can
//! be [adopted](Process::adopt) by a program that executed itself anew in place: the child stays its child. Every
//! process leads a group of its own, and what is left of the group when it ends is killed with it. Nothing stays a
//! zombie.
//!
//! # Dying with the parent
//!
//! A worker asks the kernel to be killed when its supervisor dies ([`die_with_parent`]). To the kernel the parent
//! is the *thread* that started it (`prctl(2)`, `PR_SET_PDEATHSIG`): the signal is sent when that thread ends, also
//! when the program executes itself from another thread. Workers must therefore be spawned on the main thread, and
//! [`exec_in_place`](crate::lock::exec_in_place) insists on being called there.

mod spawn;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::io::Errno;
pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, Result};
pub use spawn::{Output, Spawn, User};
use spawn::{explain, start};

/// A child of this process, alive or not yet reaped.
///
/// Dropping it leaves the process alone, so that it can be adopted again.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    program: PathBuf,
    pidfd: AsyncFd<OwnedFd>,
    /// Whether it leads a group of its own, which may be signalled as a whole.
    leads_group: bool,
    status: Option<ExitStatus>,
}

/// How long a killed process may take to end. Longer means that it hangs in the kernel, on a device that is gone.
const LONGEST_DEATH: Duration = Duration::from_secs(10);

impl Process {
    /// Starts a process in a group of its own. Must be called within a tokio runtime; and on the main thread for
    /// one that [dies with its parent](die_with_parent).
    pub fn spawn(spawn: Spawn) -> Result<Self> {
        let program = spawn.program.clone();
        let failed = |source| Error::Start {
            program: program.clone(),
            source,
        };
        let pid = start(spawn).map_err(|error| failed(explain(&program, error)))?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(watch);
        match pidfd {
            Ok(pidfd) => Ok(Self {
                pid,
                program,
                pidfd,
                leads_group: true,
                status: None,
            }),
            Err(error) => {
                // Nobody could watch it, so it must not run.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                Err(failed(error))
            }
        }
    }

    /// Watches over a child that an earlier program in this process started, also if it has ended meanwhile.
    /// [`Error::NotOurChild`] if the id is that of another process, or of none.
    pub fn adopt(pid: u32) -> Result<Self> {
        let failed = |source: io::Error| Error::Process {
            attempt: "adopt",
            pid,
            source,
        };
        let child = to_pid(pid).ok_or(Error::NotOurChild { pid })?;
        let pidfd = match rustix::process::pidfd_open(child, PidfdFlags::empty()) {
            Err(Errno::SRCH | Errno::INVAL) => return Err(Error::NotOurChild { pid }),
            other => other.map_err(|error| failed(error.into()))?,
        };
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), peek) {
            Err(Errno::CHILD) => return Err(Error::NotOurChild { pid }),
            other => other.map_err(|error| failed(error.into()))?,
        };
        let leads_group = leads_group(child);
        Ok(Self {
            pid: child,
            program: PathBuf::from(format!("adopted process {pid}")),
            pidfd: watch(pidfd).map_err(failed)?,
            leads_group,
            status: None,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until it has ended, kills what is left of its group, and reaps it. Cancellation loses nothing;
    /// asked again it answers again.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        self.ended().await?;
        self.kill_group()?;
        self.reap()
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        if self.peek()?.is_none() {
            return Ok(None);
        }
        self.kill_group()?;
        self.reap().map(Some)
    }

    /// Sends a signal to the process alone. One that has ended does not mind.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(self.failed("signal", error)),
        }
    }

    /// Asks the whole group to end (SIGTERM) and after `grace` kills it (SIGKILL). Returns when the process has
    /// ended, at the latest some seconds after that: then with [`Error::Unkillable`].
    pub async fn terminate(&mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        self.signal_group(Signal::TERM)?;
        // One that was stopped would not see the end coming.
        self.signal_group(Signal::CONT)?;
        if let Ok(ended) = tokio::time::timeout(grace, self.wait()).await {
            return ended;
        }
        self.kill().await
    }

    /// Kills the whole group, and returns when the process has ended, as [`terminate`](Self::terminate) does.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        self.kill_group()?;
        match tokio::time::timeout(LONGEST_DEATH, self.wait()).await {
            Ok(ended) => ended,
            Err(_) => Err(Error::Unkillable {
                pid: self.pid(),
                program: self.program.clone(),
            }),
        }
    }

    /// Waits until it has ended and leaves it a zombie, so that its group's id cannot be given to others.
    pub(crate) async fn ended(&self) -> Result<()> {
        loop {
            let mut ready = self
                .pidfd
                .readable()
                .await
                .map_err(|source| Error::Process {
                    attempt: "wait for",
                    pid: self.pid(),
                    source,
                })?;
            if self.peek()?.is_some() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// Kills the group, while the process itself is not reaped and the group's id is certainly its own.
    pub(crate) fn kill_group(&self) -> Result<()> {
        self.signal_group(Signal::KILL)
    }

    fn signal_group(&self, signal: Signal) -> Result<()> {
        if !self.leads_group {
            return self.signal(signal);
        }
        if self.status.is_some() {
            return Ok(());
        }
        match rustix::process::kill_process_group(self.pid, signal) {
            // Nobody is left, or nobody but the zombie of another user.
            Ok(()) | Err(Errno::SRCH | Errno::PERM) => Ok(()),
            Err(error) => Err(self.failed("signal", error)),
        }
    }

    /// Reaps it when it has ended, and leaves the rest of its group alone.
    pub(crate) async fn wait_alone(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        self.ended().await?;
        self.reap()
    }

    /// Kills the group of a process that nobody waits for any more, and has a thread reap it.
    pub(crate) fn abandon(&mut self) {
        if self.status.is_some() {
            return;
        }
        if let Err(error) = self.kill_group() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(pid = self.pid(), error, "cannot kill what nobody waits for");
        }
        if !matches!(self.try_wait(), Ok(None)) {
            return;
        }
        // The thread's business from now on.
        self.status = Some(ExitStatus::from_raw(Signal::KILL.as_raw()));
        let pid = self.pid;
        let wait = move || {
            let _ = rustix::io::retry_on_intr(|| {
                rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED)
            });
        };
        if let Err(error) = std::thread::Builder::new()
            .name("reap".into())
            .stack_size(64 * 1024)
            .spawn(wait)
        {
            tracing::warn!(pid = self.pid(), %error, "a killed process will stay a zombie");
        }
    }

    fn peek(&self) -> Result<Option<WaitIdStatus>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.waitid(options)
    }

    fn reap(&mut self) -> Result<ExitStatus> {
        let status = self
            .waitid(WaitIdOptions::EXITED)?
            .map(|status| exit_status(&status))
            .ok_or_else(|| self.failed("wait for", Errno::CHILD))?;
        self.status = Some(status);
        Ok(status)
    }

    fn waitid(&self, options: WaitIdOptions) -> Result<Option<WaitIdStatus>> {
        rustix::io::retry_on_intr(|| {
            rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options)
        })
        .map_err(|error| self.failed("wait for", error))
    }

    fn failed(&self, attempt: &'static str, error: Errno) -> Error {
        Error::Process {
            attempt,
            pid: self.pid(),
            source: error.into(),
        }
    }
}

/// True if the process leads a group of its own. Not asked by `getpgid(2)`: that says 0 where the group is of an outer
/// namespace of processes, out of which somebody entered this one (`nsenter(1)`), and rustix takes 0 for impossible.
fn leads_group(pid: Pid) -> bool {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let stat = crate::fs::read_capped(Path::new(&path), 4096);
    let stat = stat.ok().flatten();
    stat.is_some_and(|stat| {
        group(&String::from_utf8_lossy(&stat)) == Some(pid.as_raw_nonzero().get())
    })
}

/// The fifth field (`proc_pid_stat(5)`). The second, the program's name, may have anything in it, and ends at the last
/// parenthesis.
fn group(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(2)?.parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended must not stay a zombie; what lives is none of our business any more.
        if let Err(error) = self.try_wait() {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "a process that was let go was not reaped");
        }
    }
}

/// Sends a signal to any process. One that is gone does not mind.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let Some(other) = to_pid(pid) else {
        return Ok(());
    };
    match rustix::process::kill_process(other, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(Error::Process {
            attempt: "signal",
            pid,
            source: error.into(),
        }),
    }
}

/// Waits until any process, not only a child, has ended. False if it has not within `patience`.
pub async fn wait_gone(pid: u32, patience: Duration) -> Result<bool> {
    let failed = |source: io::Error| Error::Process {
        attempt: "wait for",
        pid,
        source,
    };
    let Some(other) = to_pid(pid) else {
        return Ok(true);
    };
    let pidfd = match rustix::process::pidfd_open(other, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(true),
        other => other.map_err(|error| failed(error.into()))?,
    };
    let pidfd = watch(pidfd).map_err(failed)?;
    match tokio::time::timeout(patience, pidfd.readable()).await {
        Ok(gone) => gone.map(|_| true).map_err(failed),
        Err(_) => Ok(false),
    }
}

/// Lets this process's standard error go where its standard output goes from now on.
pub fn stderr_to_stdout() -> Result<()> {
    rustix::stdio::dup2_stderr(rustix::stdio::stdout()).map_err(|error| Error::Process {
        attempt: "turn the standard error of",
        pid: std::process::id(),
        source: error.into(),
    })
}

/// Asks the kernel to kill this process when its parent dies, and makes sure that it has not died already: then
/// [`Error::Orphaned`], and the caller ends. `expected_parent` is the pid that the parent told its child.
///
/// Call it first thing in a worker. It holds until the process ends or executes a setuid program. See the
/// [module](self) for what the kernel takes to be the parent.
pub fn die_with_parent(expected_parent: u32) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| {
        Error::Process {
            attempt: "be told of the death of",
            pid: expected_parent,
            source: error.into(),
        }
    })?;
    // Asked only now: had the parent died before this, its signal would not have come.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(expected_parent) {
        return Err(Error::Orphaned {
            expected: expected_parent,
        });
    }
    Ok(())
}

fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "the successor is unsafe because other types may change their descriptor; OwnedFd does not"
    )]
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

/// The status as `wait(2)` encodes it, which is what the standard library shows as `exit status: 1` or
/// `signal: 9 (SIGKILL)`.
fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    let core = if status.dumped() { 0x80 } else { 0 };
    let raw = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => (code & 0xff) << 8,
        (None, Some(signal)) => (signal & 0x7f) | core,
        (None, None) => 0,
    };
    ExitStatus::from_raw(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_behind_any_name() {
        assert_eq!(group("7 (sh) S 1 7 7 0 -1"), Some(7));
        assert_eq!(group("7 (a) b) S 9 (c) S 1 8 7 0 -1"), Some(8));
        // A group of an outer namespace.
        assert_eq!(group("7 (sh) S 0 0 0 0 -1"), Some(0));
        assert_eq!(group("7 (sh"), None);
    }
}
