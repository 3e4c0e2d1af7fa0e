//! What the gateway remembers, in memory and within bounds: what tools may ask for and the server has no use for.
//!
//! None of it is the truth about a host; that is with the server. A restart loses it, and the next reports bring it back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use lockstep_model::{HostName, Sample};

use super::shelf::Shelf;
use super::status::{Kept, Said};
use super::stuck::{self, Attempt, Course};

/// Most of one client message that is kept, in bytes.
pub(super) const LARGEST_LOG: usize = 256 * 1024;
/// All client messages together.
const ALL_LOGS: usize = 64 * 1024 * 1024;
/// Client messages of one host: its own, and those of its collectors.
const MOST_COLLECTORS: usize = 8;
/// All statuses together, in bytes.
const ALL_STATUSES: usize = 64 * 1024 * 1024;
/// Statuses of one host.
const MOST_TESTS: usize = 200;
/// Hosts of which anything is remembered.
const MOST_HOSTS: usize = 100_000;
/// Strangers that are remembered.
const MOST_GHOSTS: usize = 1_000;
/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 100_000;
/// Hosts with a download under way.
const MOST_ATTEMPTS: usize = 10_000;
/// What anything costs besides its text, in bytes.
const OVERHEAD: usize = 200;

/// A client message.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    /// When it came.
    pub(super) at: Timestamp,
    /// Its beginning, at most [`LARGEST_LOG`] bytes.
    pub(super) message: Vec<u8>,
}

/// Somebody who reports and whom nobody knows.
#[derive(Debug, Clone)]
pub(super) struct Ghost {
    /// From where, the last time.
    pub(super) from: IpAddr,
    /// When.
    pub(super) at: Timestamp,
}

/// Which hosts report from an address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Behind {
    One(HostName),
    /// A proxy, or something that translates addresses.
    Many,
}

/// All that is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    logs: Shelf<HostName, BTreeMap<String, Logged>>,
    statuses: Shelf<HostName, BTreeMap<String, Kept>>,
    ghosts: Shelf<String, Ghost>,
    senders: Shelf<IpAddr, u64>,
    behind: Shelf<IpAddr, Behind>,
    attempts: Shelf<HostName, Attempt>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            logs: Shelf::new(MOST_HOSTS, ALL_LOGS),
            statuses: Shelf::new(MOST_HOSTS, ALL_STATUSES),
            ghosts: Shelf::new(MOST_GHOSTS, usize::MAX),
            senders: Shelf::new(MOST_ADDRESSES, usize::MAX),
            behind: Shelf::new(MOST_ADDRESSES, usize::MAX),
            attempts: Shelf::new(MOST_ATTEMPTS, usize::MAX),
        }
    }
}

impl Memory {
    /// Keeps a host's client message; `collector` is empty for the client itself.
    pub(super) fn log(&mut self, host: &HostName, collector: &str, message: &[u8], at: Timestamp) {
        let mut all = self.logs.take(host).unwrap_or_default();
        if all.len() < MOST_COLLECTORS || all.contains_key(collector) {
            let message = message.get(..LARGEST_LOG).unwrap_or(message).to_vec();
            all.insert(collector.to_owned(), Logged { at, message });
        }
        let bytes = all.values().map(|it| it.message.len() + OVERHEAD).sum();
        self.logs.put(host.clone(), all, bytes);
    }

    /// A host's client messages by their collectors.
    #[must_use]
    pub(super) fn logs(&self, host: &HostName) -> Option<&BTreeMap<String, Logged>> {
        self.logs.get(host)
    }

    /// Keeps a status.
    pub(super) fn status(&mut self, host: &HostName, said: &Said, sender: IpAddr, now: Timestamp) {
        let mut all = self.statuses.take(host).unwrap_or_default();
        let kept = Kept::after(all.get(&said.test), said, sender, now);
        if all.len() < MOST_TESTS || all.contains_key(&said.test) {
            all.insert(said.test.clone(), kept);
        }
        let bytes = all.values().map(|it| it.line.len() + OVERHEAD).sum();
        self.statuses.put(host.clone(), all, bytes);
    }

    /// A host's statuses by their tests.
    #[must_use]
    pub(super) fn statuses(&self, host: &HostName) -> Option<&BTreeMap<String, Kept>> {
        self.statuses.get(host)
    }

    /// What the items of a host are to be told of statuses that hold no more. Each is told once.
    pub(super) fn over(&mut self, host: &HostName, now: Timestamp) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (test, kept) in self.statuses.get_mut(host).into_iter().flatten() {
            if let Some(sample) = kept.over(test, now) {
                kept.told = true;
                samples.push(sample);
            }
        }
        samples
    }

    /// Remembers a stranger. True if it is a new one.
    pub(super) fn ghost(&mut self, name: &str, from: IpAddr, at: Timestamp) -> bool {
        let known = self.ghosts.take(&name.to_owned()).is_some();
        self.ghosts.put(name.to_owned(), Ghost { from, at }, 0);
        !known
    }

    /// The strangers, those that were silent longest first.
    pub(super) fn ghosts(&self) -> impl Iterator<Item = (&String, &Ghost)> {
        self.ghosts.iter()
    }

    /// Counts a message of an address.
    pub(super) fn sent(&mut self, from: IpAddr) {
        match self.senders.get_mut(&from) {
            Some(count) => *count = count.saturating_add(1),
            None => self.senders.put(from, 1, 0),
        }
    }

    /// How many messages came from each address.
    pub(super) fn senders(&self) -> impl Iterator<Item = (&IpAddr, &u64)> {
        self.senders.iter()
    }

    /// An address has fetched a version. It counts for the host that reports from there, if it is one.
    pub(super) fn fetched(&mut self, from: IpAddr, id: &str) {
        if let Some(Behind::One(host)) = self.behind.get(&from).cloned() {
            let before = self.attempts.take(&host);
            self.attempts.put(host, stuck::fetched(before, id), 0);
        }
    }

    /// A host has reported from an address. What is to be thought of it if it fetched something before.
    pub(super) fn reported(
        &mut self,
        host: &HostName,
        from: IpAddr,
        wanted: Option<&str>,
        version: &str,
    ) -> Option<Attempt> {
        let behind = match self.behind.take(&from) {
            Some(behind) if behind != Behind::One(host.clone()) => Behind::Many,
            _ => Behind::One(host.clone()),
        };
        self.behind.put(from, behind, 0);
        let attempt = self.attempts.take(host)?;
        match stuck::stuck(attempt, wanted, version) {
            Course::Over => None,
            Course::Trying(attempt) => {
                self.attempts.put(host.clone(), attempt, 0);
                None
            }
            Course::Stuck(attempt) => {
                self.attempts.put(host.clone(), attempt.clone(), 0);
                Some(attempt)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    #[test]
    fn downloads_count_for_the_one_host_behind_an_address() {
        let (mut memory, from) = (Memory::default(), "192.0.2.1".parse().unwrap());
        let wanted = Some("p-2.0.0");
        let a = host("a");
        assert_eq!(memory.reported(&a, from, wanted, "p-1.0.0"), None);
        memory.fetched(from, "p-2.0.0");
        assert_eq!(memory.reported(&a, from, wanted, "p-1.0.0"), None);
        let attempt = memory.reported(&a, from, wanted, "p-1.0.0").unwrap();
        assert_eq!(attempt.reports, 2);
        assert_eq!(memory.reported(&a, from, wanted, "p-2.0.0"), None);
        // Behind a proxy nobody can tell whose download it was.
        memory.reported(&host("b"), from, wanted, "p-1.0.0");
        memory.fetched(from, "p-2.0.0");
        for _ in 0..3 {
            assert_eq!(memory.reported(&a, from, wanted, "p-1.0.0"), None);
        }
    }

    #[test]
    fn messages_are_cut_and_ghosts_are_new_once() {
        let mut memory = Memory::default();
        let now = Timestamp::UNIX_EPOCH;
        memory.log(&host("a"), "", &vec![b'x'; LARGEST_LOG + 5], now);
        for collector in 0..20 {
            memory.log(&host("a"), &collector.to_string(), b"y", now);
        }
        let logs = memory.logs(&host("a")).unwrap();
        assert_eq!(
            (logs.len(), logs[""].message.len()),
            (MOST_COLLECTORS, LARGEST_LOG)
        );
        let from = "192.0.2.1".parse().unwrap();
        assert!(memory.ghost("g", from, now) && !memory.ghost("g", from, now));
    }
}
