//! A service that programs of its own package start, stop and ask.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::{ServiceState, last_words, leave_alone};
use crate::error::{Error, Result};
use crate::exec::Exec;

/// Three programs of a slot, each with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// The slot: programs are named relative to it, and start in it.
    pub dir: PathBuf,
    /// What they find in their environment.
    pub env: Vec<(String, String)>,
    /// Starts the daemon, and ends once it is started.
    pub start: Vec<String>,
    /// Stops it, and ends once it is stopped.
    pub stop: Vec<String>,
    /// Ends with 0 if it runs, and otherwise as LSB says.
    pub status: Vec<String>,
    /// True where systemd runs the machine: the daemon then gets a scope of its own, so that it does not end with the
    /// unit of whoever started it.
    pub scoped: bool,
}

impl Commands {
    /// Its name, for people: the program that starts it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.start.first().map_or("-", String::as_str)
    }

    /// What it is doing now.
    pub async fn is_active(&self, limit: Duration) -> Result<ServiceState> {
        let finished = self.exec(&self.status, limit)?.run().await?;
        let code = finished.status.code().filter(|_| !finished.timed_out);
        code.and_then(ServiceState::of_status)
            .ok_or_else(|| self.failed("learn the state of", last_words(&finished)))
    }

    /// Starts it. What it writes to its standard output is thrown away.
    pub async fn start(&self, limit: Duration) -> Result<()> {
        let exec = self.exec(&self.start, limit)?;
        let exec = match self.scoped {
            true => in_a_scope(exec),
            false => exec,
        };
        let started = leave_alone(exec).await?;
        started.map_err(|why| self.failed("start", why))
    }

    /// Stops it.
    pub async fn stop(&self, limit: Duration) -> Result<()> {
        let stopped = leave_alone(self.exec(&self.stop, limit)?).await?;
        stopped.map_err(|why| self.failed("stop", why))
    }

    fn exec(&self, command: &[String], limit: Duration) -> Result<Exec> {
        let Some((program, args)) = command.split_first() else {
            return Err(self.failed("call", "no program is named".into()));
        };
        let mut exec = Exec::new(self.dir.join(program), limit)
            .args(args)
            .clean()
            .cwd(&self.dir);
        for (name, value) in &self.env {
            exec = exec.env(name, value);
        }
        Ok(exec)
    }

    fn failed(&self, attempt: &'static str, why: String) -> Error {
        Error::Service {
            attempt,
            name: self.name().into(),
            why,
        }
    }
}

/// The same command in a scope of its own (`systemd-run(1)`), which lives as long as the daemon does.
fn in_a_scope(mut exec: Exec) -> Exec {
    let program = std::mem::replace(&mut exec.program, "systemd-run".into());
    let mut args = ["--scope", "--quiet", "--collect", "--"]
        .map(OsString::from)
        .to_vec();
    args.push(program.into_os_string());
    args.append(&mut exec.args);
    Exec { args, ..exec }
}
