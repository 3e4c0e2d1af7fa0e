//! The scripts of one phase.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_host::scripts;
use lockstep_model::{Phase, RunReason};
use lockstep_plan::run::Happened;
use tracing::{info, warn};

use super::output::Output;
use crate::words;

/// How the scripts of a directory are called.
#[derive(Debug, Clone)]
pub(super) struct Calling {
    /// Where they are.
    pub(super) dir: PathBuf,
    /// For which phase.
    pub(super) phase: Phase,
    /// What they find in their environment.
    pub(super) env: Vec<(String, String)>,
    /// The longest that one may run.
    pub(super) limit: Duration,
    /// Where their output goes.
    pub(super) output: Output,
}

/// What scripts said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// There are none.
    None,
    /// All ended with 0.
    Yes,
    /// One asked for another time.
    Later {
        /// Which.
        script: String,
    },
    /// One said no.
    No {
        /// Which.
        script: String,
        /// How it ended.
        how: String,
        /// Whether it said so by itself: it was neither killed at its limit nor impossible to start.
        by_itself: bool,
    },
}

impl Said {
    /// What it means for a phase in which scripts do the work: where there are none, nothing is left to do.
    pub(super) fn into_happened(self, phase: Phase) -> Happened {
        match self {
            Self::None | Self::Yes => Happened::Succeeded,
            Self::Later { script } => Happened::Later { script },
            Self::No { script, how, .. } => Happened::Failed(Self::failed(phase, script, how)),
        }
    }

    /// What it means for the host's work, which scripts may say must not be disturbed: why not now.
    pub(super) fn into_rest(self) -> Result<(), String> {
        match self {
            Self::None | Self::Yes => Ok(()),
            Self::Later { script } => Err(format!("{script} asked for another time")),
            Self::No { script, how, .. } => Err(format!("{script} says so ({how})")),
        }
    }

    /// A no as the reason of a phase that failed.
    pub(super) fn failed(phase: Phase, script: String, how: String) -> RunReason {
        RunReason::ScriptFailed { phase, script, how }
    }
}

/// Whether one no is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The first no ends it: what comes behind must not run.
    AtFirst,
    /// All are asked: any no counts, and each may have something to prepare.
    AtEnd,
}

/// Calls the scripts in the order of their names.
pub(super) async fn call(calling: &Calling, stop: Stop) -> Said {
    let (list, skipped) = match scripts::list(&calling.dir) {
        Ok(listed) => listed,
        Err(error) => {
            return Said::No {
                script: name_of(&calling.dir),
                how: words(&error),
                by_itself: false,
            };
        }
    };
    for script in &skipped {
        warn!(dir = %calling.dir.display(), script = script.name, why = script.why, "a file is not called");
    }
    // A directory whose scripts may not be called is not one without scripts: that could mean anything.
    if let (true, Some(script)) = (list.is_empty(), skipped.iter().find(|it| !it.is_leftover)) {
        return Said::No {
            script: script.name.clone(),
            how: format!(
                "nothing in {} may be called: {}",
                calling.dir.display(),
                script.why
            ),
            by_itself: false,
        };
    }
    let mut said = if list.is_empty() {
        Said::None
    } else {
        Said::Yes
    };
    for script in list {
        let limits = scripts::Limits {
            each: calling.limit,
            output_cap: 64 * 1024,
        };
        info!(phase = %calling.phase, script = script.name, "calling");
        let finished =
            scripts::run(&script, &calling.env, &limits, Some(calling.output.path())).await;
        let answer = match finished {
            Ok(finished) if finished.succeeded() => continue,
            Ok(finished) if scripts::is_later(&finished) => Said::Later {
                script: script.name.clone(),
            },
            Ok(finished) => Said::No {
                script: script.name.clone(),
                how: finished.how(),
                by_itself: finished.status.code().is_some() && !finished.timed_out,
            },
            Err(error) => Said::No {
                script: script.name.clone(),
                how: words(&error),
                by_itself: false,
            },
        };
        info!(phase = %calling.phase, script = script.name, ?answer, "did not say yes");
        if stop == Stop::AtFirst {
            return answer;
        }
        // Of several the first counts.
        if matches!(said, Said::None | Said::Yes) {
            said = answer;
        }
    }
    said
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map_or_else(
        || dir.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
