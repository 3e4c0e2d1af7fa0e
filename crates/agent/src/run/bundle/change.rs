//! The change itself, the way back, and what is kept once a version has proven itself. Each is entered as often as it
//! takes, and finds what was done already.

use lockstep_host::slots::Slot;
use lockstep_host::{fault, machine};
use lockstep_model::{RunReason, Version};
use lockstep_plan::run::{Happened, RunJournal};
use lockstep_plan::update::{By, Held, Skipped};
use tracing::{error, info, warn};

use super::book::{Book, Started};
use super::daemon::Daemon;
use super::{BundleUpdate, host_failed, no_order, unit};
use crate::run::output::Output;
use crate::{Error, words};

impl BundleUpdate {
    /// Puts the new slot in force: the service stands still, the link moves, the service runs again if it ran.
    pub(super) async fn apply(
        &self,
        journal: &RunJournal,
        output: &Output,
    ) -> Result<(), RunReason> {
        let (old, new) = (self.from(journal)?, self.ordered(journal)?);
        let mut book = self.read()?;
        let runs = self.shall_run(journal, &mut book, old.as_ref()).await?;
        // After a kill the new one may run already.
        for slot in old.iter().chain([&new]) {
            self.stop(slot).await?;
        }
        fault::point("bundle-stopped");
        let activated = self.slots.activate(&new);
        activated.map_err(|error| host_failed(&error))?;
        fault::point("bundle-linked");
        unit::switch(&self.layout, old.as_ref(), Some(&new)).await?;
        output.add(&format!("{} {} is in force", self.package, new.version()));
        let Some(daemon) = self.daemon(&new)?.filter(|_| runs) else {
            return Ok(());
        };
        info!(package = %self.package, service = daemon.name(), "starting it");
        if self.brings_another_unit(old.as_ref(), &new) {
            let enabled = daemon.enable().await;
            enabled.map_err(|error| service_failed(&daemon, &error))?;
        }
        let started = daemon.start().await;
        started.map_err(|error| service_failed(&daemon, &error))?;
        fault::point("bundle-started");
        self.note_start(journal, &mut book, &daemon).await
    }

    /// Puts the slot before in force again, or takes the package away if there was none.
    pub(in crate::run) async fn go_back(&self, journal: &RunJournal, output: &Output) -> Happened {
        match self.back(journal, output).await {
            Ok(()) => Happened::Succeeded,
            Err(reason) => {
                output.add(&format!("the way back failed: {reason}"));
                Happened::Failed(reason)
            }
        }
    }

    async fn back(&self, journal: &RunJournal, output: &Output) -> Result<(), RunReason> {
        let runs = self.read()?.runs;
        let Some((_, ran)) = runs.filter(|(run, _)| *run == journal.id) else {
            // What was not even asked whether it runs was not touched.
            return Ok(());
        };
        let (old, new) = (self.from(journal)?, self.ordered(journal).ok());
        for slot in new.iter().chain(&old) {
            self.stop(slot).await?;
        }
        fault::point("bundle-back-stopped");
        let moved = match &old {
            Some(old) => self.slots.activate(old),
            None => self.slots.deactivate(&self.package),
        };
        moved.map_err(|error| host_failed(&error))?;
        fault::point("bundle-back-linked");
        unit::switch(&self.layout, new.as_ref(), old.as_ref()).await?;
        let version = old.as_ref().map(|slot| slot.version().to_string());
        let version = version.unwrap_or_else(|| "no version".into());
        output.add(&format!("back to {version} of {}", self.package));
        warn!(package = %self.package, version, "went back");
        let Some(old) = old.filter(|_| ran) else {
            return Ok(());
        };
        let Some(daemon) = self.daemon(&old)? else {
            return Ok(());
        };
        if self.brings_another_unit(new.as_ref(), &old) {
            let enabled = daemon.enable().await;
            enabled.map_err(|error| service_failed(&daemon, &error))?;
        }
        let started = daemon.start().await;
        started.map_err(|error| service_failed(&daemon, &error))
    }

    /// Keeps the version that has proven itself: what it purges goes, and so do slots that nobody needs any more.
    pub(in crate::run) fn commit(&self, journal: &RunJournal) -> Happened {
        match self.keep(journal) {
            Ok(()) => Happened::Succeeded,
            Err(error) => Happened::Again {
                why: words(&error),
                after: None,
            },
        }
    }

    fn keep(&self, journal: &RunJournal) -> Result<(), Error> {
        let Some(order) = &journal.job.order else {
            return Ok(());
        };
        let slot = self.slots.get(&self.package, &order.version)?;
        let slot = slot.ok_or_else(|| {
            Error::Refused(format!("the proven slot of {} is gone", order.version))
        })?;
        fault::point("bundle-commit");
        let before = journal.job.from.as_ref();
        let before = before.and_then(|version| Version::parse(version.as_str()).ok());
        let mut book = self.books.book()?;
        let seen = self.books.wanted()?.generation;
        book.proven = Some(order.version.clone());
        book.memory.held = (order.by == By::Hand).then(|| Held {
            version: order.version.clone(),
            generation: seen,
        });
        if let (true, Some(left)) = (order.is_return(), &before)
            && let Some(hash) = self.slots.get(&self.package, left)?.and_then(|it| it.hash)
        {
            book.memory.skip(Skipped {
                hash,
                version: left.clone(),
                generation: seen,
                reason: RunReason::ByHand,
                at: journal.changed_at,
            });
        }
        book.before = before.or(book.before);
        (book.runs, book.started) = (None, None);
        self.books.write_book(&book)?;
        fault::point("bundle-committed");
        // The version is proven: what cannot be cleared away is no reason to doubt it, nor to keep a lock.
        let cleared = self
            .slots
            .purge(&self.package, &slot.manifest.purge.paths)
            .and_then(|()| self.collect(&book));
        if let Err(error) = cleared {
            error!(package = %self.package, error = words(&error), "what is not needed any more could not be removed");
        }
        info!(package = %self.package, version = %order.version, "has proven itself");
        Ok(())
    }

    /// Removes slots that are older than the time for which they are kept. The one in force and the one before it stay.
    fn collect(&self, book: &Book) -> Result<(), lockstep_host::Error> {
        let now = self.clock.now();
        let is_young =
            |slot: &Slot| now.duration_since(slot.installed_at).unsigned_abs() < self.keep;
        let slots = self.slots.list()?;
        let of_package = slots.iter().filter(|slot| *slot.package() == self.package);
        let mut keep: Vec<Version> = of_package
            .filter(|slot| is_young(slot))
            .map(|slot| slot.version().clone())
            .collect();
        keep.extend(book.before.clone());
        self.slots.collect(&self.package, &keep).map(drop)
    }

    /// The slot that is ordered, with the bytes that are ordered.
    pub(super) fn ordered(&self, journal: &RunJournal) -> Result<Slot, RunReason> {
        let order = journal.job.order.as_ref().ok_or_else(no_order)?;
        let slot = self.slots.get(&self.package, &order.version);
        let slot = slot.map_err(|error| host_failed(&error))?;
        let slot = slot.filter(|slot| order.is_return() || slot.hash == Some(order.hash));
        slot.ok_or_else(|| RunReason::HostFailed {
            why: format!("the slot of {} {} is gone", self.package, order.version),
        })
    }

    /// Whether the service shall run at the end. Asked once for each run, before anything is stopped.
    async fn shall_run(
        &self,
        journal: &RunJournal,
        book: &mut Book,
        old: Option<&Slot>,
    ) -> Result<bool, RunReason> {
        if let Some((_, runs)) = book.runs.filter(|(run, _)| *run == journal.id) {
            return Ok(runs);
        }
        let daemon = match old {
            Some(old) => self.daemon(old)?,
            None => None,
        };
        let runs = match daemon {
            Some(daemon) => {
                let active = daemon.is_active().await;
                active.map_err(|error| host_failed(&error))?
            }
            // What had no service before begins with one.
            None => true,
        };
        book.runs = Some((journal.id, runs));
        book.ran = Some(runs);
        book.started = None;
        self.write(book)?;
        Ok(runs)
    }

    /// Notes which start of the service the probation watches.
    pub(super) async fn note_start(
        &self,
        journal: &RunJournal,
        book: &mut Book,
        daemon: &Daemon,
    ) -> Result<(), RunReason> {
        book.started = Some(Started {
            run: journal.id,
            boot_id: machine::boot_id_below(&self.layout).map_err(|error| host_failed(&error))?,
            incarnation: daemon.incarnation().await,
        });
        self.write(book)
    }

    /// A service that cannot be stopped is not the new version's fault.
    async fn stop(&self, slot: &Slot) -> Result<(), RunReason> {
        let Some(daemon) = self.daemon(slot)? else {
            return Ok(());
        };
        let stopped = daemon.stop_if_active().await;
        stopped.map_err(|error| host_failed(&error))
    }

    pub(super) fn daemon(&self, slot: &Slot) -> Result<Option<Daemon>, RunReason> {
        Daemon::of(&self.layout, slot).map_err(|error| host_failed(&error))
    }

    /// True if the unit of a slot must be enabled: it is one that the host did not have from this package.
    fn brings_another_unit(&self, old: Option<&Slot>, new: &Slot) -> bool {
        let unit = |slot: &Slot| slot.manifest.service.as_ref()?.unit.clone();
        old.and_then(unit) != unit(new)
    }

    pub(super) fn read(&self) -> Result<Book, RunReason> {
        self.books.book().map_err(|error| host_failed(&error))
    }

    pub(super) fn write(&self, book: &Book) -> Result<(), RunReason> {
        let written = self.books.write_book(book);
        written.map_err(|error| host_failed(&error))
    }
}

pub(super) fn service_failed(daemon: &Daemon, error: &lockstep_host::Error) -> RunReason {
    RunReason::ServiceFailed {
        unit: daemon.name().into(),
        why: words(error),
    }
}
