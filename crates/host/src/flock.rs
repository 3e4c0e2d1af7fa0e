//! One holder of a file at a time, by `flock(2)`.
//!
//! The kernel frees such a lock when its last descriptor is closed, however its holder ends, so what the file says
//! (the holder's pid) is only for people. A file that is left behind is no obstacle.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, fstat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::fs;

/// How often the file may be replaced under us before something is wrong.
const TRIES: u32 = 10;

/// How long those who only ask are waited for.
const ASKERS_TRIES: u32 = 20;
const ASKERS_PAUSE: Duration = Duration::from_millis(5);

/// Longest text that is taken for a pid.
const LONGEST_PID: u64 = 32;

/// Opens the file, mode `0600`, creates it where it is missing, and locks it. It does not wait:
/// [`Error::LockHeld`] if another has it. A link in its place is an error. No child inherits the descriptor.
///
/// The mode has a reason beside secrecy: whoever may open a file may lock it, and could keep everybody away.
pub(crate) fn take(path: &Path) -> Result<File> {
    for _ in 0..TRIES {
        let file = open(path).map_err(|error| failed(path, error))?;
        lock(&file, path)?;
        // Whoever removed the file meanwhile did not remove our lock, but the next one would lock another file.
        if is_file_of(&file, path).map_err(|error| failed(path, error))? {
            return Ok(file);
        }
    }
    Err(failed(
        path,
        io::Error::other("the file is being replaced all the time"),
    ))
}

/// The same, for a file of which [`is_held`] may be asked: who asks shares the lock for a moment, and is waited for.
/// So it takes a tenth of a second to find that another really has it.
pub(crate) fn take_from_askers(path: &Path) -> Result<File> {
    let mut tries = 1;
    loop {
        match take(path) {
            Err(Error::LockHeld { .. }) if tries < ASKERS_TRIES => {
                tries += 1;
                std::thread::sleep(ASKERS_PAUSE);
            }
            other => return other,
        }
    }
}

/// Locks an opened file, or finds that this very descriptor has the lock already.
pub(crate) fn lock(file: impl AsFd, path: &Path) -> Result<()> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(Error::LockHeld {
            path: path.into(),
            pid: read_pid(path),
        }),
        Err(error) => Err(failed(path, error.into())),
    }
}

/// Frees the lock at once, also if a child that is just being started has a copy of the descriptor for a moment.
pub(crate) fn unlock(file: &File, path: &Path) {
    if let Err(error) = rustix::fs::flock(file, FlockOperation::Unlock) {
        tracing::warn!(path = %path.display(), %error, "the lock stays held until this process ends");
    }
}

/// True if somebody holds the lock of the file. To learn it, the lock is shared for a moment, with all who ask at
/// the same time.
pub(crate) fn is_held(path: &Path) -> Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(false),
        other => other.map_err(|error| failed(path, error.into()))?.into(),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            unlock(&file, path);
            Ok(false)
        }
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(failed(path, error.into())),
    }
}

/// True if the descriptor is that of the file which has the path now.
pub(crate) fn is_file_of(file: impl AsFd, path: &Path) -> io::Result<bool> {
    let ours = fstat(file)?;
    match rustix::fs::stat(path) {
        Ok(theirs) => Ok((ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes this process's pid into a file that it has locked.
pub(crate) fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The pid in a file, where there is one.
pub(crate) fn read_pid(path: &Path) -> Option<u32> {
    let text = fs::read_capped(path, LONGEST_PID).ok().flatten()?;
    String::from_utf8_lossy(&text).trim().parse().ok()
}

pub(crate) fn failed(path: &Path, source: io::Error) -> Error {
    Error::Lock {
        path: path.into(),
        source,
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into();
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    Ok(file)
}
