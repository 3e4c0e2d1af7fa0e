//! The upgrade of the operating system: by the five directories of Foreman's `dlm_updater`, or by apt and dnf with the
//! scripts in addition.

use lockstep_host::packages::{PackageManager, Restart};
use lockstep_host::scripts::ScriptDir;
use lockstep_host::{Layout, fault, reboot};
use lockstep_model::{Phase, RunReason};
use lockstep_plan::run::{Happened, RunJournal};
use tracing::{info, warn};

use super::config::{By, UpgradeConfig};
use super::output::Output;
use super::scripts::{Calling, Said, Stop, call};
use super::wished;
use crate::{Error, words};

/// How this host upgrades its operating system.
#[derive(Debug)]
pub struct SystemUpgrade {
    layout: Layout,
    config: UpgradeConfig,
    packages: Option<PackageManager>,
}

impl SystemUpgrade {
    /// With the package manager of the host, if it is to be used.
    pub fn new(layout: &Layout, config: UpgradeConfig) -> Result<Self, Error> {
        let packages = match config.by {
            By::Scripts => None,
            By::Packages => {
                let found = PackageManager::detect(layout.root())
                    .map(|found| found.with_patience(config.limits.patience()));
                let none = || {
                    Error::Refused("update.toml says by = \"packages\", but this host has neither apt nor dnf; write scripts instead".into())
                };
                Some(found.ok_or_else(none)?)
            }
        };
        Ok(Self {
            layout: layout.clone(),
            config,
            packages,
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &UpgradeConfig {
        &self.config
    }

    /// Are there updates? All scripts are asked, as the ancestor does.
    pub(super) async fn check(&self, journal: &RunJournal, output: &Output) -> Happened {
        let something = Happened::SomethingToDo {
            from: None,
            to: None,
            moment: journal.started_at,
        };
        if journal.job.wish.is_some() {
            // It was looked at when the run was begun.
            return something;
        }
        match self
            .scripts(journal, output, ScriptDir::NeedsUpdate, Stop::AtEnd)
            .await
        {
            Said::No {
                script,
                by_itself: true,
                ..
            } => {
                info!(script, "there are updates");
                return something;
            }
            Said::No {
                script,
                how,
                by_itself: false,
            } => {
                return Happened::NotNow(Said::failed(Phase::Check, script, how));
            }
            Said::Later { script } => {
                info!(script, "not now, a script says");
                return Happened::NothingToDo;
            }
            Said::None | Said::Yes => {}
        }
        let Some(packages) = &self.packages else {
            return Happened::NothingToDo;
        };
        let pending = async {
            for problem in packages.refresh().await?.problems {
                warn!(problem, "a repository cannot be read");
            }
            let mut pending = packages.pending().await?;
            pending.retain(|pending| !pending.held);
            Ok::<_, lockstep_host::Error>(pending)
        };
        match pending.await {
            Ok(pending) if pending.is_empty() => Happened::NothingToDo,
            Ok(pending) => {
                info!(packages = pending.len(), "there are updates");
                something
            }
            Err(error) => Happened::NotNow(failed(&error)),
        }
    }

    /// Does the host's work allow it?
    pub(super) async fn rest(&self, journal: &RunJournal, output: &Output) -> Result<(), String> {
        let said = self.scripts(journal, output, ScriptDir::Busy, Stop::AtFirst);
        said.await.into_rest()
    }

    /// Fetches what the package manager will need.
    pub(super) async fn fetch(&self) -> Result<(), RunReason> {
        match &self.packages {
            None => Ok(()),
            Some(packages) => packages
                .download(None)
                .await
                .map_err(|error| failed(&error)),
        }
    }

    pub(super) async fn work(
        &self,
        journal: &RunJournal,
        output: &Output,
        phase: Phase,
    ) -> Happened {
        let kind = match phase {
            Phase::Pre => ScriptDir::PreUpdate,
            Phase::Post => ScriptDir::PostUpdate,
            _ => ScriptDir::Update,
        };
        if let (Phase::Apply, Some(packages)) = (phase, &self.packages) {
            match packages.upgrade_all().await {
                Ok(upgraded) => {
                    output.add(&upgraded.text);
                    info!(packages = upgraded.changed.len(), "upgraded");
                }
                Err(error) => {
                    output.add(&words(&error));
                    return Happened::Failed(failed(&error));
                }
            }
        }
        let said = self.scripts(journal, output, kind, Stop::AtFirst).await;
        said.into_happened(phase)
    }

    /// Must the machine be restarted? Any script that ends otherwise than with 0 says so. No script at all says so, too,
    /// unless the package manager knows better.
    pub(super) async fn needs_reboot(&self, journal: &RunJournal, output: &Output) -> Happened {
        match self
            .scripts(journal, output, ScriptDir::NeedsReboot, Stop::AtFirst)
            .await
        {
            Said::Yes => Happened::Succeeded,
            Said::Later { script } => Happened::Later { script },
            Said::No {
                script,
                by_itself: true,
                ..
            } => {
                info!(script, "the machine must be restarted");
                Happened::RebootNeeded
            }
            // A script that hangs has said nothing.
            Said::No {
                script,
                how,
                by_itself: false,
            } => Happened::Failed(Said::failed(Phase::Reboot, script, how)),
            Said::None => match &self.packages {
                None => Happened::RebootNeeded,
                Some(packages) => match packages.needs_restart().await {
                    Ok(Restart::NotNeeded) => Happened::Succeeded,
                    Ok(needed) => {
                        info!(?needed, "the machine must be restarted");
                        Happened::RebootNeeded
                    }
                    Err(error) => {
                        let error = words(&error);
                        warn!(
                            error,
                            "nobody knows whether a restart is needed, so there is one"
                        );
                        Happened::RebootNeeded
                    }
                },
            },
        }
    }

    /// Runs the command that restarts the machine.
    pub(super) async fn reboot(&self, journal: &RunJournal) -> Happened {
        if journal.job.wish.is_some()
            && let Err(reason) = wished::permitted(&self.layout)
        {
            return Happened::NotNow(reason);
        }
        fault::point("run-reboot");
        let happened = self.order_reboot().await;
        fault::point("run-rebooted");
        happened
    }

    async fn order_reboot(&self) -> Happened {
        match reboot::reboot(&self.config.reboot, reboot::LIMIT).await {
            Ok(finished) if finished.succeeded() => Happened::RebootOrdered,
            Ok(finished) => {
                let said = finished
                    .output
                    .trim_end()
                    .lines()
                    .last()
                    .unwrap_or_default();
                let how = match said {
                    "" => finished.how(),
                    said => format!("{}: {said}", finished.how()),
                };
                Happened::Failed(RunReason::RebootFailed { how })
            }
            Err(error) => Happened::Failed(RunReason::RebootFailed { how: words(&error) }),
        }
    }

    async fn scripts(
        &self,
        journal: &RunJournal,
        output: &Output,
        kind: ScriptDir,
        stop: Stop,
    ) -> Said {
        let calling = Calling {
            dir: self.config.dir(&self.layout, kind),
            phase: journal.step.phase(),
            env: environment(journal),
            limit: self.config.limits.script.duration(),
            output: output.clone(),
        };
        call(&calling, stop).await
    }
}

/// What scripts find in their environment.
pub(super) fn environment(journal: &RunJournal) -> Vec<(String, String)> {
    let job = &journal.job;
    let version = |version: &Option<lockstep_model::PackageVersion>| {
        version
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let variable = |name: &str, value: String| (name.to_owned(), value);
    vec![
        variable("LOCKSTEP_RUN", journal.id.to_string()),
        variable("LOCKSTEP_PHASE", journal.step.phase().to_string()),
        variable("LOCKSTEP_PACKAGE", job.package.to_string()),
        variable("LOCKSTEP_FROM", version(&job.from)),
        variable("LOCKSTEP_TO", version(&job.to)),
    ]
}

pub(super) fn failed(error: &lockstep_host::Error) -> RunReason {
    RunReason::PackagesFailed { why: words(error) }
}
