//! What is known when it is decided who is told.

use jiff::Timestamp;
use lockstep_model::alert::{Ack, AlertRules, Silence, Trouble};
use lockstep_model::{Change, HostName, ItemName, RunId, Value};

/// Everything that a decision rests on. It is the same for every server that looks at the same moment.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The server's clock.
    pub now: Timestamp,
    /// Who is told of what.
    pub rules: &'a AlertRules,
    /// Every item of the fleet that is not fine, has no value, or flaps. What is missing here is fine or gone; which
    /// of the two, [`Fleet::value_of`] says.
    pub troubles: &'a [Trouble],
    /// Silences, leases of runs included. Those that are over may be missing.
    pub silences: &'a [Silence],
    /// Acknowledgements.
    pub acks: &'a [Ack],
    /// Runs in progress, and those that ended in the last hours.
    pub runs: &'a [HostRun],
    /// The hosts.
    pub fleet: &'a dyn Fleet,
    /// Base address of the server's pages.
    pub server_url: Option<&'a str>,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("now", &self.now)
            .field("troubles", &self.troubles.len())
            .finish_non_exhaustive()
    }
}

/// What is asked of the fleet, host by host.
pub trait Fleet {
    /// The groups of a host; none for a host that is gone.
    fn groups_of(&self, host: &HostName) -> &[String];
    /// The hosts that it depends on directly: the one by which it is watched, and those that it is declared to need.
    fn parents_of(&self, host: &HostName) -> &[HostName];
    /// The newest value of an item; none if the host is gone or does not watch it any more.
    fn value_of(&self, host: &HostName, item: &ItemName) -> Option<Value>;
    /// What was changed on the host in the last hours, newest first.
    fn changes_of(&self, host: &HostName) -> Vec<Change>;
}

/// A run on a host, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRun {
    /// Which run.
    pub run: RunId,
    /// On which host.
    pub host: HostName,
    /// What it brings, in words that are the same for all hosts that get the same: `lockstep 1.4.2`.
    pub release: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of: a record of it, or a report that speaks of it.
    pub seen_at: Timestamp,
    /// When it ended; none while it is in progress.
    pub ended_at: Option<Timestamp>,
}
