//! One entry of the work document: its probe, its time, and what it gave.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lockstep_model::{Glob, HostName, ItemName, Setting, Snmp, Value, WatchedHost, Work, WorkItem};
use tokio::time::Instant;

use crate::kernel;
use crate::probe::{Found, Probe};

/// Time between two looks at least, whatever the work document says.
const SHORTEST: Duration = Duration::from_secs(1);
/// After this time a look that leaves the kernel is given up, unless the entry says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Longest time that a look may have.
const LONGEST_LIMIT: Duration = Duration::from_secs(600);
/// A look may take so many of its intervals.
const MOST_LATE: u32 = 3;
/// The first looks of probes that are not cheap are spread over this time, and so are all later ones.
const SPREAD: Duration = Duration::from_secs(10);
/// How much more often than it should a probe is asked in a hurry, unless it is cheap.
const MOST_HURRY: u32 = 10;

/// What makes a probe the same as before: only then it keeps what it remembers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Identity {
    pub(super) host: Option<HostName>,
    pub(super) name: Glob,
    pub(super) timeout: Duration,
    pub(super) options: BTreeMap<String, Setting>,
    /// Of a watched host.
    pub(super) address: Option<String>,
    pub(super) snmp: Option<Snmp>,
}

/// What is wanted of an entry.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) identity: Identity,
    pub(super) every: Duration,
}

/// An entry that is being watched.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) identity: Identity,
    /// The probe, or why there is none.
    pub(super) probe: Result<Arc<dyn Probe>, String>,
    every: Duration,
    /// All looks are a multiple of the interval behind this moment.
    epoch: Instant,
    pub(super) due: Instant,
    /// It waits for a free place, or for its answer.
    pub(super) is_busy: bool,
    /// What it gave last.
    pub(super) items: Vec<ItemName>,
    /// How many more there were no room for.
    pub(super) dropped: usize,
}

impl Entry {
    /// A cheap probe is looked at now, in step with all others that are; another one in its own time.
    pub(super) fn new(
        wish: Wish,
        probe: Result<Arc<dyn Probe>, String>,
        start: Instant,
        now: Instant,
    ) -> Self {
        let is_cheap = is_cheap(&probe);
        let offset = SPREAD.min(wish.every).mul_f64(fastrand::f64());
        let (epoch, due) = if is_cheap {
            (start, now)
        } else {
            (now + offset, now + offset)
        };
        Self {
            identity: wish.identity,
            probe,
            every: wish.every,
            epoch,
            due,
            is_busy: false,
            items: Vec::new(),
            dropped: 0,
        }
    }

    pub(super) fn is_of_the_kernel(&self) -> bool {
        kernel::is_known(probe_of(&self.identity.name))
    }

    pub(super) fn is_cheap(&self) -> bool {
        is_cheap(&self.probe)
    }

    /// Sets when it is looked at next, behind `now`. Looks that were missed are not made up for.
    pub(super) fn plan(&mut self, now: Instant, hurry: Option<Duration>) {
        let pace = self.pace(hurry);
        self.due = match now.checked_duration_since(self.epoch) {
            None => self.epoch,
            Some(passed) => {
                let into = passed.as_nanos() % pace.as_nanos().max(1);
                let left = pace.as_nanos() - into;
                now + Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
            }
        };
    }

    /// Takes the interval of a newer document.
    pub(super) fn change_pace(&mut self, every: Duration, now: Instant, hurry: Option<Duration>) {
        if self.every != every {
            self.every = every;
            self.plan(now, hurry);
        }
    }

    fn pace(&self, hurry: Option<Duration>) -> Duration {
        let Some(hurry) = hurry else {
            return self.every;
        };
        let hurry = if self.is_cheap() {
            hurry
        } else {
            hurry.max(self.every / MOST_HURRY)
        };
        self.every.min(hurry).max(SHORTEST)
    }

    /// What there is to say when the probe said nothing: each item that it gave last has no value now.
    pub(super) fn without_values(&self, why: &str) -> Vec<Found> {
        let own = || ItemName::parse(self.identity.name.as_str()).ok();
        let items = if self.items.is_empty() {
            own().into_iter().collect()
        } else {
            self.items.clone()
        };
        items
            .into_iter()
            .map(|item| Found::new(item, Ok(Value::None(why.into()))))
            .collect()
    }
}

/// An entry without a probe costs nothing either.
fn is_cheap(probe: &Result<Arc<dyn Probe>, String>) -> bool {
    probe.as_ref().map_or(true, |probe| probe.is_cheap())
}

/// All entries of a document that name a probe, those of this host first. Of two with the same name the later counts.
pub(super) fn wishes(work: &Work) -> Vec<Wish> {
    let mut wishes = of_host(&work.items, None, work);
    for watched in &work.watched {
        wishes.extend(of_host(&watched.items, Some(watched), work));
    }
    wishes
}

fn of_host(items: &[WorkItem], watched: Option<&WatchedHost>, work: &Work) -> Vec<Wish> {
    let mut names = HashSet::new();
    let mut wishes: Vec<Wish> = items
        .iter()
        .rev()
        .filter(|item| !item.is_rule)
        .filter(|item| names.insert(&item.name) && names_a_probe(&item.name))
        .map(|item| wish(item, watched, work))
        .collect();
    wishes.reverse();
    wishes
}

/// A pattern such as `*` says how items are judged that others name. What cannot be an item cannot be sampled.
fn names_a_probe(name: &Glob) -> bool {
    let can_be_an_item = ItemName::parse(name.as_str());
    if let (true, Err(why)) = (name.is_plain(), &can_be_an_item) {
        tracing::warn!(entry = %name, why, "an entry of the work document names no item");
    }
    can_be_an_item.is_ok()
}

fn wish(item: &WorkItem, watched: Option<&WatchedHost>, work: &Work) -> Wish {
    let limit = if kernel::is_known(probe_of(&item.name)) {
        kernel::TIME_LIMIT
    } else {
        TIME_LIMIT
    };
    let timeout = item.timeout.map_or(limit, |timeout| timeout.duration());
    let every = item.every.unwrap_or(work.sample).duration().max(SHORTEST);
    Wish {
        identity: Identity {
            host: watched.map(|watched| watched.host.clone()),
            name: item.name.clone(),
            // Who is asked each second must say so within a few: an answer that is late for longer would look like a
            // pause in the samples.
            timeout: timeout.min(LONGEST_LIMIT).min(every * MOST_LATE),
            options: item.options.clone(),
            address: watched.map(|watched| watched.address.clone()),
            snmp: watched.and_then(|watched| watched.snmp.clone()),
        },
        every,
    }
}

/// True if what this entry found of an item counts. If another entry of the same probe names the item more exactly,
/// that one looks at it in its own way: `disk_usage:/var` beside `disk_usage:*`, `plugin:disk/var` beside
/// `plugin:disk`.
pub(super) fn counts(identity: &Identity, item: &ItemName, work: &Work) -> bool {
    let entry = match &identity.host {
        None => work.entry(item.as_str()),
        Some(host) => work
            .watched
            .iter()
            .find(|watched| watched.host == *host)
            .and_then(|watched| watched.entry(item.as_str())),
    };
    // A rule does not look at anything by itself.
    let Some(entry) = entry.filter(|entry| !entry.is_rule) else {
        return true;
    };
    let (own, other) = (&identity.name, &entry.name);
    let is_more_exact = own.matches(item.as_str()) || other.weight() > own.weight();
    own == other || probe_of(own) != probe_of(other) || !is_more_exact
}

fn probe_of(name: &Glob) -> &str {
    name.as_str().split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lockstep_model::{LevelNames, Retention};

    use super::*;

    #[test]
    fn the_entry_that_names_an_item_most_exactly_counts() {
        let entry = |name: &str| WorkItem::named(Glob::parse(name).unwrap());
        let names = [
            "*",
            "disk_usage:*",
            "disk_usage:/var",
            "plugin:*",
            "plugin:disk",
            "plugin:disk/a*",
            "script:x",
        ];
        let work = Work {
            levels: LevelNames::default(),
            sample: lockstep_model::Interval::from_secs(60),
            report: lockstep_model::Interval::from_secs(300),
            items: names.map(entry).into(),
            watched: Vec::new(),
            history: Retention::default(),
            packages: Vec::new(),
        };
        let wishes = wishes(&work);
        let does_count = |name: &str, item: &str| {
            let wish = wishes
                .iter()
                .find(|wish| wish.identity.name.as_str() == name);
            counts(
                &wish.unwrap().identity,
                &ItemName::parse(item).unwrap(),
                &work,
            )
        };
        assert!(does_count("disk_usage:*", "disk_usage:/"));
        assert!(!does_count("disk_usage:*", "disk_usage:/var"));
        assert!(does_count("disk_usage:/var", "disk_usage:/var"));
        assert!(does_count("plugin:disk", "plugin:disk"));
        assert!(does_count("plugin:disk", "plugin:disk/b"));
        assert!(!does_count("plugin:disk", "plugin:disk/abc"));
        assert!(does_count("plugin:disk/a*", "plugin:disk/abc"));
        assert!(does_count("script:x", "script:x/1"));
    }
}
