//! Packages of others that the server wants: whether an order for one begins a run, and what is reported of them.
//!
//! The decision is [`consider`]'s, as for the agent itself. What is to be brought is written down for the run, which is a
//! process of its own; an order that is taken back, or is followed by another one, is written down as well, and the run
//! gives up if it has done nothing to the host yet.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::slots::Slot;
use lockstep_model::api::{Desired, Installed, Kept, Report};
use lockstep_model::{ContentHash, Outcome, PackageName, RunId, RunKind, RunReason};
use lockstep_plan::run::{RunJournal, Step};
use lockstep_plan::update::{Hold, Memory, Order, Situation, Skipped, consider};
use tracing::{error, info};

use super::Worker;
use super::runs::Due;
use crate::run::{Book, Books, Wanted};
use crate::{Error, words};

/// Most packages of others that one host follows.
const MOST: usize = 64;
/// Most releases that a report says are not tried again.
const MOST_SKIPPED: usize = 256;

/// What the worker knows of packages of others.
#[derive(Default)]
pub(super) struct Bundles {
    /// What keeps the host from orders.
    held: Vec<(PackageName, Hold, Kept)>,
}

impl Worker {
    /// Considers every order for a package of others. What is due is to be begun.
    pub(super) fn bundles_due(&mut self) -> Vec<Due> {
        // Before the server has said anything since this start, nothing is known to be taken back.
        if self.reported_at.is_none() {
            return Vec::new();
        }
        let own = PackageName::lockstep();
        let orders = self.desired.iter().filter(|it| it.package != own);
        let orders: Vec<Desired> = orders.take(MOST).cloned().collect();
        let mut due = Vec::new();
        let mut held = Vec::new();
        for desired in &orders {
            match self.consider_bundle(desired) {
                Ok(Ok(order)) => due.push(begin(&order)),
                Ok(Err(hold)) => {
                    if let Some(kept) = hold.kept(&desired.package, &desired.version) {
                        held.push((desired.package.clone(), hold, kept));
                    }
                }
                Err(error) => {
                    let error = words(&error);
                    error!(package = %desired.package, error, "what is wanted of a package could not be written down");
                }
            }
        }
        for (package, hold, _) in &held {
            let is_known = |it: &(PackageName, Hold, Kept)| it.0 == *package && it.1 == *hold;
            if !self.bundles.held.iter().any(is_known) {
                info!(%package, %hold, "not updating");
            }
        }
        self.bundles.held = held;
        self.take_back(&orders);
        due
    }

    fn consider_bundle(&mut self, desired: &Desired) -> Result<Result<Order, Hold>, Error> {
        let package = &desired.package;
        let books = Books::of(&self.layout, package);
        let (wanted, book) = (books.wanted()?, books.book()?);
        let active = self.slots.active(package)?;
        let journals = self.runs.journals();
        let journal = journals.iter().find(|it| it.job.package == *package);
        let mut memory = Memory {
            generation: wanted.generation,
            channel: wanted.channel.clone(),
            ..book.memory
        };
        let situation = Situation {
            current: active.as_ref().map(Slot::version),
            memory: &memory,
            run: None,
            other: None,
            enabled_here: self.config.update.enabled,
            updates: self.updates,
            retry_at: journal.and_then(|it| self.retry_at(it)),
        };
        let verdict = consider(desired, &situation, self.order_time()).and_then(|order| {
            let permitted = self.config.bundles.check(package);
            permitted.map_err(|why| Hold::NotPermitted { why })?;
            Ok(order)
        });
        if matches!(verdict, Err(Hold::OlderOrder { .. })) {
            return Ok(verdict);
        }
        memory.saw(desired);
        let next = Wanted {
            generation: memory.generation,
            channel: memory.channel,
            order: verdict.clone().ok(),
            lock: None,
        };
        let under_way = journal.filter(|it| !it.is_over()).map(|it| it.id);
        let is_another = next.order.is_some() && next.order != wanted.order;
        if next != wanted {
            books.write_wanted(&next)?;
        }
        if is_another {
            // What failed to begin before was another order.
            self.runs.forget(package);
        }
        let in_its_way = under_way.or_else(|| self.at_work_beside(package));
        Ok(match (verdict, in_its_way) {
            (Ok(_), Some(run)) => Err(Hold::RunInProgress { run }),
            // The slot is in force while it is on probation.
            (Err(Hold::UpToDate), _) if under_way.is_none() => Err(Hold::UpToDate),
            (Err(Hold::UpToDate), Some(run)) => Err(Hold::RunInProgress { run }),
            (verdict, _) => verdict,
        })
    }

    /// Another run that changes the host now, be it the agent's own.
    fn at_work_beside(&self, package: &PackageName) -> Option<RunId> {
        let own = self.run.as_ref().filter(|run| {
            let only_fetches = matches!(
                run.step,
                lockstep_plan::update::Step::Fetch
                    | lockstep_plan::update::Step::Unpack
                    | lockstep_plan::update::Step::Preflight
            );
            !run.is_over() && !only_fetches
        });
        let journals = self.runs.journals();
        let mut others = journals.iter().filter(|it| it.job.package != *package);
        let other = others.find(|it| it.is_at_work()).map(|it| it.id);
        own.map(|run| run.id).or(other)
    }

    /// After a run that was postponed some time is left, by the clock that orders are judged by.
    fn retry_at(&self, journal: &RunJournal) -> Option<Timestamp> {
        let Step::Over {
            outcome: Outcome::Postponed,
            reason,
        } = &journal.step
        else {
            return None;
        };
        if matches!(reason, Some(RunReason::OrderChanged { .. })) {
            return None;
        }
        let retry = self.config.update.retry.duration();
        let passed = self.clock.now().duration_since(journal.changed_at);
        let passed = Duration::try_from(passed).unwrap_or_default();
        let left = retry.saturating_sub(passed);
        (!left.is_zero()).then(|| self.order_time().checked_add(left).ok())?
    }

    /// A package that is not ordered any more stays as it is; what was to be brought is not.
    fn take_back(&self, orders: &[Desired]) {
        let ordered: BTreeSet<&PackageName> = orders.iter().map(|it| &it.package).collect();
        let Ok(entries) = std::fs::read_dir(self.layout.bundles_dir()) else {
            return;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        for package in names.filter_map(|name| PackageName::parse(&name).ok()) {
            if ordered.contains(&package) {
                continue;
            }
            let books = Books::of(&self.layout, &package);
            let written = books.wanted().and_then(|wanted| match wanted.order {
                None => Ok(()),
                Some(_) => books.write_wanted(&Wanted {
                    order: None,
                    ..wanted
                }),
            });
            if let Err(error) = written {
                error!(%package, error = words(&error), "that an order was taken back could not be written down");
            }
        }
    }

    /// The packages of others that are in force, for reports.
    pub(super) fn installed_bundles(&self) -> Vec<Installed> {
        let slots = self.slots.all_active().unwrap_or_else(|error| {
            error!(
                error = words(&error),
                "the packages of others cannot be listed"
            );
            Vec::new()
        });
        slots
            .into_iter()
            .take(MOST)
            .map(|slot| {
                let book = self.book(slot.package());
                installed(slot, &book)
            })
            .collect()
    }

    /// Releases of others that are not tried again here; the newest, if there are many.
    pub(super) fn skipped_bundles(&self) -> Vec<ContentHash> {
        let slots = self.desired.iter().map(|it| &it.package);
        let packages: BTreeSet<&PackageName> = slots.collect();
        let own = PackageName::lockstep();
        let packages = packages.into_iter().filter(|it| **it != own);
        newest(packages.flat_map(|it| self.book(it).memory.skipped))
    }

    fn book(&self, package: &PackageName) -> Book {
        let book = Books::of(&self.layout, package).book();
        book.unwrap_or_else(|error| {
            error!(%package, error = words(&error), "what is known of a package cannot be read");
            Book::default()
        })
    }

    /// Why this host does not follow orders now, the one for the agent itself first.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let own = self.wanted().zip(self.hold.as_ref());
        let own = own.and_then(|(wanted, hold)| hold.kept(&wanted.package, &wanted.version));
        let others = self.bundles.held.iter().map(|(_, _, kept)| kept.clone());
        own.into_iter()
            .chain(others)
            .take(Report::MOST_KEPT)
            .collect()
    }
}

fn installed(slot: Slot, book: &Book) -> Installed {
    let version = slot.manifest.version;
    Installed {
        package: slot.manifest.package,
        hash: slot.hash,
        previous: book.before.clone().filter(|before| *before != version),
        proven: book.proven.as_ref() == Some(&version),
        version,
    }
}

fn begin(order: &Order) -> Due {
    let by = format!("order {} of the server", order.generation);
    let name = order.package.as_str();
    let args = ["agent", "bundle-run", "--by", &by, name];
    Due {
        package: order.package.clone(),
        args: args.map(String::from).into(),
    }
}

/// The releases that failed last, the newest first, as many as a report may hold.
fn newest(skipped: impl Iterator<Item = Skipped>) -> Vec<ContentHash> {
    let mut skipped: Vec<Skipped> = skipped.collect();
    skipped.sort_by_key(|it| Reverse(it.at));
    skipped.truncate(MOST_SKIPPED);
    skipped.into_iter().map(|it| it.hash).collect()
}

/// True if a run of a bundle, or one that is wished for, has come on, or ended: the server shall hear of it at once.
pub(super) fn has_news(before: &[RunJournal], now: &[RunJournal]) -> bool {
    let shown = |journals: &[RunJournal]| -> Vec<(RunId, lockstep_model::Phase)> {
        journals
            .iter()
            .filter(|it| matches!(it.job.kind, RunKind::Bundle | RunKind::Reboot))
            .map(|it| (it.id, it.step.phase()))
            .collect()
    };
    shown(before) != shown(now)
}

#[cfg(test)]
mod tests {
    use lockstep_model::Version;

    use super::*;

    /// A release that failed so many seconds after the beginning.
    fn failed_at(second: i64) -> Skipped {
        Skipped {
            hash: ContentHash::of(&second.to_le_bytes()),
            version: Version::parse("1.0.0").unwrap(),
            generation: 1,
            reason: RunReason::CannotStart {
                why: "it has no program".into(),
            },
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn of_many_skipped_releases_the_newest_are_reported() {
        let most = i64::try_from(MOST_SKIPPED).unwrap();
        // Of two packages, each with its oldest first; one of them failed long ago.
        let long_ago = (0..most).map(failed_at);
        let just_now = (1000..1010).map(failed_at);
        let told = newest(long_ago.chain(just_now));
        let expected: Vec<ContentHash> = (1000..1010)
            .rev()
            .chain((10..most).rev())
            .map(|second| failed_at(second).hash)
            .collect();
        assert_eq!(told, expected);
    }
}
