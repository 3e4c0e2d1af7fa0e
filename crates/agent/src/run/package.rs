//! One package of the host's package manager, kept current.
//!
//! The course is that of cloudbackup-updater, with its faults mended: a service that did not run is not started, a file
//! of a program that is at work is waited for, the moment of the host survives a restart, and a version that was
//! published before the repository has it is tried once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_host::idle_lock::{self, IdleLock};
use lockstep_host::packages::{PackageManager, Patience};
use lockstep_host::service::{Manager, Service, ServiceState};
use lockstep_model::{HostName, PackageName, PackageRule, PackageVersion, Phase, RunId, RunReason};
use lockstep_net::client::{Visit, Visitor};
use lockstep_plan::run::{Happened, RunJournal};
use lockstep_plan::{schedule, spread};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::output::Output;
use super::system::failed;
use crate::state::{read, write};
use crate::{Error, words};

/// Who asks for the package to be current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// A person, now: the change is not spread.
    Now,
    /// A daemon: each host has its moment, which is waited for.
    Spread,
    /// The agent: as a daemon, but the process ends until the moment has come.
    Leave,
}

/// One package on this host.
#[derive(Debug)]
pub struct PackageUpdate {
    layout: Layout,
    rule: PackageRule,
    attempt: Attempt,
    host: HostName,
    packages: PackageManager,
    service: Option<Service>,
    published: Option<Visitor>,
    memory: Memory,
}

/// What outlives a run: `var/lib/lockstep/packages/NAME.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Memory {
    /// What was to be kept current when the run began: it is gone on with by the same word.
    #[serde(default)]
    rule: Option<PackageRule>,
    /// The newest version that was seen, and when: the host's moment counts from there.
    #[serde(default)]
    seen: Option<(PackageVersion, Timestamp)>,
    /// The published version that the repository did not have when it was tried.
    #[serde(default)]
    behind: Option<PackageVersion>,
    /// Whether the service ran before the run stopped it.
    #[serde(default)]
    ran: Option<(RunId, bool)>,
}

/// Longest text of a published version, in bytes.
const LONGEST_PUBLISHED: usize = 1024;
/// A service may take so long to stop or to start.
const SERVICE: Duration = Duration::from_secs(300);
/// The server that publishes it may take so long.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

impl PackageUpdate {
    /// Looks for the package manager and for what is remembered.
    pub fn new(
        layout: &Layout,
        rule: PackageRule,
        attempt: Attempt,
        host: HostName,
        patience: Patience,
        published: Option<Visitor>,
    ) -> Result<Self, Error> {
        let packages = PackageManager::detect(layout.root()).ok_or_else(|| {
            Error::Refused(
                "this host has neither apt nor dnf; packages cannot be kept current".into(),
            )
        })?;
        let packages = packages.with_patience(patience);
        let service = rule.service.as_deref();
        let service = service
            .map(|name| Service::new(name, Manager::of(layout.root())))
            .transpose()?;
        let memory = read(&memory_path(layout, &rule.name))?.unwrap_or_default();
        Ok(Self {
            layout: layout.clone(),
            rule,
            attempt,
            host,
            packages,
            service,
            published,
            memory,
        })
    }

    /// Is there another version to come, and when is this host's moment?
    pub(super) async fn check(&mut self, journal: &RunJournal, now: Timestamp) -> Happened {
        match self.look(journal, now).await {
            Ok(happened) => happened,
            Err(reason) => Happened::NotNow(reason),
        }
    }

    async fn look(&mut self, journal: &RunJournal, now: Timestamp) -> Result<Happened, RunReason> {
        let name = &self.rule.name;
        let asked = |error: lockstep_host::Error| failed(&error);
        let installed = self.packages.installed(name).await.map_err(asked)?;
        let published = self.published().await?;
        if let (Some(installed), Some(published)) = (&installed, &published) {
            let is_newer = self
                .packages
                .is_newer(published, installed)
                .await
                .map_err(asked)?;
            if !is_newer || self.memory.behind.as_ref() == Some(published) {
                return Ok(Happened::NothingToDo);
            }
        }
        if self
            .packages
            .ensure_source(name, &self.rule.sources)
            .await
            .map_err(asked)?
        {
            info!(package = %name, "its repository was added");
        }
        for problem in self.packages.refresh().await.map_err(asked)?.problems {
            warn!(package = %name, problem, "a repository cannot be read");
        }
        let candidate = match &self.rule.version {
            Some(version) => Some(version.clone()),
            None => self.packages.candidate(name).await.map_err(asked)?,
        };
        let Some(candidate) = candidate else {
            let why = format!("no repository of this host has a package {name}");
            return Err(RunReason::PackagesFailed { why });
        };
        let Some(installed) = installed else {
            self.memory.rule = Some(self.rule.clone());
            self.remember()?;
            return Ok(self.something(None, candidate, journal.started_at));
        };
        let is_wanted = match &self.rule.version {
            Some(version) => *version != installed,
            None => self
                .packages
                .is_newer(&candidate, &installed)
                .await
                .map_err(asked)?,
        };
        if let Some(published) = &published {
            let is_behind = self
                .packages
                .is_newer(published, &candidate)
                .await
                .map_err(asked)?;
            if is_behind {
                // Tried once; the next one is worth a try again.
                self.memory.behind = Some(published.clone());
                self.remember()?;
                warn!(package = %name, %published, %candidate, "the repository does not have the published version");
            }
            if is_behind && !is_wanted {
                return Err(RunReason::RepositoryBehind {
                    published: published.to_string(),
                    offered: candidate.to_string(),
                });
            }
        }
        if !is_wanted {
            return Ok(Happened::NothingToDo);
        }
        if self.packages.held(name).await.map_err(asked)? {
            info!(package = %name, %candidate, "held on this host, and left as it is");
            return Ok(Happened::NothingToDo);
        }
        let moment = self.moment(&candidate, now)?;
        self.memory.rule = Some(self.rule.clone());
        self.remember()?;
        Ok(self.something(Some(installed), candidate, moment))
    }

    fn something(
        &self,
        from: Option<PackageVersion>,
        to: PackageVersion,
        moment: Timestamp,
    ) -> Happened {
        let to = Some(to);
        Happened::SomethingToDo { from, to, moment }
    }

    /// The host's own moment, which counts from when the version was seen first.
    fn moment(&mut self, version: &PackageVersion, now: Timestamp) -> Result<Timestamp, RunReason> {
        if self.attempt == Attempt::Now {
            return Ok(now);
        }
        let seen = self.memory.seen.as_ref();
        // A clock that was set back makes nobody wait for years.
        let seen = seen
            .filter(|(known, at)| known == version && *at <= now)
            .map(|(_, at)| *at);
        let seen = match seen {
            Some(seen) => seen,
            None => {
                self.memory.seen = Some((version.clone(), now));
                self.remember()?;
                now
            }
        };
        let name = self.rule.name.as_str();
        let seed = schedule::stable_hash(&[
            self.host.as_str().as_bytes(),
            name.as_bytes(),
            version.as_str().as_bytes(),
        ]);
        let delay = spread::delay(&self.rule.spread, seed);
        Ok(seen.checked_add(delay).unwrap_or(seen))
    }

    async fn published(&self) -> Result<Option<PackageVersion>, RunReason> {
        let (Some(visitor), Some(url)) = (&self.published, &self.rule.published) else {
            return Ok(None);
        };
        let why = |why: String| RunReason::PackagesFailed {
            why: format!("the published version could not be read from {url}: {why}"),
        };
        let visit = Visit {
            method: "GET".into(),
            url: url.clone(),
            authorization: None,
            max_body: LONGEST_PUBLISHED,
        };
        let visited = tokio::time::timeout(PUBLISHED_WITHIN, visitor.ask(&visit)).await;
        let visited = match visited {
            Ok(Ok(visited)) => visited,
            Ok(Err(error)) => return Err(why(words(&error))),
            Err(_) => return Err(why(format!("no answer within {PUBLISHED_WITHIN:?}"))),
        };
        if visited.status != 200 || visited.cut {
            return Err(why(format!(
                "the answer has status {}{}",
                visited.status,
                if visited.cut { " and is too long" } else { "" }
            )));
        }
        let text = String::from_utf8_lossy(&visited.body);
        PackageVersion::parse(text.trim()).map(Some).map_err(why)
    }

    /// Is the program of the package at work?
    pub(super) fn rest(&self, journal: &RunJournal) -> Result<(), String> {
        let Some(path) = self.idle_lock() else {
            return Ok(());
        };
        match idle_lock::look(&path) {
            Ok(None) => Ok(()),
            Ok(Some((since, contents))) => match IdleLock::recall(&path, journal.id) {
                Ok(Some(_)) => Ok(()),
                _ => Err(busy(&path, since, &contents)),
            },
            Err(error) => Err(words(&error)),
        }
    }

    pub(super) fn idle_lock(&self) -> Option<PathBuf> {
        let path = self.rule.idle_lock.as_ref()?;
        Some(self.layout.root().join(path.trim_start_matches('/')))
    }

    pub(super) async fn work(
        &mut self,
        journal: &RunJournal,
        output: &Output,
        phase: Phase,
    ) -> Happened {
        let done = match phase {
            Phase::Apply => {
                self.apply(journal, output, journal.job.to.clone(), false)
                    .await
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) => Happened::Succeeded,
            Err(reason) => Happened::Failed(reason),
        }
    }

    /// Installs the version before again, if a repository still has it.
    pub(super) async fn go_back(&mut self, journal: &RunJournal, output: &Output) -> Happened {
        match self
            .apply(journal, output, journal.job.from.clone(), true)
            .await
        {
            Ok(()) => Happened::Succeeded,
            Err(reason) => Happened::Failed(reason),
        }
    }

    async fn apply(
        &mut self,
        journal: &RunJournal,
        output: &Output,
        to: Option<PackageVersion>,
        may_go_back: bool,
    ) -> Result<(), RunReason> {
        self.stop_service(journal.id).await?;
        let name = self.rule.name.clone();
        let may_go_back = may_go_back || self.rule.version.is_some();
        let installed = self.packages.install(&name, to.as_ref(), may_go_back).await;
        output.add(&match &installed {
            Ok(installed) => installed.text.clone(),
            Err(error) => words(error),
        });
        let installed = installed.map(|_| ()).map_err(|error| failed(&error));
        // The program runs again, whatever became of its package.
        let started = self.start_service(journal).await;
        installed.and(started)
    }

    async fn stop_service(&mut self, run: RunId) -> Result<(), RunReason> {
        let Some(service) = self.service.clone() else {
            return Ok(());
        };
        let is_known = self.memory.ran.is_some_and(|(known, _)| known == run);
        if !is_known {
            let state = service
                .is_active(SERVICE)
                .await
                .map_err(|error| service_failed(&service, &error))?;
            self.memory.ran = Some((run, state == ServiceState::Active));
            self.remember()?;
        }
        if self.memory.ran == Some((run, true)) {
            info!(service = service.name(), "stopping it");
            service
                .stop(SERVICE)
                .await
                .map_err(|error| service_failed(&service, &error))?;
        }
        Ok(())
    }

    /// Brings the service to where it was: one that ran runs again, one that did not is stopped if its package started
    /// it. What was installed anew is left as its package wants it.
    async fn start_service(&mut self, journal: &RunJournal) -> Result<(), RunReason> {
        let Some(service) = self.service.clone() else {
            return Ok(());
        };
        if journal.job.from.is_none() {
            return Ok(());
        }
        let failed = |error: lockstep_host::Error| service_failed(&service, &error);
        if self.memory.ran == Some((journal.id, true)) {
            info!(service = service.name(), "starting it");
            service.start(SERVICE).await.map_err(failed)?;
        } else if service.is_active(SERVICE).await.map_err(failed)? == ServiceState::Active {
            info!(
                service = service.name(),
                "its package started it; it did not run before, and is stopped"
            );
            service.stop(SERVICE).await.map_err(failed)?;
        }
        Ok(())
    }

    fn remember(&self) -> Result<(), RunReason> {
        let path = memory_path(&self.layout, &self.rule.name);
        let written = path
            .parent()
            .map_or(Ok(()), lockstep_host::fs::create_private_dir)
            .map_err(Error::from)
            .and_then(|()| write(&path, &self.memory));
        written.map_err(|error| RunReason::HostFailed { why: words(&error) })
    }
}

/// A file that keeps a run waiting, in words; one that has been there for long was perhaps left behind.
pub(super) fn busy(path: &Path, since: Timestamp, contents: &str) -> String {
    let path = path.display();
    match contents {
        "" => format!("{path} has been there since {since:.0}; remove it if nobody is at work"),
        contents => format!(
            "{path} has been there since {since:.0} and says {contents:?}; remove it if nobody is at work"
        ),
    }
}

/// What was to be kept current when the package's run began; none if it never had one.
pub fn begun(layout: &Layout, name: &PackageName) -> Result<Option<PackageRule>, Error> {
    let memory: Option<Memory> = read(&memory_path(layout, name))?;
    Ok(memory.and_then(|memory| memory.rule))
}

fn memory_path(layout: &Layout, name: &PackageName) -> PathBuf {
    layout
        .state_dir()
        .join("packages")
        .join(format!("{name}.json"))
}

fn service_failed(service: &Service, error: &lockstep_host::Error) -> RunReason {
    RunReason::ServiceFailed {
        unit: service.name().into(),
        why: words(error),
    }
}
