//! Locks: named permits with a capacity, held by hosts while they are changed.
//!
//! A [`LockRule`] is what the fleet file says of a lock, a [`LockState`] is what the server remembers of it, and a
//! [`LockRefusal`] is why a place was not given. Who gets a place is decided in `plan::lock`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HostName, Interval, LockName, RunId};

mod ghost;
mod refusal;
mod rule;

pub use ghost::{Ghost, GhostAction};
pub use refusal::{Counted, LockRefusal, Taken};
pub use rule::{AtLeast, Capacity, Counts, LockRule, Need, Share};

/// The number of a grant. It grows with every grant of a lock and is never used twice, so that whoever was granted the
/// lock earlier can be told from whoever has it now.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who can hold a lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// A host, known by its certificate.
    Host(HostName),
    /// A person or a program with an operator's token.
    Operator(String),
}

impl Holder {
    /// The host, if it is one.
    #[must_use]
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Host(host) => Some(host),
            Self::Operator(_) => None,
        }
    }

    /// As commands and forms write it: a host's name, or `operator:NAME`.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Host(host) => host.to_string(),
            Self::Operator(name) => format!("operator:{name}"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => f.pad(host.as_str()),
            Self::Operator(name) => f.pad(&format!("operator {name}")),
        }
    }
}

/// One who holds a place of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Who.
    pub holder: Holder,
    /// The number of the grant.
    pub fence: Fence,
    /// When it was granted.
    pub since: Timestamp,
    /// When the holder last said that it has it.
    pub renewed_at: Timestamp,
    /// What for, in the holder's words; at most [`LockRequest::LONGEST_REASON`] bytes.
    ///
    /// [`LockRequest::LONGEST_REASON`]: crate::api::LockRequest::LONGEST_REASON
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The run that it is held for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The holder's boot id when it was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Set when the holder has said that it is done, and its place is kept until it is fine; at this time at the latest
    /// it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_until: Option<Timestamp>,
}

/// One who waits for a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWaiter {
    /// Who.
    pub holder: Holder,
    /// Since when: places are given in this order.
    pub since: Timestamp,
    /// When it last asked; one who has stopped asking loses its turn.
    pub asked_at: Timestamp,
    /// What for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The run that it is wanted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// A lock that gives no places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Why.
    pub why: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What the server remembers of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LockState {
    /// The number of the newest grant.
    #[serde(default)]
    pub fence: Fence,
    /// Who has it, in the order of their grants.
    #[serde(default)]
    pub holders: Vec<LockHolder>,
    /// Who waits, in the order in which they are served.
    #[serde(default)]
    pub waiters: Vec<LockWaiter>,
    /// Set while an operator has disabled it.
    #[serde(default)]
    pub disabled: Option<Disabled>,
}

impl LockState {
    /// The grant of this holder, if it has one.
    #[must_use]
    pub fn held_by(&self, holder: &Holder) -> Option<&LockHolder> {
        self.holders.iter().find(|it| it.holder == *holder)
    }

    /// True if nothing is remembered but the number of the newest grant.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.holders.is_empty() && self.waiters.is_empty() && self.disabled.is_none()
    }
}

/// When the lease of a grant ends, if the lock has one.
#[must_use]
pub fn lease_until(holder: &LockHolder, lease: Option<Interval>) -> Option<Timestamp> {
    let lease = lease?;
    Some(
        holder
            .renewed_at
            .checked_add(lease.duration())
            .unwrap_or(Timestamp::MAX),
    )
}

/// The name of a lock together with what is said and known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub name: LockName,
    /// What the fleet file says of it, or what holds for a lock that it does not name.
    pub rule: LockRule,
    /// What is known of it.
    pub state: LockState,
}
