//! Locks that other programs on the host set while they are at work: nothing is updated under a running backup.
//!
//! Such a lock is a file that is there or not, the older convention: whoever creates it has the lock, waits while
//! somebody else's is there, and removes it at the end. The program that is kept still knows nothing of Lockstep,
//! so this keeps to that convention exactly: the file is created exclusively, with mode `0400`, and it is neither
//! locked nor replaced.
//!
//! It outlives its maker, which is the weakness of the convention. Lockstep knows its own by the run that is named in
//! it (`pid 4711 run 0190…`), so a run that was cut off finds that it holds the lock already; the pid is for people
//! and may be that of an earlier process. What another has left behind is never removed: only people can know.
//!
//! A lock in a directory that does not exist is held without a file: where the program is not installed there is
//! nothing to wait for.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_model::RunId;
use rustix::fs::Stat;

use crate::error::{Attempt, Error, Result};
use crate::fs::{Dir, split};

/// A lock that a run holds. It has no `Drop`, because it must outlive restarts of this process and of the machine.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the lock stays until it is released"]
pub struct IdleLock {
    path: PathBuf,
    run: RunId,
}

/// What came of trying to hold a lock.
#[derive(Debug, PartialEq, Eq)]
pub enum Tried {
    /// It is ours.
    Held(IdleLock),
    /// Another has it.
    Busy {
        /// When the file was last changed: since when the other is at work.
        since: Timestamp,
        /// What the other wrote into it, on one line; empty if it cannot be read.
        contents: String,
    },
}

/// Most of a lock's contents that is read, in bytes.
const MOST_CONTENTS: u64 = 200;

/// How often the lock may come and go while it is tried.
const TRIES: u32 = 10;

impl IdleLock {
    /// Takes the lock for a run, or finds that the run has it. It does not wait.
    ///
    /// [`Error::IdleLock`] if the path cannot be that of a lock: it is not absolute, or everybody could remove the
    /// lock.
    pub fn try_hold(path: &Path, run: RunId) -> Result<Tried> {
        let lock = Self {
            path: path.into(),
            run,
        };
        let Some((dir, name)) = lock.open()? else {
            return Ok(Tried::Held(lock));
        };
        let mut tries = 0;
        loop {
            if let Some(found) = Found::at(&dir, name).reading(path)? {
                return Ok(if found.is_of(run) {
                    // It may have been cut off before its name was durable, or its other name removed.
                    remove(&dir, &lock.temporary(name)).removing(path)?;
                    dir.sync().syncing(path)?;
                    Tried::Held(lock)
                } else {
                    Tried::Busy {
                        since: found.since,
                        contents: found.contents,
                    }
                });
            }
            match lock.create(&dir, name) {
                Ok(()) => return Ok(Tried::Held(lock)),
                // Another was faster. It may even be gone again.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {
                    tries += 1;
                }
                Err(error) => return Err(error).writing(path),
            }
        }
    }

    /// The lock that a run holds from an earlier start; none if it holds none. Nothing is created.
    pub fn recall(path: &Path, run: RunId) -> Result<Option<Self>> {
        let lock = Self {
            path: path.into(),
            run,
        };
        let Some((dir, name)) = lock.open()? else {
            return Ok(None);
        };
        let found = Found::at(&dir, name).reading(path)?;
        Ok(found.is_some_and(|found| found.is_of(run)).then_some(lock))
    }

    /// Removes the lock, durably. One that is not ours any more, because somebody removed ours by hand, stays.
    pub fn release(self) -> Result<()> {
        let Some((dir, name)) = self.open()? else {
            return Ok(());
        };
        match Found::at(&dir, name).reading(&self.path)? {
            Some(found) if found.is_of(self.run) => {
                remove(&dir, &self.temporary(name)).removing(&self.path)?;
                remove(&dir, name).removing(&self.path)?;
                tracing::debug!(path = %self.path.display(), "the idle lock is released");
            }
            Some(_) => {
                tracing::warn!(path = %self.path.display(), "the idle lock is somebody else's by now, and stays");
            }
            None => {}
        }
        dir.sync().syncing(&self.path)
    }

    /// The lock's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that the lock is in, and its name there; none if there is no such directory.
    fn open(&self) -> Result<Option<(Dir, &OsStr)>> {
        let refused = |why| Error::IdleLock {
            path: self.path.clone(),
            why,
        };
        if !self.path.is_absolute() {
            return Err(refused("it is not an absolute path"));
        }
        let (parent, name) = split(&self.path).map_err(|_| refused("it has no name"))?;
        let dir = match Dir::open(&parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.reading(&parent)?,
        };
        if dir.lets_anybody_remove().reading(&parent)? {
            return Err(refused(
                "everybody could remove it: its directory can be written by all and has no sticky bit",
            ));
        }
        Ok(Some((dir, name)))
    }

    /// Creates the file exclusively and complete, also for one who is cut off: it is written under another name,
    /// and `link(2)` gives it the real one if nothing has that.
    fn create(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        let temporary = self.temporary(name);
        // What an earlier start of this run left behind.
        remove(dir, &temporary)?;
        let mut file = dir.create_file(&temporary, 0o400)?;
        let linked = file
            .write_all(contents(std::process::id(), self.run).as_bytes())
            .and_then(|()| file.sync())
            .and_then(|()| dir.link(&temporary, name));
        let removed = dir.remove_file(&temporary);
        linked.and(removed)?;
        dir.sync()
    }

    /// The name under which the run writes it: always the same, so that nothing is left behind.
    fn temporary(&self, name: &OsStr) -> OsString {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}", self.run));
        temporary
    }
}

fn remove(dir: &Dir, name: &OsStr) -> io::Result<()> {
    match dir.remove_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A lock's file, whoever's it is.
/// Whether somebody is at work there: since when, and what the file says. Nothing is created.
pub fn look(path: &Path) -> Result<Option<(Timestamp, String)>> {
    let lock = IdleLock {
        path: path.into(),
        run: RunId::new(Timestamp::UNIX_EPOCH, [0; 10]),
    };
    let Some((dir, name)) = lock.open()? else {
        return Ok(None);
    };
    let found = Found::at(&dir, name).reading(path)?;
    Ok(found.map(|found| (found.since, found.contents)))
}

#[derive(Debug)]
struct Found {
    since: Timestamp,
    contents: String,
    owner: u32,
}

impl Found {
    /// What has the name; a link is not followed, and is somebody else's.
    fn at(dir: &Dir, name: &OsStr) -> io::Result<Option<Self>> {
        let Some(stat) = dir.stat(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        // One that cannot be read is somebody else's.
        if let Ok(file) = dir.open_file(name) {
            file.take(MOST_CONTENTS).read_to_end(&mut bytes)?;
        }
        Ok(Some(Self {
            since: changed(&stat),
            contents: one_line(&bytes),
            owner: stat.st_uid,
        }))
    }

    /// True if a process of this user created it for the run.
    fn is_of(&self, run: RunId) -> bool {
        self.owner == rustix::process::geteuid().as_raw() && run_in(&self.contents) == Some(run)
    }
}

fn contents(pid: u32, run: RunId) -> String {
    format!("pid {pid} run {run}\n")
}

/// The run that a lock's contents name.
fn run_in(contents: &str) -> Option<RunId> {
    let mut words = contents.split(' ');
    let pid = (words.next()?, words.next()?.parse::<u32>());
    let run = (words.next()?, words.next()?.parse());
    match (pid, run, words.next()) {
        (("pid", Ok(_)), ("run", Ok(run)), None) => Some(run),
        _ => None,
    }
}

/// What anybody may have written, fit to be shown.
fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim()
        .replace(char::is_control, " ")
}

fn changed(stat: &Stat) -> Timestamp {
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    // A file can be dated to years that a timestamp does not have.
    Timestamp::new(stat.st_mtime, nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_what_is_written() {
        let run = RunId::new(Timestamp::UNIX_EPOCH, [7; 10]);
        assert_eq!(run_in(&one_line(contents(12, run).as_bytes())), Some(run));
        for other in [
            "",
            "12",
            "pid 12",
            &format!("run {run}"),
            &format!("pid x run {run}"),
            &format!("pid 12 run {run} and more"),
            "pid 12 run 7",
        ] {
            assert_eq!(run_in(other), None, "{other:?}");
        }
    }

    #[test]
    fn contents_are_shown_on_one_line() {
        assert_eq!(
            one_line(b"backup\x1b[2J of\n/home\xff\n"),
            "backup [2J of /home\u{fffd}"
        );
    }
}
