//! How the fleet stood at a moment that is over, from what is kept of it: snapshots of the last day, events of the last
//! weeks, and what has not changed since.
//!
//! Of each item the best witness counts:
//!
//! 1. the host's newest snapshot from before the moment, if it is no older than [`FRESH`], with what events have told between
//!    it and the moment;
//! 2. without a snapshot: the level that the item has now, if it has had it since before the moment;
//! 3. else the last event before the moment, which says to which level the item went;
//! 4. else the first event after it, which says from which level the item went.
//!
//! An item with none of these is left out, and a host of which nothing is left is said to be unknown: nothing is guessed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::{BoardThen, ItemThen, Proof, ToldBy};
use lockstep_model::api::{Snapshot, StoredEvent};
use lockstep_model::{EventKind, HostName, ItemName, ItemState, Level, Value};

/// A snapshot that is older than this at the moment says nothing of it: two slots.
pub const FRESH: SignedDuration = SignedDuration::from_secs(2 * 600);

/// What is known of one host.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its name.
    pub host: &'a HostName,
    /// False for one that is not in the fleet any more.
    pub is_there: bool,
    /// When it was enrolled; none for one that has no agent, or is not there any more.
    pub enrolled_at: Option<Timestamp>,
    /// Its newest snapshot from before the moment.
    pub snapshot: Option<&'a Snapshot>,
    /// Of each item the last event that happened at the moment or before.
    pub before: &'a [&'a StoredEvent],
    /// Of each item the first event that happened after the moment.
    pub after: &'a [&'a StoredEvent],
    /// Its items as they are now.
    pub now: &'a [ItemState],
}

/// How a host stood.
#[derive(Debug, Clone, PartialEq)]
pub enum Stood {
    /// It was enrolled later.
    NotYet,
    /// It is not there any more, and nothing says that it was there then.
    Gone,
    /// It was there, but nothing is known of it.
    Unknown,
    /// So.
    So {
        /// The worst level of its items.
        level: Level,
        /// When its snapshot was taken; none if events alone tell of it.
        taken: Option<Timestamp>,
        /// Its items, by name.
        items: Vec<ItemThen>,
    },
}

/// How one host stood at a moment.
#[must_use]
pub fn stood(known: &Known<'_>, at: Timestamp) -> Stood {
    let fresh = |snapshot: &&Snapshot| {
        let age = at.duration_since(snapshot.at);
        !age.is_negative() && age <= FRESH
    };
    let snapshot = known.snapshot.filter(fresh);
    let is_told_of = snapshot.is_some() || known.before.iter().any(|it| it.event.at <= at);
    if !known.is_there && snapshot.is_none() && known.after.is_empty() {
        return Stood::Gone;
    }
    if known.enrolled_at.is_some_and(|enrolled| enrolled > at) && !is_told_of {
        return Stood::NotYet;
    }
    let mut items = match snapshot {
        Some(snapshot) => of_snapshot(known.host, snapshot),
        None => of_now(known, at),
    };
    for told in known.before.iter().filter(|it| it.event.at <= at) {
        take_before(&mut items, told, snapshot);
    }
    if snapshot.is_none() {
        for told in known.after.iter().filter(|it| it.event.at > at) {
            let item = &told.event.item;
            items.entry(item).or_insert_with(|| came_from(told));
        }
    }
    let worst = items.values().map(|item| item.level).max();
    // A host that measured, and watches nothing, was fine.
    let Some(level) = worst.or(snapshot.map(|_| Level::FINE)) else {
        return Stood::Unknown;
    };
    Stood::So {
        level,
        taken: snapshot.map(|it| it.at),
        items: items.into_values().collect(),
    }
}

type Items<'a> = BTreeMap<&'a ItemName, ItemThen>;

fn of_snapshot<'a>(host: &HostName, snapshot: &'a Snapshot) -> Items<'a> {
    let one = |(item, number, level): &'a (ItemName, Option<f64>, Level)| {
        let then = ItemThen {
            host: host.clone(),
            item: item.clone(),
            level: *level,
            number: *number,
            since: None,
            no_data: false,
            why: String::new(),
            proof: Proof::Snapshot,
        };
        (item, then)
    };
    snapshot.items.iter().map(one).collect()
}

/// What has had its level since before the moment. Whether it had a value all the time, and which, is not known.
fn of_now<'a>(known: &Known<'a>, at: Timestamp) -> Items<'a> {
    let same = known.now.iter().filter(|state| state.since <= at);
    let one = |state: &'a ItemState| {
        let then = ItemThen {
            host: known.host.clone(),
            item: state.item.clone(),
            level: state.level,
            number: None,
            since: Some(state.since),
            no_data: false,
            why: state.why.clone(),
            proof: Proof::Unchanged,
        };
        (&state.item, then)
    };
    same.map(one).collect()
}

/// What the last event before the moment says.
fn take_before<'a>(items: &mut Items<'a>, told: &'a StoredEvent, snapshot: Option<&Snapshot>) {
    let event = &told.event;
    let then = ItemThen {
        host: event.host.clone(),
        item: event.item.clone(),
        level: event.to,
        number: match event.value {
            Value::Number { value, .. } => Some(value),
            _ => None,
        },
        since: Some(event.at),
        no_data: event.kind == EventKind::NoData,
        why: event.why.clone(),
        proof: Proof::EventBefore,
    };
    // What the server itself has found stands in no snapshot of a host.
    let is_newer = told.via.is_none() || snapshot.is_none_or(|taken| event.at >= taken.at);
    match items.get_mut(&event.item) {
        // It was said before, and is still so.
        Some(known) if known.proof == Proof::Snapshot && !is_newer => {
            if known.level == event.to {
                known.since = Some(event.at);
                known.no_data = then.no_data;
                known.why = then.why;
            }
        }
        Some(known)
            if known.proof == Proof::Unchanged && known.since.is_some_and(|it| it > event.at) => {}
        // The item was not watched any more when the snapshot was taken.
        None if !is_newer => {}
        _ => {
            items.insert(&event.item, then);
        }
    }
}

/// What the first event after the moment says of before.
fn came_from(told: &StoredEvent) -> ItemThen {
    let event = &told.event;
    ItemThen {
        host: event.host.clone(),
        item: event.item.clone(),
        level: event.from,
        number: None,
        since: None,
        no_data: event.kind == EventKind::Data,
        why: String::new(),
        proof: Proof::EventAfter,
    }
}

/// How all hosts stood; `items` are those that were not fine or had no value.
#[must_use]
pub fn board(hosts: &[Known<'_>], at: Timestamp) -> BoardThen {
    let mut board = BoardThen {
        at,
        ..BoardThen::default()
    };
    for known in hosts {
        let (level, taken, items) = match stood(known, at) {
            Stood::Gone => continue,
            Stood::NotYet => {
                board.not_yet += 1;
                continue;
            }
            Stood::Unknown => {
                board.unknown.push(known.host.clone());
                continue;
            }
            Stood::So {
                level,
                taken,
                items,
            } => (level, taken, items),
        };
        board.levels[usize::from(level.rank())] += 1;
        match taken {
            Some(taken) => {
                board.snapshots += 1;
                let (oldest, newest) = board.taken.unwrap_or((taken, taken));
                board.taken = Some((oldest.min(taken), newest.max(taken)));
            }
            None => board.by_events += 1,
        }
        let matters = |item: &ItemThen| item.level > Level::FINE || item.no_data;
        board.items.extend(items.into_iter().filter(matters));
    }
    board.unknown.sort();
    board.by = match board.snapshots > board.by_events {
        true => ToldBy::Snapshots,
        false => ToldBy::Events,
    };
    sort(&mut board.items);
    board
}

/// Worst first, then by host and name.
pub fn sort(items: &mut [ItemThen]) {
    items.sort_by(|a, b| {
        let worst = b.level.cmp(&a.level);
        worst.then_with(|| (&a.host, &a.item).cmp(&(&b.host, &b.item)))
    });
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
