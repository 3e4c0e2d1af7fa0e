//! Packages of others: signed bundles with their own check, their own service and a probation of their own.
//!
//! A version becomes a slot beside the one in force, complete and checked, before anybody waits for it. The change itself
//! is the move of one link ([`Slots::activate`]) while the service stands still. It is undone in the same way, as long as
//! the version has not proven itself. So whatever is cut off where, the link is at a complete slot, and the journal says
//! which of the two is to stay.

mod asleep;
mod book;
mod change;
mod daemon;
mod trial;
mod unit;

use std::path::PathBuf;
use std::time::Duration;

use lockstep_host::idle_lock::{self, IdleLock};
use lockstep_host::scripts::ScriptDir;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Layout, fault};
use lockstep_model::{Outcome, PackageName, Phase, RunReason, Version};
use lockstep_net::Clock;
use lockstep_net::client::HttpClient;
use lockstep_plan::run::{Happened, RunJournal, Step};
use lockstep_plan::update::{By, Order, Skipped};
use tokio::sync::watch;
use tracing::info;

pub(crate) use asleep::Daemons;
pub(crate) use book::{Book, Books, Wanted};

use super::output::Output;
use super::package::busy;
use super::scripts::{Calling, Said, Stop, call};
use super::system::environment;
use crate::config::AgentConfig;
use crate::fetch::{self, Enter, Place, Stage, Unready};
use crate::{Error, words};

/// While a bundle is fetched it is looked this often whether it is wanted still.
const STILL_WANTED: Duration = Duration::from_secs(5);

/// One package of others on this host.
#[derive(Debug)]
pub(super) struct BundleUpdate {
    layout: Layout,
    clock: Clock,
    package: PackageName,
    slots: Slots,
    books: Books,
    /// The servers, in the order in which they are asked.
    clients: Vec<HttpClient>,
    /// Time until a fetch that failed is tried again.
    retry: Duration,
    /// A web server that is asked for files first.
    mirror: Option<String>,
    /// How long slots are kept.
    keep: Duration,
    /// The longest that one script may run.
    script: Duration,
}

/// What a bundle's backend is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) layout: &'a Layout,
    pub(super) clock: &'a Clock,
    pub(super) package: PackageName,
    pub(super) clients: Vec<HttpClient>,
    pub(super) config: &'a AgentConfig,
    pub(super) script: Duration,
}

/// Nobody writes the stages of a fetch down: each finds what is there.
struct NoSteps;

impl Enter for NoSteps {
    async fn enter(&self, _: Stage) -> Result<(), Unready> {
        Ok(())
    }
}

impl BundleUpdate {
    pub(super) fn new(parts: Parts<'_>) -> Self {
        let Parts {
            layout,
            clock,
            package,
            clients,
            config,
            script,
        } = parts;
        Self {
            layout: layout.clone(),
            clock: clock.clone(),
            slots: Slots::new(layout.clone()),
            books: Books::of(layout, &package),
            package,
            clients,
            retry: config.update.retry.duration(),
            mirror: config.update.mirror.clone(),
            keep: config.update.keep.duration(),
            script,
        }
    }

    /// Is another version in force than the one that is ordered?
    pub(super) fn check(&self, journal: &RunJournal) -> Happened {
        let Some(order) = &journal.job.order else {
            return Happened::NothingToDo;
        };
        match self.slots.active(&self.package) {
            Ok(Some(active)) if *active.version() == order.version => Happened::NothingToDo,
            Ok(active) => Happened::SomethingToDo {
                from: active.map(|slot| slot.version().into()),
                to: Some((&order.version).into()),
                moment: journal.started_at,
            },
            Err(error) => Happened::NotNow(host_failed(&error)),
        }
    }

    /// Why the run is not to be gone on with, as long as nothing was done to the host: the order was taken back, or
    /// another one has taken its place.
    pub(super) fn unwanted(&self, journal: &RunJournal) -> Option<RunReason> {
        let can_be_given_up = matches!(
            journal.step,
            Step::Spread { .. } | Step::Fetch | Step::Idle | Step::Lock { .. } | Step::Hold { .. }
        );
        let order = journal.job.order.as_ref()?;
        if !can_be_given_up || journal.begun || order.by != By::Server {
            return None;
        }
        // What cannot be read now says nothing.
        let wanted = self.books.wanted().ok()?.order;
        let why = match wanted {
            Some(wanted) if wanted.hash == order.hash => return None,
            Some(wanted) => format!("version {} is wanted by now", wanted.version),
            None => "the order was taken back".into(),
        };
        Some(RunReason::OrderChanged { why })
    }

    /// Brings the bundle into its slot and checks it there. It is done before the host is asked whether it is at rest
    /// and before the lock is asked for, because it may take hours and changes nothing that anybody uses.
    pub(super) async fn fetch(
        &self,
        journal: &RunJournal,
        mut stop: watch::Receiver<bool>,
    ) -> Happened {
        let Some(order) = &journal.job.order else {
            return Happened::Failed(no_order());
        };
        let unwanted = async {
            loop {
                tokio::time::sleep(STILL_WANTED).await;
                if let Some(reason) = self.unwanted(journal) {
                    return reason;
                }
            }
        };
        tokio::select! {
            fetched = self.prepare(order) => match fetched {
                Ok(slot) => match unit::check(&self.layout, &slot) {
                    Ok(()) => Happened::Succeeded,
                    Err(reason) => Happened::Failed(reason),
                },
                Err(Unready::Failed { reason, .. }) => Happened::Failed(reason),
                Err(Unready::Again { why, after }) => Happened::Again { why, after: Some(after) },
            },
            reason = unwanted => Happened::NotNow(reason),
            // What was fetched so far stays, and the next process goes on with it.
            _ = stop.wait_for(|stop| *stop) => Happened::Waited,
        }
    }

    async fn prepare(&self, order: &Order) -> Result<Slot, Unready> {
        let current = self.slots.active(&self.package);
        let place = Place {
            layout: self.layout.clone(),
            current: current.map_err(|error| self.again(&error))?,
            clock: self.clock.clone(),
            retry: self.retry,
            mirror: self.mirror.clone(),
        };
        if order.is_return() {
            let slot = self.slots.get(&order.package, &order.version);
            let slot = slot.map_err(|error| self.again(&error))?;
            let slot = slot.ok_or_else(|| Unready::Failed {
                outcome: Outcome::Failed,
                reason: RunReason::HostFailed {
                    why: format!("the slot of {} {} is gone", order.package, order.version),
                },
            })?;
            fetch::check(&slot, &place).await?;
            return Ok(slot);
        }
        let mut last = Unready::Again {
            why: "agent.toml names no server".into(),
            after: self.retry,
        };
        for client in &self.clients {
            match fetch::prepare(order, &place, client, &NoSteps).await {
                Err(again @ Unready::Again { .. }) => last = again,
                ended => return ended,
            }
        }
        Err(last)
    }

    fn again(&self, error: &lockstep_host::Error) -> Unready {
        Unready::Again {
            why: words(error),
            after: self.retry,
        }
    }

    /// Does the host's work allow it? Its scripts say so, and the file by which the version in force says that it must
    /// not be disturbed.
    pub(super) async fn rest(&self, journal: &RunJournal, output: &Output) -> Result<(), String> {
        let said = self.scripts(journal, output, ScriptDir::Busy, Stop::AtFirst);
        said.await.into_rest()?;
        let Some(path) = self.idle_lock(journal) else {
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

    /// The file of the version that was in force when the run began, whichever is by now.
    pub(super) fn idle_lock(&self, journal: &RunJournal) -> Option<PathBuf> {
        let slot = self.from(journal).ok().flatten()?;
        idle_lock_of(&self.layout, &slot)
    }

    /// The slot that was in force when the run began; none if the package was not there.
    fn from(&self, journal: &RunJournal) -> Result<Option<Slot>, RunReason> {
        let Some(from) = &journal.job.from else {
            return Ok(None);
        };
        let version = Version::parse(from.as_str())
            .map_err(|error| RunReason::HostFailed { why: words(&error) })?;
        let slot = self.slots.get(&self.package, &version);
        let slot = slot.map_err(|error| host_failed(&error))?;
        let gone = || RunReason::HostFailed {
            why: format!("the slot of {} {version} is gone", self.package),
        };
        slot.map(Some).ok_or_else(gone)
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
            _ => {
                return match self.apply(journal, output).await {
                    Ok(()) => Happened::Succeeded,
                    Err(reason) => Happened::Failed(reason),
                };
            }
        };
        let said = self.scripts(journal, output, kind, Stop::AtFirst).await;
        said.into_happened(phase)
    }

    /// The scripts of the package, in `etc/lockstep/packages/PACKAGE/`.
    async fn scripts(
        &self,
        journal: &RunJournal,
        output: &Output,
        kind: ScriptDir,
        stop: Stop,
    ) -> Said {
        let package = self.layout.packages_dir().join(self.package.as_str());
        let calling = Calling {
            dir: package.join(kind.as_str()),
            phase: journal.step.phase(),
            env: environment(journal),
            limit: self.script,
            output: output.clone(),
        };
        call(&calling, stop).await
    }

    /// Remembers what the end of the run says of its release, before the journal says that it is over.
    pub(super) fn over(&self, journal: &RunJournal) -> Result<(), Error> {
        let (Some(order), Step::Over { outcome, reason }) = (&journal.job.order, &journal.step)
        else {
            return Ok(());
        };
        let Some(reason) = reason.clone().filter(|_| outcome.blames_release()) else {
            return Ok(());
        };
        let mut book = self.books.book()?;
        let seen = self.books.wanted()?.generation;
        book.memory.skip(Skipped {
            hash: order.hash,
            version: order.version.clone(),
            generation: seen.max(order.generation),
            reason,
            at: journal.changed_at,
        });
        self.books.write_book(&book)?;
        fault::point("bundle-remembered");
        info!(package = %self.package, version = %order.version, "is not tried again before a newer order");
        Ok(())
    }
}

/// The file by which a version says that it must not be disturbed.
pub(super) fn idle_lock_of(layout: &Layout, slot: &Slot) -> Option<PathBuf> {
    let path = slot.manifest.service.as_ref()?.idle_lock.as_ref()?;
    Some(layout.root().join(path.trim_start_matches('/')))
}

fn host_failed(error: &dyn std::error::Error) -> RunReason {
    RunReason::HostFailed { why: words(error) }
}

fn no_order() -> RunReason {
    RunReason::HostFailed {
        why: "the journal names no release".into(),
    }
}
