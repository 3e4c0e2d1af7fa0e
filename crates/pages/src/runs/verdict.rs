//! How a host was before a run, and is after it, by the events of its items.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::api::StoredEvent;
use lockstep_model::{EventKind, ItemName, Level};

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// The item.
    pub item: ItemName,
    /// The level that it had when the run began.
    pub before: Level,
    /// The level that it had last.
    pub after: Level,
    /// When it came to that.
    pub at: Timestamp,
}

/// What became of a host's items since a run began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Items that are worse, the worst first.
    pub worse: Vec<Shift>,
    /// Items that are better.
    pub better: Vec<Shift>,
    /// Items that went away from their level and came back to it.
    pub same: usize,
}

/// Compares. The events are of one host, since the run began, in any order.
#[must_use]
pub fn verdict(events: &[StoredEvent]) -> Verdict {
    let mut sorted: Vec<&StoredEvent> = events.iter().collect();
    sorted.retain(|it| it.event.kind == EventKind::Level);
    sorted.sort_by_key(|it| (it.event.at, it.event.number));
    let mut shifts: BTreeMap<&ItemName, Shift> = BTreeMap::new();
    for stored in sorted {
        let event = &stored.event;
        let shift = shifts.entry(&event.item).or_insert_with(|| Shift {
            item: event.item.clone(),
            before: event.from,
            after: event.to,
            at: event.at,
        });
        (shift.after, shift.at) = (event.to, event.at);
    }
    let mut verdict = Verdict::default();
    for shift in shifts.into_values() {
        match shift.after.cmp(&shift.before) {
            std::cmp::Ordering::Greater => verdict.worse.push(shift),
            std::cmp::Ordering::Less => verdict.better.push(shift),
            std::cmp::Ordering::Equal => verdict.same += 1,
        }
    }
    verdict.worse.sort_by_key(|it| std::cmp::Reverse(it.after));
    verdict
}
