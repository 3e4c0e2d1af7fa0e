//! The chains of the hosts, as far as their links came along with the records of their runs.
//!
//! A host numbers its records in a chain of its own. The server's chain proves that nothing was changed since the server
//! was told; the host's links prove that nothing was changed before. A record that the server was never told of leaves a
//! gap, which is no break: a host sends what it can, and a full outbox drops the oldest.

use std::collections::BTreeMap;

use lockstep_model::{ChainLink, ContentHash};
use serde::Serialize;

/// What was seen of one host's chain. It remembers some fifty bytes of each record.
#[derive(Debug, Default)]
pub(super) struct HostLinks {
    /// The hash of each entry of the chain in force.
    seen: BTreeMap<u64, ContentHash>,
    /// What an entry names as the hash before it, where that entry was not seen.
    wanted: BTreeMap<u64, ContentHash>,
    records: u64,
    without_link: u64,
    begun_anew: u64,
    /// Gaps in chains that are not in force any more.
    earlier_gaps: Vec<Gap>,
}

/// Entries of a host's chain that were never received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Gap {
    /// The first.
    pub(super) first: u64,
    /// The last.
    pub(super) last: u64,
}

/// What there is to say of one host's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct HostSummary {
    /// Records of runs.
    pub(super) records: u64,
    /// Records that say nothing of a chain: of agents that kept none.
    pub(super) without_link: u64,
    /// The newest entry of the host's chain.
    pub(super) head: Option<u64>,
    /// How often the host has begun a chain anew, as one that was installed anew does.
    pub(super) begun_anew: u64,
    /// What was not received, at most [`HostLinks::MOST_GAPS`].
    pub(super) not_received: Vec<Gap>,
}

impl HostLinks {
    /// Most gaps of one host that are told.
    pub(super) const MOST_GAPS: usize = 1000;

    /// Adds a record, in the order of the server's chain. The error says what is wrong with that entry.
    pub(super) fn add(&mut self, link: Option<&ChainLink>) -> Result<(), (u64, String)> {
        self.records += 1;
        let Some(link) = link else {
            self.without_link += 1;
            return Ok(());
        };
        let number = link.number;
        let broken = |why: &str| Err((number, why.to_owned()));
        let zeros = ContentHash::from_digest([0; 32]);
        if (number == 1) != (link.before == zeros) {
            return broken("only the first entry of a chain has none before it");
        }
        match self.seen.get(&number) {
            // The host did not hear that it had been received.
            Some(hash) if *hash == link.hash => return Ok(()),
            Some(_) if number == 1 => self.begin_anew(),
            Some(_) => return broken("there is another entry of this number"),
            None => {}
        }
        match self.seen.get(&number.wrapping_sub(1)) {
            Some(before) if *before != link.before => {
                return broken("it does not follow the one before it");
            }
            Some(_) => {}
            None if number > 1 => {
                self.wanted.insert(number, link.before);
            }
            None => {}
        }
        // One that comes late is held against the one behind it.
        if let Some(before) = number
            .checked_add(1)
            .and_then(|next| self.wanted.remove(&next))
            && before != link.hash
        {
            return broken("the one after it does not follow it");
        }
        self.seen.insert(number, link.hash);
        Ok(())
    }

    fn begin_anew(&mut self) {
        self.begun_anew += 1;
        let room = Self::MOST_GAPS - self.earlier_gaps.len().min(Self::MOST_GAPS);
        let gaps: Vec<Gap> = self.gaps().take(room).collect();
        self.earlier_gaps.extend(gaps);
        self.seen.clear();
        self.wanted.clear();
    }

    /// Numbers between 1 and the newest one that were not seen.
    fn gaps(&self) -> impl Iterator<Item = Gap> {
        let mut next = 1;
        self.seen.keys().filter_map(move |&number| {
            let first = next;
            next = number.saturating_add(1);
            (first < number).then(|| Gap {
                first,
                last: number - 1,
            })
        })
    }

    /// What there is to say. `from_the_start` is true if everything that the server was ever told was added: then what is
    /// missing before the first entry was not received either.
    pub(super) fn summary(&self, from_the_start: bool) -> HostSummary {
        let gaps = self.gaps().filter(|gap| from_the_start || gap.first > 1);
        let not_received = self.earlier_gaps.iter().copied().chain(gaps);
        HostSummary {
            records: self.records,
            without_link: self.without_link,
            head: self.seen.keys().next_back().copied(),
            begun_anew: self.begun_anew,
            not_received: not_received.take(Self::MOST_GAPS).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> ContentHash {
        ContentHash::of(text.as_bytes())
    }

    /// The links of a chain whose entries are these words.
    fn chain(words: &[&str]) -> Vec<ChainLink> {
        let mut before = ContentHash::from_digest([0; 32]);
        let links = words.iter().zip(1..).map(|(word, number)| {
            let link = ChainLink {
                number,
                before,
                hash: hash(&format!("{before}{word}")),
            };
            before = link.hash;
            link
        });
        links.collect()
    }

    fn add_all(links: &[ChainLink]) -> Result<HostLinks, (u64, String)> {
        let mut host = HostLinks::default();
        for link in links {
            host.add(Some(link))?;
        }
        Ok(host)
    }

    #[test]
    fn what_follows_is_whole_and_what_is_told_twice_counts_once() {
        let links = chain(&["a", "b", "c"]);
        let host = add_all(&[links[0], links[1], links[1], links[2]]).unwrap();
        let summary = host.summary(true);
        assert_eq!((summary.head, summary.not_received), (Some(3), Vec::new()));
    }

    #[test]
    fn a_gap_is_named_and_closed_by_what_comes_late() {
        let links = chain(&["a", "b", "c", "d", "e"]);
        let mut host = add_all(&[links[1], links[4]]).unwrap();
        let gap = |first, last| Gap { first, last };
        assert_eq!(host.summary(true).not_received, [gap(1, 1), gap(3, 4)]);
        assert_eq!(host.summary(false).not_received, [gap(3, 4)]);
        host.add(Some(&links[3])).unwrap();
        host.add(Some(&links[0])).unwrap();
        assert_eq!(host.summary(true).not_received, [gap(3, 3)]);
        host.add(Some(&links[2])).unwrap();
        assert_eq!(host.summary(true).not_received, []);
    }

    #[test]
    fn what_does_not_follow_is_a_break() {
        let (true_links, false_links) = (chain(&["a", "b", "c"]), chain(&["a", "x", "c"]));
        let broken = |links: &[ChainLink]| add_all(links).unwrap_err();
        let (number, why) = broken(&[true_links[0], true_links[1], false_links[2]]);
        assert_eq!(
            (number, why.as_str()),
            (3, "it does not follow the one before it")
        );
        let (number, why) = broken(&[true_links[0], true_links[1], false_links[1]]);
        assert_eq!(
            (number, why.as_str()),
            (2, "there is another entry of this number")
        );
        // Late, and still found out.
        let (number, why) = broken(&[true_links[0], true_links[2], false_links[1]]);
        assert_eq!(
            (number, why.as_str()),
            (2, "the one after it does not follow it")
        );
        let without_beginning = ChainLink {
            number: 1,
            ..true_links[1]
        };
        assert_eq!(broken(&[without_beginning]).0, 1);
    }

    #[test]
    fn a_host_that_was_installed_anew_begins_anew() {
        let (old, new) = (chain(&["a", "b", "c"]), chain(&["x", "y"]));
        let host = add_all(&[old[0], old[2], new[0], new[1]]).unwrap();
        let summary = host.summary(true);
        assert_eq!((summary.begun_anew, summary.head), (1, Some(2)));
        assert_eq!(summary.not_received, [Gap { first: 2, last: 2 }]);
    }
}
