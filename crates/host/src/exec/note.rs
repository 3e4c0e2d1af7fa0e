//! Which process is running, for the next program: a command goes on when the program that runs it is killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fs::{self, Mode};
use crate::machine;
use crate::process::wait_gone;

/// How long a killed process may take to end.
const LONGEST_DEATH: Duration = Duration::from_secs(10);

/// Most bytes of a note.
const MOST: u64 = 1024;

/// A process that cannot be mistaken for another with the same id.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Who {
    pid: u32,
    /// When it started, in the kernel's own count since the boot (`proc_pid_stat(5)`, `starttime`).
    started: u64,
    boot: String,
}

/// A file that names a process for as long as it runs.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
}

impl Note {
    /// Writes the note. The command has begun and is not stopped for the want of it.
    pub(super) fn write(path: &Path, pid: u32) -> Self {
        if let Err(error) = write(path, pid) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(path = %path.display(), error, "a command is not noted: nobody will end it if this is killed");
        }
        Self { path: path.into() }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Kills the process that a note names, with all of its group, if it still runs, and waits until it has ended. True
/// if it did. Only a process that is certainly the noted one is killed; when it has ended itself, what is left of its
/// group is left alone.
pub(crate) async fn end_noted(path: &Path) -> Result<bool> {
    let Some(bytes) = fs::read_capped(path, MOST)? else {
        return Ok(false);
    };
    // One that a power cut spoilt is of an earlier boot.
    let who: Option<Who> = serde_json::from_slice(&bytes).ok();
    let mut was_running = false;
    if let Some(who) = who
        && let Some(pid) = i32::try_from(who.pid).ok().and_then(Pid::from_raw)
        && now(who.pid)?.as_ref() == Some(&who)
    {
        match rustix::process::kill_process_group(pid, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => {
                return Err(Error::Process {
                    attempt: "end the leftover",
                    pid: who.pid,
                    source: error.into(),
                });
            }
        }
        if !wait_gone(who.pid, LONGEST_DEATH).await? {
            return Err(Error::Unkillable {
                pid: who.pid,
                program: path.into(),
            });
        }
        was_running = true;
    }
    remove(path);
    Ok(was_running)
}

fn write(path: &Path, pid: u32) -> Result<()> {
    // One that has ended already needs no note.
    let Some(who) = now(pid)? else {
        return Ok(());
    };
    let text = serde_json::to_vec(&who).map_err(|error| Error::Nonsense {
        path: path.into(),
        why: error.to_string(),
    })?;
    fs::write_durable(path, &text, Mode::Private)
}

/// The process that has the id now.
fn now(pid: u32) -> Result<Option<Who>> {
    let stat = fs::read_capped(Path::new(&format!("/proc/{pid}/stat")), 4096);
    let Some(started) = stat
        .ok()
        .flatten()
        .and_then(|stat| started(&String::from_utf8_lossy(&stat)))
    else {
        return Ok(None);
    };
    let boot = machine::boot_id()?;
    Ok(Some(Who { pid, started, boot }))
}

/// The 22nd field. The second, the program's name, may have anything in it, and ends at the last parenthesis.
fn started(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn remove(path: &Path) {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => {}
        // It names a process that has ended, and does no harm.
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "the note of a command stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let rest = (3..=22).map(|field| field.to_string());
        let stat = format!("7 (a) 1 (b) {}", rest.collect::<Vec<_>>().join(" "));
        assert_eq!(started(&stat), Some(22));
        assert_eq!(started("7 (a) S 1"), None);
        assert_eq!(started(""), None);
        assert!(now(std::process::id()).unwrap().is_some());
    }
}
