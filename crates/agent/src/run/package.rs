//! One package of the host's package manager, kept current.
//!
//! The course is that of cloudbackup-updater, with its faults mended: a service that did not run is not started, a file
//! of a program that is at work is waited for, the moment of the host survives a restart, and a version that was
//! published before the repository has it is told of once, and then quietly waited for.

mod published;
mod service;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_host::idle_lock::{self, IdleLock};
use lockstep_host::packages::{PackageManager, Patience};
use lockstep_host::service::{Manager, Service};
use lockstep_model::{HostName, PackageName, PackageRule, PackageVersion, Phase, RunId, RunReason};
use lockstep_net::client::Visitor;
use lockstep_plan::run::{Happened, RunJournal};
use lockstep_plan::{schedule, spread};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{info, warn};

use super::output::Output;
use super::system::failed;
use crate::config::AgentConfig;
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
    /// When this process has asked the repositories.
    looked: Option<Instant>,
    /// The version that is brought instead of the one that the run began with.
    newer: Option<PackageVersion>,
}

/// What outlives a run: `var/lib/lockstep/packages/NAME.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Memory {
    /// What was to be kept current when the run began: it is gone on with by the same word.
    #[serde(default)]
    rule: Option<PackageRule>,
    /// Whether the server asked for it, and not somebody on this host.
    #[serde(default)]
    by_server: bool,
    /// The newest version that was seen, and when: the host's moment counts from there.
    #[serde(default)]
    seen: Option<(PackageVersion, Timestamp)>,
    /// The published version that the repository did not have, which was told.
    #[serde(default)]
    behind: Option<PackageVersion>,
    /// The version that was taken back, because the host was worse with it.
    #[serde(default)]
    harmful: Option<PackageVersion>,
    /// Whether the service ran before the run stopped it.
    #[serde(default)]
    ran: Option<(RunId, bool)>,
}

/// What the repositories said is believed for so long.
const LOOKED_JUST_NOW: Duration = Duration::from_secs(600);

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
            looked: None,
            newer: None,
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
        if let (Some(installed), Some(published)) = (&installed, &published)
            && !self.is_published_after(published, installed).await?
        {
            return Ok(Happened::NothingToDo);
        }
        if self
            .packages
            .ensure_source(name, &self.rule.sources)
            .await
            .map_err(asked)?
        {
            info!(package = %name, "its repository was added");
        }
        self.ask_repositories().await?;
        let name = &self.rule.name;
        let candidate = match &self.rule.version {
            Some(version) => Some(version.clone()),
            None => self.packages.candidate(name).await.map_err(asked)?,
        };
        let Some(candidate) = candidate else {
            let why = format!("no repository of this host has a package {name}");
            return Err(RunReason::PackagesFailed { why });
        };
        let Some(installed) = installed else {
            self.remember_rule()?;
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
        if let Some(published) = &published
            && self.is_published_after(published, &candidate).await?
        {
            // A repository may be slow, so it is asked each time; but it is told of once.
            let is_news = self.memory.behind.as_ref() != Some(published);
            if is_news {
                self.memory.behind = Some(published.clone());
                self.remember()?;
                warn!(package = %name, %published, %candidate, "the repository does not have the published version");
            }
            if is_news && !is_wanted {
                return Err(RunReason::RepositoryBehind {
                    published: published.to_string(),
                    offered: candidate.to_string(),
                });
            }
        }
        if !is_wanted {
            return Ok(Happened::NothingToDo);
        }
        if self.attempt != Attempt::Now && self.memory.harmful.as_ref() == Some(&candidate) {
            info!(package = %name, %candidate, "was taken back on this host; tried again when a person calls");
            return Ok(Happened::NothingToDo);
        }
        if self.packages.held(name).await.map_err(asked)? {
            info!(package = %name, %candidate, "held on this host, and left as it is");
            return Ok(Happened::NothingToDo);
        }
        let moment = self.moment(&candidate, now)?;
        self.remember_rule()?;
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

    /// Asks all repositories what they have. One that does not answer stops nothing.
    async fn ask_repositories(&mut self) -> Result<(), RunReason> {
        let asked = self.packages.refresh().await;
        for problem in asked.map_err(|error| failed(&error))?.problems {
            warn!(package = %self.rule.name, problem, "a repository cannot be read");
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Is the program of the package at work?
    pub(super) fn rest(&self, journal: &RunJournal) -> Result<(), String> {
        self.is_permitted_still(journal)?;
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

    /// Fetches what is to come. A package that is not whole is mended before anything can be fetched, by the change.
    pub(super) async fn fetch(&mut self, journal: &RunJournal) -> Result<(), RunReason> {
        let Some(to) = self.newest(journal.job.to.clone()).await? else {
            return Ok(());
        };
        let fetched = self.packages.download(Some((&self.rule.name, &to))).await;
        match fetched {
            Err(error) if journal.job.from.is_some() => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    /// Hours may have passed since the server's word was taken, and the host may not permit it any more.
    fn is_permitted_still(&self, journal: &RunJournal) -> Result<(), String> {
        if !self.memory.by_server || journal.begun {
            return Ok(());
        }
        let config = AgentConfig::load(&self.layout.config()).map_err(|error| words(&error))?;
        config.packages.check(&self.rule)
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
            Phase::Apply => match self.newest(journal.job.to.clone()).await {
                Ok(to) => self.apply(journal, output, to, false).await,
                Err(reason) => Err(reason),
            },
            _ => Ok(()),
        };
        match done {
            Ok(()) => Happened::Succeeded,
            Err(reason) => Happened::Failed(reason),
        }
    }

    /// What is to come. The run may have waited for a day since it began, and most repositories keep only the newest
    /// version: what they have now is taken, unless one version is wanted and no other.
    async fn newest(
        &mut self,
        to: Option<PackageVersion>,
    ) -> Result<Option<PackageVersion>, RunReason> {
        let (Some(begun_with), None) = (&to, &self.rule.version) else {
            return Ok(to);
        };
        let begun_with = begun_with.clone();
        let is_fresh = |looked: Instant| looked.elapsed() < LOOKED_JUST_NOW;
        if !self.looked.is_some_and(is_fresh) {
            self.ask_repositories().await?;
        }
        let asked = |error: lockstep_host::Error| failed(&error);
        let candidate = self.packages.candidate(&self.rule.name).await;
        if let Some(candidate) = candidate.map_err(asked)?
            && self
                .packages
                .is_newer(&candidate, &begun_with)
                .await
                .map_err(asked)?
        {
            info!(package = %self.rule.name, %begun_with, %candidate, "the repository has a newer one by now");
            self.newer = Some(candidate.clone());
            return Ok(Some(candidate));
        }
        Ok(to)
    }

    /// The version that is brought instead of the one that the run began with, for its journal.
    pub(super) fn take_newer(&mut self) -> Option<PackageVersion> {
        self.newer.take()
    }

    /// Installs the version before again, if a repository still has it.
    pub(super) async fn go_back(&mut self, journal: &RunJournal, output: &Output) -> Happened {
        // Known before it is done: otherwise each look would bring it again, and take it back.
        self.memory.harmful = journal.job.to.clone();
        if let Err(reason) = self.remember() {
            return Happened::Failed(reason);
        }
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
        if let Err(reason) = self.stop_service(journal.id).await {
            // One that hangs while it stops may be half stopped.
            if let Err(started) = self.start_service(journal).await {
                output.add(&started.to_string());
            }
            return Err(reason);
        }
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

    /// What is gone on with, by whoever does.
    fn remember_rule(&mut self) -> Result<(), RunReason> {
        self.memory.rule = Some(self.rule.clone());
        self.memory.by_server = self.attempt == Attempt::Leave;
        self.remember()
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
pub(super) fn begun(layout: &Layout, name: &PackageName) -> Result<Option<PackageRule>, Error> {
    let memory: Option<Memory> = read(&memory_path(layout, name))?;
    Ok(memory.and_then(|memory| memory.rule))
}

fn memory_path(layout: &Layout, name: &PackageName) -> PathBuf {
    layout
        .state_dir()
        .join("packages")
        .join(format!("{name}.json"))
}
