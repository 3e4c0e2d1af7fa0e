//! What is remembered of each item from one sample to the next.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::{ItemName, ItemState, Level, Value};

use super::{Why, judge};

/// The items of a host: their levels, and since when they have had them.
///
/// It holds what the newest samples held, and no more than [`ItemBook::MOST`] items.
#[derive(Debug, Clone, Default)]
pub struct ItemBook {
    entries: BTreeMap<ItemName, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// The level that the newest value gave. A gap does not touch it, so hysteresis goes on where it was.
    measured: Level,
    /// The level that is shown.
    shown: Level,
    since: Timestamp,
}

impl ItemBook {
    /// Most items of a host; a report with more is refused by the server.
    pub const MOST: usize = 500;

    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A book that goes on where these states ended, so that a restarted agent does not forget since when an item
    /// has been ill.
    #[must_use]
    pub fn resume(states: &[ItemState]) -> Self {
        let entries = states.iter().take(Self::MOST).map(|state| {
            let entry = Entry {
                measured: state.level,
                shown: state.level,
                since: state.since,
            };
            (state.item.clone(), entry)
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// Takes in the newest samples and returns how the items stand now, in the order of their names. Items without
    /// a sample are forgotten; of two samples of one item the later one counts.
    pub fn update(&mut self, samples: Vec<(ItemName, Value)>, now: Timestamp) -> Vec<ItemState> {
        let samples: BTreeMap<ItemName, Value> = samples.into_iter().take(Self::MOST).collect();
        self.entries.retain(|item, _| samples.contains_key(item));
        samples
            .into_iter()
            .map(|(item, value)| self.take(item, value, now))
            .collect()
    }

    fn take(&mut self, item: ItemName, value: Value, now: Timestamp) -> ItemState {
        let before = self.entries.get(&item);
        let (level, why) = judge(
            &item,
            &value,
            before.map_or(Level::FINE, |entry| entry.measured),
        );
        let measured = match (&why, before) {
            (Why::NoValue { .. }, Some(entry)) => entry.measured,
            (Why::NoValue { .. }, None) => Level::FINE,
            _ => level,
        };
        let since = before
            .filter(|entry| entry.shown == level)
            .map_or(now, |entry| entry.since);
        self.entries.insert(
            item.clone(),
            Entry {
                measured,
                shown: level,
                since,
            },
        );
        ItemState {
            item,
            value,
            level,
            since,
            no_data: matches!(why, Why::NoValue { .. }),
            flapping: false,
            why: why.to_string(),
        }
    }
}
