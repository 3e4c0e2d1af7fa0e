//! Starting, taking over and stopping workers.

use std::fs::OpenOptions;
use std::time::Duration;

use lockstep_host::fs;
use lockstep_host::process::{Output, Process, Signal, Spawn};
use lockstep_host::slots::Slot;
use lockstep_model::RunId;
use tokio::time::Instant;
use tracing::{error, info};

use super::Supervisor;
use crate::{Error, words};

/// A worker process and the slot it runs from.
pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) slot: Slot,
    pub(crate) last_sign: Instant,
}

impl Worker {
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(super) fn reload(&self) {
        if let Err(error) = self.process.signal(Signal::HUP) {
            error!(
                error = words(&error),
                "the worker could not be told to read its configuration again"
            );
        }
    }
}

/// Takes over a worker that an earlier image of this process started.
pub(crate) fn adopt(pid: u32, slot: &Slot) -> Result<Worker, Error> {
    let process = Process::adopt(pid)?;
    Ok(Worker {
        process,
        slot: slot.clone(),
        last_sign: Instant::now(),
    })
}

/// How a worker ended.
pub(super) struct Ended {
    /// In the operating system's words.
    pub(super) status: String,
    /// True if it could not begin for want of a configuration or an identity that can be used: a fault of the host,
    /// which no other version would mend.
    pub(super) blames_host: bool,
    /// True if it ended in order to be started again, by an operator's wish.
    pub(super) is_wished: bool,
}

/// Waits for the end of the worker; without one, for ever.
pub(super) async fn ended(worker: &mut Option<Worker>) -> Ended {
    match worker {
        None => std::future::pending().await,
        Some(worker) => match worker.process.wait().await {
            Ok(status) => Ended {
                blames_host: status.code() == Some(crate::worker::EXIT_UNUSABLE_HOST.into()),
                is_wished: status.code() == Some(crate::worker::EXIT_RESTART.into()),
                status: status.to_string(),
            },
            Err(error) => Ended {
                status: format!("its end could not be observed: {}", words(&error)),
                blames_host: false,
                is_wished: false,
            },
        },
    }
}

impl Supervisor {
    /// Starts the worker of the current version; if that fails it is tried again, with growing pauses.
    pub(super) fn start_current(&mut self) {
        let started = self
            .current()
            .and_then(|slot| self.start_worker(&slot, None));
        if let Err(error) = started {
            self.deaths += 1;
            let wait = Duration::from_secs(1 << self.deaths.min(6).saturating_sub(1));
            error!(
                error = words(&error),
                wait_s = wait.as_secs(),
                "the worker could not be started; it is tried again"
            );
            self.restart_at = Some(Instant::now() + wait);
        }
    }

    /// Starts a worker from a slot: the current one, or for a trial the candidate.
    pub(super) fn start_worker(&mut self, slot: &Slot, trial: Option<RunId>) -> Result<(), Error> {
        let spawn = Spawn::new(slot.program())
            .args(["agent", "worker", "--root"])
            .args([self.layout.root(), "--slot".as_ref(), slot.dir.as_ref()])
            .args(["--supervisor".into(), std::process::id().to_string()]);
        let spawn = match trial {
            // What a worker says goes where the supervisor's own words go.
            None => spawn,
            Some(run) => {
                fs::create_private_dir(&self.layout.log_dir())?;
                let log = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(self.layout.candidate_log())
                    .map_err(|source| Error::System {
                        doing: "open the candidate's log",
                        source,
                    })?;
                log.set_len(0).map_err(|source| Error::System {
                    doing: "empty the candidate's log",
                    source,
                })?;
                // Its standard output stays the way to the supervisor's log: once proven, the worker turns its
                // standard error there.
                spawn
                    .args(["--trial".into(), run.to_string()])
                    .output(Output::ErrorsInto(log))
            }
        };
        let process = Process::spawn(spawn)?;
        info!(pid = process.pid(), version = %slot.manifest.version, on_trial = trial.is_some(), "started the worker");
        lockstep_host::fault::set_partner(process.pid());
        self.worker = Some(Worker {
            process,
            slot: slot.clone(),
            last_sign: Instant::now(),
        });
        Ok(())
    }

    /// Stops the worker, if there is one, and waits for its end: first with SIGTERM, after `grace` with SIGKILL to
    /// its whole process group.
    pub(super) async fn stop_worker(&mut self, grace: Duration) -> Result<(), Error> {
        if let Some(mut worker) = self.worker.take() {
            let pid = worker.pid();
            let status = worker.process.terminate(grace).await?;
            info!(pid, %status, "stopped the worker");
        }
        Ok(())
    }
}
