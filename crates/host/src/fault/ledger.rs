//! What a power cut may take back: every effect on files that was not yet made durable.
//!
//! Debug builds only, and only when a power cut was asked for. The model is the least that POSIX promises: a
//! file's contents are durable after `fsync` of the file, a name after `fsync` of its directory, and nothing else
//! is. A move between two directories counts as durable when the one it goes to was synced.
//!
//! Effects are held by descriptors of directories and not by paths, so they follow a directory that is renamed.
//! While an [`Effects`] is held no other thread can have an effect; a cut keeps it for ever.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::switch;

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger {
    names: Vec::new(),
    contents: Vec::new(),
});

/// A file or directory, whatever it is called: device and inode.
type Identity = (u64, u64);

struct Ledger {
    /// Changes of names, oldest first.
    names: Vec<Change>,
    /// Files with contents that were not synced, and how long each was when it last was durable.
    contents: Vec<(Identity, File, u64)>,
}

struct Change {
    /// The directory whose sync makes it durable.
    dir: Identity,
    what: What,
}

enum What {
    Created {
        at: Place,
    },
    Removed {
        at: Place,
        was: Kept,
    },
    Renamed {
        from: Place,
        to: Place,
        replaced: Option<Kept>,
    },
    Exchanged {
        one: Place,
        other: Place,
    },
}

/// A name in an open directory.
struct Place {
    dir: Arc<OwnedFd>,
    name: OsString,
}

/// What is needed to bring something back. Files are held open, so their bytes stay although their names go.
pub(crate) enum Kept {
    File { file: File, mode: Mode },
    Symlink { target: Vec<u8> },
    Dir { identity: Identity, mode: Mode },
    Other,
}

/// The ledger, locked; or nothing if no power cut was asked for.
pub(crate) struct Effects(Option<MutexGuard<'static, Ledger>>);

/// Must be held from before an effect until it is recorded.
pub(crate) fn effects() -> Effects {
    Effects(
        switch::records_effects().then(|| LEDGER.lock().unwrap_or_else(PoisonError::into_inner)),
    )
}

impl Effects {
    /// Holds on to what is about to be removed or replaced.
    pub(crate) fn keep(&self, dir: &Arc<OwnedFd>, name: &OsStr) -> Option<Kept> {
        self.0.as_ref()?;
        must(Kept::of(dir, name))
    }

    /// Contents were written.
    pub(crate) fn wrote(&mut self, file: &File) {
        let Some(ledger) = &mut self.0 else { return };
        let identity = identity(file);
        if ledger.contents.iter().all(|(known, ..)| *known != identity) {
            // Files are written once, from their creation: nothing of them was durable before.
            ledger.contents.push((identity, must(file.try_clone()), 0));
        }
    }

    /// A file, link or directory was created.
    pub(crate) fn created(&mut self, dir: &Arc<OwnedFd>, name: &OsStr) {
        let at = Place::new(dir, name);
        self.record(dir, What::Created { at });
    }

    /// A file, link or empty directory was removed.
    pub(crate) fn removed(&mut self, dir: &Arc<OwnedFd>, name: &OsStr, was: Option<Kept>) {
        let Some(was) = was else { return };
        let at = Place::new(dir, name);
        self.record(dir, What::Removed { at, was });
    }

    /// A name was moved, perhaps over another.
    pub(crate) fn renamed(
        &mut self,
        from: (&Arc<OwnedFd>, &OsStr),
        to: (&Arc<OwnedFd>, &OsStr),
        replaced: Option<Kept>,
    ) {
        let what = What::Renamed {
            from: Place::new(from.0, from.1),
            to: Place::new(to.0, to.1),
            replaced,
        };
        self.record(to.0, what);
    }

    /// Two names of a directory changed places.
    pub(crate) fn exchanged(&mut self, dir: &Arc<OwnedFd>, one: &OsStr, other: &OsStr) {
        let what = What::Exchanged {
            one: Place::new(dir, one),
            other: Place::new(dir, other),
        };
        self.record(dir, what);
    }

    /// A file's contents are durable.
    pub(crate) fn synced_file(&mut self, file: &File) {
        let Some(ledger) = &mut self.0 else { return };
        let identity = identity(file);
        ledger.contents.retain(|(known, ..)| *known != identity);
    }

    /// A directory's names are durable.
    pub(crate) fn synced_dir(&mut self, dir: &Arc<OwnedFd>) {
        let Some(ledger) = &mut self.0 else { return };
        let identity = identity(dir);
        ledger.names.retain(|change| change.dir != identity);
    }

    fn record(&mut self, dir: &Arc<OwnedFd>, what: What) {
        let Some(ledger) = &mut self.0 else { return };
        let dir = identity(dir);
        ledger.names.push(Change { dir, what });
    }
}

/// Takes back everything that is not durable, or what the seed draws of it. Nobody can have an effect afterwards.
pub(super) fn take_back(seed: Option<u64>) {
    let mut ledger = LEDGER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut draw = seed.map(fastrand::Rng::with_seed);
    let mut reborn = HashMap::new();
    for change in std::mem::take(&mut ledger.names).into_iter().rev() {
        if draw.as_mut().is_none_or(fastrand::Rng::bool) {
            must(change.what.take_back(&mut reborn));
        }
    }
    for (_, mut file, durable) in std::mem::take(&mut ledger.contents) {
        must(lose_contents(&mut file, durable, draw.as_mut()));
    }
    std::mem::forget(ledger);
}

fn lose_contents(
    file: &mut File,
    durable: u64,
    draw: Option<&mut fastrand::Rng>,
) -> io::Result<()> {
    let Some(draw) = draw else {
        return file.set_len(durable);
    };
    let written = file.metadata()?.len();
    match draw.u8(0..4) {
        0 => file.set_len(durable),
        1 => file.set_len(draw.u64(durable..=written)),
        2 => {
            // The length was recorded, the blocks were not.
            file.set_len(durable)?;
            file.set_len(written)
        }
        _ => Ok(()),
    }
}

/// Directories that were brought back, by the identity they had before.
type Reborn = HashMap<Identity, Arc<OwnedFd>>;

impl What {
    fn take_back(self, reborn: &mut Reborn) -> io::Result<()> {
        match self {
            Self::Created { at } => match at.dir(reborn) {
                Some(dir) => remove(&dir, &at.name),
                None => Ok(()),
            },
            Self::Removed { at, was } => match at.dir(reborn) {
                Some(dir) => was.bring_back(&dir, &at.name, reborn),
                None => Ok(()),
            },
            Self::Exchanged { one, other } => {
                let Some(dir) = one.dir(reborn) else {
                    return Ok(());
                };
                let exchange = RenameFlags::EXCHANGE;
                match rustix::fs::renameat_with(&dir, &one.name, &dir, &other.name, exchange) {
                    // A later change of one of the names was kept while this one is lost.
                    Err(Errno::NOENT) => Ok(()),
                    other => Ok(other?),
                }
            }
            Self::Renamed { from, to, replaced } => {
                let (Some(from_dir), Some(to_dir)) = (from.dir(reborn), to.dir(reborn)) else {
                    return Ok(());
                };
                match rustix::fs::renameat(&to_dir, &to.name, &from_dir, &from.name) {
                    // A later change of that name was kept while this one is lost.
                    Err(Errno::NOENT) => return Ok(()),
                    other => other?,
                }
                match replaced {
                    Some(replaced) => replaced.bring_back(&to_dir, &to.name, reborn),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Place {
    fn new(dir: &Arc<OwnedFd>, name: &OsStr) -> Self {
        Self {
            dir: dir.clone(),
            name: name.into(),
        }
    }

    /// The directory, or what it was reborn as; none if it is gone and stays gone.
    fn dir(&self, reborn: &Reborn) -> Option<Arc<OwnedFd>> {
        if let Some(dir) = reborn.get(&identity(&self.dir)) {
            return Some(dir.clone());
        }
        let links = must(rustix::fs::fstat(&self.dir)).st_nlink;
        (links > 0).then(|| self.dir.clone())
    }
}

impl Kept {
    fn of(dir: &Arc<OwnedFd>, name: &OsStr) -> io::Result<Option<Self>> {
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        let mode = Mode::from_raw_mode(stat.st_mode);
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(dir, name, flags, Mode::empty())?.into();
                Self::File { file, mode }
            }
            FileType::Symlink => Self::Symlink {
                target: rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes(),
            },
            FileType::Directory => Self::Dir {
                identity: (stat.st_dev, stat.st_ino),
                mode,
            },
            _ => Self::Other,
        }))
    }

    fn bring_back(self, dir: &Arc<OwnedFd>, name: &OsStr, reborn: &mut Reborn) -> io::Result<()> {
        match self {
            Self::File { mut file, mode } => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut again: File = match rustix::fs::openat(dir, name, flags, mode) {
                    // Only part is lost, and something newer has the name.
                    Err(Errno::EXIST) => return Ok(()),
                    other => other?.into(),
                };
                file.rewind()?;
                io::copy(&mut file, &mut again)?;
                rustix::fs::fchmod(&again, mode)?;
                again.flush()
            }
            Self::Symlink { target } => {
                match rustix::fs::symlinkat(OsStr::from_bytes(&target), dir, name) {
                    Err(Errno::EXIST) => Ok(()),
                    other => Ok(other?),
                }
            }
            Self::Dir { identity, mode } => {
                match rustix::fs::mkdirat(dir, name, mode) {
                    Err(Errno::EXIST) => return Ok(()),
                    other => other?,
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let again = rustix::fs::openat(dir, name, flags, Mode::empty())?;
                reborn.insert(identity, Arc::new(again));
                Ok(())
            }
            Self::Other => Ok(()),
        }
    }
}

/// Removes whatever has the name. What lies in a directory that never was is lost with it.
fn remove(dir: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    for entry in Dir::read_from(&inner)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            remove(&inner, OsStr::from_bytes(name))?;
        }
    }
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

fn identity(file: impl AsFd) -> Identity {
    let stat = must(rustix::fs::fstat(file));
    (stat.st_dev, stat.st_ino)
}

/// A cut that cannot be made whole would prove something that is not so; it must not be mistaken for one.
#[expect(
    clippy::print_stderr,
    reason = "the log may be what is being cut off; debug builds only"
)]
fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("the simulated power cut failed: {error}");
        std::process::abort()
    })
}
