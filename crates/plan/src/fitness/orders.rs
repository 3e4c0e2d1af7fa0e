//! What the work document says of each item, made ready to be looked up.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_model::{HostName, Interval, ItemName, LevelNames, Retention, Work, WorkItem};

use super::defaults::function_for;
use super::function::Function;

/// How one item is judged.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) function: Arc<Function>,
    /// Time between two samples.
    pub(super) every: Interval,
    pub(super) listing: Listing,
}

/// Who asked for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// An entry names it.
    Named,
    /// An entry's pattern found it.
    Found,
    /// Nobody; a probe found it by itself.
    Unlisted,
}

/// What is to be watched, and how it is judged.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    /// Time between two samples of an item that says nothing else.
    sample: Interval,
    own: Entries,
    watched: BTreeMap<HostName, Entries>,
}

#[derive(Debug, Clone)]
struct Entries {
    /// The entries without what the book does not need. It is a work document, so that the one place that knows
    /// which of several entries counts says so here too.
    work: Arc<Work>,
    /// Their functions; none for the probe's own.
    functions: Vec<Option<Arc<Function>>>,
}

impl Orders {
    /// Nothing is ordered: each item is judged by the function of its probe.
    pub(super) fn none(sample: Interval) -> Self {
        Self {
            sample,
            own: Entries::new(&[], &mut Shared::default()),
            watched: BTreeMap::new(),
        }
    }

    pub(super) fn of(work: &Work) -> Self {
        let mut shared = Shared::default();
        let watched = work.watched.iter().map(|watched| {
            let entries = Entries::new(&watched.items, &mut shared);
            (watched.host.clone(), entries)
        });
        Self {
            sample: work.sample,
            watched: watched.collect(),
            own: Entries::new(&work.items, &mut shared),
        }
    }

    pub(super) fn order(&self, host: Option<&HostName>, item: &ItemName) -> Order {
        let entries = match host {
            None => Some(&self.own),
            Some(host) => self.watched.get(host),
        };
        let found = entries.and_then(|entries| entries.find(item));
        let own = found.and_then(|(_, function)| function.clone());
        Order {
            function: own.unwrap_or_else(|| function_for(item.probe())),
            every: found
                .and_then(|(entry, _)| entry.every)
                .unwrap_or(self.sample),
            listing: match found {
                Some((entry, _)) if entry.name.is_plain() && !entry.is_rule => Listing::Named,
                Some(_) => Listing::Found,
                None => Listing::Unlisted,
            },
        }
    }
}

/// What [`Entries`] never asks its work document for.
const NOT_SAID: Interval = Interval::from_secs(60);

/// Functions that several entries have, by their fingerprint: a group's function is compiled once.
type Shared = BTreeMap<u64, Arc<Function>>;

impl Entries {
    fn new(items: &[WorkItem], shared: &mut Shared) -> Self {
        let functions = items.iter().map(|entry| {
            let function = Function::configured(entry.fitness.clone()?);
            let shared = shared.entry(function.print());
            Some(Arc::clone(shared.or_insert_with(|| Arc::new(function))))
        });
        let functions = functions.collect();
        let slim = items.iter().map(|entry| WorkItem {
            every: entry.every,
            is_rule: entry.is_rule,
            ..WorkItem::named(entry.name.clone())
        });
        let work = Work {
            levels: LevelNames::default(),
            sample: NOT_SAID,
            report: NOT_SAID,
            items: slim.collect(),
            watched: Vec::new(),
            history: Retention::default(),
            packages: Vec::new(),
        };
        Self {
            work: Arc::new(work),
            functions,
        }
    }

    fn find(&self, item: &ItemName) -> Option<(&WorkItem, &Option<Arc<Function>>)> {
        let entry = self.work.entry(item.as_str())?;
        let place = self
            .work
            .items
            .iter()
            .position(|known| std::ptr::eq(known, entry))?;
        Some((entry, self.functions.get(place)?))
    }
}
