//! The operator's scripts: whatever a host must do before, during and after an update.
//!
//! They lie in directories below `etc/lockstep/update` and run in the byte order of their names, so `10-a` before
//! `20-b`, and `2-c` after both. A directory that is missing has no scripts.
//!
//! A script is a regular file that its owner may execute. Because it runs as root, nobody but root, or the user who
//! runs the agent, may be able to change it: it belongs to one of them, neither its group nor others can write it,
//! and the same is true of the directories above it. A symbolic link is followed if the way to its target and the
//! target itself keep the same rules. What does not is skipped, with the reason; so is what editors and package
//! managers leave behind.
//!
//! A script gets no arguments, `/dev/null` as its input, `/` as its directory, and a clean environment: `PATH`,
//! `LANG`, `LC_ALL`, `HOME`, and the variables of the run. A process that it leaves behind must let go of its output,
//! or it is killed with the script's process group (see [`exec`](crate::exec)); service managers do so.

mod name;
mod trust;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Attempt, Error, Result};
use crate::exec::{Exec, Finished, Tee, end_noted};
use crate::fs;

/// The exit status that means "again later" (`EX_TEMPFAIL` of `sysexits.h`).
pub const EXIT_LATER: i32 = 75;

/// Most names in one directory. Nobody writes so many scripts: something fills the directory.
pub const MOST_NAMES: usize = 1000;

/// Most bytes of output that the log of a run holds; of more, the newer part.
pub const LONGEST_LOG: u64 = 1024 * 1024;

/// The directories of scripts, one for each occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptDir {
    /// Non-zero: an update is wanted.
    NeedsUpdate,
    /// Non-zero: the host is busy.
    Busy,
    /// Before the change.
    PreUpdate,
    /// The change itself.
    Update,
    /// Non-zero: the machine must be restarted.
    NeedsReboot,
    /// After the change.
    PostUpdate,
}

impl ScriptDir {
    /// The directory's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeedsUpdate => "needs_update.d",
            Self::Busy => "busy.d",
            Self::PreUpdate => "pre_update.d",
            Self::Update => "update.d",
            Self::NeedsReboot => "needs_reboot.d",
            Self::PostUpdate => "post_update.d",
        }
    }
}

/// A script that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where it is: its name in the directory, also if that is a link.
    pub path: PathBuf,
    /// Its name, for people.
    pub name: String,
}

/// Something in a directory of scripts that is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why it is not run, and what to do about it.
    pub why: String,
    /// True for what an editor or a package manager left there: nobody meant it to be called.
    pub is_leftover: bool,
}

/// What a script may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When it is killed, with all of its process group.
    pub each: Duration,
    /// How many bytes of its output are kept, the last ones.
    pub output_cap: usize,
}

/// The scripts of a directory in their order, and what is in it and is not run.
pub fn list(dir: &Path) -> Result<(Vec<Script>, Vec<Skipped>)> {
    let (mut scripts, mut skipped) = (Vec::new(), Vec::new());
    let names = match fs::Dir::open(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok((scripts, skipped));
        }
        other => other.and_then(|dir| dir.names()).reading(dir)?,
    };
    if names.len() > MOST_NAMES {
        return Err(Error::Nonsense {
            path: dir.into(),
            why: format!(
                "it has {} names, and a directory of scripts has {MOST_NAMES} at most",
                names.len()
            ),
        });
    }
    let untrusted = trust::directory(dir).err();
    for name in names {
        let path = dir.join(&name);
        let leftover = name::leftover(&name);
        let is_leftover = leftover.is_some();
        let why = leftover
            .or_else(|| untrusted.clone())
            .or_else(|| untrusted_program(&path));
        let name = name.to_string_lossy().into_owned();
        match why {
            None => scripts.push(Script { path, name }),
            Some(why) => skipped.push(Skipped {
                name,
                why,
                is_leftover,
            }),
        }
    }
    Ok((scripts, skipped))
}

fn untrusted_program(path: &Path) -> Option<String> {
    match trust::program(path) {
        Ok(Some(())) => None,
        Ok(None) => Some("it does not exist any more".into()),
        Err(why) => Some(why),
    }
}

/// Runs a script to its end. `env` comes on top of the clean environment. What it writes is appended to `log`, if
/// there is one, while it is written: the log outlives this process however it ends, and holds [`LONGEST_LOG`].
///
/// A script that an earlier process ran with the same log, and that goes on because that process was killed, is ended
/// first: it would be at work twice.
///
/// An error means that the script was not started or could not be watched, such as one that was changed or removed
/// since it was listed. How it ended is for the caller to judge; [`is_later`] tells one answer.
pub async fn run(
    script: &Script,
    env: &[(String, String)],
    limits: &Limits,
    log: Option<&Path>,
) -> Result<Finished> {
    // Long may have passed since it was listed.
    if let Some(why) = untrusted_program(&script.path) {
        let path = script.path.clone();
        return Err(Error::Script { path, why });
    }
    let mut exec = Exec::new(&script.path, limits.each).clean();
    exec.output_cap = limits.output_cap;
    if let Some(log) = log {
        end_leftover(log).await?;
        exec.note = Some(note(log));
        exec.tee = Some(Tee {
            path: log.into(),
            most: LONGEST_LOG,
        });
    }
    for (name, value) in env {
        exec = exec.env(name, value);
    }
    exec.run().await
}

/// Ends the script that a killed process ran with this log, with its process group, if it still runs; true if it did.
/// [`run`] does so, too; whoever continues a run without a script calls it before anything else.
pub async fn end_leftover(log: &Path) -> Result<bool> {
    let was_running = end_noted(&note(log)).await?;
    if was_running {
        tracing::warn!(log = %log.display(), "ended a script that an earlier process left behind");
    }
    Ok(was_running)
}

/// Beside the log: which script is running.
fn note(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".running");
    name.into()
}

/// True if a script said that it wants to be asked again later.
#[must_use]
pub fn is_later(finished: &Finished) -> bool {
    !finished.timed_out && finished.status.code() == Some(EXIT_LATER)
}
