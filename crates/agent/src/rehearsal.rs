//! A version of the agent rehearses its start on a stand-in of this host's root, and not on the root itself.
//!
//! The check of a slot is that version's own code, and the version may be an older one on its way back. There are versions
//! that move a state file aside which they cannot read, also in their rehearsal, and then say that all is well: the host
//! would have lost its memory of failed releases and of the newest order it has seen, by a mere question. So the check is
//! given a root of its own, where each state file is a second name of the true one. What it moves aside there is missed
//! afterwards, and counts as a refusal.
//!
//! Putting files back after the fact would not do. The worker writes them meanwhile, so what is put back may be old; and
//! a power cut before it would leave the host without them. Here nothing that counts is ever touched: what a cut leaves
//! is a stand-in, of which nobody takes notice, and the next rehearsal begins with its removal.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_host::Layout;
use lockstep_host::slots::Slot;
use lockstep_model::{Check, RunKind};
use lockstep_plan::run::RunJournal;

use crate::preflight::run_check;
use crate::run::journals::Journals;
use crate::state::State;
use crate::{Error, words};

/// Who asks for a rehearsal, and therefore how much of the host it is shown. Each asks for one at a time, so each has one
/// stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The worker, before it offers a version.
    Worker,
    /// The worker, after a refusal: would the version run here but for the runs that are under way?
    WorkerButRuns,
    /// The supervisor, when a person wishes to go back.
    Person,
    /// The supervisor, when the current version dies again and again. It shows no runs: a run that the version before
    /// cannot go on with is a smaller loss than a host without an agent.
    BootGuard,
}

impl Asker {
    fn dir(self) -> &'static str {
        match self {
            Self::Worker | Self::WorkerButRuns => "rehearsal/worker",
            Self::Person | Self::BootGuard => "rehearsal/supervisor",
        }
    }

    fn sees_runs(self) -> bool {
        matches!(self, Self::Worker | Self::Person)
    }

    /// A way back begins with a journal of its own, in the place of the one that is there.
    fn sees_journal(self) -> bool {
        matches!(self, Self::Worker | Self::WorkerButRuns)
    }
}

/// Has a version rehearse its start, for `most` at most. The inner error is why it would not run here, on one line; the
/// outer one is the host's, which could not set the stage, and says nothing of the version.
pub(crate) async fn rehearse(
    slot: &Slot,
    check: &Check,
    layout: &Layout,
    most: Duration,
    asker: Asker,
) -> Result<Result<(), String>, Error> {
    let stage = Stage::set(layout, asker)?;
    let checked = run_check(slot, check, &stage.layout, most).await;
    let checked = checked.and_then(|()| stage.nothing_is_missing());
    if let Err(error) = stage.clear() {
        // The next rehearsal tries again.
        tracing::warn!(
            error = words(&error),
            "what a rehearsal was shown stays for now"
        );
    }
    Ok(checked.map_err(|why| stage.in_words_of(layout, &why)))
}

/// The runs of this host that are not over, as far as the version in charge can read them.
pub(crate) fn under_way(layout: &Layout) -> Result<Vec<RunJournal>, Error> {
    let mut runs = Journals::new(layout).all()?;
    runs.retain(|run| !run.is_over());
    Ok(runs)
}

/// Why the agent is not taken back to an older version now: a restart of the machine that is to be ended first. There are
/// versions that know no such runs, nor look for them in their rehearsal: they move its journal aside, nobody goes on with
/// it, and its lock stays held. One that merely waits, and holds nothing, leaves nothing behind.
///
/// This is for those who go back by choice. A version that dies, or does not prove itself, is left all the same: a
/// host whose agent dies again and again would not go on with the run either.
pub(crate) fn restart_to_end(layout: &Layout) -> Option<String> {
    let runs = match under_way(layout) {
        Ok(runs) => runs,
        Err(error) => {
            // The way back shall not depend on this.
            tracing::warn!(
                error = words(&error),
                "whether a restart is under way is not known"
            );
            return None;
        }
    };
    let restart = runs.iter().find(|run| run.job.kind == RunKind::Reboot)?;
    let id = restart.id;
    if restart.has_stopped() {
        return Some(format!(
            "the restart of this machine has stopped, run {id}, and an older version may not know such runs; end it first: \
             \"lockstep run retry {id}\", or \"lockstep run skip {id} --why TEXT\""
        ));
    }
    (restart.is_at_work() || restart.lock.is_some()).then(|| {
        format!(
            "a restart of this machine is under way, run {id}, and an older version may not know such runs; wait for its end"
        )
    })
}

/// The stand-in of a root.
struct Stage {
    layout: Layout,
    /// The state files in it.
    shown: Vec<PathBuf>,
}

impl Stage {
    /// Sets up all that a start reads: a second name for each state file, links to what nobody moves.
    fn set(of: &Layout, asker: Asker) -> Result<Self, Error> {
        // What the version in charge cannot read either is damaged, and no other version is to blame for it: it is moved
        // aside now, as it would be at the next start.
        let state = State::new(of);
        state.journal()?;
        state.memory()?;
        let runs = under_way(of)?;
        let runs = runs.iter().filter(|_| asker.sees_runs());
        let mut stage = Self {
            layout: Layout::below(of.state_dir().join(asker.dir())),
            shown: Vec::new(),
        };
        let layout = stage.layout.clone();
        let built = stage.clear().and_then(|()| {
            make_private(&layout.runs_dir())?;
            symlink(of.identity_dir(), layout.identity_dir())?;
            symlink(of.tuf_dir(), layout.tuf_dir())?;
            if let (Some(of), Some(dir)) = (of.config().parent(), layout.config().parent()) {
                dir.parent().map_or(Ok(()), make_private)?;
                symlink(of, dir)?;
            }
            for entry in std::fs::read_dir(of.state_dir())? {
                let entry = entry?;
                let path = entry.path();
                let is_state = path
                    .extension()
                    .is_some_and(|extension| extension == "json");
                let is_shown = is_state && (path != of.journal() || asker.sees_journal());
                if is_shown && entry.file_type()?.is_file() {
                    stage.show(&path, layout.state_dir().join(entry.file_name()))?;
                }
            }
            for run in runs {
                let package = &run.job.package;
                stage.show(&of.run_journal(package), layout.run_journal(package))?;
            }
            Ok(())
        });
        built.map_err(|source| Error::System {
            doing: "prepare the rehearsal of a version",
            source,
        })?;
        Ok(stage)
    }

    /// Gives a state file a second name. That takes no space, and whoever writes the file puts a new one in the place of
    /// its first name.
    fn show(&mut self, file: &Path, name: PathBuf) -> io::Result<()> {
        let named = match std::fs::hard_link(file, &name) {
            // It was there a moment ago, and is not of those that a start needs.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // Not every file system has second names.
            Err(_) => std::fs::copy(file, &name).map(drop),
            Ok(()) => Ok(()),
        };
        named?;
        self.shown.push(name);
        Ok(())
    }

    /// Refuses a version that has moved away what it was shown: on the true root it would go on without it.
    fn nothing_is_missing(&self) -> Result<(), String> {
        let missing = self.shown.iter().find(|file| !file.exists());
        missing.map_or(Ok(()), |file| {
            Err(format!(
                "it cannot read {}, which a newer version has written, and would go on without it",
                file.display()
            ))
        })
    }

    fn clear(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(self.layout.root()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// People look for files below the true root.
    fn in_words_of(&self, layout: &Layout, why: &str) -> String {
        let true_root = layout.root_text();
        why.replace(&self.layout.root_text(), true_root.trim_end_matches('/'))
    }
}

/// A directory, with those above it, that only its owner may enter. Nothing of a stand-in needs to survive a cut.
fn make_private(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

#[cfg(test)]
mod tests;
