//! Services of the host that are stopped and started around a change.
//!
//! Where systemd runs the machine, `systemctl` is asked (`systemctl(1)`): `show` for the state, because that is its
//! form for programs, and `is-active` does not tell a unit that is unknown from one that is stopped. Elsewhere it
//! is `service NAME status|stop|start`, whose exit status of `status` the LSB fixes (Linux Standard Base 5, "Init
//! Script Actions").

mod commands;
mod state;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::exec::{Exec, Finished};
use crate::process::{Output, Process, Spawn};

pub use commands::Commands;
pub use state::ServiceState;

/// Longest name of a service, in bytes (systemd's `UNIT_NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// A service of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    name: String,
    manager: Manager,
}

/// What starts and stops services on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// systemd.
    Systemd {
        /// Its tool: `systemctl`, or a path.
        systemctl: PathBuf,
    },
    /// Scripts of System V.
    SysV {
        /// Their tool: `service`, or a path.
        service: PathBuf,
        /// Where the scripts are: `/etc/init.d`.
        scripts: PathBuf,
    },
}

impl Manager {
    /// The manager of the machine whose root is given: systemd if it was started by it (`sd_booted(3)`).
    #[must_use]
    pub fn of(root: &Path) -> Self {
        if root.join("run/systemd/system").is_dir() {
            let systemctl = "systemctl".into();
            return Self::Systemd { systemctl };
        }
        Self::SysV {
            // That of the running system would stop the running system's service of that name.
            service: match root == Path::new("/") {
                true => "service".into(),
                false => root.join("usr/sbin/service"),
            },
            scripts: root.join("etc/init.d"),
        }
    }
}

impl Manager {
    /// Reads the units again, where systemd runs the machine: one of their files has changed.
    pub async fn reload(&self, limit: Duration) -> Result<()> {
        let Self::Systemd { systemctl } = self else {
            return Ok(());
        };
        let args = ["--no-ask-password", "daemon-reload"];
        let finished = Exec::new(systemctl, limit).args(args).clean().run().await?;
        match finished.succeeded() {
            true => Ok(()),
            false => Err(Error::Service {
                attempt: "have systemd read again the units after a change of",
                name: "etc/systemd/system".into(),
                why: last_words(&finished),
            }),
        }
    }
}

impl Service {
    /// A service by its name: a unit, with or without `.service`, or a script of System V.
    /// [`Error::ServiceName`] if it cannot be one.
    pub fn new(name: &str, manager: Manager) -> Result<Self> {
        if !is_name(name) {
            return Err(Error::ServiceName { name: name.into() });
        }
        Ok(Self {
            name: name.into(),
            manager,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is doing now.
    pub async fn is_active(&self, limit: Duration) -> Result<ServiceState> {
        const ATTEMPT: &str = "learn the state of";
        match &self.manager {
            Manager::Systemd { systemctl } => {
                let args = ["show", "--property=LoadState,ActiveState", "--", &self.name];
                let exec = Exec::new(systemctl, limit).args(args).errors_apart();
                let finished = exec.clean().run().await?;
                self.succeeded(ATTEMPT, &finished)?;
                ServiceState::of_unit(&finished.output)
                    .ok_or_else(|| self.failed(ATTEMPT, "systemctl says nothing of it".into()))
            }
            Manager::SysV { service, scripts } => {
                // What `service` answers for a name that it does not know differs.
                if !scripts.join(&self.name).exists() {
                    return Ok(ServiceState::Unknown);
                }
                let exec = Exec::new(service, limit).args([&self.name, "status"]);
                let finished = exec.clean().run().await?;
                let code = finished.status.code().filter(|_| !finished.timed_out);
                code.and_then(ServiceState::of_status)
                    .ok_or_else(|| self.failed(ATTEMPT, last_words(&finished)))
            }
        }
    }

    /// Stops it, and waits until it is stopped. One that is not running does not mind.
    pub async fn stop(&self, limit: Duration) -> Result<()> {
        self.order("stop", limit).await
    }

    /// Starts it, and waits until it says that it is started. One that is running does not mind.
    pub async fn start(&self, limit: Duration) -> Result<()> {
        self.order("start", limit).await
    }

    /// Stops it, if it is running, and starts it.
    pub async fn restart(&self, limit: Duration) -> Result<()> {
        self.order("restart", limit).await
    }

    /// Has it started with the machine from now on. Scripts of System V are left to the host.
    pub async fn enable(&self, limit: Duration) -> Result<()> {
        match &self.manager {
            Manager::Systemd { .. } => self.order("enable", limit).await,
            Manager::SysV { .. } => Ok(()),
        }
    }

    /// Has it not started with the machine any more. Scripts of System V are left to the host.
    pub async fn disable(&self, limit: Duration) -> Result<()> {
        match &self.manager {
            Manager::Systemd { .. } => self.order("disable", limit).await,
            Manager::SysV { .. } => Ok(()),
        }
    }

    /// What differs from one start of it to the next (`InvocationID` of `systemd.exec(5)`); none where nobody knows.
    pub async fn incarnation(&self, limit: Duration) -> Result<Option<String>> {
        let Manager::Systemd { systemctl } = &self.manager else {
            return Ok(None);
        };
        let args = [
            "show",
            "--property=InvocationID",
            "--value",
            "--",
            &self.name,
        ];
        let exec = Exec::new(systemctl, limit).args(args).errors_apart();
        let finished = exec.clean().run().await?;
        self.succeeded("learn the invocation of", &finished)?;
        let id = finished.output.trim();
        Ok((!id.is_empty()).then(|| id.into()))
    }

    async fn order(&self, verb: &'static str, limit: Duration) -> Result<()> {
        match &self.manager {
            Manager::Systemd { systemctl } => {
                let args = ["--no-ask-password", verb, "--", &self.name];
                let exec = Exec::new(systemctl, limit).args(args);
                let finished = exec.clean().run().await?;
                self.succeeded(verb, &finished)
            }
            Manager::SysV { service, .. } => self.order_script(service, verb, limit).await,
        }
    }

    async fn order_script(
        &self,
        service: &Path,
        verb: &'static str,
        limit: Duration,
    ) -> Result<()> {
        let exec = Exec::new(service, limit).args([&self.name, verb]).clean();
        leave_alone(exec)
            .await?
            .map_err(|why| self.failed(verb, why))
    }

    fn succeeded(&self, attempt: &'static str, finished: &Finished) -> Result<()> {
        if finished.succeeded() {
            return Ok(());
        }
        Err(self.failed(attempt, last_words(finished)))
    }

    fn failed(&self, attempt: &'static str, why: String) -> Error {
        Error::Service {
            attempt,
            name: self.name.clone(),
            why,
        }
    }
}

/// How a command ended, and the last thing it said.
fn last_words(finished: &Finished) -> String {
    let said = [&finished.errors, &finished.output]
        .into_iter()
        .find_map(|text| text.lines().map(str::trim).rfind(|line| !line.is_empty()));
    match said {
        Some(said) => format!("{} ({said})", finished.how()),
        None => finished.how(),
    }
}

/// Runs what starts or stops a service that becomes a descendant of ours. Nothing is read from it, because the service may
/// hold its output for ever, and nothing of its group is killed when it has ended well. Otherwise this says how it ended.
async fn leave_alone(exec: Exec) -> Result<std::result::Result<(), String>> {
    let limit = exec.timeout;
    let null = null().map_err(|source| Error::Start {
        program: exec.program.clone(),
        source,
    })?;
    let mut process = Process::spawn(Spawn {
        program: exec.program,
        args: exec.args,
        env: exec.env,
        cwd: exec.cwd,
        output: Output::File(null),
        clear_env: exec.clear_env,
        user: exec.user,
    })?;
    match tokio::time::timeout(limit, process.wait_alone()).await {
        Err(_) => {
            process.kill().await?;
            Ok(Err(format!("killed after {:.1} s", limit.as_secs_f64())))
        }
        Ok(status) => {
            let status = status?;
            Ok(match status.success() {
                true => Ok(()),
                false => Err(status.to_string()),
            })
        }
    }
}

fn null() -> std::io::Result<File> {
    OpenOptions::new().write(true).open("/dev/null")
}

/// True for what systemd allows in names, but for backslashes; such a name is also a single part of a path, and
/// never an option.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"@:._-".contains(&byte);
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= LONGEST_NAME
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services() {
        for name in ["cron", "getty@tty1.service", "a:b_c-d.timer", "7zip", "_x"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(256);
        for name in [
            "", "-x", "--now", ".", "..", "a/b", "a b", "a;b", "a\nb", "ü", "@x", &long,
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
