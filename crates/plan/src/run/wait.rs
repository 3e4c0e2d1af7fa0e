//! What a run waits for.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{LockName, LockRefusal};
use serde::{Deserialize, Serialize};

/// A wait that survives a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// What for.
    pub why: Wait,
    /// When it began.
    pub from: Timestamp,
    /// When it is over.
    pub until: Timestamp,
}

impl Waiting {
    pub(super) fn from(why: Wait, time: Duration, now: Timestamp) -> Self {
        let until = now.checked_add(time).unwrap_or(Timestamp::MAX);
        Self {
            why,
            from: now,
            until,
        }
    }

    /// True when it is over; also when the clock was set back to before it began, so that nobody waits for years.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until || now < self.from
    }
}

/// What a run waits for. The code is stable and of low cardinality; the sentence is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "wait", rename_all = "kebab-case")]
pub enum Wait {
    /// Its own moment.
    Spread {
        /// Which.
        until: Timestamp,
    },
    /// The hours in which it may begin.
    Hours {
        /// As they are written.
        hours: String,
    },
    /// The host's work.
    Busy {
        /// What keeps it.
        why: String,
    },
    /// A place of the lock.
    Lock {
        /// Which lock.
        lock: LockName,
        /// Why there is none now.
        why: LockRefusal,
        /// The place in the queue.
        position: Option<u32>,
    },
    /// An answer of the lock server.
    LockServer {
        /// Which lock.
        lock: LockName,
        /// Why there is none.
        why: String,
    },
    /// A script that asked for another time.
    Later {
        /// Which.
        script: String,
        /// How often it has.
        times: u32,
    },
    /// The machine's restart.
    Reboot,
    /// What did not work now: the server, the network, a full disk.
    Again {
        /// What it was.
        why: String,
    },
    /// A host that is as well as before.
    Well {
        /// What is not.
        why: String,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spread { until } => write!(f, "this host's moment is {until:.0}"),
            Self::Hours { hours } => write!(f, "it may begin {hours}"),
            Self::Busy { why } => write!(f, "this host is busy: {why}"),
            Self::Lock {
                lock,
                why,
                position,
            } => {
                write!(f, "lock {lock}: {why}")?;
                match position {
                    Some(position) => write!(f, "; number {position} in the queue"),
                    None => Ok(()),
                }
            }
            Self::LockServer { lock, why } => {
                write!(f, "the server does not answer for the lock {lock}: {why}")
            }
            Self::Later { script, times } => {
                write!(f, "{script} asked for another time, {times} so far")
            }
            Self::Reboot => f.write_str("the machine restarts"),
            Self::Again { why } => write!(f, "tried again soon: {why}"),
            Self::Well { why } => f.write_str(why),
        }
    }
}
