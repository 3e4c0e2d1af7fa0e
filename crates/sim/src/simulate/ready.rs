//! Hosts whose moment has come and that were not let go yet, in the order in which they stand: wave by wave, and in
//! each by their turns.
//!
//! A limit that stops one host may let the next one pass: a site that is full stops its own hosts, and where no fit
//! host can be spared a sick one still can. So hosts wait in a queue for each site, and those that are sick can be found
//! among them.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Where a host stands: its wave, and its number in it.
pub(super) type Key = u64;

/// Hosts that could be let go now.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// Hosts of each site.
    queues: Vec<BinaryHeap<Reverse<Key>>>,
    /// Sites that have no room now.
    full: Vec<bool>,
    /// The first host of each site that has room. What does not name the first one any more counts for nothing.
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    /// Those that are sick.
    ill: BTreeSet<Key>,
}

impl Ready {
    pub(super) fn new(sites: usize) -> Self {
        Self {
            queues: (0..sites).map(|_| BinaryHeap::new()).collect(),
            full: vec![false; sites],
            ..Self::default()
        }
    }

    /// How many queues there are.
    pub(super) fn len(&self) -> usize {
        self.queues.len()
    }

    /// A host of this site waits. One that waits already may be named again: whoever takes hosts sees that it is gone.
    pub(super) fn push(&mut self, site: usize, key: Key) {
        self.queues[site].push(Reverse(key));
        if !self.full[site] && self.first(site) == Some(key) {
            self.heads.push(Reverse((key, site)));
        }
    }

    /// A host that waits is sick, or is well again or gone.
    pub(super) fn mark(&mut self, key: Key, ill: bool) {
        if ill {
            self.ill.insert(key);
        } else {
            self.ill.remove(&key);
        }
    }

    /// The next host of a site with room. It stays where it is until [`Self::take`].
    pub(super) fn next(&mut self) -> Option<(Key, usize)> {
        while let Some(&Reverse((key, site))) = self.heads.peek() {
            if !self.full[site] && self.first(site) == Some(key) {
                return Some((key, site));
            }
            self.heads.pop();
        }
        None
    }

    /// Takes the host that [`Self::next`] named.
    pub(super) fn take(&mut self, site: usize) {
        self.heads.pop();
        self.queues[site].pop();
        self.put_forward(site);
    }

    /// This site has no room for another host.
    pub(super) fn block(&mut self, site: usize) {
        self.full[site] = true;
    }

    /// This site may have room again.
    pub(super) fn unblock(&mut self, site: usize) {
        if std::mem::replace(&mut self.full[site], false) {
            self.put_forward(site);
        }
    }

    /// The next sick host from here on.
    pub(super) fn ill_from(&self, key: Key) -> Option<Key> {
        self.ill.range(key..).next().copied()
    }

    /// True if a site is full for which hosts wait.
    pub(super) fn is_any_full(&self) -> bool {
        let mut sites = self.full.iter().zip(&self.queues);
        sites.any(|(full, queue)| *full && !queue.is_empty())
    }

    fn first(&self, site: usize) -> Option<Key> {
        self.queues[site].peek().map(|Reverse(key)| *key)
    }

    fn put_forward(&mut self, site: usize) {
        if let Some(key) = self.first(site).filter(|_| !self.full[site]) {
            self.heads.push(Reverse((key, site)));
        }
    }
}
