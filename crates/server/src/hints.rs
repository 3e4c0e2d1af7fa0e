//! Hints: "report now", and questions. A hint carries no truth, so losing one loses only time. They reach the agents
//! that hold a stream open on this server.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lockstep_model::HostName;
use lockstep_model::api::Query;
use tokio::sync::broadcast;

/// Hints that a slow stream may fall behind; then it is told to report, which covers them all.
const BEHIND: usize = 64;
/// Agents that are asked to report in one second at most, so that a hint to the fleet is not a stampede.
const PER_SECOND: u64 = 200;
/// However large the fleet, nobody is kept longer from a hint.
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

/// What a stream may be told.
#[derive(Debug, Clone)]
pub(crate) enum Hint {
    /// These hosts shall report.
    Report(Arc<HashSet<HostName>>),
    /// All hosts shall report.
    ReportAll {
        /// How many there are, about.
        hosts: u64,
    },
    /// The host is asked something.
    Query(HostName, Arc<Query>),
    /// The host was removed; its streams end.
    Gone(HostName),
}

/// The place where hints are dropped and picked up.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    sender: broadcast::Sender<Hint>,
}

impl Hints {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
        }
    }

    /// Gives a hint to whoever listens.
    pub(crate) fn give(&self, hint: Hint) {
        // Nobody listening is no error: a hint may always be lost.
        let _ = self.sender.send(hint);
    }

    /// Asks these hosts to report.
    pub(crate) fn report(&self, hosts: HashSet<HostName>) {
        if !hosts.is_empty() {
            self.give(Hint::Report(Arc::new(hosts)));
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Hint> {
        self.sender.subscribe()
    }
}

/// How long one of so many hosts waits before it passes the hint on; `random` is evenly spread over `u64`.
pub(crate) fn moment(hosts: u64, random: u64) -> Duration {
    let spread = Duration::from_millis(hosts.saturating_sub(1).saturating_mul(1000) / PER_SECOND)
        .min(LONGEST_SPREAD);
    spread.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_asked_at_once_and_a_fleet_in_turn() {
        assert_eq!(moment(1, u64::MAX), Duration::ZERO);
        assert_eq!(moment(2_001, u64::MAX), Duration::from_secs(10));
        assert_eq!(moment(2_001, 0), Duration::ZERO);
        assert_eq!(moment(u64::MAX, u64::MAX), LONGEST_SPREAD);
    }
}
