//! Why a rollout stands where it stands, and what was decided over it. Each has one `Display`: the sentence on the
//! command line, in the record and on the page.

mod words;

use jiff::Timestamp;
use lockstep_model::{HostName, Version};

use super::cluster::Cluster;
use super::look::Sample;

/// Why a rollout stands where it stands, with the figures.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// Hosts that were let go have not come to an end yet.
    Waits {
        /// The newest wave that was let go.
        wave: Place,
        /// Hosts of that wave that have proven the release.
        proven: usize,
        /// Hosts of that wave that are in the fleet.
        hosts: usize,
        /// Who is waited for, in all waves.
        waiting_for: Names,
        /// Hosts that are still to be let go, in all waves that are open.
        pending: usize,
        /// Why no more of them are let go now.
        short: Option<Short>,
    },
    /// The next wave opens when a window does.
    Shut {
        /// That wave.
        wave: Place,
        /// When; none if no window opens within a year.
        opens: Option<Timestamp>,
    },
    /// A proven wave is being watched.
    Bakes {
        /// The wave.
        wave: Place,
        /// When the next one opens.
        until: Timestamp,
    },
    /// Too many of the hosts that were let go have failed.
    TooManyFailed {
        /// The newest wave that was let go.
        wave: Place,
        /// Who failed, in all waves.
        failed: Names,
        /// Hosts that were let go.
        hosts: usize,
        /// How many may fail.
        limit: usize,
        /// What those that failed have in common.
        cluster: Option<Cluster>,
    },
    /// Too many of the hosts that were let go are worse than they were.
    TooManyWorse {
        /// The newest wave that was let go.
        wave: Place,
        /// Who is worse.
        worse: Names,
        /// Hosts that were let go.
        hosts: usize,
        /// How many may be worse.
        limit: usize,
        /// What they have in common.
        cluster: Option<Cluster>,
    },
    /// Updated hosts are worse off than others.
    WorseThanOthers {
        /// The newest wave that was let go.
        wave: Place,
        /// By how much.
        verdict: Verdict,
        /// What those that are worse have in common.
        cluster: Option<Cluster>,
    },
    /// Another rollout has found something wanting in the version.
    Suspect {
        /// What.
        why: String,
    },
    /// Too many of the hosts that were let go are silent.
    TooManySilent {
        /// The newest wave that was let go.
        wave: Place,
        /// Who is silent, in all waves.
        silent: Names,
        /// Hosts of the waves that are open.
        hosts: usize,
        /// How many may be silent.
        limit: usize,
    },
    /// All hosts of the rollout have left the fleet. It is not done, for nobody has shown anything.
    NobodyLeft,
    /// A person said wait.
    Paused {
        /// Who.
        by: String,
    },
    /// A person said go on.
    Resumed {
        /// Who.
        by: String,
    },
    /// A person let the next wave go without waiting for the gate.
    Skipped {
        /// The wave whose gate does not count any more.
        wave: Place,
        /// Who.
        by: String,
    },
    /// A person left a host out of it.
    LeftOut {
        /// Which host.
        host: HostName,
        /// Who.
        by: String,
        /// Why, in that person's words.
        why: String,
    },
    /// A person took a host in again that had been left out of it.
    TakenIn {
        /// Which host.
        host: HostName,
        /// Who.
        by: String,
    },
    /// A person stopped it.
    HaltedBy {
        /// Who.
        by: String,
    },
    /// A person ordered all hosts back.
    OrderedBack {
        /// Who.
        by: String,
        /// To which version.
        to: Version,
    },
    /// A gate ordered all hosts back.
    GateOrderedBack {
        /// What it says.
        why: Box<Why>,
        /// To which version.
        to: Version,
    },
    /// Hosts are on their way back.
    TakesBack {
        /// The version they leave.
        from: Version,
        /// Who still runs it, or has a run in progress.
        still: Names,
        /// Hosts of the rollout.
        hosts: usize,
    },
    /// All hosts are back.
    TakenBack {
        /// The version that nobody runs any more.
        from: Version,
    },
    /// Every host is where it should be.
    Done {
        /// The version.
        version: Version,
        /// Hosts that have proven it.
        proven: usize,
        /// Hosts of the rollout that are in the fleet.
        hosts: usize,
        /// Hosts that failed, no more than allowed.
        failed: usize,
        /// Hosts that are silent, no more than allowed.
        silent: usize,
        /// Hosts that keep themselves out of it.
        kept: usize,
        /// Hosts that people have left out of it.
        skipped: usize,
    },
}

/// Why no more hosts of an open wave are let go now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Short {
    /// The strategy's hours are over, or it is a blackout date.
    Shut {
        /// When a window opens; none if none does within a year.
        opens: Option<Timestamp>,
    },
    /// The moment of the next host has not come.
    Moment {
        /// When it comes.
        at: Timestamp,
    },
    /// As many as may be in flight are.
    InFlight {
        /// So many may.
        limit: usize,
    },
    /// No fit host can be spared.
    Fit {
        /// So many must stay fit and at rest.
        demanded: usize,
        /// Of so many.
        hosts: usize,
    },
    /// As many bytes as may be under way to their sites are.
    Sites {
        /// So many may, to one site.
        bytes: u64,
    },
}

/// What a comparison of updated hosts with others says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// No outcome with so few hosts could show anything.
    NotEnoughData {
        /// Updated hosts.
        treated: Sample,
        /// The others.
        control: Sample,
        /// Below this chance it would stop.
        threshold: f64,
    },
    /// Nothing speaks against the release.
    NoWorse {
        /// Updated hosts.
        treated: Sample,
        /// The others.
        control: Sample,
        /// How likely so many worse ones among the updated are, if the release does no harm.
        p: f64,
        /// Below this chance it would stop.
        threshold: f64,
    },
    /// Updated hosts are worse off than the others.
    Worse {
        /// Updated hosts.
        treated: Sample,
        /// The others.
        control: Sample,
        /// How likely so many worse ones among the updated are, if the release does no harm.
        p: f64,
        /// Below this chance it stops.
        threshold: f64,
    },
}

/// One thing that was decided.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// The rollout began.
    Begun {
        /// Hosts that it concerns.
        hosts: usize,
        /// In so many waves.
        waves: usize,
    },
    /// Hosts that could show nothing were replaced by hosts of later waves.
    Replaced {
        /// The wave.
        wave: Place,
        /// Who left it.
        left: Names,
        /// Who came instead.
        came: Names,
    },
    /// A wave was let go.
    Opened {
        /// The wave.
        wave: Place,
        /// Its hosts.
        hosts: Names,
    },
    /// All hosts of a wave have come to a good end.
    Proven {
        /// The wave.
        wave: Place,
        /// Hosts of that wave that have proven the release.
        proven: usize,
        /// Hosts of that wave that are in the fleet.
        hosts: usize,
    },
    /// A gate or a person says wait.
    Held(Why),
    /// Updated hosts were compared with others, and nothing speaks against the release.
    Compared {
        /// The wave.
        wave: Place,
        /// What was found.
        verdict: Verdict,
    },
    /// Hosts joined the group and were taken in.
    Joined {
        /// Into which wave.
        wave: Place,
        /// Who.
        hosts: Names,
    },
    /// The gate agrees again.
    WentOn {
        /// The newest wave that was let go.
        wave: Place,
    },
    /// It was stopped.
    Halted(Why),
    /// A person said go on, let the next wave go, or sent all hosts back.
    Ordered(Why),
    /// It is over.
    Ended(Why),
}

/// Which wave of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// Names of hosts for a sentence: the first few, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The first few in the order of their names.
    pub first: Vec<HostName>,
    /// How many there are in all.
    pub count: usize,
}

impl Names {
    /// Most names in a sentence; more would not be read.
    pub const MOST: usize = 5;

    /// The names of these hosts.
    pub(super) fn of<'a>(hosts: impl IntoIterator<Item = &'a HostName>) -> Self {
        let mut all: Vec<&HostName> = hosts.into_iter().collect();
        all.sort();
        Self {
            first: all
                .iter()
                .take(Self::MOST)
                .map(|&name| name.clone())
                .collect(),
            count: all.len(),
        }
    }

    /// So many hosts, whose names do not matter.
    #[must_use]
    pub fn unnamed(count: usize) -> Self {
        Self {
            first: Vec::new(),
            count,
        }
    }

    /// Adds others.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first.extend_from_slice(&other.first);
        self.first.sort();
        self.first.truncate(Self::MOST);
    }
}
