//! Why a rollout stands where it stands, and what was decided over it. Each has one `Display`: the sentence on the
//! command line, in the record and on the page.

use std::fmt;

use jiff::Timestamp;
use lockstep_model::{HostName, Version};

/// Why a rollout stands where it stands, with the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        limit: u32,
    },
    /// Too many of the hosts that were let go are silent.
    TooManySilent {
        /// The newest wave that was let go.
        wave: Place,
        /// Who is silent, in all waves.
        silent: Names,
        /// Hosts that were let go.
        hosts: usize,
        /// How many may be silent.
        limit: u32,
    },
    /// All hosts of the rollout have left the fleet. It is not done, for nobody has shown anything.
    NobodyLeft {
        /// How many there were.
        hosts: usize,
    },
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
    },
}

/// One thing that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The gate agrees again.
    WentOn {
        /// The newest wave that was let go.
        wave: Place,
    },
    /// It was stopped.
    Halted(Why),
    /// A person said go on, or sent all hosts back.
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wave {} of {}", self.number, self.of)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.first.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}")?;
        }
        match self.count.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits {
                wave,
                proven,
                hosts,
                waiting_for,
            } => {
                write!(
                    f,
                    "{wave}: {proven} of {hosts} hosts have proven it, waits for {waiting_for}"
                )
            }
            Self::Bakes { wave, until } => {
                write!(
                    f,
                    "{wave} is proven and watched; the next one opens at {until:.0} if it stays well"
                )
            }
            Self::TooManyFailed {
                wave,
                failed,
                hosts,
                limit,
            } => {
                let count = failed.count;
                write!(
                    f,
                    "{wave} halted: {count} of {hosts} hosts failed (limit {limit}): {failed}"
                )
            }
            Self::TooManySilent {
                wave,
                silent,
                hosts,
                limit,
            } => {
                let count = silent.count;
                write!(
                    f,
                    "{wave} holds: {count} of {hosts} hosts silent (limit {limit}): {silent}"
                )
            }
            Self::NobodyLeft { hosts } => {
                write!(
                    f,
                    "holds: none of its {hosts} hosts is left in the fleet; promote again to begin anew"
                )
            }
            Self::Paused { by } => write!(f, "paused by {by}"),
            Self::Resumed { by } => write!(f, "resumed by {by}"),
            Self::HaltedBy { by } => write!(f, "halted by {by}"),
            Self::OrderedBack { by, to } => write!(f, "{by} ordered all hosts back to {to}"),
            Self::TakesBack { from, still, hosts } => {
                write!(
                    f,
                    "{} of {hosts} hosts are still to leave {from}: {still}",
                    still.count
                )
            }
            Self::TakenBack { from } => write!(f, "rolled back: no host runs {from} any more"),
            Self::Done {
                hosts: 0, version, ..
            } => {
                write!(
                    f,
                    "done: there was no host to move; {version} is for those that come"
                )
            }
            Self::Done {
                version,
                proven,
                hosts,
                failed,
                silent,
            } => {
                write!(f, "done: {proven} of {hosts} hosts have proven {version}")?;
                if *failed > 0 {
                    write!(f, ", {failed} failed")?;
                }
                if *silent > 0 {
                    write!(f, ", {silent} silent")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { hosts, waves } => write!(f, "begun: hosts {hosts}, waves {waves}"),
            Self::Replaced { wave, left, came } => {
                write!(
                    f,
                    "{wave}: {came} in place of {left}, silent or gone from the fleet"
                )
            }
            Self::Opened { wave, hosts } => write!(f, "{wave} opened: {hosts}"),
            Self::Proven {
                wave,
                proven,
                hosts,
            } => {
                write!(f, "{wave} proven: {proven} of {hosts} hosts")
            }
            Self::WentOn { wave } => write!(f, "{wave} goes on: the gate agrees again"),
            Self::Held(why) | Self::Halted(why) | Self::Ordered(why) | Self::Ended(why) => {
                fmt::Display::fmt(why, f)
            }
        }
    }
}
