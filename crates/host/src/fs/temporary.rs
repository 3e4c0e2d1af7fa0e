//! Names for files that are not complete yet: `.NAME.PID.N.new`, beside the file they will become.
//!
//! A name holds its writer's pid, so that what a killed writer left can be told from what a living one is at.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::Pid;

use super::dir::Dir;
use crate::error::{Attempt, Result};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Creates something under a name that no other living writer uses. A dead one may have left it behind; then
/// another name is tried.
pub(super) fn with_free_name<T>(
    name: &OsStr,
    create: impl Fn(&OsStr) -> io::Result<T>,
) -> io::Result<(OsString, T)> {
    loop {
        let temporary = name_for(name);
        match create(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return Ok((temporary, other?)),
        }
    }
}

fn name_for(name: &OsStr) -> OsString {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = OsString::from(".");
    // File names end at 255 bytes (NAME_MAX); what is cut off the middle is only for people to read.
    temporary.push(OsStr::from_bytes(&name.as_bytes()[..name.len().min(200)]));
    temporary.push(format!(".{}.{n}.new", std::process::id()));
    temporary
}

/// Removes the half-written files that writers left in a directory when they were killed, and not those of
/// writers that live. Files of this process's own pid count as left behind, because after a restart (and in a
/// container after every one) the pid is often the same: call it before writing to that directory, at start.
///
/// Idempotent; a missing directory is an empty one. Not durable, since nothing depends on it.
pub fn remove_leftovers(dir: &Path) -> Result<()> {
    let opened = match Dir::open(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.reading(dir)?,
    };
    for name in opened.names().reading(dir)? {
        if writer_of(&name).is_some_and(|pid| pid == std::process::id() || !lives(pid)) {
            match opened.remove_file(&name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.removing(&dir.join(&name))?,
            }
        }
    }
    Ok(())
}

fn writer_of(name: &OsStr) -> Option<u32> {
    let text = name.to_string_lossy();
    let rest = text.strip_prefix('.')?.strip_suffix(".new")?;
    let (rest, n) = rest.rsplit_once('.')?;
    let (_, pid) = rest.rsplit_once('.')?;
    n.parse::<u64>().ok()?;
    pid.parse().ok()
}

fn lives(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    rustix::process::test_kill_process(pid) != Err(Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn leftovers_of_the_dead_go_and_files_stay() {
        let root = tempfile::tempdir().unwrap();
        let own = name_for(OsStr::new("run.json"));
        // Process 1 lives; pids end below 2^22 (`proc(5)`, pid_max).
        for name in [
            ".run.json.1.0.new",
            ".run.json.4194305.0.new",
            ".profile.new",
            "run.json",
            ".a.b.new",
        ] {
            File::create(root.path().join(name)).unwrap();
        }
        File::create(root.path().join(&own)).unwrap();
        remove_leftovers(root.path()).unwrap();
        remove_leftovers(root.path()).unwrap();
        let left = Dir::open(root.path()).unwrap().names().unwrap();
        assert_eq!(
            left,
            [".a.b.new", ".profile.new", ".run.json.1.0.new", "run.json"]
        );
        remove_leftovers(&root.path().join("missing")).unwrap();
    }
}
