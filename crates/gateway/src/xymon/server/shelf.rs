//! What is remembered within bounds: when the shelf is full, what was put there first goes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by their keys, at most so many and so many bytes in all.
#[derive(Debug)]
pub(super) struct Shelf<K, V> {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    next: u64,
    places: BTreeMap<u64, K>,
    values: HashMap<K, Placed<V>>,
}

#[derive(Debug)]
struct Placed<V> {
    place: u64,
    bytes: usize,
    value: V,
}

impl<K: Hash + Eq + Clone, V> Shelf<K, V> {
    /// An empty one.
    #[must_use]
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_bytes,
            bytes: 0,
            next: 0,
            places: BTreeMap::new(),
            values: HashMap::new(),
        }
    }

    /// Puts a value of about so many bytes on it, as the newest; the old one of its key goes. One that is larger than
    /// the shelf is not kept.
    pub(super) fn put(&mut self, key: K, value: V, bytes: usize) {
        self.take(&key);
        if bytes > self.most_bytes {
            return;
        }
        let placed = Placed {
            place: self.next,
            bytes,
            value,
        };
        self.places.insert(self.next, key.clone());
        self.values.insert(key, placed);
        self.next += 1;
        self.bytes += bytes;
        while self.values.len() > self.most || self.bytes > self.most_bytes {
            let Some((_, oldest)) = self.places.first_key_value() else {
                break;
            };
            let oldest = oldest.clone();
            self.take(&oldest);
        }
    }

    /// Takes a value away.
    pub(super) fn take(&mut self, key: &K) -> Option<V> {
        let placed = self.values.remove(key)?;
        self.places.remove(&placed.place);
        self.bytes -= placed.bytes;
        Some(placed.value)
    }

    /// Looks at a value.
    #[must_use]
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|placed| &placed.value)
    }

    /// Changes a value in its place; its size stays what it was.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.values.get_mut(key).map(|placed| &mut placed.value)
    }

    /// All, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let placed = self.places.values();
        placed.filter_map(|key| Some((key, self.get(key)?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut shelf = Shelf::new(3, 100);
        for (key, bytes) in [("a", 40), ("b", 40), ("a", 10), ("c", 40), ("d", 10)] {
            shelf.put(key, key, bytes);
        }
        let keys: Vec<_> = shelf.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["a", "c", "d"], "b was the oldest of four");
        shelf.put("huge", "huge", 101);
        assert!(shelf.get(&"huge").is_none());
        assert_eq!(shelf.iter().count(), 3, "what cannot fit moves nothing");
    }

    proptest! {
        #[test]
        fn bounds_hold(puts in prop::collection::vec((0_u8..20, 0_usize..60), 0..100)) {
            let mut shelf = Shelf::new(5, 100);
            for (key, bytes) in puts {
                shelf.put(key, bytes, bytes);
                let kept: Vec<usize> = shelf.iter().map(|(_, &bytes)| bytes).collect();
                prop_assert!(kept.len() <= 5);
                prop_assert_eq!(kept.iter().sum::<usize>(), shelf.bytes);
                prop_assert!(shelf.bytes <= 100);
                prop_assert_eq!(shelf.places.len(), shelf.values.len());
            }
        }
    }
}
